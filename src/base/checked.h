// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// 64-bit arithmetic on numbers from files: every sum and product is checked, nothing wraps.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace gemma3 {

// a + b, or nothing when it does not fit.
constexpr std::optional<uint64_t> CheckedAdd(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

// a * b, or nothing when it does not fit.
constexpr std::optional<uint64_t> CheckedMul(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// The number of elements of `shape` (1 for a scalar), or nothing when it does not fit. Factors are
// multiplied in order, so a shape whose leading product overflows is refused even if it holds a 0.
constexpr std::optional<uint64_t> CheckedProduct(std::span<const uint64_t> shape) {
  uint64_t product = 1;
  for (uint64_t n : shape) {
    if (__builtin_mul_overflow(product, n, &product)) return std::nullopt;
  }
  return product;
}

// The next multiple of `alignment` (a power of two), or nothing when it does not fit.
constexpr std::optional<uint64_t> CheckedAlignUp(uint64_t n, uint64_t alignment) {
  const auto padded = CheckedAdd(n, alignment - 1);
  if (!padded) return std::nullopt;
  return *padded & ~(alignment - 1);
}

}  // namespace gemma3
