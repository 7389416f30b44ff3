// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Patterns of adapters mean what they mean to Python.
#include "src/formats/adapter_file.h"

#include <gtest/gtest.h>

#include <string>

namespace gemma3::testing {
namespace {

constexpr char kModule[] = "model.language_model.layers.12.self_attn.q_proj";

TEST(MatchesPattern, IsTheWholeNameOrItsEndBehindAPoint) {
  for (const char* pattern :
       {"q_proj", "self_attn.q_proj", "layers.12.self_attn.q_proj", kModule, ".*q_proj",
        R"(layers\.12\..*)", R"(layers\.\d+\.self_attn\.[qk]_proj)", "^model.*q_proj$",
        R"(.*\.(q|k|v)_proj)", R"(layers\.(1[0-9]|2)\..*)", "(?:self_attn|mlp).q_proj",
        "l[a-z]+s.1{1}2.self_attn.q_proj", "self.attn.q.proj", R"([^.]+_proj)", "q?q_proj",
        R"(layers\.\d{1,2}\.\w+\.q_proj)"}) {
    const auto matches = MatchesPattern(pattern, kModule);
    ASSERT_TRUE(matches) << pattern << ": " << matches.error().message;
    EXPECT_TRUE(*matches) << pattern;
  }
  for (const char* pattern :
       {"proj", "_proj", "k_proj", "layers.1.self_attn.q_proj", "q_pro", "^q_proj",
        R"(layers\.[0-9]\..*)", "self_attn", "", "(k|v)_proj", R"(\d+)", "q_proj.lora_A"}) {
    const auto matches = MatchesPattern(pattern, kModule);
    ASSERT_TRUE(matches) << pattern << ": " << matches.error().message;
    EXPECT_FALSE(*matches) << pattern;
  }
}

TEST(MatchesPattern, WhatIsNotUnderstoodIsAnError) {
  for (const char* pattern : {"(?=q)q_proj", "[q", "(q", "q)", "*q", "q{2", R"(\bq_proj)",
                              "(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*b{1000}x"}) {
    const auto matches = MatchesPattern(pattern, "layers.0.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    // A pattern that takes too long may also be one that does not match.
    if (matches) {
      EXPECT_FALSE(*matches) << pattern;
    } else {
      EXPECT_EQ(matches.error().code, ErrorCode::kUnsupported);
    }
  }
  EXPECT_FALSE(MatchesPattern("(?=q)q_proj", kModule));
  EXPECT_FALSE(MatchesPattern(std::string(2000, 'a'), kModule));
}

}  // namespace
}  // namespace gemma3::testing
