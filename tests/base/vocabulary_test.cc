// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/vocabulary.h"

#include <gtest/gtest.h>

namespace gemma3 {
namespace {

TEST(ByteOfPiece, ReadsExactlyTheByteNames) {
  EXPECT_EQ(ByteOfPiece("<0x00>"), 0);
  EXPECT_EQ(ByteOfPiece("<0x0A>"), 10);
  EXPECT_EQ(ByteOfPiece("<0xFF>"), 255);
  for (const char* other : {"<0xff>", "<0x0>", "<0x000>", "0x00", "<0xG0>", "<0x0A>>", ""}) {
    EXPECT_EQ(ByteOfPiece(other), std::nullopt) << other;
  }
}

}  // namespace
}  // namespace gemma3
