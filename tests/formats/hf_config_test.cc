// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/hf_config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "src/formats/shape_table.h"
#include "tests/support/model_writer.h"

namespace gemma3 {
namespace {

Result<HfConfig> Parse(const std::string& config, const std::string& generation = "",
                       const std::string& preprocessor = "", const std::string& processor = "") {
  auto result = ParseHfConfig({.config = config,
                               .generation = generation,
                               .preprocessor = preprocessor,
                               .processor = processor},
                              "model");
  if (result) {
    if (Status status = CheckConfig(result->config, "model/config.json"); !status) {
      return std::unexpected(status.error());
    }
  }
  return result;
}

ModelConfig Good(const std::string& config, const std::string& generation = "") {
  auto result = Parse(config, generation);
  EXPECT_TRUE(result) << (result ? "" : result.error().message);
  return result ? result->config : ModelConfig();
}

void ExpectRefused(const std::string& config, const std::string& part,
                   ErrorCode code = ErrorCode::kBadModel) {
  const auto result = Parse(config);
  ASSERT_FALSE(result) << config;
  EXPECT_EQ(result.error().code, code) << result.error().message;
  EXPECT_NE(result.error().message.find(part), std::string::npos) << result.error().message;
}

// A flat configuration with these members besides the type.
std::string Flat(const std::string& members) {
  return R"({"model_type":"gemma3_text")" + (members.empty() ? "" : "," + members) + "}";
}

// What the official 4b file holds.
const char kOfficial4b[] = R"({
  "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3",
  "boi_token_index": 255999, "eoi_token_index": 256000, "image_token_index": 262144,
  "eos_token_id": [1, 106], "mm_tokens_per_image": 256, "torch_dtype": "bfloat16",
  "text_config": {"hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text",
    "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
    "sliding_window": 1024},
  "vision_config": {"hidden_size": 1152, "image_size": 896, "intermediate_size": 4304,
    "model_type": "siglip_vision_model", "num_attention_heads": 16, "num_hidden_layers": 27,
    "patch_size": 14, "vision_use_head": false}})";

TEST(HfConfig, OfficialNestedFileRelyingOnDefaults) {
  const ModelConfig config = Good(kOfficial4b);
  const TextConfig& text = config.text;
  EXPECT_EQ(text.vocab_size, 262208u);
  EXPECT_EQ(text.num_heads, 8u);
  EXPECT_EQ(text.num_kv_heads, 4u);
  EXPECT_EQ(text.head_dim, 256u);
  EXPECT_EQ(text.max_context, 131072u);
  EXPECT_EQ(text.sliding_window, 1024u);
  EXPECT_EQ(text.attention_scale, 0.0625f);
  EXPECT_EQ(text.rope_theta_global, 1e6f);
  EXPECT_EQ(text.rope_theta_local, 1e4f);
  EXPECT_EQ(text.rope_factor_global, 8.0f);
  EXPECT_EQ(text.rms_norm_eps, 1e-6f);
  for (size_t i = 0; i < 34; ++i) {
    EXPECT_EQ(text.layers[i] == LayerKind::kGlobal, i % 6 == 5) << i;
  }
  EXPECT_TRUE(config.has_vision);
  EXPECT_EQ(config.vision.num_patches(), 4096u);
  EXPECT_EQ(config.vision.head_dim(), 72u);
  EXPECT_EQ(config.vision.tokens_per_image, 256u);
  EXPECT_EQ(config.vision.layer_norm_eps, 1e-6f);
  EXPECT_EQ(config.generation.stop_tokens, (std::vector<TokenId>{1, 106}));
}

