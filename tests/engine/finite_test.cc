// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Numbers that are none: from damaged weights, from a caller's pixels, from an overflow. They end a
// call with an error, and nothing of them stays behind.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "src/formats/safetensors.h"
#include "tests/engine/demo_session.h"
#include "tests/support/demo_copy.h"

namespace gemma3::testing {
namespace {

// The demo model with one weight replaced.
Model Damaged(const DemoCopy& copy, const std::string& tensor, uint16_t bf16) {
  auto set = OpenSafetensors(std::string(GEMMA3_DEMO_DIR) + "/model.safetensors");
  if (!set) {
    ADD_FAILURE() << set.error().message;
    std::exit(1);
  }
  TensorView& view = set->tensors.at(tensor);
  std::vector<std::byte> bytes(view.data, view.data + view.bytes);
  std::memcpy(bytes.data() + bytes.size() / 2 / 2 * 2, &bf16, sizeof bf16);
  view.data = bytes.data();
  std::filesystem::remove(copy.Path("model.safetensors"));
  EXPECT_TRUE(WriteSafetensors(copy.Path("model.safetensors"), set->tensors));
  return copy.Load();
}

const char* const kMatrix = "language_model.model.layers.3.mlp.down_proj.weight";
const char* const kTowerMatrix = "vision_tower.vision_model.encoder.layers.0.mlp.fc2.weight";

template <class T>
void ExpectNotFinite(const Result<T>& result, const char* call) {
  ASSERT_FALSE(result) << call;
  EXPECT_EQ(result.error().code, ErrorCode::kInternal) << call << ": " << result.error().message;
  EXPECT_NE(result.error().message.find("not finite"), std::string::npos) << call;
}

TEST(FiniteTest, DamagedWeightsAreAnErrorOfEveryCall) {
  constexpr uint16_t kNan = 0x7fc0, kInfinite = 0x7f80;
  for (const uint16_t value : {kNan, kInfinite}) {
    const DemoCopy copy;
    const Model model = Damaged(copy, kMatrix, value);
    auto session = Session::Create(model, {.threads = 2});
    ASSERT_TRUE(session);
    for (const GenerationOptions& options : {Greedy(5), Sampled(1, 5)}) {
      ExpectNotFinite(session->Send(Message::User(kSum), options), "Send");
    }
    EXPECT_TRUE(session->messages().empty());
    ExpectNotFinite(session->Complete(std::vector{Part::Text("The")}, Greedy(5)), "Complete");
    auto evaluator = Evaluator::Create(model, {.threads = 2});
    ASSERT_TRUE(evaluator);
    ExpectNotFinite(evaluator->Score("The sky is blue."), "Score");
    ExpectNotFinite(evaluator->Logits({{2, 50, 60}, {}}), "Logits");
    ExpectNotFinite(evaluator->ContinueIds({{2, 50, 60}, {}}, Greedy(5)), "ContinueIds");
    Evaluator good = DemoEvaluator();
    ExpectNotFinite(evaluator->Compare(good, "The sky is blue."), "Compare");
    ExpectNotFinite(good.Compare(*evaluator, "The sky is blue."), "Compare with");
  }
}

TokenInput WithPicture(const std::vector<float>& pixels) {
  const ModelConfig& config = DemoModel().config();
  TokenInput input{{2, 50}, {pixels}};
  input.ids.push_back(config.tokens.start_of_image);
  input.ids.insert(input.ids.end(), config.vision.tokens_per_image, config.tokens.image_soft_token);
  for (TokenId id = 60; id < 90; ++id) input.ids.push_back(id);
  return input;
}

size_t PixelCount() {
  const VisionConfig& vision = DemoModel().config().vision;
  return 3 * vision.image_size * vision.image_size;
}

TEST(FiniteTest, PixelsThatAreNoNumbersAreRefused) {
  Evaluator evaluator = DemoEvaluator();
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    std::vector<float> pixels(PixelCount(), 0.5f);
    pixels[pixels.size() / 2] = bad;
    EXPECT_EQ(evaluator.Logits(WithPicture(pixels)).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(evaluator.ContinueIds(WithPicture(pixels), Greedy(2)).error().code,
              ErrorCode::kInvalidArgument);
  }
  // What is wrong behind the picture is found before the tower runs.
  TokenInput input = WithPicture(std::vector<float>(PixelCount(), NAN));
  input.ids.push_back(-1);
  const auto error = evaluator.Logits(input).error();
  EXPECT_NE(error.message.find("input_ids["), std::string::npos) << error.message;
}

// A damaged tower leaves keys and values that are no numbers; a later, shorter text must not meet
// them.
TEST(FiniteTest, NothingOfItStaysInTheCache) {
  const DemoCopy copy;
  const Model model = Damaged(copy, kTowerMatrix, 0x7fc0);
  const TokenInput shorter{{2, 50, 60, 70}, {}};
  for (const KvCacheType kv : {KvCacheType::kAuto, KvCacheType::kF32, KvCacheType::kInt8}) {
    auto evaluator = Evaluator::Create(model, {.threads = 2, .kv = kv});
    ASSERT_TRUE(evaluator);
    ExpectNotFinite(evaluator->Logits(WithPicture(std::vector<float>(PixelCount(), 0.5f))),
                    "Logits");
    const auto after = evaluator->Logits(shorter);
    ASSERT_TRUE(after) << after.error().message;
    EXPECT_EQ(*after, DemoEvaluator({.kv = kv}).Logits(shorter).value());
    auto session = Session::Create(model, {.threads = 2, .kv = kv});
    ASSERT_TRUE(session);
    ExpectNotFinite(session->Send(Look({0}), Greedy(5)), "Send");
    const auto answer = session->Send(Message::User(kSum), Greedy(5));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->text, Fresh({Message::User(kSum)}, Greedy(5), {.kv = kv}).text);
  }
}

}  // namespace
}  // namespace gemma3::testing
