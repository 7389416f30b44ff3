// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Scalar conversions between float and the two 16-bit formats, as bit patterns. The reference for
// the vector code; exact one way, rounded to nearest even the other.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gemma3 {

// Little-endian loads from unaligned bytes.
template <class T>
inline T LoadLittle(const std::byte* p) {
  static_assert(std::endian::native == std::endian::little, "model files are little-endian");
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// bfloat16 is the upper half of a float, so widening is exact.
inline float FloatFromBf16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

// Rounds to nearest even. NaN stays NaN: rounding up could carry its mantissa into infinity.
inline uint16_t Bf16FromFloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// IEEE 754 binary16, subnormals included.
inline float FloatFromHalf(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu;
  const uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 0) {
    // mantissa * 2^-24, exact in a float.
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

// Whether a binary16 number is one of bfloat16 as well: has at most 8 significant bits.
inline bool HalfIsBf16(uint16_t bits) {
  const uint32_t mantissa = bits & 0x3ffu;
  if ((bits & 0x7c00u) != 0) return (mantissa & 7u) == 0;
  // Subnormal numbers have no hidden bit: mantissa is an integer.
  return mantissa >> (mantissa == 0 ? 0 : std::countr_zero(mantissa)) < 256;
}

// Rounds to nearest even; overflow gives infinity, NaN stays NaN.
inline uint16_t HalfFromFloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {
    return static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  }
  if (magnitude >= 0x47800000u) return static_cast<uint16_t>(sign | 0x7c00u);  // >= 2^16
  if (magnitude < 0x38800000u) {  // < 2^-14: subnormal or zero
    // Adding 0.5 aligns the mantissa so that the float unit's own rounding cuts at 2^-24.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u));
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

}  // namespace gemma3
