// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/gguf_config.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "src/formats/gguf.h"
#include "src/formats/shape_table.h"
#include "tests/formats/gguf_fixture.h"
#include "tests/support/model_writer.h"

namespace gemma3 {
namespace {

// Reads only the configuration: published sizes need no tensors for that.
Result<ModelConfig> Config(const GgufWriter& writer, Remarks* remarks = nullptr,
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
  Remarks ignored;
  auto config = ReadGgufTextConfig(*gguf, tensors, remarks ? remarks : &ignored);
  // What an embedding model has behind its trunk is read later, and checked with the rest.
  if (config && !config->text.bidirectional) {
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
  EXPECT_EQ(
      Config(Keys(tiny, "attention.key_length",
                  [](GgufWriter& w) { w.Key("gemma3.attention.value_length", uint32_t{64}); }))
          ->text.head_dim,
      64u);
  // The same in every layer, stated for each.
  EXPECT_EQ(Config(Keys(tiny, "attention.head_count_kv",
                        [](GgufWriter& w) {
                          w.KeyInts("gemma3.attention.head_count_kv", std::vector<int32_t>(7, 1));
                        }))
                ->text.num_kv_heads,
            1u);
  EXPECT_EQ(Config(Keys(tiny, "feed_forward_length",
                        [](GgufWriter& w) {
                          w.KeyInts("gemma3.feed_forward_length", std::vector<int32_t>(7, 96));
                        }))
                ->text.intermediate_size,
            96u);
  EXPECT_EQ(Config(Keys(tiny, "context_length"))->text.max_context, 131072u);
  Remarks remarks;
  const auto all_global = Config(Keys(tiny, "attention.sliding_window"), &remarks);
  ASSERT_TRUE(all_global);
  EXPECT_EQ(all_global->text.layers, std::vector<LayerKind>(7, LayerKind::kGlobal));
  EXPECT_EQ(remarks.notes.size(), 1u);
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
  Remarks remarks;
  // The first 4b uploads: context 8192, no scaling factor, no base frequency.
  ModelConfig four = Published(34, 2560, 8, 4, 256);
  four.text.max_context = 8192;
  auto read = Config(Keys(four, ""), &remarks);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->text.max_context, 131072u);
  EXPECT_EQ(read->text.rope_factor_global, 8.0f);
  EXPECT_EQ(remarks.notes.size(), 2u);
  // A well-made 27b file: no repair, its own attention scale.
  remarks.notes.clear();
  read = Config(Keys(Published(62, 5376, 32, 16, 128), "",
                     [](GgufWriter& w) {
                       w.KeyString("gemma3.rope.scaling.type", "linear");
                       w.Key("gemma3.rope.scaling.factor", 8.0f);
                     }),
                &remarks);
  ASSERT_TRUE(read);
  EXPECT_TRUE(remarks.notes.empty());
  EXPECT_FLOAT_EQ(read->text.attention_scale, 0.0771516749810460f);
  EXPECT_EQ(Config(Keys(Published(62, 5376, 32, 16, 128), "attention.key_length"))->text.head_dim,
            128u);
  // The old 1b upload: capped logits, and a factor that small models do not have.
  remarks.notes.clear();
  read = Config(Keys(Published(26, 1152, 4, 1, 256), "attention.sliding_window",
                     [](GgufWriter& w) {
                       w.Key("gemma3.final_logit_softcapping", 30.0f);
                       w.Key("gemma3.rope.scaling.factor", 8.0f);
                     }),
                &remarks);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->text.rope_factor_global, 1.0f);
  EXPECT_EQ(read->text.sliding_window, 512u);
  EXPECT_EQ(read->text.layers[0], LayerKind::kLocal);
  EXPECT_EQ(remarks.notes.size(), 2u);
  EXPECT_EQ(remarks.warnings.size(), 1u);
}

TEST(GgufConfig, AStatedRopeFactorIsBelievedButForTheKnownMistake) {
  struct Case {
    ModelConfig model;
    const char* key;  // of the factor; null: none
    float factor;
    const char* type;
    float used;
    size_t notes, warnings;
  };
  const ModelConfig one = Published(26, 1152, 4, 1, 256), four = Published(34, 2560, 8, 4, 256);
  ModelConfig long_one = one;
  long_one.text.max_context = 131072;
  const ModelConfig tiny = testing::TinyTextConfig();
  const char* const kFactor = "gemma3.rope.scaling.factor";
  const char* const kOld = "gemma3.rope.scale_linear";
  for (const Case& c : {
           Case{one, nullptr, 0, nullptr, 1, 0, 0},   {one, kFactor, 1, "linear", 1, 0, 0},
           {one, kFactor, 8, "linear", 1, 0, 1},       // the known mistake
           {long_one, kFactor, 8, "linear", 8, 0, 1},  // a long-context fine-tune
           {one, kFactor, 4, "linear", 4, 0, 1},      {one, kOld, 4, nullptr, 4, 0, 1},
           {four, nullptr, 0, nullptr, 8, 1, 0},  // the other known mistake
           {four, nullptr, 0, "linear", 8, 1, 0},     {four, kFactor, 0, "linear", 8, 1, 0},
           {four, kFactor, 8, "linear", 8, 0, 0},     {four, kOld, 8, nullptr, 8, 0, 0},
           {four, kFactor, 8, nullptr, 8, 0, 0},      {four, nullptr, 0, "none", 1, 0, 1},
           {four, kFactor, 1, "linear", 1, 0, 1},     {four, kFactor, 16, "linear", 16, 0, 1},
           {tiny, nullptr, 0, nullptr, 1, 0, 0},      {tiny, kFactor, 8, nullptr, 8, 0, 0},
           {tiny, kOld, 8, nullptr, 8, 0, 0},         {tiny, kFactor, 8, "none", 1, 0, 0},
       }) {
    Remarks remarks;
    const auto read = Config(Keys(c.model, "",
                                  [&](GgufWriter& w) {
                                    if (c.key) w.Key(c.key, c.factor);
                                    if (c.type) w.KeyString("gemma3.rope.scaling.type", c.type);
                                  }),
                             &remarks);
    const std::string what = std::to_string(c.model.text.num_layers) + " layers, factor " +
                             std::to_string(c.factor) + ", " + (c.type ? c.type : "no type");
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->text.rope_factor_global, c.used) << what;
    EXPECT_EQ(remarks.notes.size(), c.notes) << what;
    EXPECT_EQ(remarks.warnings.size(), c.warnings) << what;
  }
  const auto both = Config(Keys(tiny, "", [&](GgufWriter& w) {
    w.Key(kFactor, 8.0f);
    w.Key(kOld, 4.0f);
  }));
  ASSERT_FALSE(both);
  EXPECT_NE(both.error().message.find(kOld), std::string::npos) << both.error().message;
  Remarks remarks;
  ASSERT_TRUE(Config(Keys(one, "", [](GgufWriter& w) { w.Key("gemma3.rope.freq_base", 10000.0f); }),
                     &remarks));
  EXPECT_EQ(remarks.warnings.size(), 1u);
}