// As ShieldGemma2Config.save_pretrained writes what transformers' conversion script asks for: the
// text part of 4B with every default spelled out, and ids of the answers that nothing else has.
TEST(HfConfig, ShieldGemma2IsGemma3) {
  const ModelConfig config = Good(R"({
  "architectures": ["ShieldGemma2ForImageClassification"], "model_type": "shieldgemma2",
  "boi_token_index": 255999, "eoi_token_index": 256000, "image_token_index": 262144,
  "initializer_range": 0.02, "mm_tokens_per_image": 256, "no_token_index": 3771,
  "yes_token_index": 10784, "torch_dtype": "bfloat16", "transformers_version": "4.50.0.dev0",
  "text_config": {"attention_bias": false, "attention_dropout": 0.0,
    "attn_logit_softcapping": null, "cache_implementation": "hybrid",
    "final_logit_softcapping": null, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh",
    "hidden_size": 2560, "initializer_range": 0.02, "intermediate_size": 10240,
    "max_position_embeddings": 8192, "model_type": "gemma3_text", "num_attention_heads": 8,
    "num_hidden_layers": 34, "num_key_value_heads": 4, "query_pre_attn_scalar": 256,
    "rms_norm_eps": 1e-06, "rope_local_base_freq": 10000,
    "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "rope_theta": 1000000,
    "sliding_window": 1024, "sliding_window_pattern": 6, "use_cache": true,
    "vocab_size": 262208},
  "vision_config": {"attention_dropout": 0.0, "hidden_act": "gelu_pytorch_tanh",
    "hidden_size": 1152, "image_size": 896, "intermediate_size": 4304, "layer_norm_eps": 1e-06,
    "model_type": "siglip_vision_model", "num_attention_heads": 16, "num_channels": 3,
    "num_hidden_layers": 27, "patch_size": 14, "vision_use_head": false}})");
  const ModelConfig gemma = Good(kOfficial4b);
  EXPECT_EQ(TextShapes(config.text), TextShapes(gemma.text));
  EXPECT_EQ(VisionShapes(config.vision, config.text), VisionShapes(gemma.vision, gemma.text));
  EXPECT_EQ(config.text.layers, gemma.text.layers);
  EXPECT_EQ(config.text.sliding_window, gemma.text.sliding_window);
  EXPECT_EQ(config.text.rope_factor_global, gemma.text.rope_factor_global);
  EXPECT_EQ(config.text.attention_scale, gemma.text.attention_scale);
  EXPECT_EQ(config.text.max_context, 8192u);
  EXPECT_EQ(config.vision.tokens_per_image, 256u);
  EXPECT_EQ(config.tokens.start_of_image, 255999);
  EXPECT_EQ(config.tokens.end_of_image, 256000);
  EXPECT_EQ(config.tokens.image_soft_token, 262144);
  EXPECT_EQ(config.generation.stop_tokens, (std::vector<TokenId>{1, 106}));
}

TEST(HfConfig, PublishedFilesLeaveNothingToSay) {
  const auto config = Parse(kOfficial4b, R"({"bos_token_id":2,"cache_implementation":"hybrid",
    "do_sample":true,"eos_token_id":[1,106],"pad_token_id":0,"top_k":64,"top_p":0.95,
    "transformers_version":"4.50.0.dev0"})");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->remarks.notes, std::vector<std::string>());
  EXPECT_EQ(config->remarks.warnings, std::vector<std::string>());
}

