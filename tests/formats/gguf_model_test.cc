// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/gguf_model.h"

#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/formats/dequantize.h"
#include "src/formats/gguf.h"
#include "src/formats/gguf_config.h"
#include "src/formats/shape_table.h"
#include "src/formats/spm_proto.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"

namespace gemma3 {
namespace {

using testing::GgufVision;
using testing::GgufWriter;

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

class GgufModel : public ::testing::Test {
 protected:
  Result<Checkpoint> Open(const GgufWriter& writer, const OpenOptions& options = {}) {
    path_ = folder_.path() + "/m.gguf";
    EXPECT_TRUE(testing::WriteGguf(path_, writer));
    return OpenCheckpoint(path_, options);
  }
  Checkpoint Good(const GgufWriter& writer, const OpenOptions& options = {}) {
    auto checkpoint = Open(writer, options);
    EXPECT_TRUE(checkpoint) << (checkpoint ? "" : checkpoint.error().message);
    return checkpoint ? *std::move(checkpoint) : Checkpoint();
  }
  void ExpectRefused(const GgufWriter& writer, const std::string& part,
                     ErrorCode code = ErrorCode::kBadModel, const OpenOptions& options = {}) {
    const auto checkpoint = Open(writer, options);
    ASSERT_FALSE(checkpoint) << part;
    EXPECT_EQ(checkpoint.error().code, code) << checkpoint.error().message;
    EXPECT_NE(checkpoint.error().message.find(part), std::string::npos)
        << checkpoint.error().message;
  }
  testing::TempFolder folder_;
  std::string path_;
};

TEST_F(GgufModel, TheSameModelInBothContainers) {
  const ModelConfig config = testing::TinyTextConfig();
  const Checkpoint gguf = Good(testing::MakeGguf(config, 5, {.matrices = TensorType::kF32}));
  ASSERT_TRUE(testing::WriteHfFolder(folder_.path() + "/hf", config, 5, TensorType::kF32));
  const auto hf = OpenCheckpoint(folder_.path() + "/hf");
  ASSERT_TRUE(hf);
  EXPECT_FALSE(gguf.norms_store_offset);
  EXPECT_TRUE(gguf.notes.empty());
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

// --- Configuration ---

// The keys of a model with one of them left out or replaced; its tensors fit `config`.
GgufWriter Keys(const ModelConfig& config, const std::string& without,
                const std::function<void(GgufWriter&)>& add = {}) {
  GgufWriter writer;
  const TextConfig& t = config.text;
  const auto put = [&](const std::string& key, size_t value) {
    if (key != without) writer.Key("gemma3." + key, static_cast<uint32_t>(value));
  };
  if (without != "general.architecture") writer.KeyString("general.architecture", "gemma3");
  put("context_length", t.max_context);
  put("embedding_length", t.hidden_size);
  put("block_count", t.num_layers);
  put("feed_forward_length", t.intermediate_size);
  put("attention.head_count", t.num_heads);
  put("attention.head_count_kv", t.num_kv_heads);
  put("attention.key_length", t.head_dim);
  put("attention.sliding_window", t.sliding_window);
  if (add) add(writer);
  return writer;
}

// Reads only the configuration: published sizes need no tensors for that.
Result<ModelConfig> Config(const GgufWriter& writer, std::vector<std::string>* notes = nullptr,
                           uint64_t rows = 300) {
  static const std::string kName = "m.gguf";
  const std::string content = writer.Finish();
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(content.data()),
                                         content.size());
  const auto gguf = GgufFile::Parse(bytes, kName);
  if (!gguf) return std::unexpected(gguf.error());
  TensorMap tensors;
  tensors["token_embd.weight"] = {
      .type = TensorType::kF16, .shape = {rows, 1}, .data = nullptr, .bytes = 0, .file = nullptr};
  std::vector<std::string> ignored;
  auto config = ReadGgufTextConfig(*gguf, tensors, notes ? notes : &ignored);
  if (config) {
    if (Status status = CheckConfig(*config, kName); !status) {
      return std::unexpected(status.error());
    }
  }
  return config;
}

ModelConfig Published(size_t layers, size_t hidden, size_t heads, size_t kv, size_t head_dim) {
  ModelConfig config;
  config.text.num_layers = layers;
  config.text.hidden_size = hidden;
  config.text.intermediate_size = 4 * hidden;
  config.text.num_heads = heads;
  config.text.num_kv_heads = kv;
  config.text.head_dim = head_dim;
  config.text.sliding_window = layers < 30 ? 512 : 1024;
  config.text.max_context = layers < 30 ? 32768 : 131072;
  return config;
}

TEST(GgufConfig, DefaultsOfWhatIsMissing) {
  const ModelConfig tiny = testing::TinyTextConfig();
  const auto base = Config(Keys(tiny, ""));
  ASSERT_TRUE(base) << base.error().message;
  EXPECT_EQ(base->text.rope_theta_global, 1e6f);
  EXPECT_EQ(base->text.rope_theta_local, 1e4f);
  EXPECT_EQ(base->text.rope_factor_global, 1.0f);
  EXPECT_EQ(base->text.rms_norm_eps, 1e-6f);
  EXPECT_EQ(base->text.layers, tiny.text.layers);
  EXPECT_EQ(base->text.attention_scale, 0.25f);
  EXPECT_EQ(Config(Keys(tiny, "attention.head_count_kv"))->text.num_kv_heads, 4u);
  EXPECT_EQ(Config(Keys(tiny, "attention.key_length"))->text.head_dim, 256u);
  EXPECT_EQ(Config(Keys(tiny, "context_length"))->text.max_context, 131072u);
  std::vector<std::string> notes;
  const auto all_global = Config(Keys(tiny, "attention.sliding_window"), &notes);
  ASSERT_TRUE(all_global);
  EXPECT_EQ(all_global->text.layers, std::vector<LayerKind>(7, LayerKind::kGlobal));
  EXPECT_EQ(notes.size(), 1u);
  for (const char* key : {"embedding_length", "block_count", "feed_forward_length",
                          "attention.head_count", "general.architecture"}) {
    const auto missing = Config(Keys(tiny, key));
    ASSERT_FALSE(missing) << key;
    EXPECT_NE(missing.error().message.find("missing"), std::string::npos);
  }
}

TEST(GgufConfig, OtherSpellings) {
  const ModelConfig tiny = testing::TinyTextConfig();
  const auto old = Config(Keys(tiny, "", [](GgufWriter& w) {
    w.Key("gemma3.rope.global.freq_base", 2e6f);
    w.Key("gemma3.rope.local.freq_base", 2e4f);
    w.Key("gemma3.attention.sliding_window_pattern", uint32_t{2});
  }));
  ASSERT_TRUE(old);
  EXPECT_EQ(old->text.rope_theta_global, 2e6f);
  EXPECT_EQ(old->text.rope_theta_local, 2e4f);
  EXPECT_EQ(old->text.layers[1], LayerKind::kGlobal);
  const auto array = Config(Keys(tiny, "", [](GgufWriter& w) {
    w.KeyBools("gemma3.attention.sliding_window_pattern",
               {true, false, true, true, true, true, false});
    w.Key("gemma3.rope.freq_base", 3e6f);
    w.Key("gemma3.rope.global.freq_base", 2e6f);
    w.Key("gemma3.rope.freq_base_swa", 3e4f);
  }));
  ASSERT_TRUE(array);
  EXPECT_EQ(array->text.layers[1], LayerKind::kGlobal);
  EXPECT_EQ(array->text.layers[5], LayerKind::kLocal);
  EXPECT_EQ(array->text.rope_theta_global, 3e6f);
  EXPECT_EQ(array->text.rope_theta_local, 3e4f);
}

TEST(GgufConfig, RepairsOfPublishedFiles) {
  std::vector<std::string> notes;
  // The first 4b uploads: context 8192, no scaling factor, no base frequency.
  ModelConfig four = Published(34, 2560, 8, 4, 256);
  four.text.max_context = 8192;
  auto read = Config(Keys(four, ""), &notes);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->text.max_context, 131072u);
  EXPECT_EQ(read->text.rope_factor_global, 8.0f);
  EXPECT_EQ(notes.size(), 2u);
  // A well-made 27b file: no repair, its own attention scale.
  notes.clear();
  read = Config(Keys(Published(62, 5376, 32, 16, 128), "",
                     [](GgufWriter& w) {
                       w.KeyString("gemma3.rope.scaling.type", "linear");
                       w.Key("gemma3.rope.scaling.factor", 8.0f);
                     }),
                &notes);
  ASSERT_TRUE(read);
  EXPECT_TRUE(notes.empty());
  EXPECT_FLOAT_EQ(read->text.attention_scale, 0.0771516749810460f);
  EXPECT_EQ(Config(Keys(Published(62, 5376, 32, 16, 128), "attention.key_length"))->text.head_dim,
            128u);
  // The old 1b upload: capped logits, and a factor that small models do not have.
  notes.clear();
  read = Config(Keys(Published(26, 1152, 4, 1, 256), "attention.sliding_window",
                     [](GgufWriter& w) {
                       w.Key("gemma3.final_logit_softcapping", 30.0f);
                       w.Key("gemma3.rope.scaling.factor", 8.0f);
                     }),
                &notes);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->text.rope_factor_global, 1.0f);
  EXPECT_EQ(read->text.sliding_window, 512u);
  EXPECT_EQ(read->text.layers[0], LayerKind::kLocal);
  EXPECT_EQ(notes.size(), 3u);
}

