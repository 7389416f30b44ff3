// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The generation loop: prefill, then sample, stream and append until something says stop.
#pragma once

#include <vector>

#include "gemma3/generation.h"
#include "gemma3/model.h"
#include "src/decode/sampler.h"
#include "src/decode/stop_strings.h"
#include "src/engine/runner.h"

namespace gemma3 {

class AnswerLoop {
 public:
  // Checks the options. Errors: kInvalidArgument; kBadModel without a tokenizer.
  static Result<AnswerLoop> Create(const Model& model, const GenerationOptions& options);

  // Answers the prompt; `result` comes with what was already spent on pictures. *answer_ids, if not
  // null, gets the generated ids without the thought and the stop token, or nothing when the text
  // was cut at a stop string or where the callback stopped (the ids would then say more than the
  // text). Errors: kCancelled before the first token.
  Result<GenerationResult> Run(Runner& runner, const TokenSequence& prompt,
                               const TextCallback& on_text, const ProgressCallback& on_progress,
                               GenerationResult result, std::vector<TokenId>* answer_ids);

 private:
  AnswerLoop(const Model& model, const GenerationOptions& options, Sampler sampler,
             StopStrings stops)
      : model_(model), options_(options), sampler_(std::move(sampler)), stops_(std::move(stops)) {}
  bool IsStop(TokenId id) const;

  Model model_;
  GenerationOptions options_;
  Sampler sampler_;
  StopStrings stops_;
};

// Continues ids by greedy or sampled decoding, for max_tokens tokens or until the context is full.
// No token is forbidden and none stops: what other implementations' raw generation does.
Result<std::vector<TokenId>> ContinueSequence(Runner& runner, const ModelConfig& config,
                                              const TokenSequence& sequence,
                                              const GenerationOptions& options);

}  // namespace gemma3
