// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// One sentence in a long text, found again: local layers have forgotten it dozens of windows ago
// (their pages are given back as the window leaves them), so the global layers must still hold it,
// and positions must be right up to the end. On the demo model, whose window is 64 tokens.

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tests/engine/demo_session.h"

namespace gemma3::testing {
namespace {

// Sentences of the kind that the model was trained on, all different.
std::vector<std::string> Filler(size_t count) {
  constexpr std::string_view kNames[] = {"Yuna", "Jonas", "Ruby",  "Tara", "Kevin", "Nina", "Hugo",
                                         "Olga", "Peter", "Marco", "Zoe",  "Iris",  "Ivan"};
  constexpr std::string_view kThings[] = {"table", "camera", "bridge", "apple", "garden", "wallet",
                                          "kite",  "piano",  "forest", "cake",  "valley"};
  constexpr std::string_view kWords[] = {"quiet",  "golden", "polite", "steep",
                                         "wooden", "rare",   "gentle"};
  constexpr std::string_view kPlaces[] = {"library", "harbor", "market", "office", "school"};
  std::vector<std::string> out;
  for (size_t i = 0; i < count; ++i) {
    const std::string name(kNames[i % 13]), thing(kThings[i % 11]), word(kWords[i % 7]),
        place(kPlaces[i / 3 % 5]);
    switch (i % 3) {
      case 0:
        out.push_back(name + " admired the " + word + " " + thing + " in the " + place + ".");
        break;
      case 1:
        out.push_back("The " + thing + " belongs to " + name + ", not to " +
                      std::string(kNames[(i + 5) % 13]) + ".");
        break;
      default:
        out.push_back("Every " + thing + " in the " + place + " looked " + word + ".");
        break;
    }
  }
  return out;
}

// Where the needle stands, in hundredths of the text.
class NeedleTest : public ::testing::TestWithParam<unsigned> {};

TEST_P(NeedleTest, IsFoundManyWindowsLater) {
  std::vector<std::string> sentences = Filler(300);
  sentences.insert(
      sentences.begin() + static_cast<ptrdiff_t>(sentences.size() * size_t{GetParam()} / 100),
      "The secret code for lantern is 23831.");
  std::string text;
  for (const std::string& sentence : sentences) text += sentence + " ";
  text += "\n\nWhat is the secret code for lantern?";

  for (const KvCacheType kv : {KvCacheType::kAuto, KvCacheType::kInt8}) {
    // Batches that are not a divisor of the window, and one larger than many windows.
    for (const size_t batch : {100, 512}) {
      SessionOptions options;
      options.kv = kv;
      options.prefill_batch = batch;
      const GenerationResult result = Fresh({Message::User(text)}, Greedy(), options);
      EXPECT_GT(result.prompt_tokens, 2500u);
      EXPECT_NE(result.text.find("23831"), std::string::npos) << result.text;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, NeedleTest, ::testing::Values(1u, 25u, 50u, 75u, 99u),
                         [](const auto& info) { return std::to_string(info.param); });

}  // namespace
}  // namespace gemma3::testing
