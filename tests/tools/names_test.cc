// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/names.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gemma3::cli {
namespace {

TEST(EditDistance, CountsInsertDeleteReplaceAndSwap) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("seed", "seed"), 0u);
  EXPECT_EQ(EditDistance("sead", "seed"), 1u);
  EXPECT_EQ(EditDistance("sed", "seed"), 1u);
  EXPECT_EQ(EditDistance("seeed", "seed"), 1u);
  EXPECT_EQ(EditDistance("sede", "seed"), 1u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
}

TEST(EditDistance, IsSymmetricAndZeroOnlyForEqualStrings) {
  const std::vector<std::string> words = {"",           "a",    "ab", "ba", "temperature",
                                          "temprature", "top-k"};
  for (const std::string& a : words) {
    for (const std::string& b : words) {
      EXPECT_EQ(EditDistance(a, b), EditDistance(b, a)) << a << " " << b;
      EXPECT_EQ(EditDistance(a, b) == 0, a == b) << a << " " << b;
    }
  }
}

const std::vector<std::string> kNames = {"--temperature", "--top-k", "--top-p", "--seed",
                                         "--max-tokens"};

TEST(NearestName, FindsTheMisspelledName) {
  EXPECT_EQ(NearestName("--temprature", kNames), "--temperature");
  EXPECT_EQ(NearestName("--tempreature", kNames), "--temperature");
  EXPECT_EQ(NearestName("--seeed", kNames), "--seed");
  EXPECT_EQ(NearestName("--topk", kNames), "--top-k");
  EXPECT_EQ(NearestName("--max_tokens", kNames), "--max-tokens");
}

TEST(NearestName, FindsTheAbbreviatedAndTheExtendedName) {
  EXPECT_EQ(NearestName("--temp", kNames), "--temperature");
  EXPECT_EQ(NearestName("--seed-value", kNames), "--seed");
}

TEST(NearestName, IsEmptyForWordsThatResembleNothing) {
  EXPECT_EQ(NearestName("--frobnicate", kNames), "");
  EXPECT_EQ(NearestName("", kNames), "");
  EXPECT_EQ(NearestName(std::string(100000, 'x'), kNames), "");
  EXPECT_EQ(DidYouMean("--frobnicate", kNames), "");
}

}  // namespace
}  // namespace gemma3::cli
