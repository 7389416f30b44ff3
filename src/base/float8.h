// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The 8-bit float E4M3 ("FN": without infinities): sign, 4 bits of exponent with bias 7, 3 bits of
// mantissa. All numbers of it are exact in BF16 and F16.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace gemma3 {

// The two codes that are no numbers.
constexpr bool IsNanE4M3(uint8_t code) { return (code & 0x7f) == 0x7f; }

inline constexpr std::array<float, 256> kE4M3Values = [] {
  std::array<float, 256> values{};
  for (size_t code = 0; code < values.size(); ++code) {
    const size_t exponent = code >> 3 & 15, mantissa = code & 7;
    // Numbers with exponent 0 are multiples of 2^-9, up to 7; all others have a hidden bit.
    float value = static_cast<float>(exponent == 0 ? mantissa : 8 + mantissa) * 0x1p-9f;
    for (size_t i = 1; i < exponent; ++i) value *= 2;
    if (IsNanE4M3(static_cast<uint8_t>(code))) value = std::numeric_limits<float>::quiet_NaN();
    values[code] = code < 128 ? value : -value;
  }
  return values;
}();

}  // namespace gemma3
