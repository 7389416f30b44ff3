// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/text.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace gemma3::cli {
namespace {

TEST(ParseSize, ReadsPlainNumbersAndBinarySuffixes) {
  EXPECT_EQ(ParseSize("0"), 0u);
  EXPECT_EQ(ParseSize("8192"), 8192u);
  EXPECT_EQ(ParseSize("8K"), 8192u);
  EXPECT_EQ(ParseSize("8k"), 8192u);
  EXPECT_EQ(ParseSize("6G"), uint64_t{6} << 30);
  EXPECT_EQ(ParseSize("6GiB"), uint64_t{6} << 30);
  EXPECT_EQ(ParseSize("6GB"), uint64_t{6} << 30);
  EXPECT_EQ(ParseSize("18446744073709551615"), UINT64_MAX);
}

TEST(ParseSize, RefusesEverythingElse) {
  for (const char* text : {"", " 1", "1 ", "-1", "+1", "1.5", "1X", "1KK", "K", "0x10", "1e3", "1@",
                           "18446744073709551616", "18014398509481984K", "16777216T"}) {
    EXPECT_FALSE(ParseSize(text).has_value()) << text;
  }
}

TEST(ParseNumber, ReadsTheWholeTextOrNothing) {
  EXPECT_EQ(ParseNumber("0.5"), 0.5);
  EXPECT_EQ(ParseNumber("-1"), -1);
  EXPECT_EQ(ParseNumber("+1e-3"), 1e-3);
  for (const char* text : {"", "abc", "1x", "1 ", "nan", "inf", "1e999", "0,5", "--1"}) {
    EXPECT_FALSE(ParseNumber(text).has_value()) << text;
  }
}

TEST(FormatRate, UsesDecimalUnits) {
  EXPECT_EQ(FormatRate(999, "B/s"), "999 B/s");
  EXPECT_EQ(FormatRate(1.2e12, "FLOP/s"), "1.20 TFLOP/s");
}

TEST(TrimSpace, TakesSpaceOffBothEndsOnly) {
  EXPECT_EQ(TrimSpace("  a b \n"), "a b");
  EXPECT_EQ(TrimSpace(" \t\n"), "");
  EXPECT_EQ(TrimSpace(""), "");
}

}  // namespace
}  // namespace gemma3::cli
