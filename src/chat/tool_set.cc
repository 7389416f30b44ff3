// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/chat/tool_set.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "src/base/json.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/chat/call_value.h"
#include "src/text/utf8.h"

namespace gemma3 {
namespace {

bool IsToolName(std::string_view name) {
  return !name.empty() && name.size() <= 128 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == '/';
  });
}

// The parameters as JSON without blanks, in their own order.
Result<std::string> CheckParameters(const std::string& parameters, const std::string& where) {
  if (parameters.empty()) return std::string(R"({"type":"object","properties":{}})");
  if (parameters.size() > ToolSet::kMaxParametersBytes) {
    return Fail(ErrorCode::kInvalidArgument, where, ": the parameters have ", parameters.size(),
                " bytes, and at most ", ToolSet::kMaxParametersBytes, " are taken");
  }
  const auto value =
      JsonValue::Parse(parameters, where + ": parameters",
                       {.max_depth = CallValue::kMaxDepth, .reject_duplicate_keys = true});
  if (!value) return Fail(ErrorCode::kInvalidArgument, value.error().message);
  if (!value->IsObject()) {
    return Fail(ErrorCode::kInvalidArgument, value->Path(),
                " should be a JSON Schema, an object, found ", value->Excerpt());
  }
  std::optional<std::string> compact = CompactJson(parameters);
  if (!compact) {
    return Fail(ErrorCode::kInvalidArgument, where, ": the parameters are not valid JSON");
  }
  return *std::move(compact);
}

// What the schema says about each argument. The rest of it is for whoever enforces it.
void ReadSchema(ToolSet::Entry& entry) {
  ForEachMember(entry.schema, [&](const std::string& key, std::string_view value) {
    if (key == "properties" && value.starts_with('{')) {
      ForEachMember(value, [&](const std::string& name, std::string_view schema) {
        ToolSet::Parameter& parameter = entry.parameters.emplace_back(name);
        if (!schema.starts_with('{')) return true;
        ForEachMember(schema, [&](const std::string& keyword, std::string_view type) {
          if (keyword == "type") parameter.is_string = type == "\"string\"";
          return true;
        });
        return true;
      });
    }
    if (key == "required") entry.needs_arguments = value.starts_with("[\"");
    return true;
  });
}

}  // namespace

Result<ToolSet> ToolSet::Create(const ToolOptions& options) {
  if (options.tools.size() > kMaxTools) {
    return Fail(ErrorCode::kInvalidArgument, "there are ", options.tools.size(),
                " tools, and at most ", kMaxTools, " can be offered at a time");
  }
  ToolSet set;
  set.style_ = options.style;
  set.parallel_ = options.parallel_tool_calls;
  for (size_t i = 0; i < options.tools.size(); ++i) {
    const Tool& tool = options.tools[i];
    const std::string where =
        "tool " + (tool.name.empty() ? std::to_string(i + 1) : '"' + Shown(tool.name, 128) + '"');
    if (!IsToolName(tool.name)) {
      return Fail(ErrorCode::kInvalidArgument, where,
                  ": a name has 1 to 128 letters, digits and _ - . / of ASCII");
    }
    if (std::ranges::find(set.tools_, tool.name, &Entry::name) != set.tools_.end()) {
      return Fail(ErrorCode::kInvalidArgument, where, " is there twice");
    }
    if (tool.description.size() > kMaxDescriptionBytes) {
      return Fail(ErrorCode::kInvalidArgument, where, ": the description has ",
                  tool.description.size(), " bytes, and at most ", kMaxDescriptionBytes,
                  " are taken");
    }
    if (const size_t at = FindInvalidUtf8(tool.description); at != std::string::npos) {
      return Fail(ErrorCode::kInvalidArgument, where,
                  ": the description is not valid UTF-8 at byte ", at);
    }
    Entry& entry = set.tools_.emplace_back();
    entry.name = tool.name;
    entry.description = tool.description;
    GEMMA3_TRY(entry.schema, CheckParameters(tool.parameters, where));
    ReadSchema(entry);
  }

  const ToolChoice& choice = options.choice;
  for (const std::string& name : choice.names) {
    if (std::ranges::find(set.tools_, name, &Entry::name) == set.tools_.end()) {
      return Fail(ErrorCode::kInvalidArgument, "the tool choice names \"", Shown(name, 128),
                  "\", which is none of the tools");
    }
  }
  for (Entry& entry : set.tools_) {
    entry.callable =
        choice.mode != ToolChoice::Mode::kNone &&
        (choice.names.empty() || std::ranges::find(choice.names, entry.name) != choice.names.end());
  }
  if (choice.mode == ToolChoice::Mode::kRequired && set.tools_.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "the tool choice requires a call, but there are no tools");
  }
  return set;
}

const ToolSet::Entry* ToolSet::Callable(std::string_view name) const {
  const auto it = std::ranges::find(tools_, name, &Entry::name);
  return it != tools_.end() && it->callable ? &*it : nullptr;
}

bool ToolSet::BeginsCallable(std::string_view beginning) const {
  return std::ranges::any_of(tools_, [&](const Entry& entry) {
    return entry.callable && std::string_view(entry.name).starts_with(beginning);
  });
}

std::string MakeCallId(uint64_t seed, uint64_t index) {
  // SplitMix64 over both: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators".
  uint64_t state = seed ^ (index + 1) * 0xD1342543DE82EF95;
  const auto next = [&state] {
    uint64_t z = state += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  };
  constexpr std::string_view kCharacters =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string id = "call_";
  for (int part = 0; part < 3; ++part) {
    uint64_t bits = next();
    for (int i = 0; i < 8; ++i, bits /= kCharacters.size()) {
      id += kCharacters[bits % kCharacters.size()];
    }
  }
  return id;
}

}  // namespace gemma3
