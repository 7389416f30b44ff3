// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Looks at a model from outside: logits of every position, how likely a text is, how far two models
// are apart, and how long work takes. For tests and measurements; may change with any version.
//
// Thread rule: one thread at a time, except Cancel, which any thread (or a signal handler) may
// call.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "gemma3/generation.h"
#include "gemma3/model.h"
#include "gemma3/options.h"

namespace gemma3 {

struct ScoreResult {
  size_t tokens = 0;               // predicted tokens (the first of each window is not predicted)
  double sum_log_probability = 0;  // natural logarithm
};

// How the predictions of two models for one text differ.
struct Comparison {
  ScoreResult score;                // of the evaluator's own model
  ScoreResult other_score;          // of the other one
  std::vector<double> divergences;  // of each predicted token: KL(other || own) in nats
  size_t same_top = 0;              // predicted tokens for which both like the same one best
};

// Raw model input: ids with the pictures that their soft tokens stand for.
struct TokenInput {
  std::vector<TokenId> ids;
  // Tower input for each run of soft tokens, [3, S, S] each, in order of appearance.
  std::vector<std::vector<float>> pixel_values;
};

// What Logits can return besides; for comparing with other implementations.
struct HiddenStates {
  std::vector<float> first;  // residual stream after the first layer, [tokens, hidden]
  std::vector<float> last;   // after the final norm, [tokens, hidden]
};

// What Bench times.
struct BenchWork {
  size_t prompt_tokens = 0;  // arbitrary ids, at least 1
  size_t decode_tokens = 0;  // greedy steps behind the prompt; end tokens do not stop them
  size_t images = 0;         // noise pictures through tower and projector; nothing is cached
};

class Evaluator {
 public:
  // Threads and memory of its own. Errors: those of Engine::Create.
  static Result<Evaluator> Create(const Model& model, const EngineOptions& options = {});
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;
  ~Evaluator();

  // Log-probability of text as the model's own continuation of BOS, in windows of at most the
  // context (perplexity = exp(-sum / tokens)). Rows of the embedding table that stand for no token
  // have no probability, as in answers. Errors: as for Session::Send.
  Result<ScoreResult> Score(std::string_view text, const ProgressCallback& on_progress = {});

  // Scores the text with both models, in windows of the smaller context, and says how far the
  // predictions here are from those of `other`, over the tokens that both know. Logits are held for
  // a few tokens at a time, however long the text. Errors: kInvalidArgument (the same evaluator, or
  // the vocabularies split the text differently), and those of Score.
  Result<Comparison> Compare(Evaluator& other, std::string_view text,
                             const ProgressCallback& on_progress = {});

  // Logits of every position, [ids.size(), vocab_size]; positions start at 0. hidden may be null.
  // Errors: as for Session::Send.
  Result<std::vector<float>> Logits(const TokenInput& input, HiddenStates* hidden = nullptr);

  // Greedy or sampled continuation of raw ids; stops only at max_tokens (required) or a full
  // context, and refuses stop strings.
  Result<std::vector<TokenId>> ContinueIds(const TokenInput& input,
                                           const GenerationOptions& options);

  // Times work on arbitrary ids: image_seconds, prefill_seconds (all prompt tokens, with the logits
  // of the last), decode_seconds (decode_tokens steps at depth prompt_tokens, sampling included).
  // Needs no tokenizer. Errors: kContextTooLong, kUnsupported (images for a text-only model),
  // kInvalidArgument (no prompt token), kCancelled.
  Result<Timings> Bench(const BenchWork& work);

  const EngineOptions& options() const;
  const Model& model() const;

  // Stops the running call; a no-op when none runs. Async-signal-safe.
  void Cancel() noexcept;

 private:
  friend class Classifier;
  struct Impl;
  explicit Evaluator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gemma3
