// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Patterns of adapters mean what they mean to Python.
#include "src/formats/adapter_file.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gemma3::testing {
namespace {

constexpr char kModule[] = "model.language_model.layers.12.self_attn.q_proj";

TEST(ModulePattern, IsTheWholeNameOrItsEndBehindAPoint) {
  for (const char* pattern :
       {"q_proj", "self_attn.q_proj", "layers.12.self_attn.q_proj", kModule, ".*q_proj",
        R"(layers\.12\..*)", R"(layers\.\d+\.self_attn\.[qk]_proj)", "^model.*q_proj$",
        R"(.*\.(q|k|v)_proj)", R"(layers\.(1[0-9]|2)\..*)", "(?:self_attn|mlp).q_proj",
        "l[a-z]+s.1{1}2.self_attn.q_proj", "self.attn.q.proj", R"([^.]+_proj)", "q?q_proj",
        R"(layers\.\d{1,2}\.\w+\.q_proj)"}) {
    const auto modules = CompileModulePattern(pattern);
    ASSERT_TRUE(modules) << pattern << ": " << modules.error().message;
    EXPECT_TRUE(modules->Matches(kModule)) << pattern;
  }
  for (const char* pattern :
       {"proj", "_proj", "k_proj", "layers.1.self_attn.q_proj", "q_pro", "^q_proj",
        R"(layers\.[0-9]\..*)", "self_attn", "", "(k|v)_proj", R"(\d+)", "q_proj.lora_A"}) {
    const auto modules = CompileModulePattern(pattern);
    ASSERT_TRUE(modules) << pattern << ": " << modules.error().message;
    EXPECT_FALSE(modules->Matches(kModule)) << pattern;
  }
}

TEST(ModulePattern, WhatIsNotUnderstoodIsAnError) {
  for (const std::string& pattern :
       std::vector<std::string>{"(?=q)q_proj", "[q", "(q", "q)", "*q", "q{2", R"(\bq_proj)",
                                R"((q)\1)", std::string(20000, 'a')}) {
    const auto modules = CompileModulePattern(pattern);
    ASSERT_FALSE(modules) << pattern.substr(0, 50);
    EXPECT_EQ(modules.error().code, ErrorCode::kUnsupported);
  }
}

// Where one that goes back would take for ever.
TEST(ModulePattern, TakesNoLongerThanItsText) {
  const auto modules = CompileModulePattern("(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*b");
  ASSERT_TRUE(modules) << modules.error().message;
  EXPECT_FALSE(modules->Matches("layers.0." + std::string(1000, 'a')));
  EXPECT_TRUE(modules->Matches("layers.0." + std::string(1000, 'a') + "b"));
}

}  // namespace
}  // namespace gemma3::testing
