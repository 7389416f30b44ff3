// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/gguf_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "src/formats/dequantize.h"
#include "tests/formats/gguf_fixture.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/model_writer.h"

namespace gemma3 {
namespace {

using testing::GgufVision;

// A model whose rows are whole blocks of every type.
ModelConfig WideConfig() {
  ModelConfig config = testing::TinyTextConfig();
  config.text.hidden_size = 256;
  config.text.intermediate_size = 512;
  config.text.head_dim = 64;
  config.text.attention_scale = 0.125f;
  return config;
}

ModelConfig VisionModel() {
  ModelConfig config = testing::TinyVisionConfig();
  config.text.hidden_size = 64;
  return config;
}

TEST_F(GgufModel, TheSameModelInBothContainers) {
  const ModelConfig config = testing::TinyTextConfig();
  const Checkpoint gguf = Good(testing::MakeGguf(config, 5, {.matrices = TensorType::kF32}));
  ASSERT_TRUE(testing::WriteHfFolder(folder_.path() + "/hf", config, 5, TensorType::kF32));
  const auto hf = OpenCheckpoint(folder_.path() + "/hf");
  ASSERT_TRUE(hf);
  EXPECT_FALSE(gguf.norms_store_offset);
  EXPECT_TRUE(gguf.remarks.notes.empty());
  ASSERT_EQ(gguf.tensors.size(), hf->tensors.size());
  for (const auto& [name, view] : hf->tensors) {
    const TensorView& other = gguf.tensors.at(name);
    ASSERT_EQ(other.shape, view.shape) << name;
    for (size_t i = 0; i < view.bytes; i += 4) {
      float a = 0, b = 0;
      std::memcpy(&a, view.data + i, 4);
      std::memcpy(&b, other.data + i, 4);
      if (name.ends_with("norm.weight")) a += 1;
      ASSERT_EQ(a, b) << name;
    }
  }
  const TextConfig &a = gguf.config.text, &b = hf->config.text;
  EXPECT_EQ(a.vocab_size, b.vocab_size);
  EXPECT_EQ(a.head_dim, b.head_dim);
  EXPECT_EQ(a.attention_scale, b.attention_scale);
  EXPECT_EQ(a.layers, b.layers);
  EXPECT_EQ(a.sliding_window, b.sliding_window);
  EXPECT_EQ(a.max_context, b.max_context);
  EXPECT_EQ(a.rope_factor_global, b.rope_factor_global);
  EXPECT_EQ(a.rope_theta_global, b.rope_theta_global);
  EXPECT_EQ(a.rope_theta_local, b.rope_theta_local);
  EXPECT_EQ(a.rms_norm_eps, b.rms_norm_eps);
}

TEST_F(GgufModel, EveryBlockType) {
  for (const TensorType type :
       {TensorType::kBF16, TensorType::kQ8_0, TensorType::kQ4_0, TensorType::kQ4_1,
        TensorType::kQ5_0, TensorType::kQ5_1, TensorType::kQ2_K, TensorType::kQ3_K,
        TensorType::kQ4_K, TensorType::kQ5_K, TensorType::kQ6_K, TensorType::kIQ4_NL,
        TensorType::kIQ4_XS}) {
    const Checkpoint checkpoint = Good(testing::MakeGguf(WideConfig(), 1, {.matrices = type}));
    const TensorView& view = checkpoint.tensors.at("layers.3.mlp.down_proj.weight");
    EXPECT_EQ(view.type, type);
    EXPECT_EQ(view.shape, (std::vector<uint64_t>{256, 512}));
    std::vector<float> values(256 * 512);
    ASSERT_TRUE(Dequantize(type, view.data, values.size(), values.data()));
    for (const float value : values) ASSERT_LE(std::abs(value), 2) << InfoOf(type).name;
  }
}

TEST_F(GgufModel, QuantisedValuesAreNearTheirSources) {
  // The reference bytes for x[j] = 0.125 ((7 j mod 32) - 13).
  std::vector<float> x(32);
  for (int j = 0; j < 32; ++j)
    x[static_cast<size_t>(j)] = 0.125f * static_cast<float>(7 * j % 32 - 13);
  const auto hex = [&](TensorType type) {
    std::string text;
    for (const std::byte b : testing::QuantizeBlocks(type, x)) {
      const char* digits = "0123456789abcdef";
      text += digits[std::to_integer<int>(b) / 16];
      text += digits[std::to_integer<int>(b) % 16];
    }
    return text;
  };
  EXPECT_EQ(hex(TensorType::kQ8_0),
            "8924a4d607386ab9eb1c4e7fcf003163b2e4154778c8f92a5cabdd0e4071c0f22355");
  EXPECT_EQ(hex(TensorType::kQ4_0), "80b47e4b08c4815c29d6a3704b18c5926d3a");
  EXPECT_EQ(hex(TensorType::kQ4_1), "223480be80b3f72a6e91d5084c7fb3e62a5d91c4");
  EXPECT_EQ(hex(TensorType::kQ5_0), "80b063cc9831dc751f7913b943bc46e086208a24ca54");
  EXPECT_EQ(hex(TensorType::kQ5_1), "003080be983367cc0077ee55cc33aa1188ff66dd44bb2299");
}

// --- Tensors ---

TEST_F(GgufModel, MissingWrongAndSurplusTensors) {
  const ModelConfig config = testing::TinyTextConfig();
  GgufWriter surplus = testing::MakeGguf(config, 1);
  surplus.Tensor("blk.7.attn_norm.weight", TensorType::kF32, {32}, std::vector<std::byte>(128));
  ExpectRefused(surplus, "layers.7.input_layernorm.weight belongs to no layer");
  GgufWriter unknown = testing::MakeGguf(config, 1);
  unknown.Tensor("blk.0.something.weight", TensorType::kF32, {32}, std::vector<std::byte>(128));
  EXPECT_EQ(Good(unknown).remarks.notes.size(), 1u);
  GgufWriter missing = Keys(config, "");
  missing.Tensor("token_embd.weight", TensorType::kF16, {300, 32},
                 std::vector<std::byte>(300 * 64));
  ExpectRefused(missing, "is missing");
  ModelConfig wrong = config;
  wrong.text.intermediate_size = 96;
  // The same keys over the tensors of another width.
  GgufWriter other = testing::MakeGguf(wrong, 1);
  std::string content = other.Finish();
  const std::string key = "gemma3.feed_forward_length";
  const uint32_t said = 64;
  std::memcpy(content.data() + content.find(key) + key.size() + 4, &said, 4);
  const std::string path = folder_.Write("wrong.gguf", content);
  const auto checkpoint = OpenCheckpoint(path);
  ASSERT_FALSE(checkpoint);
  EXPECT_NE(checkpoint.error().message.find("should have shape [32, 64], found [32, 96]"),
            std::string::npos)
      << checkpoint.error().message;
}

TEST_F(GgufModel, TheOutputHead) {
  const ModelConfig config = testing::TinyTextConfig();
  GgufWriter same = testing::MakeGguf(config, 1);
  same.Tensor("output.weight", TensorType::kF16, {300, 32}, std::vector<std::byte>(300 * 64));
  const Checkpoint checkpoint = Good(same);
  EXPECT_EQ(checkpoint.remarks.notes.size(), 1u);
  EXPECT_FALSE(checkpoint.tensors.contains("output.weight"));
  GgufWriter shorter = testing::MakeGguf(config, 1);
  shorter.Tensor("output.weight", TensorType::kF16, {299, 32}, std::vector<std::byte>(299 * 64));
  ExpectRefused(shorter, "output.weight should have shape [300, 32]");
}

// --- Vision ---

void ExpectSameTower(const Checkpoint& checkpoint, const ModelConfig& config) {
  ASSERT_TRUE(checkpoint.config.has_vision);
  EXPECT_EQ(checkpoint.config.vision.tokens_per_image, config.vision.tokens_per_image);
  EXPECT_EQ(checkpoint.config.vision.num_heads, config.vision.num_heads);
  const auto bank =
      testing::RandomTensors(VisionShapes(config.vision, config.text), TensorType::kF32, 9);
  for (const auto& [name, view] : bank.views()) {
    const TensorView& read = checkpoint.tensors.at(name);
    ASSERT_EQ(read.shape, view.shape) << name;
    std::vector<float> values(view.bytes / 4);
    ASSERT_TRUE(Dequantize(read.type, read.data, values.size(), values.data()));
    for (size_t i = 0; i < values.size(); ++i) {
      float expected = 0;
      std::memcpy(&expected, view.data + 4 * i, 4);
      if (name == "projector.mm_soft_emb_norm.weight") expected += 1;
      // Half precision: 11 bits, and subnormals in steps of 2^-24.
      ASSERT_NEAR(values[i], expected, std::abs(expected) * 0x1p-11 + 0x1p-25) << name;
    }
  }
}

TEST_F(GgufModel, VisionInASeparateFile) {
  const ModelConfig config = VisionModel();
  const GgufWriter text = testing::MakeGguf(config, 9);
  EXPECT_FALSE(Good(text).config.has_vision);
  for (const bool swapped : {false, true}) {
    const std::string beside = folder_.path() + "/mmproj-model-f16.gguf";
    ASSERT_TRUE(testing::WriteGguf(beside, testing::MakeMmproj(config, 9, swapped)));
    ExpectSameTower(Good(text), config);  // found beside the model
    const std::string away = folder_.path() + "/elsewhere.gguf";
    std::filesystem::rename(beside, away);
    EXPECT_FALSE(Good(text).config.has_vision);
    ExpectSameTower(Good(text, {.mmproj = away}), config);
    std::filesystem::remove(away);
  }
}

TEST_F(GgufModel, NeighboursThatDoNotFitArePassedOver) {
  const ModelConfig config = VisionModel();
  ModelConfig wider = config;
  wider.text.hidden_size = 96;
  const GgufWriter text = testing::MakeGguf(config, 9);
  ASSERT_TRUE(testing::WriteGguf(folder_.path() + "/mmproj-a.gguf", testing::MakeMmproj(wider, 9)));
  folder_.Write("mmproj-b.gguf", "damaged");
  EXPECT_FALSE(Good(text).config.has_vision);
  ASSERT_TRUE(
      testing::WriteGguf(folder_.path() + "/mmproj-c.gguf", testing::MakeMmproj(config, 9)));
  ExpectSameTower(Good(text), config);
  // Named, they are errors.
  ExpectRefused(text, "projection_dim is 96", ErrorCode::kBadModel,
                {.mmproj = folder_.path() + "/mmproj-a.gguf"});
  ExpectRefused(text, "not a GGUF", ErrorCode::kBadModel,
                {.mmproj = folder_.path() + "/mmproj-b.gguf"});
  ExpectRefused(text, "no vision part", ErrorCode::kUnsupported,
                {.mmproj = folder_.path() + "/m.gguf"});
}

TEST_F(GgufModel, VisionInTheSameFile) {
  const ModelConfig config = VisionModel();
  const Checkpoint checkpoint = Good(testing::MakeGguf(config, 9, {.vision = GgufVision::kOllama}));
  ExpectSameTower(checkpoint, config);
  EXPECT_EQ(checkpoint.config.tokens.start_of_image, config.tokens.start_of_image);
  // Keys without tensors promise nothing.
  GgufWriter keys = testing::MakeGguf(config, 9);
  keys.Key("gemma3.vision.block_count", uint32_t{2});
  keys.Key("gemma3.mm.tokens_per_image", uint32_t{4});
  EXPECT_FALSE(Good(keys).config.has_vision);
}

TEST_F(GgufModel, DamagedVisionFiles) {
  const ModelConfig config = VisionModel();
  const GgufWriter text = testing::MakeGguf(config, 9);
  const std::string mmproj = folder_.path() + "/v.gguf";
  const auto refused = [&](const std::function<void(GgufWriter&)>& change, const std::string& part,
                           ErrorCode code = ErrorCode::kBadModel) {
    GgufWriter writer;
    change(writer);
    ASSERT_TRUE(testing::WriteGguf(mmproj, writer));
    ExpectRefused(text, part, code, {.mmproj = mmproj});
  };
  const auto head = [](GgufWriter& w, const char* projector = "gemma3") {
    w.KeyString("general.architecture", "clip");
    w.KeyString("clip.projector_type", projector);
  };
  const auto sizes = [](GgufWriter& w, uint32_t image, uint32_t patch, uint32_t pool) {
    w.Key("clip.vision.image_size", image);
    w.Key("clip.vision.patch_size", patch);
    w.Key("clip.vision.embedding_length", uint32_t{24});
    w.Key("clip.vision.feed_forward_length", uint32_t{40});
    w.Key("clip.vision.block_count", uint32_t{2});
    w.Key("clip.vision.attention.head_count", uint32_t{3});
    w.Key("clip.vision.projector.scale_factor", pool);
  };
  refused([&](GgufWriter& w) { head(w, "llava"); }, "llava", ErrorCode::kUnsupported);
  refused([&](GgufWriter& w) { w.KeyString("general.architecture", "clip"); }, "projector",
          ErrorCode::kUnsupported);
  for (const std::vector<float>& mean :
       {std::vector<float>{}, {0.5f, 0.5f}, {0.5f, 0.5f, 0.5f, 0.5f}, {0, 0, 0}}) {
    refused(
        [&](GgufWriter& w) {
          head(w);
          w.KeyFloats("clip.vision.image_mean", mean);
        },
        "image_mean");
    refused(
        [&](GgufWriter& w) {
          head(w);
          w.KeyFloats("clip.vision.image_std", mean);
        },
        "image_std");
  }
  refused(
      [&](GgufWriter& w) {
        head(w);
        w.KeyString("clip.vision.image_mean", "x");
      },
      "image_mean");
  refused([&](GgufWriter& w) { head(w); }, "is missing");
  refused(
      [&](GgufWriter& w) {
        head(w);
        sizes(w, 56, 0, 2);
      },
      "patch size");
  refused(
      [&](GgufWriter& w) {
        head(w);
        sizes(w, 56, 15, 1);
      },
      "patch size");
  refused(
      [&](GgufWriter& w) {
        head(w);
        sizes(w, 56, 14, 0);
      },
      "pool");
  refused(
      [&](GgufWriter& w) {
        head(w);
        sizes(w, 56, 14, 3);
      },
      "pool");
  refused(
      [&](GgufWriter& w) {
        head(w);
        sizes(w, UINT32_MAX, 1, 1);
      },
      "image size");
  refused(
      [&](GgufWriter& w) {
        head(w);
        sizes(w, 56, 14, 2);
      },
      "is missing");
}

TEST_F(GgufModel, FoldersWithOneGguf) {
  ASSERT_TRUE(testing::WriteGguf(folder_.path() + "/a.gguf",
                                 testing::MakeGguf(testing::TinyTextConfig(), 1)));
  EXPECT_TRUE(OpenCheckpoint(folder_.path()));
  folder_.Write("b.gguf", "x");
  const auto two = OpenCheckpoint(folder_.path());
  ASSERT_FALSE(two);
  EXPECT_NE(two.error().message.find("path of the .gguf file"), std::string::npos);
  const testing::TempFolder hf;
  ASSERT_TRUE(testing::WriteHfFolder(hf.path(), testing::TinyTextConfig()));
  const auto with = OpenCheckpoint(hf.path(), {.mmproj = folder_.path() + "/a.gguf"});
  ASSERT_FALSE(with);
  EXPECT_EQ(with.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(GgufModel, BitFlipsNeverCrash) {
  const ModelConfig config = VisionModel();
  const std::string good = testing::MakeGguf(config, 1, {.vision = GgufVision::kOllama}).Finish();
  const std::string path = folder_.path() + "/flipped.gguf";
  uint32_t state = 1;
  for (int i = 0; i < 300; ++i) {
    std::string content = good;
    for (int flips = 0; flips < 3; ++flips) {
      state = state * 1664525u + 1013904223u;
      // The first 20 kB hold the metadata and the descriptions of the tensors.
      content[(state >> 8) % 20000] ^= static_cast<char>(1 << (state >> 29));
    }
    folder_.Write("flipped.gguf", content);
    const auto checkpoint = OpenCheckpoint(path);
    if (!checkpoint) {
      EXPECT_FALSE(checkpoint.error().message.empty());
    }
  }
}

}  // namespace
}  // namespace gemma3
