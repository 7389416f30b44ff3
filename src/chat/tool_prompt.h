// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Tools in the turns of Gemma 3, which has no marks for them: words in the user's turn.
//
//   user   You have access to functions. ... [{"name": ..., "description": ..., "parameters": ...}]
//   model  {"name": "get_weather", "parameters": {"city": "Rome"}}
//   user   <tool_response>\n{result}\n</tool_response>
// Source: ai.google.dev/gemma/docs/capabilities/function-calling, and vLLM's
// tool_chat_template_gemma3_pythonic.jinja for results.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "gemma3/message.h"
#include "gemma3/tools.h"
#include "src/chat/tool_set.h"

namespace gemma3 {

// What the first user's turn says before the user's text. The same for the same tools and style,
// whatever the choice. Expects tools.
std::string ToolInstructions(const ToolSet& tools);

// Calls as the style asks for them: what stands for a model's turn whose ids are not known.
std::string SpellCalls(std::span<const ToolCall> calls, ToolStyle style);

// What is around a result's text. Its marks are text, which a result may spell, so those in it are
// taken apart; with several calls a result names its own, as {"name": ..., "content": ...}.
inline constexpr std::string_view kBeforeResult = "<tool_response>\n";
inline constexpr std::string_view kBehindResult = "\n</tool_response>";
std::string ResultText(std::string_view text, std::string_view name, bool one_of_several);

// `text` as valid UTF-8: what is none becomes U+FFFD.
std::string ValidUtf8(std::string_view text);

// Which calls results answer: [i] is the index in `calls` of what results[i] answers. `first` is
// the place of results[0] in its conversation, for errors. Errors: kInvalidArgument for more
// results than calls, for an id that no call has, and for two results of one call.
Result<std::vector<size_t>> MatchResults(std::span<const ToolCall> calls,
                                         std::span<const Message> results, size_t first);

// Whether two messages of the model are the same to a reader: a program that sends a turn back need
// not have kept the ids of its calls, nor their blanks.
bool SameModelTurn(const Message& a, const Message& b);

}  // namespace gemma3
