// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What the tests of constraints share.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gemma3/constraint.h"
#include "gemma3/tokenizer.h"
#include "src/constrain/matcher.h"

namespace gemma3 {

// The byte at which the text is refused, as far as it is read; nothing where it is accepted whole.
inline std::optional<size_t> FailsAt(const Constraint& constraint, std::string_view text) {
  ConstraintMatcher matcher(constraint, nullptr);
  const auto read = matcher.AcceptBytes(text);
  EXPECT_TRUE(read.has_value());
  if (!read) return 0;
  if (*read < text.size() || !matcher.MayEnd()) return *read;
  return std::nullopt;
}

inline bool Accepts(const Constraint& constraint, std::string_view text) {
  return !FailsAt(constraint, text);
}

inline std::string ReadWholeFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Compact JSON with ", " and ": " in one line.
inline std::string Spaced(const std::string& compact) {
  std::string text;
  bool in_string = false;
  for (size_t i = 0; i < compact.size(); ++i) {
    text += compact[i];
    if (in_string && compact[i] == '\\') {
      text += compact[++i];
    } else if (compact[i] == '"') {
      in_string = !in_string;
    } else if (!in_string && (compact[i] == ',' || compact[i] == ':')) {
      text += ' ';
    }
  }
  return text;
}

struct TestVocabulary {
  explicit TestVocabulary(Tokenizer loaded) : tokenizer(std::move(loaded)), tokens(tokenizer) {}
  Tokenizer tokenizer;
  ConstraintVocabulary tokens;

  static std::unique_ptr<TestVocabulary> Load(const std::string& path) {
    auto tokenizer = Tokenizer::FromProto(ReadWholeFile(path));
    if (!tokenizer) return nullptr;
    return std::make_unique<TestVocabulary>(*std::move(tokenizer));
  }
  // Of the demo model: small.
  static const TestVocabulary& Demo() {
    static const auto vocabulary = Load(GEMMA3_DEMO_DIR "/tokenizer.model");
    return *vocabulary;
  }
  // Of the published models; null where GEMMA3_TEST_DATA is not set.
  static const TestVocabulary* Real() {
    static const auto vocabulary = []() -> std::unique_ptr<TestVocabulary> {
      const char* root = std::getenv("GEMMA3_TEST_DATA");
      if (root == nullptr) return nullptr;
      return Load(std::string(root) + "/gemma3-tokenizer/tokenizer.model");
    }();
    return vocabulary.get();
  }
};

}  // namespace gemma3