// What llama.cpp and Ollama write for a Gemma 3 besides what is read.
TEST(GgufConfig, KeysOfWellMadeFilesAreNoCauseForRemarks) {
  Remarks remarks;
  const ModelConfig tiny = testing::TinyTextConfig();
  ASSERT_TRUE(Config(Keys(tiny, "",
                          [&](GgufWriter& w) {
                            w.KeyString("general.type", "model");
                            w.Key("general.file_type", uint32_t{15});
                            w.Key("gemma3.attention.value_length", uint32_t{16});
                            w.Key("gemma3.attention.layer_norm_rms_epsilon", 1e-6f);
                            w.Key("gemma3.attention.sliding_window_pattern", uint32_t{6});
                            w.KeyBool("gemma3.attention.causal", true);
                            w.Key("gemma3.vocab_size", uint32_t{300});
                            w.Key("gemma3.rope.dimension_count", uint32_t{16});
                            w.Key("gemma3.rope.scaling.factor", 8.0f);
                            w.Key("gemma3.rope.scaling.original_context_length", uint32_t{64});
                            w.Key("gemma3.rope.freq_base_swa", 10000.0f);
                            w.Key("gemma3.attention.scale", 0.25f);
                            w.Key("gemma3.expert_count", uint32_t{0});
                            w.Key("gemma3.mm.tokens_per_image", uint32_t{256});
                            w.Key("gemma3.vision.block_count", uint32_t{27});
                            w.Key("gemma3.vision.attention.layer_norm_epsilon", 1e-6f);
                            w.KeyString("quantize.imatrix.file", "imatrix.dat");
                          }),
                     &remarks));
  EXPECT_EQ(remarks.notes, std::vector<std::string>());
  EXPECT_EQ(remarks.warnings, std::vector<std::string>());
  ASSERT_TRUE(Config(
      Keys(tiny, "", [](GgufWriter& w) { w.Key("gemma3.turbo.level", uint32_t{2}); }), &remarks));
  ASSERT_EQ(remarks.warnings.size(), 1u);
  EXPECT_NE(remarks.warnings[0].find("gemma3.turbo.level"), std::string::npos);
}