TEST(HfConfig, ParameterCountsOfTheFiveModels) {
  // The counts that are published for the text models (and for the vision part of 4b).
  struct Size {
    size_t layers, hidden, mlp, heads, kv, head_dim, vocab;
    uint64_t parameters;
  };
  for (const Size& s : {Size{18, 640, 2048, 4, 1, 256, 262144, 268'098'176},
                        Size{26, 1152, 6912, 4, 1, 256, 262144, 999'885'952},
                        Size{34, 2560, 10240, 8, 4, 256, 262208, 3'880'263'168},
                        Size{48, 3840, 15360, 16, 8, 256, 262208, 11'766'034'176},
                        Size{62, 5376, 21504, 32, 16, 128, 262208, 27'009'346'304}}) {
    TextConfig text;
    text.num_layers = s.layers;
    text.hidden_size = s.hidden;
    text.intermediate_size = s.mlp;
    text.num_heads = s.heads;
    text.num_kv_heads = s.kv;
    text.head_dim = s.head_dim;
    text.vocab_size = s.vocab;
    const auto count = [](const ShapeTable& table) {
      uint64_t total = 0;
      for (const auto& [name, shape] : table) {
        uint64_t elements = 1;
        for (const uint64_t n : shape) elements *= n;
        total += elements;
      }
      return total;
    };
    EXPECT_EQ(TextShapes(text).size(), 13 * s.layers + 2);
    EXPECT_EQ(count(TextShapes(text)), s.parameters);
    if (s.layers == 34) {
      const ShapeTable vision = VisionShapes(Good(kOfficial4b).vision, text);
      EXPECT_EQ(vision.size(), 439u);
      EXPECT_EQ(count(vision), 419'816'304u);
    }
  }
}

TEST(HfConfig, OldAndNewSpellingsMeanTheSame) {
  const std::string old_form =
      R"("num_hidden_layers":4,"rope_theta":500000,"rope_local_base_freq":5000,
         "rope_scaling":{"type":"linear","factor":4},"sliding_window_pattern":2)";
  const std::string new_form =
      R"("num_hidden_layers":4,
         "layer_types":["sliding_attention","full_attention","sliding_attention","full_attention"],
         "rope_parameters":{"full_attention":{"rope_type":"linear","factor":4,"rope_theta":500000},
                            "sliding_attention":{"rope_type":"default","rope_theta":5000}})";
  for (const std::string& form : {old_form, new_form}) {
    const TextConfig text = Good(Flat(form)).text;
    EXPECT_EQ(text.rope_theta_global, 500000.0f);
    EXPECT_EQ(text.rope_theta_local, 5000.0f);
    EXPECT_EQ(text.rope_factor_global, 4.0f);
    EXPECT_EQ(text.layers, (std::vector<LayerKind>{LayerKind::kLocal, LayerKind::kGlobal,
                                                   LayerKind::kLocal, LayerKind::kGlobal}));
  }
  // rope_scaling keyed by layer type, and rope_parameters that is not: the global entry.
  EXPECT_EQ(Good(Flat(R"("rope_scaling":{"full_attention":{"rope_type":"linear","factor":8},
                          "sliding_attention":{"rope_type":"default"}})"))
                .text.rope_factor_global,
            8.0f);
  const TextConfig flat =
      Good(Flat(R"("rope_parameters":{"rope_type":"linear","factor":8,"rope_theta":2e6})")).text;
  EXPECT_EQ(flat.rope_factor_global, 8.0f);
  EXPECT_EQ(flat.rope_theta_global, 2e6f);
  EXPECT_EQ(flat.rope_theta_local, 1e4f);
}

TEST(HfConfig, ExplicitLayerTypesWinOverThePattern) {
  const TextConfig text = Good(Flat(R"("num_hidden_layers":2,"_sliding_window_pattern":6,
                   "layer_types":["full_attention","sliding_attention"])"))
                              .text;
  EXPECT_EQ(text.layers, (std::vector<LayerKind>{LayerKind::kGlobal, LayerKind::kLocal}));
  const TextConfig pattern = Good(Flat(R"("num_hidden_layers":3,"sliding_window_pattern":3)")).text;
  EXPECT_EQ(pattern.layers[2], LayerKind::kGlobal);
  ExpectRefused(Flat(R"("num_hidden_layers":2,"layer_types":["full_attention"])"), "layer_types");
  ExpectRefused(Flat(R"("num_hidden_layers":1,"layer_types":["chunked_attention"])"),
                "chunked_attention", ErrorCode::kUnsupported);
  ExpectRefused(Flat(R"("num_hidden_layers":1,"layer_types":[1])"), "layer_types");
  ExpectRefused(Flat(R"("num_hidden_layers":1,"layer_types":"full_attention")"), "layer_types");
}

TEST(HfConfig, WrittenConfigurationsAreReadBack) {
  for (const ModelConfig& written : {testing::TinyTextConfig(), testing::TinyVisionConfig()}) {
    const ModelConfig read = Good(testing::HfConfigJson(written));
    EXPECT_EQ(read.text.hidden_size, written.text.hidden_size);
    EXPECT_EQ(read.text.layers, written.text.layers);
    EXPECT_EQ(read.text.attention_scale, written.text.attention_scale);
    EXPECT_EQ(read.text.rope_factor_global, written.text.rope_factor_global);
    EXPECT_EQ(read.has_vision, written.has_vision);
    EXPECT_EQ(read.vision.tokens_per_image, written.vision.tokens_per_image);
    EXPECT_EQ(read.tokens.start_of_image, written.tokens.start_of_image);
  }
}

TEST(HfConfig, ImageTokensInBothSpellings) {
  std::string config = kOfficial4b;
  for (const auto& [from, to] :
       {std::pair<std::string, std::string>{"boi_token_index", "boi_token_id"},
        {"eoi_token_index", "eoi_token_id"},
        {"image_token_index", "image_token_id"},
        {"255999", "77"},
        {"256000", "78"},
        {"262144", "79"}}) {
    config.replace(config.find(from), from.size(), to);
  }
  const SpecialTokens tokens = Good(config).tokens;
  EXPECT_EQ(tokens.start_of_image, 77);
  EXPECT_EQ(tokens.end_of_image, 78);
  EXPECT_EQ(tokens.image_soft_token, 79);
}

TEST(HfConfig, OtherModelsSayWhatTheyAre) {
  const auto unsupported = [](const std::string& config, const std::string& part) {
    ExpectRefused(config, part, ErrorCode::kUnsupported);
  };
  unsupported(R"({"model_type":"gemma2"})", "Gemma 2");
  unsupported(R"({"model_type":"gemma3n"})", "Gemma 3n");
  unsupported(R"({"model_type":"gemma4"})", "Gemma 4");
  unsupported(R"({"model_type":"llama"})", "llama");
  unsupported(R"({"architectures":["LlamaForCausalLM"]})", "LlamaForCausalLM");
  unsupported(Flat(R"("use_bidirectional_attention":"all")"), "bidirectional");
  unsupported(Flat(R"("attention_bias":true)"), "biases");
  unsupported(Flat(R"("final_logit_softcapping":30.0)"), "soft-capping");
  unsupported(Flat(R"("attn_logit_softcapping":50.0)"), "soft-capping");
  unsupported(Flat(R"("hidden_activation":"silu")"), "silu");
  unsupported(Flat(R"("rope_scaling":{"rope_type":"yarn","factor":8})"), "yarn");
  unsupported(Flat(R"("rope_parameters":{"sliding_attention":{"rope_type":"linear","factor":8}})"),
              "local layers");
  EXPECT_TRUE(Parse(Flat(R"("final_logit_softcapping":0,"attn_logit_softcapping":null,
                            "attention_bias":false,"use_bidirectional_attention":false)")));
}

TEST(HfConfig, MlxWritesItsQuantisationTwice) {
  const std::string settings = R"({"group_size":32,"bits":3})";
  for (const std::string& member :
       {"\"quantization\":" + settings, "\"quantization_config\":" + settings,
        "\"quantization\":" + settings + ",\"quantization_config\":" + settings}) {
    const auto config = Parse(Flat(member));
    ASSERT_TRUE(config) << config.error().message;
    ASSERT_TRUE(config->quantization.mlx);
    EXPECT_EQ(config->quantization.mlx->usual.bits, 3u);
    EXPECT_EQ(config->quantization.mlx->usual.group_size, 32u);
  }
  EXPECT_FALSE(Parse(Flat(""))->quantization.present);
}

TEST(HfConfig, DamagedFilesAreErrors) {
  for (const char* config : {"", "{", "[]", "null", "{}", "NaN", R"({"model_type":1})"}) {
    EXPECT_FALSE(Parse(config)) << config;
  }
  ExpectRefused(Flat(R"("hidden_size":"2560")"), "hidden_size");
  ExpectRefused(Flat(R"("hidden_size":2560.0)"), "hidden_size");
  ExpectRefused(Flat(R"("hidden_size":-1)"), "hidden_size");
  ExpectRefused(Flat(R"("rms_norm_eps":NaN)"), "rms_norm_eps");
  ExpectRefused(Flat(R"("rope_theta":Infinity)"), "rope_theta");
  ExpectRefused(R"({"model_type":"gemma3","text_config":[]})", "text_config");
  ExpectRefused(R"({"model_type":"gemma3","text_config":{},"vision_config":[]})", "vision_config");
}

TEST(HfConfig, ImpossibleSizesAreErrors) {
  for (const char* member : {R"("num_hidden_layers":0)",
                             R"("num_hidden_layers":1025)",
                             R"("num_hidden_layers":18446744073709551615)",
                             R"("num_attention_heads":0)",
                             R"("num_key_value_heads":0)",
                             R"("num_key_value_heads":3)",
                             R"("num_key_value_heads":16)",
                             R"("head_dim":0)",
                             R"("head_dim":255)",
                             R"("head_dim":1000000)",
                             R"("hidden_size":0)",
                             R"("hidden_size":1099511627776)",
                             R"("intermediate_size":0)",
                             R"("vocab_size":0)",
                             R"("vocab_size":16777217)",
                             R"("sliding_window":0)",
                             R"("sliding_window_pattern":0)",
                             R"("max_position_embeddings":0)",
                             R"("max_position_embeddings":4294967295)",
                             R"("rms_norm_eps":0)",
                             R"("rms_norm_eps":-1e-6)",
                             R"("rms_norm_eps":1e300)",
                             R"("query_pre_attn_scalar":0)",
                             R"("query_pre_attn_scalar":-1)",
                             R"("rope_theta":0)",
                             R"("rope_theta":-5)",
                             R"("rope_local_base_freq":0)",
                             R"("rope_scaling":{"rope_type":"linear","factor":0})"}) {
    const auto result = Parse(Flat(member));
    ASSERT_FALSE(result) << member;
    EXPECT_EQ(result.error().code, ErrorCode::kBadModel) << member;
  }
}

TEST(HfConfig, ImpossibleTowersAreErrors) {
  const auto with = [](const std::string& vision, const std::string& top = "") {
    return R"({"model_type":"gemma3","text_config":{},"mm_tokens_per_image":)" +
           (top.empty() ? std::string("4") : top) +
           R"(,"vision_config":{"image_size":56,"patch_size":14,"hidden_size":24,
              "num_attention_heads":3)" +
           (vision.empty() ? "" : "," + vision) + "}}";
  };
  EXPECT_TRUE(Parse(with("")));
  for (const char* tokens : {"0", "3", "9", "25"}) EXPECT_FALSE(Parse(with("", tokens))) << tokens;
  for (const char* tokens : {"1", "4", "16"}) EXPECT_TRUE(Parse(with("", tokens))) << tokens;
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string config = with("");
    config.replace(config.find(from), from.size(), to);
    return Parse(config);
  };
  EXPECT_FALSE(replaced("\"patch_size\":14", "\"patch_size\":0"));
  EXPECT_FALSE(replaced("\"patch_size\":14", "\"patch_size\":15"));
  EXPECT_FALSE(replaced("\"patch_size\":14", "\"patch_size\":57"));
  EXPECT_FALSE(replaced("\"image_size\":56", "\"image_size\":0"));
  EXPECT_FALSE(replaced("\"num_attention_heads\":3", "\"num_attention_heads\":5"));
  EXPECT_FALSE(Parse(with(R"("hidden_act":"quick_gelu")")));
  EXPECT_FALSE(Parse(with(R"("num_channels":1)")));
  EXPECT_FALSE(Parse(with(R"("layer_norm_eps":0)")));
}

TEST(HfConfig, ProcessorFiles) {
  const auto read = [](const std::string& preprocessor, const std::string& processor = "") {
    return Parse(kOfficial4b, "", preprocessor, processor);
  };
  const auto published = read(R"({"do_pan_and_scan":null,"pan_and_scan_max_num_crops":null,
    "image_mean":[0.5,0.5,0.5],"image_std":[0.5,0.5,0.5],"rescale_factor":0.00392156862745098,
    "size":{"height":896,"width":896},"image_seq_length":256})",
                              R"({"image_seq_length":256,"processor_class":"Gemma3Processor"})");
  ASSERT_TRUE(published) << published.error().message;
  EXPECT_EQ(published->config.pan_and_scan.max_num_crops, 4u);
  EXPECT_EQ(published->config.pan_and_scan.min_crop_size, 256u);
  EXPECT_FALSE(published->config.pan_and_scan.enabled);
  EXPECT_TRUE(published->remarks.notes.empty());
  const auto nested = read("", R"({"image_processor":{"pan_and_scan_max_num_crops":2,
    "pan_and_scan_min_ratio_to_activate":1.5,"do_pan_and_scan":true}})");
  ASSERT_TRUE(nested);
  EXPECT_EQ(nested->config.pan_and_scan.max_num_crops, 2u);
  EXPECT_EQ(nested->config.pan_and_scan.min_ratio_to_activate, 1.5f);
  EXPECT_TRUE(nested->config.pan_and_scan.enabled);
  for (const char* bad :
       {R"({"size":{"height":448,"width":896}})", R"({"image_mean":[0.5,0.5]})",
        R"({"image_mean":[]})", R"({"image_mean":[0.5,0.5,0.5,0.5]})", R"({"image_std":[0,0,0]})",
        R"({"rescale_factor":1})", R"({"pan_and_scan_max_num_crops":0})",
        R"({"pan_and_scan_min_crop_size":0})", R"({"pan_and_scan_min_ratio_to_activate":-1})",
        R"({"pan_and_scan_max_num_crops":"4"})", "{"}) {
    EXPECT_FALSE(read(bad)) << bad;
  }
}

}  // namespace
}  // namespace gemma3
