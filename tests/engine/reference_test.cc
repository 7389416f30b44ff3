// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Parity with transformers on tiny random checkpoints (tests/data/reference; make_reference.py
// there says what each tensor is): logits, hidden states, greedy continuations, image features.
#include "tests/support/reference.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>

#include "gemma3/experimental/evaluator.h"

namespace gemma3::testing {
namespace {

// The reference computes in f32 too, in another order; both accumulate rounding over the layers.
// The bound on the maximum over all positions, in standard deviations of the tensor, is the
// project's definition of parity.
constexpr double kParity = 2e-4;

std::string Folder(const std::string& name) {
  return std::string(GEMMA3_SOURCE_DIR) + "/tests/data/reference/" + name;
}

class ReferenceTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto model = Model::Load(Folder(GetParam()));
    ASSERT_TRUE(model) << model.error().message;
    model_.emplace(*model);
    for (const int64_t id : reference_.Values<int64_t>("input_ids")) {
      input_.ids.push_back(static_cast<TokenId>(id));
    }
    if (!reference_.Has("pixel_values")) return;
    const auto pixels = reference_.Values<float>("pixel_values");
    const size_t images = reference_.Shape("pixel_values")[0];
    const size_t each = pixels.size() / images;
    for (size_t i = 0; i < images; ++i) {
      input_.pixel_values.emplace_back(pixels.begin() + static_cast<ptrdiff_t>(i * each),
                                       pixels.begin() + static_cast<ptrdiff_t>((i + 1) * each));
    }
  }

  Evaluator MakeEvaluator(SessionOptions options) {
    options.reference = ReferenceRounding::kBF16;
    auto evaluator = Evaluator::Create(*model_, options);
    EXPECT_TRUE(evaluator) << evaluator.error().message;
    return std::move(*evaluator);
  }

  ReferenceFile reference_{Folder(GetParam()) + "/reference.safetensors"};
  std::optional<Model> model_;
  TokenInput input_;
};

TEST_P(ReferenceTest, ExactLogitsAndHiddenStatesMatch) {
  for (const size_t threads : {1, 3}) {
    Evaluator evaluator = MakeEvaluator({.threads = threads, .compute = ComputeMode::kExact});
    HiddenStates hidden;
    const auto logits = evaluator.Logits(input_, &hidden);
    ASSERT_TRUE(logits) << logits.error().message;
    EXPECT_LT(RelativeDistance(hidden.first, reference_.Values<float>("hidden_first")), kParity);
    EXPECT_LT(RelativeDistance(hidden.last, reference_.Values<float>("hidden_final")), kParity);
    EXPECT_LT(RelativeDistance(*logits, reference_.Values<float>("logits")), kParity);
  }
}

TEST_P(ReferenceTest, PrefillInPiecesGivesTheSameBits) {
  Evaluator whole = MakeEvaluator({.threads = 2, .compute = ComputeMode::kExact});
  const auto expected = whole.Logits(input_);
  ASSERT_TRUE(expected) << expected.error().message;
  for (const size_t batch : {1, 7, 64}) {
    Evaluator evaluator =
        MakeEvaluator({.threads = 2, .compute = ComputeMode::kExact, .prefill_batch = batch});
    const auto logits = evaluator.Logits(input_);
    ASSERT_TRUE(logits) << logits.error().message;
    EXPECT_EQ(*logits, *expected) << "batch " << batch;
  }
}

TEST_P(ReferenceTest, GreedyContinuationIsIdentical) {
  const auto expected = reference_.Values<int64_t>("greedy");
  GenerationOptions greedy;
  greedy.temperature = 0;
  greedy.max_tokens = expected.size();
  for (const size_t batch : {1, 7, 64, 512}) {
    Evaluator evaluator =
        MakeEvaluator({.threads = 2, .compute = ComputeMode::kExact, .prefill_batch = batch});
    const auto ids = evaluator.ContinueIds(input_, greedy);
    ASSERT_TRUE(ids) << ids.error().message;
    EXPECT_EQ(std::vector<int64_t>(ids->begin(), ids->end()), expected) << "batch " << batch;
  }
}

// bf16 keeps 8 bits, so each rounding of an activation is off by up to 2^-9 of itself, at random.
// A dot product of rounded activations is then off by about 2^-9 / sqrt(3) of its own spread. Each
// layer rounds five times on the way (inputs of qkv, q and the weights p of attention, k and v, the
// inputs of o, gate/up and down); errors of independent roundings add in squares over layers, and
// the maximum over all logits lies within six standard deviations. Norms spread around 1 with
// deviation 0.25 and one branch feeding the next amplify by a factor that stays below four.
TEST_P(ReferenceTest, FastModeIsWithinBf16Rounding) {
  Evaluator evaluator = MakeEvaluator({.threads = 2});
  const auto logits = evaluator.Logits(input_);
  ASSERT_TRUE(logits) << logits.error().message;
  const double layers =
      static_cast<double>(model_->config().text.num_layers) +
      static_cast<double>(model_->config().has_vision ? model_->config().vision.num_layers : 0);
  const double bound = 4 * 6 * std::sqrt(7 * layers) * 0x1p-9 / std::sqrt(3.0);
  const double distance = RelativeDistance(*logits, reference_.Values<float>("logits"));
  RecordProperty("distance", std::to_string(distance));
  EXPECT_LT(distance, bound);
}

std::vector<std::string> Cases() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(Folder(""))) {
    if (std::filesystem::exists(entry.path() / "reference.safetensors")) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Cases, ReferenceTest, ::testing::ValuesIn(Cases()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace gemma3::testing
