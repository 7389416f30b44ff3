// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// POST /v1/chat/completions.
#pragma once

#include "tools/serve/ask.h"
#include "tools/serve/conversation.h"
#include "tools/serve/json_in.h"
#include "tools/serve/json_out.h"

namespace gemma3::serve {

// Errors: 400 with `param`.
Api<Ask> ReadChat(const JsonIn& body, const ModelView& model, const AskDefaults& defaults);

// messages: also of other APIs with OpenAI's shape. Arguments of calls may be objects; pictures
// may stand in a list "images" of base64 (Ollama).
Api<void> ReadMessages(const JsonIn& messages, PictureReader& pictures, Conversation& conversation);

// One of them.
Api<void> ReadOneMessage(const JsonIn& message, PictureReader& pictures,
                         Conversation& conversation);

// tools, tool_choice, parallel_tool_calls, and their older forms.
Api<void> ReadTools(const JsonIn& body, GenerationOptions& options);

// How OpenAI calls the reason of an end.
const char* FinishReason(const GenerationResult& result);

// {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details"} over all answers
// to one prompt. n: answers to each prompt.
Json UsageOf(std::span<const GenerationResult> results, size_t n);

// {"token", "logprob", "bytes", "top_logprobs"} of each token; of no more tokens than asked.
Json ChatLogprobs(std::span<const TokenLogprobs> tokens);
// The tokens of an answer, without the one that ended it.
std::span<const TokenLogprobs> SpelledLogprobs(const GenerationResult& result);

}  // namespace gemma3::serve
