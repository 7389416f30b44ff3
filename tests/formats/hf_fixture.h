// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Texts of config.json and its side files for tests, read and checked as a folder's are.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "src/formats/hf_config.h"
#include "src/formats/shape_table.h"

namespace gemma3 {

inline Result<HfConfig> ReadHf(const HfConfigTexts& texts) {
  auto result = ParseHfConfig(texts, "model");
  if (result) {
    if (Status status = CheckConfig(result->config, "model/config.json"); !status) {
      return std::unexpected(status.error());
    }
  }
  return result;
}

inline HfConfig GoodHf(const HfConfigTexts& texts) {
  auto result = ReadHf(texts);
  EXPECT_TRUE(result) << texts.config << " " << (result ? "" : result.error().message);
  return result ? *std::move(result) : HfConfig();
}

// A flat configuration with these members besides the type.
inline std::string FlatHf(const std::string& members) {
  return R"({"model_type":"gemma3_text")" + (members.empty() ? "" : "," + members) + "}";
}

// A configuration with a tower; members of the root, of text_config, and of vision_config.
inline std::string NestedHf(const std::string& root, const std::string& text,
                            const std::string& vision = "") {
  return R"({"model_type":"gemma3","mm_tokens_per_image":4)" + (root.empty() ? "" : "," + root) +
         R"(,"text_config":{)" + text +
         R"(},"vision_config":{"image_size":56,"patch_size":14,"hidden_size":24,
            "num_attention_heads":3)" +
         (vision.empty() ? "" : "," + vision) + "}}";
}

// Refused with all of these words in the message.
inline void ExpectHfRefused(const HfConfigTexts& texts, const std::vector<std::string>& parts,
                            ErrorCode code) {
  const auto result = ReadHf(texts);
  ASSERT_FALSE(result) << texts.config << texts.generation << texts.preprocessor;
  EXPECT_EQ(result.error().code, code) << result.error().message;
  for (const std::string& part : parts) {
    EXPECT_NE(result.error().message.find(part), std::string::npos)
        << part << " in: " << result.error().message;
  }
}

inline bool Mentions(const std::vector<std::string>& remarks, const std::string& part) {
  return std::ranges::any_of(
      remarks, [&](const std::string& remark) { return remark.find(part) != std::string::npos; });
}

}  // namespace gemma3
