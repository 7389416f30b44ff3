// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The demo model, loaded once a process, and what tests ask of it.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/experimental/evaluator.h"
#include "gemma3/image.h"
#include "gemma3/message.h"
#include "gemma3/session.h"

namespace gemma3::testing {

// Sanitizers make everything some ten times slower: long tests then do a tenth.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    defined(HWY_COMPILE_ONLY_SCALAR)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

inline std::string DemoPath(const std::string& path) {
  return std::string(GEMMA3_SOURCE_DIR) + "/tools/demo/" + path;
}

inline const Model& DemoModel() {
  static const Model model = [] {
    auto loaded = Model::Load(GEMMA3_DEMO_DIR);
    if (!loaded) {
      ADD_FAILURE() << loaded.error().message;
      std::exit(1);
    }
    return *std::move(loaded);
  }();
  return model;
}

inline Session DemoSession(SessionOptions options = {}) {
  if (options.threads == 0) options.threads = 2;
  auto session = Session::Create(DemoModel(), options);
  if (!session) {
    ADD_FAILURE() << session.error().message;
    std::exit(1);
  }
  return *std::move(session);
}

inline Evaluator DemoEvaluator(EngineOptions options = {}) {
  if (options.threads == 0) options.threads = 2;
  auto evaluator = Evaluator::Create(DemoModel(), options);
  if (!evaluator) {
    ADD_FAILURE() << evaluator.error().message;
    std::exit(1);
  }
  return *std::move(evaluator);
}

// A picture of tools/demo.
inline Part DemoPicture(const std::string& path) {
  auto image = LoadImage(DemoPath(path));
  if (!image) {
    ADD_FAILURE() << image.error().message;
    return {};
  }
  return Part::Picture(*std::move(image));
}

inline nlohmann::json ReadJson(const std::string& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in) << path;
  return nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
}

// Messages in the form of chat templates; pictures are files under tools/demo/`folder`.
inline std::vector<Message> MessagesOf(const nlohmann::json& json, const std::string& folder) {
  std::vector<Message> out;
  for (const auto& message : json) {
    const std::string role = message["role"];
    Message& added = out.emplace_back();
    added.role = role == "system" ? Role::kSystem : role == "user" ? Role::kUser : Role::kModel;
    for (const auto& part : message["content"]) {
      added.parts.push_back(part["type"] == "text"
                                ? Part::Text(part["text"].get<std::string>())
                                : DemoPicture(folder + "/" + part["image"].get<std::string>()));
    }
  }
  return out;
}

inline GenerationOptions Greedy(size_t max_tokens = 0) {
  GenerationOptions options;
  options.temperature = 0;
  options.max_tokens = max_tokens;
  return options;
}

inline GenerationOptions Sampled(uint64_t seed, size_t max_tokens = 0) {
  GenerationOptions options;
  options.temperature = 1;
  options.seed = seed;
  options.max_tokens = max_tokens;
  return options;
}

}  // namespace gemma3::testing
