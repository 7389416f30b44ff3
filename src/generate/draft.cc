// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/generate/draft.h"

#include <algorithm>
#include <bit>

namespace gemma3 {
namespace {

// A step costs 2 % more with up to three rows more and a third to a half more with seven, so one
// guess in three steps that is right pays. A proposal fails where none of it was right; after this
// many in a row there is a pause.
constexpr size_t kFailuresBeforePause = 3;
constexpr size_t kPauseTokens = 64;

}  // namespace

uint32_t& NgramDraft::PlaceOf(std::span<const TokenId> ngram) {
  uint64_t key = ngram.size();
  for (const TokenId id : ngram) {
    key = (key ^ static_cast<uint32_t>(id)) * 0x9E3779B97F4A7C15u;
    key ^= key >> 29;
  }
  return places_[key & (places_.size() - 1)];
}

void NgramDraft::Index(std::span<const TokenId> text) {
  if (places_.size() < 4 * text.size()) {
    places_.assign(std::bit_ceil(8 * text.size()), 0);
    indexed_ = 0;
  }
  // Not the n-grams at the very end: behind them nothing stands yet.
  for (; indexed_ + 1 < text.size(); ++indexed_) {
    const size_t end = indexed_ + 1;
    for (const size_t n : {kShort, kLong}) {
      if (end >= n) PlaceOf(text.subspan(end - n, n)) = static_cast<uint32_t>(end);
    }
  }
}

void NgramDraft::Propose(std::span<const TokenId> text, size_t most, std::vector<TokenId>& out) {
  Index(text);
  most = std::min(most, length_.At(text.size()));
  if (most == 0) return;
  for (const size_t n : {kLong, kShort}) {
    if (text.size() < n) continue;
    const auto last = text.last(n);
    const size_t place = PlaceOf(last);
    if (place < n || !std::ranges::equal(text.subspan(place - n, n), last)) continue;
    // What is behind the place may run into the guess itself, as in a text that repeats.
    for (size_t i = 0; i < most; ++i) {
      const size_t at = place + i;
      out.push_back(at < text.size() ? text[at] : out[out.size() - (text.size() - place)]);
    }
    return;
  }
}

void DraftLength::Learn(size_t tokens, size_t proposed, size_t accepted) {
  if (proposed == 0) return;
  length_ =
      accepted == proposed ? std::min(length_ * 2, kMaxDraft) : std::max(length_ / 2, size_t{2});
  failures_ = accepted > 0 ? 0 : failures_ + 1;
  if (failures_ < kFailuresBeforePause) return;
  failures_ = 0;
  pause_until_ = tokens + kPauseTokens;
}

}  // namespace gemma3
