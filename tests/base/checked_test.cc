// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/checked.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace gemma3 {
namespace {

TEST(Checked, NothingWraps) {
  EXPECT_EQ(CheckedAdd(UINT64_MAX - 1, 1), UINT64_MAX);
  EXPECT_FALSE(CheckedAdd(UINT64_MAX, 1));
  EXPECT_EQ(CheckedMul(uint64_t{1} << 32, (uint64_t{1} << 32) - 1), UINT64_MAX - UINT32_MAX);
  EXPECT_FALSE(CheckedMul(uint64_t{1} << 32, uint64_t{1} << 32));
  EXPECT_EQ(CheckedAlignUp(0, 32), 0u);
  EXPECT_EQ(CheckedAlignUp(1, 32), 32u);
  EXPECT_EQ(CheckedAlignUp(64, 32), 64u);
  EXPECT_FALSE(CheckedAlignUp(UINT64_MAX - 3, 32));
}

TEST(Checked, ProductOfAShape) {
  EXPECT_EQ(CheckedProduct({}), 1u);
  EXPECT_EQ(CheckedProduct(std::vector<uint64_t>{3, 0, 5}), 0u);
  EXPECT_FALSE(CheckedProduct(std::vector<uint64_t>{2, UINT64_MAX - 1}));
  EXPECT_FALSE(CheckedProduct(std::vector<uint64_t>{UINT64_MAX, 2, 0}));
}

}  // namespace
}  // namespace gemma3
