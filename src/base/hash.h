// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A hash of 128 bits for content that is to be known again.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <span>

namespace gemma3 {

struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;
  auto operator<=>(const Hash128&) const = default;
};

using HashKey = std::array<uint64_t, 2>;

// SipHash-2-4. By chance two of n contents share a hash with probability n^2 / 2^129, and whoever
// does not know the key cannot make two that do. About one byte a cycle.
// J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", 2012, with the 128-bit output
// of its reference code.
Hash128 SipHash128(const HashKey& key, std::span<const uint8_t> bytes);

}  // namespace gemma3
