// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/bytes_text.h"

#include <gtest/gtest.h>

namespace gemma3 {
namespace {

TEST(BytesText, UsesBinaryUnitsAndThreeDigits) {
  EXPECT_EQ(BytesText(0), "0 B");
  EXPECT_EQ(BytesText(1023), "1023 B");
  EXPECT_EQ(BytesText(1536), "1.50 KiB");
  EXPECT_EQ(BytesText(size_t{312} << 20), "312 MiB");
  EXPECT_EQ(BytesText(size_t{27'400} << 20), "26.8 GiB");
  EXPECT_EQ(BytesText(UINT64_MAX), "16777216 TiB");
}

}  // namespace
}  // namespace gemma3
