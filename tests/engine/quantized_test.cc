// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Whole models in quantised Hugging Face folders: they compute what their dequantised values
// compute.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/demo_model.h"
#include "tests/support/quantized_writer.h"
#include "tests/support/reference.h"
#include "tests/support/temp_folder.h"

namespace gemma3::testing {
namespace {

std::vector<float> LogitsOf(const Model& model, ComputeMode compute) {
  auto evaluator = Evaluator::Create(model, {.threads = 2, .compute = compute});
  if (!evaluator) {
    ADD_FAILURE() << evaluator.error().message;
    return {};
  }
  std::vector<TokenId> ids = {2};
  for (TokenId id = 0; id < 40; ++id) ids.push_back(300 + 17 * id % 200);
  const auto logits = evaluator->Logits({ids, {}});
  EXPECT_TRUE(logits) << logits.error().message;
  return logits ? *logits : std::vector<float>();
}

std::string TypeOf(const Model& model, const std::string& tensor) {
  for (const TensorInfo& info : model.tensors()) {
    if (info.name == tensor) return info.type;
  }
  return "";
}

struct QuantizedCase {
  const char* name;
  const char* type;
  QuantizedOptions options;
};

class QuantizedModel : public ::testing::TestWithParam<QuantizedCase> {};

// In exact mode: the very bits, packed at each start, or read from the cache of packed weights.
TEST_P(QuantizedModel, ComputesWhatItsValuesCompute) {
  const TempFolder folder;
  const std::string quantized = folder.path() + "/quantized", floats = folder.path() + "/floats";
  QuantizedOptions options = GetParam().options;
  ASSERT_TRUE(WriteQuantizedFolder(GEMMA3_DEMO_DIR, quantized, options));
  options.dequantized = true;
  ASSERT_TRUE(WriteQuantizedFolder(GEMMA3_DEMO_DIR, floats, options));
  const auto dequantized = Model::Load(floats);
  ASSERT_TRUE(dequantized) << dequantized.error().message;
  const std::vector<float> expected = LogitsOf(*dequantized, ComputeMode::kExact);
  const auto model = Model::Load(quantized);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(TypeOf(*model, "layers.1.mlp.gate_proj.weight"), GetParam().type);
  EXPECT_TRUE(model->warnings().empty());
  EXPECT_EQ(LogitsOf(*model, ComputeMode::kExact), expected);
  for (int start = 0; start < 2; ++start) {
    const auto cached = Model::Load(quantized, {.cache_folder = folder.path() + "/cache"});
    ASSERT_TRUE(cached) << cached.error().message;
    EXPECT_EQ(LogitsOf(*cached, ComputeMode::kExact), expected);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Folders, QuantizedModel,
    ::testing::Values(
        QuantizedCase{"W4A16", "CT-int4", {.group_size = 128}},
        QuantizedCase{"W4A16Asymmetric", "CT-int4", {.group_size = 32, .symmetric = false}},
        QuantizedCase{"W8A16", "CT-int8", {.bits = 8, .group_size = 0}},
        QuantizedCase{"ThreeBits", "CT-int3", {.bits = 3, .group_size = 64, .tower = true}},
        QuantizedCase{"W8A8",
                      "CT-int8",
                      {.layout = CodeLayout::kInt8, .bits = 8, .group_size = 0, .tower = true}},
        QuantizedCase{"Float8", "FP8", {.layout = CodeLayout::kFloat8, .bits = 8}},
        QuantizedCase{"Float8Blocks",
                      "FP8",
                      {.layout = CodeLayout::kScaleInv,
                       .bits = 8,
                       .block = 128,
                       .scale_type = TensorType::kF32}},
        QuantizedCase{
            "Gptq",
            "GPTQ-4",
            {.layout = CodeLayout::kGptq, .group_size = 128, .scale_type = TensorType::kF16}},
        QuantizedCase{"GptqActOrder",
                      "GPTQ-4",
                      {.layout = CodeLayout::kGptqV2,
                       .group_size = 64,
                       .symmetric = false,
                       .act_order = true,
                       .scale_type = TensorType::kF16}},
        QuantizedCase{"Awq",
                      "AWQ-4",
                      {.layout = CodeLayout::kAwq,
                       .group_size = 64,
                       .symmetric = false,
                       .scale_type = TensorType::kF16}}),
    [](const auto& info) { return std::string(info.param.name); });

// What is asked for in another form is rounded like any other weights.
TEST(QuantizedModel, OtherFormsAreMadeOfTheValues) {
  const TempFolder folder;
  const std::string quantized = folder.path() + "/quantized", floats = folder.path() + "/floats";
  QuantizedOptions options{.layout = CodeLayout::kAwq, .scale_type = TensorType::kF16};
  ASSERT_TRUE(WriteQuantizedFolder(GEMMA3_DEMO_DIR, quantized, options));
  options.dequantized = true;
  ASSERT_TRUE(WriteQuantizedFolder(GEMMA3_DEMO_DIR, floats, options));
  const LoadOptions int8{.weights = WeightFormat::kInt8};
  const auto model = Model::Load(quantized, int8), dequantized = Model::Load(floats, int8);
  ASSERT_TRUE(model && dequantized);
  EXPECT_EQ(LogitsOf(*model, ComputeMode::kFast), LogitsOf(*dequantized, ComputeMode::kFast));
}

}  // namespace
}  // namespace gemma3::testing
