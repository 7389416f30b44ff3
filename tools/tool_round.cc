// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/tool_round.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "src/base/status.h"
#include "tools/tool_text.h"

namespace gemma3::cli {
namespace {

Result<ToolResult> RunCall(const ToolCall& call, const ProgramTool& tool,
                           const ToolRoundOptions& options) {
  const std::string line = CallLine(call);
  if (tool.confirm && !options.yes) {
    const bool allowed = options.ask && options.ask(line);
    if (options.stop && options.stop()) return Fail(ErrorCode::kCancelled, "stopped");
    if (!allowed) return ToolResult{"The user did not allow this call.", true};
  } else if (options.show) {
    options.show(line);
  }
  auto result = tool.run(call.arguments, options.stop);
  if (result && result->failed && options.show) {
    const std::string_view text = result->text;
    options.show(OneLine(call.name, 128) +
                 " failed: " + OneLine(text.substr(0, text.find('\n')), 300));
  }
  return result;
}

Message ResultMessage(const std::string& id, const ToolResult& result, bool sees) {
  Message message = Message::ToolResult(id, result.text);
  if (!sees && !result.pictures.empty()) {
    message.parts[0].text += "\n[pictures are not shown: this model reads text only]";
    return message;
  }
  for (const auto& picture : result.pictures) message.parts.push_back({"", picture});
  return message;
}

// Results are not cut shorter than that: what is in the way then is something else.
constexpr size_t kLeastResultBytes = 256;

size_t LongestText(const std::vector<Message>& results) {
  size_t longest = 0;
  for (const Message& result : results) longest = std::max(longest, result.parts[0].text.size());
  return longest;
}

}  // namespace

std::string CallLine(const ToolCall& call) {
  return OneLine(call.name, 128) + " " + OneLine(call.arguments);
}

std::string CallJson(const ToolCall& call) {
  const auto quoted = [](const std::string& text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  // The arguments are JSON as they are, and are not read and written anew: that changes numbers.
  return "{\"id\":" + quoted(call.id) + ",\"name\":" + quoted(call.name) +
         ",\"arguments\":" + call.arguments + "}";
}

Result<ToolRounds> AnswerWithTools(std::vector<Message>& conversation, const ToolBox& box,
                                   const Answerer& answer, const ToolRoundOptions& options) {
  ToolRounds rounds;
  std::vector<Message> results;  // of the last round
  while (true) {
    const bool may_call = rounds.rounds < options.max_rounds;
    auto answered = answer(conversation, may_call);
    // What does not fit is cut: a file that a tool has read must not end the conversation.
    for (size_t most = LongestText(results) / 2; !answered && most >= kLeastResultBytes;
         most /= 2) {
      if (answered.error().code != ErrorCode::kContextTooLong) break;
      const size_t first = conversation.size() - results.size();
      for (size_t i = 0; i < results.size(); ++i) {
        const std::string& whole = results[i].parts[0].text;
        conversation[first + i].parts[0].text = CutToolText(whole, most, 0);
      }
      answered = answer(conversation, may_call);
    }
    GEMMA3_TRY(Message message, std::move(answered));
    if (!may_call) {
      rounds.limited = true;
      message.calls.clear();  // none was asked for
    }
    conversation.push_back(message);
    const std::vector<ToolCall> calls = message.calls;
    rounds.answer = std::move(message);
    if (calls.empty()) return rounds;
    const bool runs_all = std::ranges::all_of(calls, [&](const ToolCall& call) {
      const ProgramTool* tool = box.Find(call.name);
      return tool != nullptr && tool->run;
    });
    if (!runs_all) {
      rounds.open_calls = calls;
      return rounds;
    }
    // All results or none: a conversation with some of them could not be answered.
    results.clear();
    for (const ToolCall& call : calls) {
      GEMMA3_TRY(const ToolResult result, RunCall(call, *box.Find(call.name), options));
      results.push_back(ResultMessage(call.id, result, options.sees));
    }
    conversation.insert(conversation.end(), results.begin(), results.end());
    ++rounds.rounds;
  }
}

}  // namespace gemma3::cli
