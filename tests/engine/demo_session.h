// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What tests of sessions ask the demo model.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gemma3/session.h"
#include "tests/support/demo_model.h"

namespace gemma3::testing {

inline constexpr const char* kStory = "Tell me a story about Freya and a window.";
inline constexpr const char* kSum = "Calculate 184 + 886.";
inline constexpr const char* kKorean = "그럼 안녕하십니까?";

inline std::string LongQuestion() {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "The sky is blue and the grass is green. ";
  return text + "What does a wolf do?";
}

inline const Part& Picture(size_t i) {
  static const std::vector<Part> pictures = {DemoPicture("goldens/images/image_pair-01a.png"),
                                             DemoPicture("goldens/images/image_pair-01b.png")};
  return pictures[i];
}

inline Message Look(std::vector<size_t> pictures,
                    std::string_view question = "What is in the picture?") {
  Message message{Role::kUser, {}};
  for (const size_t i : pictures) message.parts.push_back(Picture(i));
  message.parts.push_back(Part::Text(question));
  return message;
}

// The answer of a new session, with whatever options.
inline GenerationResult Fresh(const std::vector<Message>& messages,
                              const GenerationOptions& generation,
                              const SessionOptions& options = {}) {
  Session session = DemoSession(options);
  auto result = session.Generate(messages, generation);
  EXPECT_TRUE(result) << result.error().message;
  return result ? *std::move(result) : GenerationResult{};
}

inline std::string FreshText(std::string_view question, const GenerationOptions& generation) {
  return Fresh({Message::User(question)}, generation).text;
}

inline std::vector<std::string> Texts(const Session& session) {
  std::vector<std::string> out;
  for (const Message& message : session.messages()) {
    out.emplace_back();
    for (const Part& part : message.parts) out.back() += part.image ? "[picture]" : part.text;
  }
  return out;
}

}  // namespace gemma3::testing
