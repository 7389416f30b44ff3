// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Gemma 3's chat template: from messages to token ids.
//
// Rendered as text, a conversation is
//   <bos><start_of_turn>user\n{system}\n\n{question}<end_of_turn>\n<start_of_turn>model\n{answer}
//   <end_of_turn>\n ... <start_of_turn>model\n
// The system text goes untrimmed in front of the first turn; every other text part is trimmed at
// both ends, parts follow each other without separator, and a picture stands where its part is.
// Source: the chat_template that the published models come with.
//
// A translation request is a user's turn, too:
//   <start_of_turn>user\n{task, languages}\n\n\n{trimmed text, or picture}<end_of_turn>\n
// Source: the chat_template of TranslateGemma (translation.h has its words).
//
// Tools are words in the first user's turn, between the system text and the question, and results
// are a user's turn or the beginning of one (tool_prompt.h):
//   <bos><start_of_turn>user\n{system}\n\n{tools}\n\n{question}<end_of_turn>\n
//   <start_of_turn>model\n{calls}<end_of_turn>\n
//   <start_of_turn>user\n<tool_response>\n{result}\n</tool_response><end_of_turn>\n
//   <start_of_turn>model\n
// FunctionGemma has marks for them and a developer's turn for declarations and system text; results
// stand in the model's turn, which goes on behind them (marked_calls.h):
//   <bos><start_of_turn>developer\n{sentence}{declarations}<end_of_turn>\n
//   <start_of_turn>user\n{question}<end_of_turn>\n<start_of_turn>model\n{calls}{results}
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "gemma3/message.h"
#include "gemma3/tokenizer.h"
#include "src/chat/prompt_builder.h"
#include "src/chat/tool_set.h"

namespace gemma3 {

struct TemplateOptions {
  bool add_generation_prompt = true;  // end with <start_of_turn>model\n; chats only
  bool continue_model_turn = false;   // a model's turn at the end stays open instead
  ImageForm image_form = ImageForm::kIds;
  // Pan-and-scan crops of each picture of the prompt, in order of appearance; pictures beyond its
  // end have none.
  std::span<const size_t> crops = {};
  // What the model generated for each of its turns, in order, without a final <eos>; with or
  // without the final <end_of_turn>. An empty entry, or none, means: Message::ids or, without
  // those, encode the message's text.
  // With it, the layout begins with exactly the ids of the prompt that was answered and of that
  // answer, so that the cache of a session stays valid: generated ids need not be what their text
  // encodes to.
  std::span<const std::vector<TokenId>> answers = {};
  TextMemo* memo = nullptr;        // of this tokenizer
  const ToolSet* tools = nullptr;  // what the model may call; null or empty: nothing is said
  PromptLimits limits = {};
};

// Lays out a conversation: at most one system message in front, then user and model turns in
// alternation, beginning with the user. Between a model's turn with calls and the next one, results
// of these calls may stand, and a user's message behind them.
// Errors: kInvalidArgument for no turn, roles out of order, a picture in the system message, text
// that is not valid UTF-8 (with message, part and byte, counted from 1, 1 and 0), a translation of
// more or less than one part or of an unknown language, and for TranslateGemma a system message or
// a user's message without languages, results that fit no call (tool_prompt.h); kUnsupported for a
// picture where the model has no vision, and tools where it is TranslateGemma;
// kBadModel for a vocabulary without Gemma's turn marks; those of the limits.
Result<PromptLayout> LayOutChat(std::span<const Message> messages, const Tokenizer& tokenizer,
                                const ModelConfig& config, const TemplateOptions& options = {});

// Lays out raw text, as it is, after BOS. Errors as above.
Result<PromptLayout> LayOutRaw(std::span<const Part> parts, const Tokenizer& tokenizer,
                               const ModelConfig& config, const TemplateOptions& options = {});

}  // namespace gemma3
