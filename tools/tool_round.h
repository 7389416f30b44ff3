// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The rounds of an answer with tools: the model calls, the program runs what was called and gives
// the results back, until the model answers in words.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "gemma3/message.h"
#include "gemma3/tools.h"
#include "tools/tool_box.h"

namespace gemma3::cli {

// Answers a conversation with the model's message, text and calls. may_call false: no more calls,
// as with ToolChoice::None().
using Answerer =
    std::function<Result<Message>(std::span<const Message> conversation, bool may_call)>;

struct ToolRoundOptions {
  // After so many answers with calls the model has to answer in words.
  size_t max_rounds = 16;
  bool yes = false;   // run everything without asking
  bool sees = false;  // the model takes pictures; else it is told that there were some
  // Shows a call, one line fit for a terminal, and asks whether it may run. Null: there is nobody
  // to ask, and what needs an answer does not run.
  std::function<bool(const std::string& call)> ask = {};
  // Shows a line to the user: calls that run without asking, and failures. May be null.
  std::function<void(const std::string& line)> show = {};
  StopCheck stop = {};  // may be null
};

struct ToolRounds {
  Message answer;  // the model's last message
  // Its calls where the program does not run all of them: then none of them was run, and they are
  // the caller's to print. Empty where the answer is in words.
  std::vector<ToolCall> open_calls;
  size_t rounds = 0;     // in which tools ran
  bool limited = false;  // whether max_rounds put an end to them
};

// Appends to `conversation` what the model and the tools say. Errors: those of `answer`, and
// kCancelled; the conversation then ends where the model has to answer, or with its calls where a
// tool was stopped.
Result<ToolRounds> AnswerWithTools(std::vector<Message>& conversation, const ToolBox& box,
                                   const Answerer& answer, const ToolRoundOptions& options);

// "get_weather {"city":"Rome"}" in one line that a terminal can be shown.
std::string CallLine(const ToolCall& call);

// {"id":"call_...","name":"get_weather","arguments":{"city":"Rome"}} in one line, for programs.
std::string CallJson(const ToolCall& call);

}  // namespace gemma3::cli
