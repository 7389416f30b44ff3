// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The prompt that ShieldGemma 2 answers with Yes or No.
#pragma once

#include "gemma3/classify.h"
#include "gemma3/config.h"
#include "gemma3/error.h"
#include "gemma3/tokenizer.h"
#include "src/chat/prompt_builder.h"

namespace gemma3 {

// Lays out one picture, without crops, and one policy, up to the model's first word:
//   <bos><start_of_turn>user\n{picture}<start_of_turn>user\n{instruction, policy, question}
//   <end_of_turn>\n<start_of_turn>model\n
// The user header really comes twice and the first one is never closed: the published template
// writes a header for each part of the message. The policy goes in untrimmed.
// Source: the chat_template of transformers' models/shieldgemma2 conversion.
// Errors: kInvalidArgument for a policy without text or not in UTF-8; kUnsupported for a model
// without vision; kBadModel for a vocabulary without Gemma's turn marks.
Result<PromptLayout> LayOutClassification(const Policy& policy, const Tokenizer& tokenizer,
                                          const ModelConfig& config, ImageForm form);

// The two answers. Their logits behind the prompt are what is compared.
struct AnswerTokens {
  TokenId yes;
  TokenId no;

  // Errors: kUnsupported for a vocabulary without one of the words as a single token.
  static Result<AnswerTokens> Find(const Tokenizer& tokenizer);
};

}  // namespace gemma3
