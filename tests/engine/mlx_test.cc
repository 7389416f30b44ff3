// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Whole models in MLX folders: they compute what their dequantised values compute.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "src/engine/loaded_model.h"
#include "tests/support/demo_model.h"
#include "tests/support/mlx_writer.h"
#include "tests/support/reference.h"
#include "tests/support/temp_folder.h"

namespace gemma3::testing {
namespace {

struct Loaded {
  Model model;
  Session session;
  Evaluator evaluator;
};

Loaded Load(const std::string& folder, ComputeMode compute, const LoadOptions& options = {}) {
  auto model = Model::Load(folder, options);
  if (!model) {
    ADD_FAILURE() << model.error().message;
    std::exit(1);
  }
  const EngineOptions how{
      .threads = 2, .compute = compute, .image_newlines = ImageNewlines::kMerged};
  auto session = Session::Create(*model, how);
  auto evaluator = Evaluator::Create(*model, how);
  if (!session || !evaluator) {
    ADD_FAILURE() << (session ? evaluator.error() : session.error()).message;
    std::exit(1);
  }
  return {*std::move(model), *std::move(session), *std::move(evaluator)};
}

std::vector<float> LogitsOf(Evaluator& evaluator, const nlohmann::json& golden) {
  const auto logits = evaluator.Logits({golden["input_ids"].get<std::vector<TokenId>>(), {}});
  EXPECT_TRUE(logits) << logits.error().message;
  return logits ? *logits : std::vector<float>();
}

std::string TypeOf(const Model& model, const std::string& tensor) {
  for (const TensorInfo& info : model.tensors()) {
    if (info.name == tensor) return info.type;
  }
  return "";
}

// The first of the demo model's goldens without, and with, a picture.
nlohmann::json Golden(bool picture) {
  for (const auto& golden : ReadJson(DemoPath("goldens/goldens.json"))) {
    if ((golden.dump().find("\"image\"") != std::string::npos) == picture) return golden;
  }
  return {};
}

class MlxModel : public ::testing::TestWithParam<MlxFolderOptions> {};

// In exact mode: the very bits. The embedding, tower and all layers are quantised, with a second
// copy of the embedding as head.
TEST_P(MlxModel, ComputesWhatItsValuesCompute) {
  const TempFolder folder;
  const std::string quantized = folder.path() + "/mlx", dequantized = folder.path() + "/floats";
  MlxFolderOptions options = GetParam();
  ASSERT_TRUE(WriteMlxFolder(GEMMA3_DEMO_DIR, quantized, options));
  options.dequantized = true;
  ASSERT_TRUE(WriteMlxFolder(GEMMA3_DEMO_DIR, dequantized, options));
  Loaded mlx = Load(quantized, ComputeMode::kExact);
  Loaded floats = Load(dequantized, ComputeMode::kExact);
  EXPECT_EQ(TypeOf(mlx.model, "embed_tokens.weight"), "MLX-" + std::to_string(options.bits));
  EXPECT_TRUE(mlx.model.notes().empty());

  const auto text = Golden(false);
  EXPECT_EQ(LogitsOf(mlx.evaluator, text), LogitsOf(floats.evaluator, text));
  const auto messages = MessagesOf(Golden(true)["messages"], "goldens");
  const auto answer = mlx.session.Generate(messages, Greedy(16));
  const auto expected = floats.session.Generate(messages, Greedy(16));
  ASSERT_TRUE(answer) << answer.error().message;
  ASSERT_TRUE(expected) << expected.error().message;
  EXPECT_EQ(answer->text, expected->text);
}

INSTANTIATE_TEST_SUITE_P(Folders, MlxModel,
                         ::testing::Values(MlxFolderOptions{.bits = 8}, MlxFolderOptions{.bits = 4},
                                           MlxFolderOptions{.bits = 6, .group_size = 128},
                                           MlxFolderOptions{.bits = 3,
                                                            .group_size = 32,
                                                            .scale_type = TensorType::kF16}),
                         [](const auto& info) {
                           return std::to_string(info.param.bits) + "BitsGroupsOf" +
                                  std::to_string(info.param.group_size);
                         });

// 8 bits are enough for the answers of the original.
TEST(MlxDemo, EightBitsAnswerLikeTheOriginal) {
  const TempFolder folder;
  ASSERT_TRUE(WriteMlxFolder(GEMMA3_DEMO_DIR, folder.path()));
  for (const ComputeMode compute : {ComputeMode::kExact, ComputeMode::kFast}) {
    Loaded mlx = Load(folder.path(), compute);
    for (const auto& golden : ReadJson(DemoPath("goldens/goldens.json"))) {
      const auto result =
          mlx.session.Generate(MessagesOf(golden["messages"], "goldens"), Greedy(32));
      ASSERT_TRUE(result) << result.error().message;
      EXPECT_EQ(result->text, golden["greedy_text"].get<std::string>());
    }
  }
}

TEST(MlxDemo, TheCacheOfPackedWeightsHoldsIt) {
  const TempFolder folder, cache;
  ASSERT_TRUE(WriteMlxFolder(GEMMA3_DEMO_DIR, folder.path(), {.bits = 4}));
  const auto golden = Golden(false);
  Loaded direct = Load(folder.path(), ComputeMode::kFast);
  const std::vector<float> expected = LogitsOf(direct.evaluator, golden);
  for (int start = 0; start < 2; ++start) {  // packs; maps what was packed
    Loaded cached =
        Load(folder.path(), ComputeMode::kFast, {.cache_folder = cache.path() + "/packed"});
    EXPECT_EQ(cached.model.impl().weights.text.embedding.type, WeightType::kInt4Min);
    EXPECT_EQ(LogitsOf(cached.evaluator, golden), expected);
  }
  const std::filesystem::directory_iterator files(cache.path() + "/packed"), end;
  EXPECT_EQ(std::distance(files, end), 1);

  const std::string converted = cache.path() + "/demo.gemma3";
  const Status status = Convert(folder.path(), converted, {});
  ASSERT_TRUE(status) << status.error().message;
  Loaded packed = Load(converted, ComputeMode::kFast);
  EXPECT_EQ(LogitsOf(packed.evaluator, golden), expected);
}

}  // namespace
}  // namespace gemma3::testing
