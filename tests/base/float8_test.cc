// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/float8.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "src/base/half.h"

namespace gemma3::testing {
namespace {

TEST(Float8, E4M3Values) {
  const std::pair<uint8_t, float> cases[] = {
      {0x00, 0},    {0x01, 0x1p-9f}, {0x07, 0.013671875f}, {0x08, 0.015625f}, {0x38, 1},
      {0x3c, 1.5f}, {0x40, 2},       {0x7e, 448},          {0xbf, -1.875f},   {0xfe, -448},
  };
  for (const auto& [code, value] : cases) EXPECT_EQ(kE4M3Values[code], value) << int{code};
  EXPECT_TRUE(std::signbit(kE4M3Values[0x80]));
}

TEST(Float8, TwoCodesAreNoNumbersAndAllOthersAreThoseOf16Bits) {
  for (int code = 0; code < 256; ++code) {
    const float value = kE4M3Values[static_cast<size_t>(code)];
    EXPECT_EQ(std::isnan(value), code == 0x7f || code == 0xff) << code;
    EXPECT_EQ(IsNanE4M3(static_cast<uint8_t>(code)), std::isnan(value)) << code;
    if (std::isnan(value)) continue;
    EXPECT_EQ(FloatFromBf16(Bf16FromFloat(value)), value) << code;
    EXPECT_EQ(FloatFromHalf(HalfFromFloat(value)), value) << code;
    // The formula of the type, written another way.
    const int exponent = code >> 3 & 15, mantissa = code & 7;
    const double magnitude = exponent == 0 ? std::ldexp(mantissa / 8.0, -6)
                                           : std::ldexp(1 + mantissa / 8.0, exponent - 7);
    EXPECT_EQ(std::abs(value), magnitude) << code;
  }
}

}  // namespace
}  // namespace gemma3::testing
