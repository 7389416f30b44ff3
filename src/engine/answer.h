// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The generation loop: prefill, then sample, stream and append until something says stop.
#pragma once

#include <utility>
#include <vector>

#include "gemma3/generation.h"
#include "gemma3/model.h"
#include "src/decode/sampler.h"
#include "src/decode/stop_strings.h"
#include "src/engine/runner.h"

namespace gemma3 {

class AnswerLoop {
 public:
  enum class Prompt { kChat, kRaw };

  // Checks the options. What ends the answer depends on the kind of prompt (chat/answer_marks.h).
  // Errors: kInvalidArgument; kBadModel without a tokenizer.
  static Result<AnswerLoop> Create(const Model& model, const GenerationOptions& options,
                                   Prompt prompt);

  // Answers the prompt; `result` comes with what was already spent on pictures. *answer_ids, if not
  // null, gets the generated ids without the thought and the stop token, or nothing when the text
  // was cut at a stop string or where the callback stopped (the ids would then say more than the
  // text). Errors: kCancelled before the first token; kInternal for logits that are no
  // numbers.
  Result<GenerationResult> Run(Runner& runner, const TokenSequence& prompt,
                               const TextCallback& on_text, const ProgressCallback& on_progress,
                               GenerationResult result, std::vector<TokenId>* answer_ids);

 private:
  AnswerLoop(const Model& model, const GenerationOptions& options, size_t vocab_limit,
             std::vector<TokenId> stop_tokens, Sampler sampler, StopStrings stops)
      : model_(model),
        options_(options),
        vocab_limit_(vocab_limit),
        stop_tokens_(std::move(stop_tokens)),
        sampler_(std::move(sampler)),
        stops_(std::move(stops)) {}

  Model model_;
  GenerationOptions options_;
  size_t vocab_limit_;
  std::vector<TokenId> stop_tokens_;
  Sampler sampler_;
  StopStrings stops_;
};

// Continues ids by greedy or sampled decoding, for max_tokens tokens or until the context is full.
// No token is forbidden and none stops: what other implementations' raw generation does. Errors:
// kInvalidArgument without max_tokens, and for stop strings, since there is no text to find them
// in; kInternal for logits that are no numbers.
Result<std::vector<TokenId>> ContinueSequence(Runner& runner, const ModelConfig& config,
                                              const TokenSequence& sequence,
                                              const GenerationOptions& options);

}  // namespace gemma3
