// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Choosing the next token from the logits.
//
// The chain: logit bias -> repetition, frequency and presence penalties -> temperature -> top-k ->
// top-p -> min-p -> draw. Candidates stand in falling order of their logits, lower ids first on
// ties, and every filter keeps a prefix of them:
//   top-k  the k likeliest; their probabilities are then renormalised,
//   top-p  those before which less than p of the probability lies (the likeliest always stays, and
//          with p = 0 alone, as in transformers and llama.cpp),
//   min-p  those at least min_p times as probable as the likeliest.
// The draw takes the first token whose cumulative probability exceeds a uniform random number.
// All of this is in double, in this order, so the same logits and seed give the same tokens on
// every machine whose exp rounds alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "gemma3/generation.h"
#include "ops/select.h"

namespace gemma3 {

// Random numbers that are the same everywhere, one for each place: SplitMix64 (Steele, Lea and
// Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). Number i is a hash of the
// counter Mix(seed) + (i + 1) * kStep; hashing the seed keeps neighbouring seeds from sharing them.
class RandomNumbers {
 public:
  explicit RandomNumbers(uint64_t seed) : begin_(Mix(seed)) {}

  uint64_t operator[](uint64_t place) const { return Mix(begin_ + (place + 1) * kStep); }
  // In [0, 1), a multiple of 2^-53.
  double Uniform(uint64_t place) const {
    return static_cast<double>((*this)[place] >> 11) * 0x1p-53;
  }

 private:
  static constexpr uint64_t kStep = 0x9E3779B97F4A7C15u;  // 2^64 / golden ratio, odd
  static uint64_t Mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  }
  uint64_t begin_;
};

// What GenerationOptions and the model's defaults come to.
struct SamplingSettings {
  float temperature = 0;
  size_t top_k = 0;  // 0: all
  float top_p = 1;
  float min_p = 0;
  float repeat_penalty = 1;
  size_t repeat_last_n = 0;
  float frequency_penalty = 0, presence_penalty = 0;
  uint64_t seed = 0;
  std::vector<std::pair<TokenId, float>> bias;  // in rising order of ids, one each
};

// Fills unset options from the defaults, and draws a seed where none is set. Errors:
// kInvalidArgument for the first option out of its range, naming it, its range, the value, and
// whether it came from generation_config.json.
Result<SamplingSettings> ResolveSampling(const GenerationOptions& options,
                                         const GenerationDefaults& defaults);

// One generation's sampler: settings, random numbers and buffers. One thread at a time.
class Sampler {
 public:
  // Ids in [0, vocab_limit) may be drawn, except `banned` ones (pad, bos, image tokens); ids
  // beyond, such as the embedding's padding rows, never. Banned ids out of range have no effect.
  // Errors: those of ResolveSampling; kInvalidArgument where no id is left to draw.
  static Result<Sampler> Create(const GenerationOptions& options,
                                const GenerationDefaults& defaults, size_t vocab_limit,
                                std::span<const TokenId> banned);

  // The token at `place` of the answer, counted from 0. logits: [vocab_limit or more], not empty,
  // edited. history: all tokens so far, prompt included, of which the last `place` are the
  // answer's; ids out of range are skipped. The random
  // number depends on the seed and the place alone, so a place may be sampled again, or early. Does
  // not allocate once its buffers have grown.
  // A logit of NaN is never drawn. Where there are no probabilities it returns the first logit of
  // +inf, or the lowest allowed id if no allowed logit is a number above -inf.
  TokenId Sample(std::span<float> logits, std::span<const TokenId> history, size_t place);

  uint64_t seed() const { return settings_.seed; }  // that was set, or drawn

 private:
  Sampler(const SamplingSettings& settings, size_t vocab_limit, std::vector<TokenId> banned,
          TokenId fallback);

  void Penalise(std::span<float> logits, std::span<const TokenId> history);
  void PenaliseAnswer(std::span<float> logits, std::span<const TokenId> answer);
  std::optional<TokenId> Draw(double uniform, double total, bool all_candidates);

  SamplingSettings settings_;
  size_t vocab_limit_;
  std::vector<TokenId> banned_;  // in range
  TokenId fallback_;             // the lowest id that may be drawn
  RandomNumbers random_;
  std::vector<TokenId> recent_;        // distinct tokens to penalise
  std::vector<Candidate> candidates_;  // in falling order; logit = (logit - largest) / temperature
  std::vector<double> cumulative_;     // of exp(candidates_[i].logit), for those kept
};

}  // namespace gemma3