TEST(GgufConfig, OtherModelsSayWhatTheyAre) {
  const auto unsupported = [](const GgufWriter& writer, const std::string& part) {
    const auto config = Config(writer);
    ASSERT_FALSE(config) << part;
    EXPECT_EQ(config.error().code, ErrorCode::kUnsupported) << config.error().message;
    EXPECT_NE(config.error().message.find(part), std::string::npos) << config.error().message;
  };
  const auto architecture = [](const char* name) {
    GgufWriter writer;
    writer.KeyString("general.architecture", name);
    return writer;
  };
  unsupported(architecture("llama"), "llama");
  unsupported(architecture("gemma3n"), "gemma3n");
  unsupported(architecture("clip"), "vision part");
  const ModelConfig tiny = testing::TinyTextConfig();
  ModelConfig rnj = tiny;
  rnj.text.num_layers = 32;
  unsupported(Keys(rnj, ""), "32 layers");
  unsupported(
      Keys(tiny, "", [](GgufWriter& w) { w.KeyString("gemma3.rope.scaling.type", "yarn"); }),
      "yarn");
  unsupported(Keys(tiny, "", [](GgufWriter& w) { w.Key("gemma3.final_logit_softcapping", 30.0f); }),
              "softcapping");
}

TEST(GgufConfig, ImpossibleValuesAreErrors) {
  const ModelConfig tiny = testing::TinyTextConfig();
  const auto refused = [&](const std::string& key, const std::function<void(GgufWriter&)>& add) {
    const auto config = Config(Keys(tiny, key, add));
    ASSERT_FALSE(config) << key;
    EXPECT_EQ(config.error().code, ErrorCode::kBadModel) << config.error().message;
  };
  const auto number = [&](const std::string& key, uint32_t value) {
    refused(key, [=](GgufWriter& w) { w.Key("gemma3." + key, value); });
  };
  const auto real = [&](const std::string& key, float value) {
    refused(key, [=](GgufWriter& w) { w.Key("gemma3." + key, value); });
  };
  for (const uint32_t n : {0u, 1025u, 1u << 31, UINT32_MAX}) number("block_count", n);
  refused("block_count", [](GgufWriter& w) { w.KeyString("gemma3.block_count", "7"); });
  refused("block_count", [](GgufWriter& w) { w.KeyInts("gemma3.block_count", {7}); });
  refused("block_count", [](GgufWriter& w) { w.Key("gemma3.block_count", 7.0f); });
  refused("block_count", [](GgufWriter& w) { w.Key("gemma3.block_count", int32_t{-1}); });
  refused("block_count", [](GgufWriter& w) { w.Key("gemma3.block_count", UINT64_MAX); });
  refused("attention.head_count", [](GgufWriter& w) {
    w.KeyInts("gemma3.attention.head_count", {4, 4});
  });
  for (const uint32_t n : {0u, 3u, UINT32_MAX}) number("attention.head_count", n);
  for (const uint32_t n : {0u, 3u, 8u}) number("attention.head_count_kv", n);
  for (const uint32_t n : {0u, 15u, 1u << 20}) number("attention.key_length", n);
  number("attention.value_length", 8);
  number("embedding_length", 0);
  number("feed_forward_length", UINT32_MAX);
  for (const uint32_t n : {0u, UINT32_MAX}) number("context_length", n);
  number("attention.sliding_window_pattern", 0);
  refused("", [](GgufWriter& w) {
    w.KeyBools("gemma3.attention.sliding_window_pattern", {true, false});
  });
  refused("",
          [](GgufWriter& w) { w.KeyStrings("gemma3.attention.sliding_window_pattern", {"a"}); });
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float f : {0.0f, -1.0f, nan, std::numeric_limits<float>::infinity()}) {
    real("rope.freq_base", f);
    real("rope.freq_base_swa", f);
    real("rope.scaling.factor", f);
    real("attention.layer_norm_rms_epsilon", f);
  }
  refused("", [](GgufWriter& w) { w.KeyString("gemma3.rope.freq_base", "1e6"); });
  // A window larger than the context is odd but harmless.
  EXPECT_TRUE(Config(Keys(tiny, "attention.sliding_window", [](GgufWriter& w) {
    w.Key("gemma3.attention.sliding_window", uint32_t{100000});
  })));
}

