// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Guesses what an answer says next, so that several tokens can be checked in one step.
//
// Guesses change no answer: each place is sampled from the model's own logits with that place's own
// random number, and a guess counts only where it is the token that was sampled. That is exact
// because a row's bits do not depend on the rows beside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gemma3/config.h"

namespace gemma3 {

// Rows that a step costs hardly more with than with one: the kernels for few rows read each weight
// once for so many.
inline constexpr size_t kMaxDraft = 7;

// How much to guess: more where all was right, less where not, and behind a run of failures nothing
// for a while.
class DraftLength {
 public:
  explicit DraftLength(size_t first) : length_(first) {}
  // At a text of so many tokens.
  size_t At(size_t tokens) const { return tokens < pause_until_ ? 0 : length_; }
  // How many of a proposal behind so many tokens were right.
  void Learn(size_t tokens, size_t proposed, size_t accepted);

 private:
  size_t length_;
  size_t failures_ = 0;
  size_t pause_until_ = 0;
};

// What repeats: the last few tokens are looked up in the text before them, prompt and answer, and
// what followed there is the guess. Costs microseconds a token. One answer; one thread at a time.
class NgramDraft {
 public:
  // Appends to `out` at most `most` tokens that may follow `text`, which only grows between calls.
  void Propose(std::span<const TokenId> text, size_t most, std::vector<TokenId>& out);
  // How many of the last proposal were right.
  void Learn(size_t proposed, size_t accepted) { length_.Learn(indexed_, proposed, accepted); }

 private:
  static constexpr size_t kLong = 4, kShort = 3;
  uint32_t& PlaceOf(std::span<const TokenId> ngram);
  void Index(std::span<const TokenId> text);

  // The latest place behind each n-gram, by hash: the latest of those that share a slot. What is
  // found is compared, so that a collision loses a guess and nothing else.
  std::vector<uint32_t> places_;
  size_t indexed_ = 0;  // tokens of the text whose n-grams are in places_
  DraftLength length_{3};
};

}  // namespace gemma3
