// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>

namespace gemma3 {
namespace {

// The nearest of all 65536 values of a format, the one with an even last bit on a tie: what
// rounding to nearest even means, found by looking at the two neighbours.
template <float (*Widen)(uint16_t)>
uint16_t Nearest(float value, uint16_t near) {
  uint16_t best = near;
  for (const int step : {-1, 1}) {
    const uint16_t other = static_cast<uint16_t>(near + step);
    if ((other ^ near) & 0x8000) continue;
    const double d = std::abs(double{Widen(other)} - value);
    const double b = std::abs(double{Widen(best)} - value);
    if (d < b || (d == b && (other & 1) == 0)) best = other;
  }
  return best;
}

TEST(Half, EveryValueSurvivesTheWayThereAndBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const uint16_t h = static_cast<uint16_t>(bits);
    if (std::isnan(FloatFromHalf(h))) {
      EXPECT_TRUE(std::isnan(FloatFromHalf(HalfFromFloat(FloatFromHalf(h)))));
    } else {
      EXPECT_EQ(HalfFromFloat(FloatFromHalf(h)), h) << bits;
    }
    if (std::isnan(FloatFromBf16(h))) {
      EXPECT_TRUE(std::isnan(FloatFromBf16(Bf16FromFloat(FloatFromBf16(h)))));
    } else {
      EXPECT_EQ(Bf16FromFloat(FloatFromBf16(h)), h) << bits;
    }
  }
}

TEST(Half, KnownValues) {
  EXPECT_EQ(FloatFromHalf(0x3c00), 1.0f);
  EXPECT_EQ(FloatFromHalf(0xc000), -2.0f);
  EXPECT_EQ(FloatFromHalf(0x0001), 0x1p-24f);
  EXPECT_EQ(FloatFromHalf(0x03ff), 0x3ffp-24f);
  EXPECT_EQ(FloatFromHalf(0x7bff), 65504.0f);
  EXPECT_EQ(FloatFromHalf(0x7c00), std::numeric_limits<float>::infinity());
  EXPECT_EQ(HalfFromFloat(65519.0f), 0x7bff);
  EXPECT_EQ(HalfFromFloat(65520.0f), 0x7c00);  // half way to 65536, which would be the even one
  EXPECT_EQ(HalfFromFloat(0x1p-25f), 0x0000);  // a tie between 0 and the smallest subnormal
  EXPECT_EQ(HalfFromFloat(0x1.8p-25f), 0x0001);
  EXPECT_EQ(FloatFromBf16(0x3f80), 1.0f);
  EXPECT_EQ(Bf16FromFloat(1.00390625f), 0x3f80);  // a tie, down to even
  EXPECT_EQ(Bf16FromFloat(1.01171875f), 0x3f82);  // a tie, up to even
  EXPECT_EQ(Bf16FromFloat(std::numeric_limits<float>::max()), 0x7f80);
}

TEST(Half, RoundsToNearestEven) {
  // Steps through all exponents and a spread of mantissas.
  for (uint64_t bits = 0; bits < 0x7f800000u; bits += 4093) {
    for (const uint32_t sign : {0u, 0x80000000u}) {
      const float value = std::bit_cast<float>(static_cast<uint32_t>(bits) | sign);
      const uint16_t b = Bf16FromFloat(value);
      if ((b & 0x7fff) < 0x7f7f) {
        EXPECT_EQ(b, Nearest<FloatFromBf16>(value, b)) << value;
      }
      const uint16_t h = HalfFromFloat(value);
      if ((h & 0x7fff) < 0x7bff) {
        EXPECT_EQ(h, Nearest<FloatFromHalf>(value, h)) << value;
      }
    }
  }
}

TEST(Half, KnowsWhichHalvesAreBf16) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = FloatFromHalf(static_cast<uint16_t>(bits));
    if (std::isnan(value)) continue;
    const bool exact = FloatFromBf16(Bf16FromFloat(value)) == value;
    ASSERT_EQ(HalfIsBf16(static_cast<uint16_t>(bits)), exact) << value;
  }
}

TEST(Half, UnalignedLoadsAreLittleEndian) {
  const std::byte bytes[] = {std::byte{0xff}, std::byte{0x01}, std::byte{0x02}, std::byte{0x03},
                             std::byte{0x04}};
  EXPECT_EQ(LoadLittle<uint32_t>(bytes + 1), 0x04030201u);
}

}  // namespace
}  // namespace gemma3