TEST(GgufConfig, KeysOfOtherComputationsAreRefusedByName) {
  const ModelConfig tiny = testing::TinyTextConfig();
  const auto refused = [&](const std::string& key, const std::function<void(GgufWriter&)>& add) {
    const auto config = Config(Keys(tiny, "", add));
    ASSERT_FALSE(config) << key;
    EXPECT_EQ(config.error().code, ErrorCode::kUnsupported) << config.error().message;
    EXPECT_NE(config.error().message.find(key), std::string::npos) << config.error().message;
  };
  for (const auto& [key, value] : std::initializer_list<std::pair<const char*, uint32_t>>{
           {"gemma3.rope.dimension_count", 8},
           {"gemma3.rope.dimension_count", 32},
           {"gemma3.rope.dimension_count_swa", 8},
           {"gemma3.attention.key_length_swa", 8},
           {"gemma3.expert_count", 8},
           {"gemma3.attention.shared_kv_layers", 3},
           {"gemma3.altup.num_inputs", 4}}) {
    refused(key, [&, key = key, value = value](GgufWriter& w) { w.Key(key, value); });
  }
  for (const auto& [key, value] : std::initializer_list<std::pair<const char*, float>>{
           {"gemma3.attention.scale", 0.125f},
           {"gemma3.logit_scale", 0.0625f},
           {"gemma3.attention.max_alibi_bias", 8.0f},
           {"gemma3.embedding_scale", 1.0f},
           {"gemma3.rope.scaling.attn_factor", 1.2f}}) {
    refused(key, [&, key = key, value = value](GgufWriter& w) { w.Key(key, value); });
  }
  std::vector<int32_t> kv_heads(7, 2);
  kv_heads[3] = 1;
  const auto uneven = Config(Keys(tiny, "attention.head_count_kv", [&](GgufWriter& w) {
    w.KeyInts("gemma3.attention.head_count_kv", kv_heads);
  }));
  ASSERT_FALSE(uneven);
  EXPECT_EQ(uneven.error().code, ErrorCode::kUnsupported) << uneven.error().message;
}

TEST(GgufConfig, EmbeddingModelsAreRecognisedByTheirKeys) {
  const ModelConfig tiny = testing::TinyTextConfig();
  for (const auto& add : std::initializer_list<std::function<void(GgufWriter&)>>{
           [](GgufWriter& w) { w.KeyBool("gemma3.attention.causal", false); },
           [](GgufWriter& w) { w.Key("gemma3.attention.causal", uint32_t{0}); },
           [](GgufWriter& w) { w.Key("gemma3.pooling_type", uint32_t{1}); }}) {
    const auto config = Config(Keys(tiny, "", add));
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_TRUE(config->text.bidirectional);
    EXPECT_EQ(config->text.sliding_window, 5u);  // 8 of both sides together
  }
  EXPECT_FALSE(Config(Keys(tiny, "", [](GgufWriter&) {}))->text.bidirectional);
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
  unsupported(architecture("gemma3n"), "Gemma 3n");
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
    if (f != 0) real("rope.scaling.factor", f);  // 0 is silence
    real("attention.layer_norm_rms_epsilon", f);
  }
  refused("", [](GgufWriter& w) { w.KeyString("gemma3.rope.freq_base", "1e6"); });
  // A window larger than the context is odd but harmless.
  EXPECT_TRUE(Config(Keys(tiny, "attention.sliding_window", [](GgufWriter& w) {
    w.Key("gemma3.attention.sliding_window", uint32_t{100000});
  })));
}

}  // namespace
}  // namespace gemma3
