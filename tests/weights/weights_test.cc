// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a tensor of a file is as a weight: its values, wherever it lies and whatever its float type.
#include "src/weights/weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "src/base/half.h"
#include "src/formats/dequantize.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/tiny_model.h"

namespace gemma3 {
namespace {

using testing::RandomValues;
using testing::TinyModel;

std::vector<float> Unpacked(const MatrixView& w) {
  std::vector<float> out(w.rows * w.cols);
  for (size_t r = 0; r < w.rows; ++r) UnpackRow(w, r, out.data() + r * w.cols);
  return out;
}

// What is left of a value in a stored type.
float Rounded(float value, TensorType type) {
  if (type == TensorType::kF16) return FloatFromHalf(HalfFromFloat(value));
  if (type == TensorType::kBF16) return FloatFromBf16(Bf16FromFloat(value));
  return value;
}

std::vector<float> Rounded(std::vector<float> values, TensorType type) {
  for (float& value : values) value = Rounded(value, type);
  return values;
}

class WeightsTest : public ::testing::TestWithParam<TensorType> {};

TEST_P(WeightsTest, MatricesHaveTheStoredValues) {
  TinyModel model(testing::TinyVisionConfig());
  const ModelConfig& config = model.checkpoint.config;
  const std::vector<uint64_t> q_shape = {64, 32}, down_shape = {32, 64},
                              patch_shape = {24, 3, 14, 14};
  const auto q = RandomValues(q_shape, 1);
  const auto down = RandomValues(down_shape, 2);
  const auto patch = RandomValues(patch_shape, 3);
  model.bank.Add("layers.3.self_attn.q_proj.weight", GetParam(), q_shape, q);
  model.bank.Add("layers.6.mlp.down_proj.weight", GetParam(), down_shape, down);
  model.bank.Add("vision.embeddings.patch_embedding.weight", GetParam(), patch_shape, patch);
  model.Load(ModelConfig(config));

  const MatrixView& q_view = model.weights.text.layers[3].q;
  EXPECT_EQ(q_view.rows, 64u);
  EXPECT_EQ(q_view.cols, 32u);
  EXPECT_EQ(Unpacked(q_view), Rounded(q, GetParam()));
  EXPECT_EQ(Unpacked(model.weights.text.layers[6].down), Rounded(down, GetParam()));
  // A convolution's kernel is a matrix whose columns gather channel, row and column.
  const MatrixView& patch_view = model.weights.vision.patch.w;
  EXPECT_EQ(patch_view.rows, 24u);
  EXPECT_EQ(patch_view.cols, 3u * 14 * 14);
  EXPECT_EQ(Unpacked(patch_view), Rounded(patch, GetParam()));
}

// Aligned float matrices are read where they are, so that a file needs no second copy in memory.
TEST_P(WeightsTest, AlignedMatricesAreReadInPlace) {
  const TinyModel model(testing::TinyTextConfig(), GetParam());
  const TensorView& stored = model.checkpoint.tensors.at("embed_tokens.weight");
  EXPECT_EQ(model.weights.text.embedding.data, static_cast<const void*>(stored.data));
  EXPECT_EQ(model.weights.owned_bytes, 0u);
  size_t matrices = 0;
  for (const auto& [name, view] : model.checkpoint.tensors) {
    if (view.shape.size() > 1) matrices += view.bytes;
  }
  EXPECT_EQ(model.weights.mapped_bytes, matrices);
}

// Files written before the format padded its header can put data at odd addresses.
TEST_P(WeightsTest, DataAtOddAddressesIsRight) {
  const ModelConfig config = testing::TinyVisionConfig();
  const TinyModel expected(config, GetParam());
  TinyModel model(config, GetParam());
  std::vector<std::vector<std::byte>> shifted;  // every tensor, one byte off
  for (auto& [name, view] : model.checkpoint.tensors) {
    std::vector<std::byte>& bytes = shifted.emplace_back(view.bytes + 1);
    std::memcpy(bytes.data() + 1, view.data, view.bytes);
    view.data = bytes.data() + 1;
  }
  ThreadPool pool(2);
  const auto loaded = LoadWeights(model.checkpoint, {}, pool);
  ASSERT_TRUE(loaded) << loaded.error().message;
  const TextWeights& text = loaded->text;
  EXPECT_EQ(Unpacked(text.embedding), Unpacked(expected.weights.text.embedding));
  for (size_t i = 0; i < text.layers.size(); ++i) {
    const LayerWeights& a = text.layers[i];
    const LayerWeights& b = expected.weights.text.layers[i];
    EXPECT_EQ(Unpacked(a.q), Unpacked(b.q));
    EXPECT_EQ(Unpacked(a.down), Unpacked(b.down));
    EXPECT_EQ(a.input_norm, b.input_norm);
    EXPECT_EQ(a.k_norm, b.k_norm);
    // The kernels load elements of their own size.
    EXPECT_EQ(reinterpret_cast<uintptr_t>(a.q.data) % 4, 0u);
  }
  EXPECT_EQ(Unpacked(loaded->vision.position), Unpacked(expected.weights.vision.position));
  EXPECT_EQ(Unpacked(loaded->vision.projection), Unpacked(expected.weights.vision.projection));
  EXPECT_EQ(loaded->vision.layers[1].fc1.bias, expected.weights.vision.layers[1].fc1.bias);
}

// Stored text and projector gains are w of 1 + w in one container and whole in the other; the
// tower's LayerNorms are whole in both.
TEST_P(WeightsTest, GainsAreWholeFactors) {
  for (const bool offset : {true, false}) {
    TinyModel model(testing::TinyVisionConfig(), GetParam());
    const auto stored = [&](const std::string& name, size_t size, float add) {
      std::vector<float> values(size);
      const TensorView& view = model.checkpoint.tensors.at(name);
      for (size_t i = 0; i < size; ++i) {
        switch (GetParam()) {
          case TensorType::kF32:
            std::memcpy(&values[i], view.data + 4 * i, 4);
            break;
          case TensorType::kF16:
            values[i] = FloatFromHalf(LoadLittle<uint16_t>(view.data + 2 * i));
            break;
          default:
            values[i] = FloatFromBf16(LoadLittle<uint16_t>(view.data + 2 * i));
        }
        values[i] += add;
      }
      return values;
    };
    model.checkpoint.norms_store_offset = offset;
    model.Load(ModelConfig(model.checkpoint.config));
    const float add = offset ? 1 : 0;
    const ModelWeights& w = model.weights;
    const LayerWeights& layer = w.text.layers[2];
    EXPECT_EQ(layer.input_norm, stored("layers.2.input_layernorm.weight", 32, add));
    EXPECT_EQ(layer.q_norm, stored("layers.2.self_attn.q_norm.weight", 16, add));
    EXPECT_EQ(layer.k_norm, stored("layers.2.self_attn.k_norm.weight", 16, add));
    EXPECT_EQ(layer.post_attention_norm,
              stored("layers.2.post_attention_layernorm.weight", 32, add));
    EXPECT_EQ(layer.pre_ffw_norm, stored("layers.2.pre_feedforward_layernorm.weight", 32, add));
    EXPECT_EQ(layer.post_ffw_norm, stored("layers.2.post_feedforward_layernorm.weight", 32, add));
    EXPECT_EQ(w.text.final_norm, stored("norm.weight", 32, add));
    EXPECT_EQ(w.vision.projector_norm, stored("projector.mm_soft_emb_norm.weight", 24, add));
    EXPECT_EQ(w.vision.post_norm_weight, stored("vision.post_layernorm.weight", 24, 0));
    EXPECT_EQ(w.vision.layers[0].norm1_weight,
              stored("vision.encoder.layers.0.layer_norm1.weight", 24, 0));
    EXPECT_EQ(w.vision.layers[0].norm2_bias,
              stored("vision.encoder.layers.0.layer_norm2.bias", 24, 0));
  }
}

// The projector's matrix is stored as [inputs, outputs], unlike all others.
TEST_P(WeightsTest, ProjectionIsTransposed) {
  TinyModel model(testing::TinyVisionConfig());
  const auto values = RandomValues({24, 32}, 5);
  model.bank.Add("projector.mm_input_projection_weight", GetParam(), {24, 32}, values);
  model.Load(ModelConfig(model.checkpoint.config));
  const MatrixView& projection = model.weights.vision.projection;
  ASSERT_EQ(projection.rows, 32u);
  ASSERT_EQ(projection.cols, 24u);
  const std::vector<float> got = Unpacked(projection);
  for (size_t r = 0; r < 32; ++r) {
    for (size_t c = 0; c < 24; ++c) {
      EXPECT_EQ(got[r * 24 + c], Rounded(values[c * 32 + r], GetParam())) << r << ", " << c;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, WeightsTest,
                         ::testing::Values(TensorType::kF32, TensorType::kF16, TensorType::kBF16),
                         [](const auto& info) { return InfoOf(info.param).name; });

// As in files of a vision part that were made from BF16.
TEST(LoadWeightsTest, HalvesOfTheTowerThatAreBf16BecomeBf16) {
  const char* kSmall = "vision.encoder.layers.0.mlp.fc1.weight";
  const char* kOther = "vision.encoder.layers.0.mlp.fc2.weight";
  const char* kText = "layers.0.mlp.gate_proj.weight";
  TinyModel model(testing::TinyVisionConfig());
  std::vector<std::vector<float>> values;
  for (const char* name : {kSmall, kOther, kText}) {
    const std::vector<uint64_t> shape = model.checkpoint.tensors.at(name).shape;
    values.push_back(Rounded(RandomValues(shape, 7), TensorType::kBF16));
    // Halves below 2^-14 have fewer bits, but these numbers have few.
    values.back()[0] = 0x1.8p-20f;
    if (name == kOther) values.back().back() = 1.0f + 0x1p-10f;
    model.bank.Add(name, TensorType::kF16, shape, values.back());
  }
  model.Load(ModelConfig(model.checkpoint.config));
  const VisionLayerWeights& layer = model.weights.vision.layers[0];
  EXPECT_EQ(layer.fc1.w.type, WeightType::kBF16);
  EXPECT_EQ(Unpacked(layer.fc1.w), Rounded(values[0], TensorType::kF16));
  EXPECT_EQ(layer.fc2.w.type, WeightType::kF16);
  EXPECT_EQ(Unpacked(layer.fc2.w), Rounded(values[1], TensorType::kF16));
  // Text stays in the file, where it need not be copied.
  EXPECT_EQ(model.weights.text.layers[0].gate.type, WeightType::kF16);
}

// A model of 256 wide rows whose first gate is of a block type.
struct BlockModel {
  BlockModel(TensorType type, const std::vector<std::byte>& blocks) : model(Config()) {
    TensorView& view = model.checkpoint.tensors.at("layers.0.mlp.gate_proj.weight");
    view.type = type;
    view.data = blocks.data();
    view.bytes = blocks.size();
  }
  static ModelConfig Config() {
    ModelConfig config = testing::TinyTextConfig();
    config.text.hidden_size = 256;
    return config;
  }
  static size_t Elements() { return 256 * Config().text.intermediate_size; }
  Result<ModelWeights> Load(const LoadOptions& options = {}) {
    ThreadPool pool(2);
    return LoadWeights(model.checkpoint, options, pool);
  }
  TinyModel model;
};

TEST(LoadWeightsTest, ScalesOfAnySizeInMxfp4StayWhatTheyAre) {
  const size_t elements = BlockModel::Elements();
  for (const int exponent : {0, 1, 103, 104, 143, 144, 254}) {
    std::vector<std::byte> blocks = testing::RandomBlocks(TensorType::kMXFP4, elements, 1);
    blocks[17 * 3] = static_cast<std::byte>(exponent);
    for (const bool zeros : {false, true}) {
      if (zeros) std::fill_n(blocks.begin() + 17 * 3 + 1, 16, std::byte{0x80});
      std::vector<float> expected(elements);
      ASSERT_TRUE(Dequantize(TensorType::kMXFP4, blocks.data(), elements, expected.data()));
      const auto loaded = BlockModel(TensorType::kMXFP4, blocks).Load();
      ASSERT_TRUE(loaded) << loaded.error().message;
      const MatrixView& gate = loaded->text.layers[0].gate;
      const bool fits = zeros || (exponent >= 104 && exponent <= 143);
      EXPECT_EQ(gate.type, fits ? WeightType::kInt8 : WeightType::kBF16) << exponent;
      EXPECT_EQ(Unpacked(gate), expected) << exponent;
    }
  }
}

TEST(LoadWeightsTest, ScalesThatAreNotFiniteAreRefused) {
  const size_t elements = BlockModel::Elements();
  for (const TensorType type : {TensorType::kQ8_0, TensorType::kIQ1_S, TensorType::kIQ1_M,
                                TensorType::kIQ2_XXS, TensorType::kIQ2_XS, TensorType::kIQ2_S,
                                TensorType::kIQ3_XXS, TensorType::kIQ3_S, TensorType::kMXFP4}) {
    std::vector<std::byte> blocks = testing::RandomBlocks(type, elements, 1);
    const size_t last = blocks.size() - InfoOf(type).block_bytes;
    if (type == TensorType::kMXFP4) {
      blocks[last] = std::byte{0xff};
    } else if (type == TensorType::kIQ1_M) {
      blocks[last + 55] = std::byte{0x7c};  // the top four bits of the scale, and
      blocks[last + 53] = std::byte{0xc0};  // the next
    } else {
      blocks[last + 1] = std::byte{0x7c};
    }
    for (const WeightFormat wanted : {WeightFormat::kAsStored, WeightFormat::kInt8}) {
      const auto loaded = BlockModel(type, blocks).Load({.weights = wanted});
      ASSERT_FALSE(loaded) << InfoOf(type).name;
      EXPECT_EQ(loaded.error().code, ErrorCode::kBadModel);
      EXPECT_NE(loaded.error().message.find(
                    "layers.0.mlp.gate_proj.weight holds values that are infinite"),
                std::string::npos)
          << loaded.error().message;
    }
  }
}

TEST(LoadWeightsTest, AMissingTensorIsNamed) {
  TinyModel model(testing::TinyTextConfig());
  model.checkpoint.tensors.erase("layers.4.mlp.up_proj.weight");
  ThreadPool pool(1);
  const auto loaded = LoadWeights(model.checkpoint, {}, pool);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kBadModel);
  EXPECT_NE(loaded.error().message.find("layers.4.mlp.up_proj.weight"), std::string::npos);
}

TEST(LoadWeightsTest, VectorsThatAreNotFiniteAreRefused) {
  const char* const kVectors[] = {
      "norm.weight", "layers.3.self_attn.k_norm.weight", "vision.post_layernorm.bias",
      "vision.encoder.layers.1.self_attn.q_proj.bias", "projector.mm_soft_emb_norm.weight"};
  for (const char* name : kVectors) {
    for (const float bad : {INFINITY, -INFINITY, NAN}) {
      for (const TensorType type : {TensorType::kF32, TensorType::kF16, TensorType::kBF16}) {
        TinyModel model(testing::TinyVisionConfig());
        const auto shape = model.bank.views().at(name).shape;
        std::vector<float> values(shape[0], 0.5f);
        values.back() = bad;
        model.bank.Add(name, type, shape, values);
        model.checkpoint.tensors = model.bank.views();
        ThreadPool pool(1);
        const auto loaded = LoadWeights(model.checkpoint, {}, pool);
        ASSERT_FALSE(loaded) << name;
        EXPECT_EQ(loaded.error().code, ErrorCode::kBadModel);
        EXPECT_NE(loaded.error().message.find(name), std::string::npos);
      }
    }
  }
}

// Packing would make numbers of them, so that the answers would only be wrong.
TEST(LoadWeightsTest, FloatsThatAreNotFiniteAreNotPacked) {
  for (const char* name : {"embed_tokens.weight", "layers.6.mlp.up_proj.weight"}) {
    for (const float bad : {INFINITY, NAN}) {
      for (const TensorType type : {TensorType::kF32, TensorType::kF16, TensorType::kBF16}) {
        for (const WeightFormat weights : {WeightFormat::kInt8, WeightFormat::kInt4}) {
          TinyModel model(testing::TinyTextConfig());
          const auto shape = model.bank.views().at(name).shape;
          std::vector<float> values = RandomValues(shape, 3);
          values.back() = bad;
          model.bank.Add(name, type, shape, values);
          model.checkpoint.tensors = model.bank.views();
          ThreadPool pool(2);
          const auto loaded = LoadWeights(model.checkpoint, {.weights = weights}, pool);
          ASSERT_FALSE(loaded) << name;
          EXPECT_EQ(loaded.error().code, ErrorCode::kBadModel);
          EXPECT_NE(loaded.error().message.find(name), std::string::npos);
        }
      }
    }
  }
}

TEST(LoadWeightsTest, TypesThatAreNoNumbersOfAModelAreRefused) {
  TinyModel model(testing::TinyTextConfig());
  model.checkpoint.tensors.at("norm.weight").type = TensorType::kI32;
  ThreadPool pool(1);
  const auto loaded = LoadWeights(model.checkpoint, {}, pool);
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find("norm.weight"), std::string::npos);
}

}  // namespace
}  // namespace gemma3
