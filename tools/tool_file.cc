// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/tool_file.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "src/base/json.h"
#include "src/base/ordered_json.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "tools/prompt.h"
#include "tools/tool_process.h"

namespace gemma3::cli {
namespace {

using Json = nlohmann::ordered_json;  // for the properties of a schema

constexpr size_t kMaxDepth = 64;
constexpr size_t kMaxBytes = 8 << 20;

Status CheckKeys(const Json& object, std::initializer_list<std::string_view> known,
                 const std::string& where) {
  for (const auto& [key, value] : object.items()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    std::string list;
    for (const std::string_view name : known) (list += list.empty() ? "" : ", ") += name;
    return Fail(ErrorCode::kInvalidArgument, where, ": there is no key \"", Shown(key, 60),
                "\" in a tool; known are ", list);
  }
  return {};
}

Status ReadString(const Json& object, const char* key, const std::string& where,
                  std::string* target) {
  const auto it = object.find(key);
  if (it == object.end()) return {};
  if (!it->is_string()) {
    return Fail(ErrorCode::kInvalidArgument, where, ": \"", key, "\" should be a string");
  }
  *target = it->get<std::string>();
  return {};
}

// The function as it is parsed, and where it stands in `written`, which has the spelling of
// numbers.
Status ReadFunction(const Json& function, const OrderedJson& written, uint32_t node,
                    const std::string& where, Tool* tool) {
  GEMMA3_CHECK_OK(ReadString(function, "name", where, &tool->name));
  if (tool->name.empty()) return Fail(ErrorCode::kInvalidArgument, where, " has no \"name\"");
  GEMMA3_CHECK_OK(ReadString(function, "description", where, &tool->description));
  const auto parameters = function.find("parameters");
  if (parameters == function.end() || parameters->is_null()) return {};
  if (!parameters->is_object()) {
    return Fail(ErrorCode::kInvalidArgument, where,
                ": \"parameters\" should be a JSON Schema, an object");
  }
  tool->parameters = written.Dump(written.Find(node, "parameters"));
  return {};
}

Status ReadCommand(const Json& entry, const std::string& where, ProgramTool* tool) {
  if (const auto confirm = entry.find("confirm"); confirm != entry.end()) {
    if (!confirm->is_boolean()) {
      return Fail(ErrorCode::kInvalidArgument, where, ": \"confirm\" should be true or false");
    }
    tool->confirm = confirm->get<bool>();
  }
  ToolLimits limits;
  if (const auto timeout = entry.find("timeout"); timeout != entry.end()) {
    const double seconds = timeout->is_number() ? timeout->get<double>() : 0;
    if (!(seconds > 0 && seconds <= 86400)) {
      return Fail(ErrorCode::kInvalidArgument, where,
                  ": \"timeout\" should be a number of seconds above 0 and at most 86400");
    }
    limits.time = std::chrono::milliseconds(std::llround(std::ceil(seconds * 1000)));
  }
  const auto command = entry.find("command");
  if (command == entry.end()) {
    for (const char* key : {"confirm", "timeout"}) {
      if (entry.contains(key)) {
        return Fail(ErrorCode::kInvalidArgument, where, ": \"", key,
                    "\" is of no use without a \"command\"");
      }
    }
    return {};
  }
  std::vector<std::string> words;
  if (command->is_array()) {
    for (const Json& word : *command) {
      if (word.is_string()) words.push_back(word.get<std::string>());
    }
  }
  if (words.empty() || words[0].empty() || words.size() != command->size() ||
      std::ranges::any_of(words, [](const std::string& word) { return word.contains('\0'); })) {
    return Fail(ErrorCode::kInvalidArgument, where,
                ": \"command\" should be a list of strings, the program and its arguments");
  }
  tool->run = [words = std::move(words), limits](const std::string& arguments,
                                                 const StopCheck& stop) {
    return RunTool(words, arguments, limits, stop);
  };
  return {};
}

Result<ProgramTool> ReadEntry(const Json& entry, const OrderedJson& written, uint32_t node,
                              const std::string& file, size_t number) {
  std::string where = file + ": tool " + std::to_string(number);
  if (!entry.is_object()) {
    return Fail(ErrorCode::kInvalidArgument, where, " should be an object");
  }
  ProgramTool tool;
  tool.from = file;
  if (const auto function = entry.find("function"); function != entry.end()) {
    GEMMA3_CHECK_OK(CheckKeys(entry, {"type", "function", "command", "confirm", "timeout"}, where));
    const auto type = entry.find("type");
    if ((type != entry.end() && *type != "function") || !function->is_object()) {
      return Fail(ErrorCode::kInvalidArgument, where,
                  " should have \"type\": \"function\" and an object as its \"function\"");
    }
    GEMMA3_CHECK_OK(CheckKeys(*function, {"name", "description", "parameters", "strict"}, where));
    GEMMA3_CHECK_OK(
        ReadFunction(*function, written, written.Find(node, "function"), where, &tool.tool));
  } else {
    GEMMA3_CHECK_OK(CheckKeys(
        entry,
        {"type", "name", "description", "parameters", "strict", "command", "confirm", "timeout"},
        where));
    GEMMA3_CHECK_OK(ReadFunction(entry, written, node, where, &tool.tool));
  }
  where += " (" + Shown(tool.tool.name, 128) + ")";
  GEMMA3_CHECK_OK(ReadCommand(entry, where, &tool));
  return tool;
}

}  // namespace

Result<std::vector<ProgramTool>> ParseTools(std::string_view text, const std::string& where) {
  if (text.size() > kMaxBytes) {
    return Fail(ErrorCode::kInvalidArgument, where, ": more than ", kMaxBytes, " bytes of tools");
  }
  // Says what is wrong with the text; the parses below keep the order of keys, and the spelling.
  const auto checked =
      JsonValue::Parse(text, where, {.max_depth = kMaxDepth, .reject_duplicate_keys = true});
  if (!checked) return Fail(ErrorCode::kInvalidArgument, checked.error().message);
  GEMMA3_TRY(const OrderedJson written, OrderedJson::Parse(text, kMaxDepth, kMaxBytes));
  uint32_t list_node = OrderedJson::kRoot;
  const Json root = Json::parse(text, nullptr, /*allow_exceptions=*/false);

  std::vector<ProgramTool> tools;
  const Json* list = &root;
  if (root.is_object() && root.contains("tools")) {
    GEMMA3_CHECK_OK(CheckKeys(root, {"tools"}, where));
    list = &root["tools"];
    list_node = written.Find(OrderedJson::kRoot, "tools");
  } else if (root.is_object()) {
    GEMMA3_TRY(ProgramTool tool, ReadEntry(root, written, OrderedJson::kRoot, where, 1));
    tools.push_back(std::move(tool));
    return tools;
  }
  if (!list->is_array()) {
    return Fail(ErrorCode::kInvalidArgument, where, " should hold a list of tools");
  }
  for (const Json& entry : *list) {
    const uint32_t node = written[list_node].children[tools.size()];
    GEMMA3_TRY(ProgramTool tool, ReadEntry(entry, written, node, where, tools.size() + 1));
    tools.push_back(std::move(tool));
  }
  if (tools.empty()) return Fail(ErrorCode::kInvalidArgument, where, " holds no tools");
  return tools;
}

Status AddToolFile(const std::string& path, ToolBox& box) {
  GEMMA3_TRY(const std::string text, ReadAll(path));
  GEMMA3_TRY(std::vector<ProgramTool> tools, ParseTools(text, path));
  for (ProgramTool& tool : tools) GEMMA3_CHECK_OK(box.Add(std::move(tool)));
  return {};
}

}  // namespace gemma3::cli
