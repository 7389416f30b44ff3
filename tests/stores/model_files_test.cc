// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/stores/model_files.h"

#include <gtest/gtest.h>

namespace gemma3 {
namespace {

TEST(QuantLabel, IsWhatTheNameEndsIn) {
  const struct {
    const char *path, *label;
  } kCases[] = {
      {"/a-Q8_0/gemma-3-1b-it-Q4_K_M.gguf", "Q4_K_M"},
      {"gemma-3-1b-it-q4_0.gguf", "q4_0"},
      {"gemma-3-1b-it.Q4_0.GGUF", "Q4_0"},
      {"gemma_3_1b_it_q4_0.gguf", "q4_0"},
      {"m-Q4_0_4_4.gguf", "Q4_0_4_4"},
      {"m-UD-IQ3_XXS.gguf", "UD-IQ3_XXS"},
      {"m-IQ2_M-00001-of-00002.gguf", "IQ2_M"},
      {"m-TQ1_0.gguf", "TQ1_0"},
      {"m-MXFP4_MOE.gguf", "MXFP4_MOE"},
      {"m-bf16.gguf", "bf16"},
      {"m.F16.gguf", "F16"},
      {"Q8_0.gguf", "Q8_0"},
      {"gemma-3-1b-it.gguf", ""},
      {"q.gguf", ""},
      {"m-Q4_.gguf", ""},
      {"m-Q4_K_M-fixed.gguf", ""},
      {"", ""},
  };
  for (const auto& [path, label] : kCases) EXPECT_EQ(QuantLabel(path), label) << path;
}

TEST(IsSafePathPart, LeadsNowhereElse) {
  for (const char* good : {"a", "A b", "größe", "..a", "a:b", "日本"}) {
    EXPECT_TRUE(IsSafePathPart(good)) << good;
  }
  for (const char* bad : {"", ".", "..", "a/b", "a\\b", "a\nb", "\x7f"}) {
    EXPECT_FALSE(IsSafePathPart(bad)) << bad;
  }
  EXPECT_FALSE(IsSafePathPart(std::string(300, 'a')));
}

}  // namespace
}  // namespace gemma3
