// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tools/constraint_of.h"

namespace gemma3::cli {
namespace {

TEST(FirstCodeBlock, IsTheFirstOne) {
  EXPECT_EQ(FirstCodeBlock("Here:\n```python\nprint(1)\n```\nand\n```\nb\n```\n"), "print(1)\n");
  EXPECT_EQ(FirstCodeBlock("  ```\n  a\n\n  b\n  ```"), "  a\n\n  b\n");
  EXPECT_EQ(FirstCodeBlock("```\n```"), "");
}

TEST(FirstCodeBlock, AnAnswerWithoutOneIsWhole) {
  EXPECT_EQ(FirstCodeBlock("plain\ntext"), "plain\ntext");
  EXPECT_EQ(FirstCodeBlock(""), "");
}

TEST(FirstCodeBlock, LongerFencesHoldShorterOnes) {
  EXPECT_EQ(FirstCodeBlock("````md\n```\nx\n```\n````\n"), "```\nx\n```\n");
  // What stands behind the ticks opens a block and ends none.
  EXPECT_EQ(FirstCodeBlock("```\n```js\n```\n"), "```js\n");
}

TEST(FirstCodeBlock, CodeWithinALineIsNone) {
  EXPECT_EQ(FirstCodeBlock("```print(1)``` prints.\n```\nb\n```\n"), "b\n");
}

TEST(FirstCodeBlock, OneThatWasCutOffIsWhatThereIs) {
  EXPECT_EQ(FirstCodeBlock("So:\n```c\nint x"), "int x\n");
}

}  // namespace
}  // namespace gemma3::cli
