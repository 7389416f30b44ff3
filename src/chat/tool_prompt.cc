// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/chat/tool_prompt.h"

#include <algorithm>
#include <optional>

#include "src/base/ascii.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/chat/call_lexer.h"
#include "src/chat/call_value.h"
#include "src/text/utf8.h"

namespace gemma3 {
namespace {

constexpr std::string_view kBefore =
    "You have access to functions. If you decide to invoke any of the function(s), you MUST put it "
    "in the format of\n";
constexpr std::string_view kJsonForm =
    R"({"name": function name, "parameters": dictionary of argument name and its value})";
constexpr std::string_view kPythonForm =
    "[func_name1(params_name1=params_value1, params_name2=params_value2...), func_name2(params)]";
constexpr std::string_view kBehind =
    "\n\nYou SHOULD NOT include any other text in the response if you call a function\n";

// Puts a blank behind the "<" of each of the marks, in any case, so that none is left.
std::string TakeMarksApart(std::string_view text) {
  std::string apart;
  for (size_t i = 0; i < text.size(); ++i) {
    apart += text[i];
    if (text[i] != '<') continue;
    const std::string_view behind = text.substr(i + 1);
    for (const std::string_view mark : {"tool_response", "/tool_response"}) {
      if (EqualIgnoringCase(behind.substr(0, mark.size()), mark)) apart += ' ';
    }
  }
  return apart;
}

}  // namespace

std::string ToolInstructions(const ToolSet& tools) {
  std::string text(kBefore);
  text += tools.style() == ToolStyle::kPython ? kPythonForm : kJsonForm;
  text += kBehind;
  text += '[';
  for (const ToolSet::Entry& tool : tools.tools()) {
    if (&tool != tools.tools().data()) text += ", ";
    text += "{\"name\": ";
    AppendJsonString(tool.name, text);
    text += ", \"description\": ";
    AppendJsonString(tool.description, text);
    ((text += ", \"parameters\": ") += Spell(tool.schema, Spelling::kSpaced)) += '}';
  }
  return text += ']';
}

std::string SpellCalls(std::span<const ToolCall> calls, ToolStyle style) {
  const bool python = style == ToolStyle::kPython;
  const bool list = python || calls.size() > 1;
  std::string text = list ? "[" : "";
  for (size_t i = 0; i < calls.size(); ++i) {
    if (i > 0) text += ", ";
    std::optional<std::string> arguments = CompactJson(calls[i].arguments);
    if (!arguments || !arguments->starts_with('{')) arguments = "{}";
    if (!python) {
      text += "{\"name\": ";
      AppendJsonString(calls[i].name, text);
      ((text += ", \"parameters\": ") += Spell(*arguments, Spelling::kSpaced)) += '}';
      continue;
    }
    (text += calls[i].name) += '(';
    bool first = true;
    ForEachMember(*arguments, [&](const std::string& name, std::string_view value) {
      if (!first) text += ", ";
      first = false;
      ((text += name) += '=') += Spell(value, Spelling::kPython);
      return true;
    });
    text += ')';
  }
  if (list) text += ']';
  return text;
}

std::string ResultText(std::string_view text, std::string_view name, bool one_of_several) {
  std::string apart = TakeMarksApart(text);
  if (!one_of_several) return apart;
  std::string named = "{\"name\": ";
  AppendJsonString(name, named);
  named += ", \"content\": ";
  AppendJsonString(apart, named);
  return named += '}';
}

std::string ValidUtf8(std::string_view text) {
  std::string valid;
  Utf8Stream stream;
  stream.Push(text, valid);
  stream.Flush(valid);
  return valid;
}

Result<std::vector<size_t>> MatchResults(std::span<const ToolCall> calls,
                                         std::span<const Message> results, size_t first) {
  constexpr size_t kNone = static_cast<size_t>(-1);
  std::vector<size_t> call_of(results.size(), kNone);
  std::vector<bool> answered(calls.size(), false);
  for (size_t i = 0; i < results.size(); ++i) {
    const std::string& id = results[i].call_id;
    if (id.empty()) continue;
    const auto call = std::ranges::find(calls, id, &ToolCall::id);
    if (call == calls.end()) {
      return Fail(ErrorCode::kInvalidArgument, "message ", first + i + 1, " answers the call \"",
                  Shown(id, 64), "\", which the model's last message did not make");
    }
    call_of[i] = static_cast<size_t>(call - calls.begin());
    if (answered[call_of[i]]) {
      return Fail(ErrorCode::kInvalidArgument, "message ", first + i + 1, " answers the call \"",
                  Shown(id, 64), "\" once more");
    }
    answered[call_of[i]] = true;
  }
  for (size_t i = 0; i < results.size(); ++i) {
    if (call_of[i] != kNone) continue;
    const auto open = std::ranges::find(answered, false);
    if (open == answered.end()) {
      return Fail(ErrorCode::kInvalidArgument, "message ", first + i + 1,
                  " is the result of a call, but the model's last message made ", calls.size());
    }
    *open = true;
    call_of[i] = static_cast<size_t>(open - answered.begin());
  }
  return call_of;
}

bool SameModelTurn(const Message& a, const Message& b) {
  const auto same_part = [](const Part& x, const Part& y) {
    return x.text == y.text && !x.image && !y.image;
  };
  const auto same_call = [](const ToolCall& x, const ToolCall& y) {
    return x.name == y.name &&
           (x.arguments == y.arguments || CompactJson(x.arguments) == CompactJson(y.arguments));
  };
  // A turn of calls alone may come back with an empty text, or with no part.
  const auto parts = [](const Message& message) -> std::span<const Part> {
    if (message.parts.size() == 1 && message.parts[0].text.empty() && !message.parts[0].image) {
      return {};
    }
    return message.parts;
  };
  return a.role == Role::kModel && b.role == Role::kModel &&
         std::ranges::equal(parts(a), parts(b), same_part) &&
         std::ranges::equal(a.calls, b.calls, same_call);
}

}  // namespace gemma3
