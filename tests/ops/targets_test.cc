// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/targets.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/ops/kernel_test_util.h"

namespace gemma3 {
namespace {

TEST(TargetsTest, EachIsUsedByItsName) {
  const std::vector<std::string> names = SimdTargetNames();
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(SimdTargetName(), names.front());
  for (const std::string& name : names) {
    ASSERT_TRUE(UseSimdTarget(name));
    EXPECT_EQ(SimdTargetName(), name);
    EXPECT_EQ(SimdTargetNames(), names);
    EXPECT_EQ(SimdTargetName(), name);  // asking for names has not changed it
  }
  ASSERT_TRUE(UseSimdTarget(""));
  EXPECT_EQ(SimdTargetName(), names.front());
}

TEST(TargetsTest, AnUnknownNameChangesNothing) {
  const std::vector<std::string> names = SimdTargetNames();
  ASSERT_TRUE(UseSimdTarget(names.back()));
  for (const char* name : {"AVX", "avx2", "AVX2_DOT", "NEON_VNNI", " "}) {
    EXPECT_FALSE(UseSimdTarget(name)) << name;
  }
  EXPECT_EQ(SimdTargetName(), names.back());
  ASSERT_TRUE(UseSimdTarget(""));
}

#if HWY_ARCH_X86
TEST(TargetsTest, DotProductsAreThoseThatTheKernelsUse) {
  // Lower values are newer sets. Newer than AVX3_ZEN4 are Intel's, whose bf16 dot product is slow.
  ForEachTarget([](int64_t target) {
    EXPECT_EQ(HasNativeBf16Dot(), target == HWY_AVX3_ZEN4);
    const bool variant = SimdTargetName().ends_with("_VNNI");
    EXPECT_EQ(HasInt8Dot(), target <= HWY_AVX3_DL || variant);
    EXPECT_EQ(UsesDotVariant(), variant);
    if (variant) EXPECT_TRUE(target == HWY_AVX2 || target == HWY_AVX3);
  });
}
#endif

}  // namespace
}  // namespace gemma3
