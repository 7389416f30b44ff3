// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/targets.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "tests/ops/kernel_test_util.h"

namespace gemma3 {
namespace {

TEST(TargetsTest, NamesTheTargetInUse) {
  ForEachTarget([](int64_t target) { EXPECT_EQ(SimdTargetName(), hwy::TargetName(target)); });
}

#if HWY_ARCH_X86
TEST(TargetsTest, DotProductsCameWithTheirInstructionSets) {
  // Lower values are newer sets.
  ForEachTarget([](int64_t target) {
    EXPECT_EQ(HasNativeBf16Dot(), target <= HWY_AVX3_ZEN4);
    EXPECT_EQ(HasInt8Dot(), target <= HWY_AVX3_DL);
  });
}
#endif

}  // namespace
}  // namespace gemma3