// --- Tensors ---

TEST_F(GgufModel, MissingWrongAndSurplusTensors) {
  const ModelConfig config = testing::TinyTextConfig();
  GgufWriter surplus = testing::MakeGguf(config, 1);
  surplus.Tensor("blk.7.attn_norm.weight", TensorType::kF32, {32}, std::vector<std::byte>(128));
  ExpectRefused(surplus, "layers.7.input_layernorm.weight belongs to no layer");
  GgufWriter unknown = testing::MakeGguf(config, 1);
  unknown.Tensor("blk.0.something.weight", TensorType::kF32, {32}, std::vector<std::byte>(128));
  EXPECT_EQ(Good(unknown).notes.size(), 1u);
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
  EXPECT_EQ(checkpoint.notes.size(), 1u);
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

// --- Vocabulary ---

// A model with the changed vocabulary keys; each test names what it writes itself.
class GgufTokenizer : public GgufModel {
 protected:
  void SetUp() override {
    config_ = testing::TinyTextConfig();
    base_ = testing::MakeGguf(config_, 1, {.vocabulary = false});
    vocabulary_ = testing::TinyVocabulary(config_);
    for (const VocabularyPiece& piece : vocabulary_.pieces) {
      tokens_.push_back(piece.text);
      scores_.push_back(piece.score);
      types_.push_back(static_cast<int32_t>(piece.type));
    }
  }
  GgufWriter Writer() const {
    GgufWriter writer = base_;
    writer.KeyString("tokenizer.ggml.model", "llama");
    writer.KeyStrings("tokenizer.ggml.tokens", tokens_);
    writer.KeyFloats("tokenizer.ggml.scores", scores_);
    writer.KeyInts("tokenizer.ggml.token_type", types_);
    return writer;
  }

 public:  // changed by functions that take the fixture
  ModelConfig config_;
  GgufWriter base_;
  SpmVocabulary vocabulary_;
  std::vector<std::string> tokens_;
  std::vector<float> scores_;
  std::vector<int32_t> types_;
};

void ExpectSamePieces(const std::string& proto, const SpmVocabulary& expected) {
  const auto parsed = ParseSpmProto(proto, "test");
  ASSERT_TRUE(parsed) << parsed.error().message;
  ASSERT_EQ(parsed->pieces.size(), expected.pieces.size());
  for (size_t id = 0; id < expected.pieces.size(); ++id) {
    EXPECT_EQ(parsed->pieces[id].text, expected.pieces[id].text) << id;
    EXPECT_EQ(parsed->pieces[id].type, expected.pieces[id].type) << id;
    if (expected.pieces[id].type == PieceType::kNormal) {
      EXPECT_EQ(parsed->pieces[id].score, expected.pieces[id].score) << id;
    }
  }
}

TEST_F(GgufTokenizer, TheVocabularyComesBack) {
  ExpectSamePieces(Good(Writer()).tokenizer_proto, vocabulary_);
  // As llama.cpp's converter writes it: other types for marks, plain spaces.
  const Checkpoint converted = Good(testing::MakeGguf(config_, 1));
  ExpectSamePieces(converted.tokenizer_proto, vocabulary_);
  EXPECT_EQ(converted.config.tokens.start_of_turn, 269);
  EXPECT_EQ(converted.config.tokens.end_of_turn, 270);
  EXPECT_EQ(converted.config.generation.stop_tokens, (std::vector<TokenId>{1, 270}));
}

TEST_F(GgufTokenizer, WithoutAVocabularyTheModelStillOpens) {
  const Checkpoint checkpoint = Good(base_);
  EXPECT_TRUE(checkpoint.tokenizer_proto.empty());
  EXPECT_NE(checkpoint.tokenizer_missing.find("vocabulary"), std::string::npos);
}

TEST_F(GgufTokenizer, MergesInsteadOfScores) {
  GgufWriter writer = base_;
  writer.KeyString("tokenizer.ggml.model", "gpt2");
  writer.KeyStrings("tokenizer.ggml.tokens", tokens_);
  writer.KeyInts("tokenizer.ggml.token_type", types_);
  GgufWriter with = writer;
  with.KeyStrings("tokenizer.ggml.merges", {"a b", "ab c", "\u2581 a"});
  ExpectSamePieces(Good(with).tokenizer_proto, vocabulary_);
  ExpectRefused(writer, "merges is missing");
}

TEST_F(GgufTokenizer, StopTokens) {
  using Ids = std::vector<TokenId>;
  const auto stop = [&](const std::function<void(GgufWriter&)>& add) {
    GgufWriter writer = Writer();
    add(writer);
    return Good(writer).config.generation.stop_tokens;
  };
  EXPECT_EQ(stop([](GgufWriter&) {}), (Ids{1, 270}));
  EXPECT_EQ(stop([](GgufWriter& w) { w.Key("tokenizer.ggml.eos_token_id", uint32_t{270}); }),
            (Ids{1, 270}));
  EXPECT_EQ(stop([](GgufWriter& w) { w.Key("tokenizer.ggml.eot_token_id", uint32_t{5}); }),
            (Ids{1, 270, 5}));
  EXPECT_EQ(stop([](GgufWriter& w) {
              w.KeyInts("tokenizer.ggml.eos_token_ids", {1, 7});
            }),
            (Ids{1, 270, 7}));
  EXPECT_EQ(stop([](GgufWriter& w) { w.Key("tokenizer.ggml.eos_token_id", UINT32_MAX); }),
            (Ids{1, 270}));
}

TEST_F(GgufTokenizer, IdsOutsideTheVocabularyAreErrors) {
  for (const char* name : {"bos", "eos", "eot", "unknown", "padding"}) {
    GgufWriter writer = Writer();
    writer.Key(std::string("tokenizer.ggml.") + name + "_token_id", uint32_t{300});
    ExpectRefused(writer, "outside the vocabulary");
    GgufWriter negative = Writer();
    negative.Key(std::string("tokenizer.ggml.") + name + "_token_id", int32_t{-1});
    ExpectRefused(negative, "is -1");
  }
  for (const int32_t id : {-1, 300}) {
    GgufWriter writer = Writer();
    writer.KeyInts("tokenizer.ggml.eos_token_ids", {1, id});
    ExpectRefused(writer, "outside the vocabulary");
  }
  GgufWriter words = Writer();
  words.KeyStrings("tokenizer.ggml.eos_token_ids", {"1"});
  ExpectRefused(words, "eos_token_ids");
}

TEST_F(GgufTokenizer, DamagedVocabulariesAreErrors) {
  const auto refused = [&](const std::function<void(GgufTokenizer&)>& change,
                           const std::string& part) {
    const auto tokens = tokens_;
    const auto scores = scores_;
    const auto types = types_;
    change(*this);
    ExpectRefused(Writer(), part);
    tokens_ = tokens, scores_ = scores, types_ = types;
  };
  refused([](GgufTokenizer& t) { t.scores_.pop_back(); }, "scores has 299 entries for 300");
  refused([](GgufTokenizer& t) { t.scores_.push_back(0); }, "scores has 301 entries for 300");
  refused([](GgufTokenizer& t) { t.types_.pop_back(); }, "token_type has 299 entries for 300");
  refused([](GgufTokenizer& t) { t.types_.push_back(1); }, "token_type has 301 entries for 300");
  refused([](GgufTokenizer& t) { t.types_[9] = 99; }, "token 9 has the unknown type 99");
  refused([](GgufTokenizer& t) { t.types_[9] = 0; }, "token 9 has the unknown type 0");
  refused([](GgufTokenizer& t) { t.tokens_[264] = "ab"; }, "twice");
  refused([](GgufTokenizer& t) { t.tokens_[264] = ""; }, "empty");
  refused([](GgufTokenizer& t) { t.tokens_[9] = "<0xZZ>"; }, "byte tokens");
  refused([](GgufTokenizer& t) { t.scores_[262] = std::nanf(""); }, "score");
  refused(
      [](GgufTokenizer& t) {
        t.tokens_.clear();
        t.scores_.clear();
        t.types_.clear();
      },
      "vocabulary of 0");
  GgufWriter other = base_;
  other.KeyString("tokenizer.ggml.model", "bert");
  other.KeyStrings("tokenizer.ggml.tokens", tokens_);
  ExpectRefused(other, "bert", ErrorCode::kUnsupported);
  GgufWriter typeless = base_;
  typeless.KeyString("tokenizer.ggml.model", "llama");
  typeless.KeyStrings("tokenizer.ggml.tokens", tokens_);
  ExpectRefused(typeless, "token_type is missing");
}

TEST_F(GgufTokenizer, MoreTokensThanRows) {
  tokens_.push_back("<image_soft_token>");
  scores_.push_back(-1000);
  types_.push_back(3);
  const Checkpoint checkpoint = Good(Writer());
  EXPECT_EQ(checkpoint.notes.size(), 1u);
  ExpectSamePieces(checkpoint.tokenizer_proto, vocabulary_);
}

TEST_F(GgufTokenizer, FewerTokensThanRows) {
  tokens_.resize(280);
  scores_.resize(280);
  types_.resize(280);
  const Checkpoint checkpoint = Good(Writer());
  EXPECT_EQ(checkpoint.config.text.vocab_size, 300u);
  vocabulary_.pieces.resize(280);
  ExpectSamePieces(checkpoint.tokenizer_proto, vocabulary_);
}

TEST(GgufPublishedTokenizer, EqualsTokenizerModelOnEveryVector) {
  const char* root = std::getenv("GEMMA3_TEST_DATA");
  if (root == nullptr) GTEST_SKIP() << "GEMMA3_TEST_DATA names no folder";
  const std::string folder = std::string(root) + "/gemma3-tokenizer/";
  const auto model = ReadFile(folder + "tokenizer.model", 1 << 24);
  const auto vectors_text = ReadFile(folder + "vectors.json", 1 << 24);
  ASSERT_TRUE(model && vectors_text);
  const auto original = ParseSpmProto(*model, "tokenizer.model");
  ASSERT_TRUE(original);

  // Written as converters do for a multimodal model: with <image_soft_token> and padding behind.
  SpmVocabulary padded = *original;
  padded.pieces.push_back({"<image_soft_token>", 0, PieceType::kUserDefined});
  while (padded.pieces.size() < 262208) {
    padded.pieces.push_back(
        {"[PAD" + std::to_string(padded.pieces.size()) + "]", 0, PieceType::kUnused});
  }
  GgufWriter writer;
  testing::AddVocabulary(padded, &writer);
  const std::string content = writer.Finish(), name = "m.gguf";
  const auto gguf =
      GgufFile::Parse({reinterpret_cast<const std::byte*>(content.data()), content.size()}, name);
  ASSERT_TRUE(gguf);
  ModelConfig config;
  config.text.vocab_size = 262208;
  std::string missing;
  std::vector<std::string> notes;
  const auto proto = ReadGgufTokenizer(*gguf, &config, &missing, &notes);
  ASSERT_TRUE(proto) << proto.error().message;
  ExpectSamePieces(*proto, *original);
  EXPECT_EQ(config.tokens.start_of_image, 255999);
  EXPECT_EQ(config.tokens.image_soft_token, 262144);
  EXPECT_EQ(config.generation.stop_tokens, (std::vector<TokenId>{1, 106}));

  sentencepiece::SentencePieceProcessor processor;
  ASSERT_TRUE(processor.LoadFromSerializedProto(*proto).ok());
  for (const auto& vector : nlohmann::json::parse(*vectors_text)) {
    std::vector<int> ids;
    ASSERT_TRUE(processor.Encode(vector["text"].get<std::string>(), &ids).ok());
    EXPECT_EQ(ids, vector["ids"].get<std::vector<int>>());
  }
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
