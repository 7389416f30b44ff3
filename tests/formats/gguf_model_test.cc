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
#include "src/formats/mmproj_files.h"
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
       {TensorType::kBF16,   TensorType::kQ8_0,  TensorType::kQ4_0,    TensorType::kQ4_1,
        TensorType::kQ5_0,   TensorType::kQ5_1,  TensorType::kQ2_K,    TensorType::kQ3_K,
        TensorType::kQ4_K,   TensorType::kQ5_K,  TensorType::kQ6_K,    TensorType::kIQ4_NL,
        TensorType::kIQ4_XS, TensorType::kIQ1_S, TensorType::kIQ1_M,   TensorType::kIQ2_XXS,
        TensorType::kIQ2_XS, TensorType::kIQ2_S, TensorType::kIQ3_XXS, TensorType::kIQ3_S,
        TensorType::kMXFP4}) {
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
  unknown.Tensor("something.weight", TensorType::kF32, {32}, std::vector<std::byte>(128));
  const Checkpoint warned = Good(unknown);
  ASSERT_EQ(warned.remarks.warnings.size(), 1u);
  EXPECT_NE(warned.remarks.warnings[0].find("1 tensor (something.weight)"), std::string::npos);
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

TEST_F(GgufModel, TensorsInsideTheModelAreRefused) {
  const std::pair<const char*, const char*> kInside[] = {
      {"blk.0.something.weight", "something"},
      {"blk.0.attn_q.bias", "no such bias"},
      {"blk.6.ffn_up.bias", "no such bias"},
      {"blk.0.layer_output_scale.weight", "layer_output_scale"},
      {"blk.0.attn_q.weight.lora_a", "adapter"},
      {"blk.0.attn_sinks.weight", "attn_sinks"},
      {"output.bias", "no such bias"},
      {"token_embd.weight.lora_b", "adapter"},
      {"output_norm.bias", "no such bias"},
      {"v.blk.0.ls1.weight", "ls1"},
      {"v.pre_ln.weight", "pre_ln"},
      {"mm.2.weight", "mm.2"},
  };
  for (const auto& [name, part] : kInside) {
    GgufWriter writer = testing::MakeGguf(VisionModel(), 1, {.vision = GgufVision::kOllama});
    writer.Tensor(name, TensorType::kF32, {32}, std::vector<std::byte>(128));
    ExpectRefused(writer, std::string("tensor ") + name, ErrorCode::kUnsupported);
    ExpectRefused(writer, part, ErrorCode::kUnsupported);
  }
}

TEST_F(GgufModel, FilesThatAreNoModelSayWhatTheyAre) {
  GgufWriter adapter;
  adapter.KeyString("general.type", "adapter");
  adapter.KeyString("general.architecture", "gemma3");
  adapter.KeyString("adapter.type", "lora");
  adapter.Tensor("blk.0.attn_q.weight.lora_a", TensorType::kF32, {4, 32},
                 std::vector<std::byte>(512));
  ExpectRefused(adapter, "is an adapter (LoRA)", ErrorCode::kUnsupported);
  GgufWriter imatrix;
  imatrix.KeyString("general.type", "imatrix");
  imatrix.KeyStrings("imatrix.datasets", {"wiki"});
  ExpectRefused(imatrix, "importance matrix", ErrorCode::kUnsupported);
}

TEST_F(GgufModel, TheOutputHead) {
  const ModelConfig config = testing::TinyTextConfig();
  GgufWriter same = testing::MakeGguf(config, 1);
  same.Tensor("output.weight", TensorType::kF16, {300, 32}, std::vector<std::byte>(300 * 64));
  const Checkpoint checkpoint = Good(same);
  EXPECT_TRUE(checkpoint.remarks.notes.empty());
  EXPECT_TRUE(checkpoint.tensors.contains("lm_head.weight"));
  EXPECT_FALSE(checkpoint.config.text.tie_word_embeddings);
  GgufWriter shorter = testing::MakeGguf(config, 1);
  shorter.Tensor("output.weight", TensorType::kF16, {299, 32}, std::vector<std::byte>(299 * 64));
  ExpectRefused(shorter, "output.weight should have shape [300, 32]");
}

// --- Vision ---

void ExpectSameTower(const Checkpoint& checkpoint, const ModelConfig& config, uint32_t seed = 9) {
  ASSERT_TRUE(checkpoint.config.has_vision);
  EXPECT_EQ(checkpoint.config.vision.tokens_per_image, config.vision.tokens_per_image);
  EXPECT_EQ(checkpoint.config.vision.num_heads, config.vision.num_heads);
  const auto bank =
      testing::RandomTensors(VisionShapes(config.vision, config.text), TensorType::kF32, seed);
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

TEST(MmprojFiles, TheStemOfAName) {
  using Words = std::vector<std::string>;
  const std::pair<const char*, Words> kStems[] = {
      {"/models/gemma-3-4b-it-Q4_K_M.gguf", {"gemma", "3", "4b", "it"}},
      {"Gemma-3-4B-It.IQ3_XXS.GGUF", {"gemma", "3", "4b", "it"}},
      {"google_gemma-3-4b-it-qat-q4_0.gguf", {"google", "gemma", "3", "4b", "it", "qat"}},
      {"gemma-3-4b-it-UD-Q4_K_XL-00001-of-00003.gguf", {"gemma", "3", "4b", "it", "ud"}},
      {"mmproj-model-f16-4B.gguf", {"4b"}},
      {"mmproj-BF16.gguf", {}},
      {"mmproj.gguf", {}},
      {"gemma-3-4b-it.mmproj-Q8_0.gguf", {"gemma", "3", "4b", "it"}},
      {"f-q-k-m.gguf", {"f", "q", "k", "m"}},
      {"", {}},
  };
  for (const auto& [name, words] : kStems) EXPECT_EQ(StemOf(name), words) << name;
  EXPECT_EQ(SharedStem("mmproj-gemma-3-4b.gguf", "my-gemma-3-4b-it-Q4_0.gguf"), 3u);
  EXPECT_EQ(SharedStem("mmproj-gemma-3-4b-it.gguf", "gemma-3-4b.gguf"), 0u);
  EXPECT_EQ(SharedStem("mmproj-gemma-3-4b.gguf", "medgemma-3-4b.gguf"), 0u);
  EXPECT_EQ(SharedStem("mmproj-F16.gguf", "gemma-3-4b.gguf"), 0u);
}

// Towers of one width, told apart by what they hold: `seed` is that of the weights.
TEST_F(GgufModel, OfSeveralVisionFilesTheOneOfTheModel) {
  const ModelConfig config = VisionModel();
  struct Case {
    std::string model;
    std::vector<std::pair<std::string, uint32_t>> towers;  // file, seed
    uint32_t seed;                                         // of the one that is right; 0: an error
    size_t warnings = 0;
  };
  const std::vector<Case> cases = {
      {"medgemma.gguf", {{"mmproj-gemma.gguf", 1}, {"mmproj-medgemma.gguf", 2}}, 2},
      {"gemma.gguf", {{"mmproj-gemma.gguf", 1}, {"mmproj-medgemma.gguf", 2}}, 1},
      {"gemma-3-4b-it-Q4_K_M.gguf",
       {{"mmproj-gemma-3-4b-it-f16.gguf", 1}, {"mmproj-gemma-3-4b-it-qat-x-f16.gguf", 2}},
       1},
      {"google_gemma-3-4b-it-IQ3_XXS.gguf",
       {{"mmproj-google_gemma-3-4b-it-f16.gguf", 1}, {"mmproj-gemma-3-4b-it-f16.gguf", 2}},
       1},
      {"Gemma-3-4B-it.Q8_0.gguf",
       {{"gemma-3-12b-it.mmproj-f16.gguf", 1}, {"gemma-3-4b-it.mmproj-Q8_0.gguf", 2}},
       2},
      // The only one.
      {"gemma-3-4b-it-Q4_0.gguf", {{"mmproj-model-f16.gguf", 1}}, 1},
      {"gemma-3-4b-it-Q4_0.gguf", {{"mmproj-F16.gguf", 1}}, 1},
      {"gemma-3-4b-it-Q4_0.gguf", {{"mmproj-medgemma-4b.gguf", 1}}, 1, 1},
      // Nothing decides.
      {"x.gguf", {{"mmproj-a.gguf", 1}, {"mmproj-b.gguf", 2}}, 0},
      {"x.gguf", {{"mmproj-F16.gguf", 1}, {"mmproj-BF16.gguf", 2}}, 0},
      {"gemma-3-4b.gguf",
       {{"mmproj-gemma-3-4b-f16.gguf", 1}, {"mmproj-gemma-3-4b-f32.gguf", 2}},
       0},
      // One tower, in several types.
      {"x.gguf", {{"mmproj-F16.gguf", 3}, {"mmproj-BF16.gguf", 3}}, 3},
  };
  for (const Case& c : cases) {
    const testing::TempFolder folder;
    const std::string model = folder.path() + "/" + c.model;
    ASSERT_TRUE(testing::WriteGguf(model, testing::MakeGguf(config, 9)));
    for (const auto& [name, seed] : c.towers) {
      ASSERT_TRUE(
          testing::WriteGguf(folder.path() + "/" + name, testing::MakeMmproj(config, seed)));
    }
    const auto checkpoint = OpenCheckpoint(model);
    if (c.seed == 0) {
      ASSERT_FALSE(checkpoint) << c.model << c.towers[0].first;
      EXPECT_EQ(checkpoint.error().code, ErrorCode::kInvalidArgument);
      EXPECT_NE(checkpoint.error().message.find("--mmproj"), std::string::npos);
      // The user's word is enough.
      const auto named = OpenCheckpoint(model, {.mmproj = folder.path() + "/" + c.towers[1].first});
      ASSERT_TRUE(named) << named.error().message;
      ExpectSameTower(*named, config, c.towers[1].second);
      continue;
    }
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    ExpectSameTower(*checkpoint, config, c.seed);
    EXPECT_EQ(checkpoint->remarks.warnings.size(), c.warnings) << c.towers[0].first;
  }
}

// One that has the model's name and cannot be used is told to everyone.
TEST_F(GgufModel, AVisionFileOfTheModelThatDoesNotFit) {
  const ModelConfig config = VisionModel();
  ModelConfig wider = config;
  wider.text.hidden_size = 96;
  ASSERT_TRUE(testing::WriteGguf(folder_.path() + "/mmproj-m.gguf", testing::MakeMmproj(wider, 9)));
  const Checkpoint checkpoint = Good(testing::MakeGguf(config, 9));
  EXPECT_FALSE(checkpoint.config.has_vision);
  ASSERT_EQ(checkpoint.remarks.warnings.size(), 1u);
  EXPECT_NE(checkpoint.remarks.warnings[0].find("projection_dim is 96"), std::string::npos);
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
  refused([&](GgufWriter& w) { w.KeyString("general.architecture", "clip"); },
          "clip.projector_type is missing", ErrorCode::kUnsupported);
  for (const auto& [key, value] : {std::pair("clip.use_silu", true), {"clip.use_gelu", false}}) {
    refused(
        [&](GgufWriter& w) {
          head(w);
          w.KeyBool(key, value);
        },
        key, ErrorCode::kUnsupported);
  }
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
