// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Which tokens of a vocabulary are allowed: a list where they are few, else bits.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "gemma3/config.h"

namespace gemma3 {

// Immutable.
class TokenMask {
 public:
  // A list is 4 bytes a token and is walked; bits are 32 KiB for Gemma's vocabulary.
  static constexpr size_t kMostListed = 4096;

  TokenMask() = default;
  explicit TokenMask(std::vector<TokenId> ids) : ids_(std::move(ids)), count_(ids_.size()) {}
  TokenMask(std::vector<uint64_t> bits, size_t count) : bits_(std::move(bits)), count_(count) {}

  size_t count() const { return count_; }
  // Few tokens: they are listed in ascending order, and only their logits need be computed.
  bool is_list() const { return bits_.empty(); }
  std::span<const TokenId> list() const { return ids_; }
  // Else: bit i % 64 of word i / 64 is token i. What lies beyond the last word is not allowed.
  std::span<const uint64_t> bits() const { return bits_; }
  bool Contains(TokenId id) const {
    if (is_list()) return std::binary_search(ids_.begin(), ids_.end(), id);
    return id >= 0 && static_cast<size_t>(id) / 64 < bits_.size() &&
           (bits_[static_cast<size_t>(id) / 64] >> (id % 64) & 1) != 0;
  }
  size_t bytes() const { return sizeof(*this) + ids_.size() * 4 + bits_.size() * 8; }

 private:
  std::vector<TokenId> ids_;
  std::vector<uint64_t> bits_;
  size_t count_ = 0;
};

}  // namespace gemma3
