// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Any answer of a model that may call tools: text without calls comes out unchanged, calls are of
// known tools with valid arguments, and cuts do not matter. The same bytes as an answer with marks,
// where the bytes 1 to 5 stand for them, and as the parameters of a tool.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "src/base/json.h"
#include "src/chat/call_reader.h"
#include "src/chat/call_value.h"
#include "src/chat/marked_calls.h"
#include "src/chat/tool_prompt.h"

namespace {

using namespace gemma3;

const ToolSet& Tools() {
  static const ToolSet* tools = [] {
    ToolOptions options;
    options.tools = {
        {.name = "f",
         .description = "",
         .parameters = R"({"type":"object","properties":{"a":{"type":"string"},"b":{}}})"},
        {.name = "get_weather",
         .description = "",
         .parameters = R"({"properties":{"city":{}},"required":["city"]})"}};
    return new ToolSet(ToolSet::Create(options).value());
  }();
  return *tools;
}

struct Read {
  std::string text;
  std::vector<ToolCall> calls;
  bool operator==(const Read&) const = default;
};

Read ReadIn(std::string_view answer, size_t size) {
  CallReader reader(Tools(), 1);
  Read read;
  for (size_t i = 0; i < answer.size(); i += size) reader.Feed(answer.substr(i, size), read.text);
  reader.Flush(read.text);
  read.calls = reader.calls();
  return read;
}

void Check(const Read& read, std::string_view answer) {
  if (read.calls.empty() && read.text != answer) std::abort();
  if (read.text.size() > answer.size()) std::abort();
  for (const ToolCall& call : read.calls) {
    if (Tools().Callable(call.name) == nullptr) std::abort();
    const auto json = JsonValue::Parse(call.arguments, "arguments",
                                       {.max_depth = 64, .reject_duplicate_keys = true});
    if (!json || !json->IsObject()) std::abort();
    if (CompactJson(call.arguments) != call.arguments) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view answer(reinterpret_cast<const char*>(data), size);
  const Read read = ReadIn(answer, answer.size() + 1);
  Check(read, answer);
  if (!(ReadIn(answer, 1) == read) || !(ReadIn(answer, 3) == read)) std::abort();
  // What was read is spelled so that it is read again.
  if (!read.calls.empty()) {
    const Read again = ReadIn(SpellCalls(read.calls, ToolStyle::kJson), 1000);
    if (again.calls != read.calls || !again.text.empty()) std::abort();
  }

  const CallMarks marks{101, 102, 1, 2, 3, 103, 4};
  MarkedCallReader reader(Tools(), marks, 1);
  Read marked;
  for (const char c : answer) reader.Feed(c, {&c, 1}, marked.text);
  reader.Flush(marked.text);
  marked.calls = reader.calls();
  for (const ToolCall& call : marked.calls) {
    if (Tools().Callable(call.name) == nullptr || !CompactJson(call.arguments)) std::abort();
  }
  if (marked.text.size() > answer.size()) std::abort();

  const auto set = ToolSet::Create({.tools = {{.name = "t", .parameters = std::string(answer)}}});
  if (set && ToolInstructions(*set).empty()) std::abort();
  return 0;
}
