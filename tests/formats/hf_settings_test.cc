// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Settings of config.json that contradict each other, belong to other architectures, or stand
// where nobody looks.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/formats/hf_fixture.h"

namespace gemma3 {
namespace {

constexpr ErrorCode kBad = ErrorCode::kBadModel;
constexpr ErrorCode kUnsupported = ErrorCode::kUnsupported;

// What each says is allowed alone.
TEST(HfSettings, ContradictionsNameBothPlaces) {
  struct Case {
    std::string members;
    std::vector<std::string> parts;
  };
  const std::string linear8 = R"({"rope_type":"linear","factor":8})";
  for (const Case& c : {
           Case{R"("rope_scaling":{"rope_type":"linear","factor":2},
                   "rope_parameters":{"full_attention":)" +
                    linear8 + "}",
                {"rope_scaling.factor", "rope_parameters.full_attention.factor"}},
           {R"("rope_scaling":)" + linear8 +
                R"(,"rope_parameters":{"full_attention":{"rope_type":"default"}})",
            {"rope_scaling.factor is 8",
             "rope_parameters.full_attention.rope_type is \"default\""}},
           {R"("rope_scaling":)" + linear8 +
                R"(,"rope_parameters":{"rope_type":"linear","factor":4})",
            {"rope_scaling.factor", "rope_parameters.factor"}},
           {R"("rope_theta":500000,"rope_parameters":{"full_attention":{"rope_theta":1000000}})",
            {"rope_theta is 500000", "rope_parameters.full_attention.rope_theta is 1000000"}},
           {R"("rope_local_base_freq":5000,
               "rope_parameters":{"sliding_attention":{"rope_theta":10000}})",
            {"rope_local_base_freq", "sliding_attention.rope_theta"}},
           {R"("rope_scaling":{"rope_type":"default","type":"linear","factor":8})",
            {"rope_scaling.rope_type", "rope_scaling.type"}},
           {R"("rope_scaling":{"rope_type":"default","factor":8})", {"rope_type", "factor is 8"}},
           {R"("num_hidden_layers":2,"layer_types":["full_attention","sliding_attention"],
               "sliding_window_pattern":2)",
            {"layer_types", "sliding_window_pattern is 2"}},
           {R"("num_hidden_layers":2,"layer_types":["full_attention","sliding_attention"],
               "_sliding_window_pattern":2)",
            {"layer_types", "_sliding_window_pattern is 2"}},
           {R"("sliding_window_pattern":3,"_sliding_window_pattern":6)",
            {"sliding_window_pattern is 3", "_sliding_window_pattern is 6"}},
       }) {
    ExpectHfRefused({.config = FlatHf(c.members)}, c.parts, kBad);
    ExpectHfRefused({.config = NestedHf("", c.members)}, c.parts, kBad);
  }
}

TEST(HfSettings, TheRootMayNotContradictTheTextPart) {
  for (const auto& [key, root, text] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {"hidden_size", "2560", "1152"},
           {"num_hidden_layers", "34", "26"},
           {"num_attention_heads", "8", "4"},
           {"num_key_value_heads", "4", "1"},
           {"head_dim", "256", "128"},
           {"sliding_window", "512", "1024"},
           {"sliding_window_pattern", "6", "2"},
           {"rms_norm_eps", "1e-6", "1e-5"},
           {"query_pre_attn_scalar", "256", "168"},
           {"max_position_embeddings", "8192", "131072"},
           {"rope_theta", "1000000", "10000"},
           {"rope_local_base_freq", "10000", "20000"},
           {"rope_scaling", R"({"rope_type":"linear","factor":8})",
            R"({"rope_type":"linear","factor":4})"}}) {
    const auto member = [&](const std::string& value) { return "\"" + key + "\":" + value; };
    ExpectHfRefused({.config = NestedHf(member(root), member(text))},
                    {"config.json: " + key + " is", "text_config." + key + " is"}, kBad);
    // The same twice, or at the root alone, which transformers would not see.
    EXPECT_TRUE(GoodHf({.config = NestedHf(member(text), member(text))}).remarks.notes.empty());
    const HfConfig moved = GoodHf({.config = NestedHf(member(root), "")});
    EXPECT_TRUE(Mentions(moved.remarks.notes, key)) << key;
  }
  const TextConfig text = GoodHf({.config = NestedHf(R"("sliding_window":512)", "")}).config.text;
  EXPECT_EQ(text.sliding_window, 512u);
  // What is stored decides about rows.
  EXPECT_EQ(GoodHf({.config = NestedHf(R"("vocab_size":262145)", R"("vocab_size":262208)")})
                .config.text.vocab_size,
            262208u);
}

TEST(HfSettings, FormsThatAgreeAreRead) {
  const std::string both = R"("num_hidden_layers":4,"rope_theta":500000.0,
      "rope_local_base_freq":5000,"rope_scaling":{"type":"linear","rope_type":"linear","factor":4.0},
      "rope_parameters":{"full_attention":{"rope_type":"linear","factor":4,"rope_theta":500000},
                         "sliding_attention":{"rope_type":"default","rope_theta":5000}},
      "sliding_window_pattern":2,"_sliding_window_pattern":2,
      "layer_types":["sliding_attention","full_attention","sliding_attention","full_attention"])";
  for (const std::string& config : {FlatHf(both), NestedHf("", both), NestedHf(both, both)}) {
    const HfConfig read = GoodHf({.config = config});
    EXPECT_EQ(read.config.text.rope_factor_global, 4.0f);
    EXPECT_EQ(read.config.text.rope_theta_global, 500000.0f);
    EXPECT_EQ(read.config.text.rope_theta_local, 5000.0f);
    EXPECT_EQ(read.config.text.layers[1], LayerKind::kGlobal);
    EXPECT_TRUE(read.remarks.notes.empty());
    EXPECT_TRUE(read.remarks.warnings.empty());
  }
}

TEST(HfSettings, RopeThatSaysHalfOfItIsRefused) {
  for (const auto& [members, parts] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {R"("rope_scaling":{"rope_type":"linear"})", {"rope_scaling", "without a factor"}},
           {R"("rope_scaling":{"rope_type":"linear","factor":null})", {"without a factor"}},
           {R"("rope_scaling":{"factor":8})", {"rope_scaling", "no rope_type"}},
           {R"("rope_scaling":{"type":"linear","factor":"8"})", {"factor"}},
           {R"("rope_scaling":[8])", {"rope_scaling"}},
           {R"("rope_parameters":{"full_attention":8})", {"full_attention"}}}) {
    ExpectHfRefused({.config = FlatHf(members)}, parts, kBad);
  }
  ExpectHfRefused({.config = FlatHf(R"("rope_parameters":{"full_attention":
      {"rope_type":"default","partial_rotary_factor":0.5}})")},
                  {"partial_rotary_factor"}, kUnsupported);
  const HfConfig stray = GoodHf({.config = FlatHf(R"("rope_scaling":{"rope_type":"linear",
      "factor":8,"mscale":2})")});
  EXPECT_TRUE(Mentions(stray.remarks.warnings, "mscale"));
}

// Forms that transformers ignores and that files have all the same.
TEST(HfSettings, RopeThatTransformersIgnoresIsReadVisibly) {
  const HfConfig flat =
      GoodHf({.config = FlatHf(R"("rope_parameters":{"rope_type":"linear","factor":4})")});
  EXPECT_EQ(flat.config.text.rope_factor_global, 4.0f);
  EXPECT_TRUE(Mentions(flat.remarks.warnings, "rope_parameters is not keyed"));
  const HfConfig keyed = GoodHf({.config = FlatHf(R"("rope_scaling":{"full_attention":
      {"rope_type":"linear","factor":4},"sliding_attention":{"rope_type":"default"}})")});
  EXPECT_EQ(keyed.config.text.rope_factor_global, 4.0f);
  EXPECT_TRUE(Mentions(keyed.remarks.warnings, "rope_scaling is keyed"));
  const HfConfig usual = GoodHf(
      {.config = FlatHf(R"("rope_parameters":{"rope_type":"default","rope_theta":1000000})")});
  EXPECT_TRUE(usual.remarks.warnings.empty());
}

TEST(HfSettings, ThePrivatePatternAloneIsNotWhatTransformersComputes) {
  ExpectHfRefused({.config = FlatHf(R"("_sliding_window_pattern":3)")},
                  {"_sliding_window_pattern is 3", "layer_types"}, kUnsupported);
  EXPECT_EQ(GoodHf({.config = FlatHf(R"("_sliding_window_pattern":6)")}).config.text.layers[5],
            LayerKind::kGlobal);
  // A tower of layer types with transformers' default beside it.
  const HfConfig usual = GoodHf({.config = FlatHf(R"("num_hidden_layers":2,
      "_sliding_window_pattern":6,"layer_types":["full_attention","sliding_attention"])")});
  EXPECT_EQ(usual.config.text.layers[0], LayerKind::kGlobal);
}

TEST(HfSettings, NullWhereTransformersNeedsAValue) {
  ExpectHfRefused({.config = FlatHf(R"("sliding_window":null)")}, {"sliding_window is null"}, kBad);
  ExpectHfRefused({.config = NestedHf("", R"("sliding_window":null)")},
                  {"text_config", "sliding_window is null"}, kBad);
  EXPECT_TRUE(ReadHf({.config = FlatHf(R"("sliding_window":null,"num_hidden_layers":1,
      "layer_types":["full_attention"])")}));
  ExpectHfRefused({.config = FlatHf(R"("hidden_activation":null)")}, {"hidden_activation is null"},
                  kBad);
  ExpectHfRefused({.config = NestedHf("", "", R"("hidden_act":null)")}, {"hidden_act is null"},
                  kBad);
}

TEST(HfSettings, NamesOfTheOneActivation) {
  for (const char* same : {"gelu_pytorch_tanh", "gelu_new", "gelu_fast"}) {
    const std::string name = std::string("\"") + same + "\"";
    EXPECT_TRUE(ReadHf({.config = FlatHf("\"hidden_activation\":" + name)})) << same;
    EXPECT_TRUE(ReadHf({.config = NestedHf("", "", "\"hidden_act\":" + name)})) << same;
  }
  for (const char* other : {"gelu", "quick_gelu", "silu", "relu", ""}) {
    const std::string name = std::string("\"") + other + "\"";
    for (const std::string& config :
         {FlatHf("\"hidden_activation\":" + name), FlatHf("\"hidden_act\":" + name),
          NestedHf("", "", "\"hidden_act\":" + name)}) {
      ExpectHfRefused({.config = config}, {name}, kUnsupported);
    }
  }
}

TEST(HfSettings, SettingsOfOtherArchitecturesAreRefusedByName) {
  for (const std::string member : {R"("use_bidirectional_attention":"all")",
                                   R"("is_causal":false)",
                                   R"("use_sliding_window":false)",
                                   R"("attention_chunk_size":512)",
                                   R"("partial_rotary_factor":0.5)",
                                   R"("rotary_pct":0.25)",
                                   R"("no_rope_layers":[1,0])",
                                   R"("attention_bias":true)",
                                   R"("mlp_bias":true)",
                                   R"("attn_logit_softcapping":50.0)",
                                   R"("final_logit_softcapping":30)",
                                   R"("num_kv_shared_layers":2)",
                                   R"("use_qk_norm":false)",
                                   R"("num_experts":8)",
                                   R"("num_local_experts":8)",
                                   R"("enable_moe_block":true)",
                                   R"("altup_num_inputs":4)",
                                   R"("laurel_rank":64)",
                                   R"("hidden_size_per_layer_input":256)",
                                   R"("activation_sparsity_pattern":[0.95,0])",
                                   R"("logit_scale":0.0625)",
                                   R"("logits_scaling":8)",
                                   R"("residual_multiplier":0.22)",
                                   R"("embedding_multiplier":12)",
                                   R"("attention_multiplier":0.015625)",
                                   R"("global_head_dim":512)",
                                   R"("pruned_heads":{"0":[1]})",
                                   R"("kv_lora_rank":512)"}) {
    const std::string key = member.substr(1, member.find('"', 1) - 1);
    for (const std::string& config : {FlatHf(member), NestedHf(member, ""), NestedHf("", member)}) {
      ExpectHfRefused({.config = config}, {key}, kUnsupported);
    }
  }
  for (const std::string off :
       {R"("use_bidirectional_attention":null)", R"("is_causal":true)",
        R"("use_sliding_window":true)", R"("partial_rotary_factor":1.0)",
        R"("no_rope_layers":[1,1])", R"("attention_bias":false)", R"("attn_logit_softcapping":0)",
        R"("num_experts":0)", R"("use_qk_norm":true)", R"("activation_sparsity_pattern":[0,0])",
        R"("logit_scale":1)", R"("pruned_heads":{})"}) {
    const HfConfig read = GoodHf({.config = FlatHf(off)});
    EXPECT_TRUE(read.remarks.notes.empty() && read.remarks.warnings.empty()) << off;
  }
}

TEST(HfSettings, TowersOfAnotherKindAreRefused) {
  for (const std::string vision : {R"("model_type":"clip_vision_model")",
                                   R"("vision_feature_layer":-2)", R"("use_rope":true)"}) {
    ExpectHfRefused({.config = NestedHf("", "", vision)},
                    {vision.substr(1, vision.find('"', 1) - 1) == "model_type" ? "clip_vision_model"
                                                                               : "vision_config."},
                    kUnsupported);
  }
  ExpectHfRefused({.config = NestedHf(R"("vision_feature_layer":-2)", "")},
                  {"vision_feature_layer"}, kUnsupported);
  // The head of SigLIP stands behind the soft tokens.
  EXPECT_TRUE(ReadHf({.config = NestedHf("", "", R"("vision_use_head":true)")}));
  EXPECT_TRUE(ReadHf({.config = NestedHf("", "", R"("attention_dropout":0.1)")}));
}

TEST(HfSettings, KeysThatNobodyReadsAreNoted) {
  const HfConfig read = GoodHf({.config = NestedHf(R"("made_by":"me")", R"("turbo":{"x":1})")});
  EXPECT_TRUE(Mentions(read.remarks.notes, "made_by"));
  EXPECT_TRUE(Mentions(read.remarks.notes, "turbo"));
  EXPECT_TRUE(read.remarks.warnings.empty());
}

TEST(HfSettings, BaseFrequenciesOfAKnownSizeAreSaidWhereTheyDiffer) {
  const std::string one_b = R"("num_hidden_layers":26,"hidden_size":1152)";
  EXPECT_TRUE(GoodHf({.config = FlatHf(one_b)}).remarks.warnings.empty());
  const HfConfig low = GoodHf({.config = FlatHf(one_b + R"(,"rope_theta":10000)")});
  EXPECT_EQ(low.config.text.rope_theta_global, 10000.0f);
  EXPECT_TRUE(Mentions(low.remarks.warnings, "global layers is 10000"));
  const HfConfig local = GoodHf({.config = FlatHf(one_b + R"(,"rope_local_base_freq":1e6)")});
  EXPECT_TRUE(Mentions(local.remarks.warnings, "local layers is 1e+06"));
  const std::string four_b = R"("num_hidden_layers":34,"hidden_size":2560)";
  EXPECT_TRUE(Mentions(GoodHf({.config = FlatHf(four_b)}).remarks.warnings, "by 8"));
  EXPECT_TRUE(GoodHf({.config = FlatHf(four_b + R"(,"rope_scaling":
      {"rope_type":"linear","factor":4})")})
                  .remarks.warnings.empty());
}

TEST(HfSettings, PythonsNumbersHarmOnlyWhoNeedsThem) {
  const HfConfig read = GoodHf({.config = FlatHf(R"("initializer_range":NaN,"made":-Infinity,
      "text":"NaN, \"Infinity\"")")});
  EXPECT_EQ(read.config.text.hidden_size, 2304u);
  ExpectHfRefused({.config = FlatHf(R"("rope_scaling":{"rope_type":"linear","factor":NaN})")},
                  {"factor"}, kBad);
  ExpectHfRefused({.config = FlatHf(R"("hidden_size":Infinity)")}, {"hidden_size"}, kBad);
}

TEST(HfSettings, PicturesPreparedInAnotherWayAreRefused) {
  const std::string config = NestedHf("", "");
  for (const std::string other :
       {R"("do_rescale":false)", R"("do_normalize":false)", R"("do_resize":false)",
        R"("resample":3)", R"("resample":0)", R"("resample":"lanczos")", R"("do_center_crop":true)",
        R"("do_pad":true)", R"("image_mean":[0.48,0.45,0.4])", R"("image_std":0.26)",
        R"("rescale_factor":1.0)", R"("size":{"shortest_edge":56})"}) {
    const std::string key = other.substr(1, other.find('"', 1) - 1);
    ExpectHfRefused({.config = config, .preprocessor = "{" + other + "}"},
                    {"preprocessor_config.json: " + key}, kUnsupported);
    ExpectHfRefused({.config = config, .processor = R"({"image_processor":{)" + other + "}}"},
                    {"processor_config.json: image_processor." + key}, kUnsupported);
    // A text model has no use for it.
    EXPECT_TRUE(ReadHf({.config = FlatHf(""), .preprocessor = "{" + other + "}"})) << other;
  }
  EXPECT_TRUE(
      ReadHf({.config = config, .preprocessor = R"({"resample":2,"do_rescale":null,"image_mean":0.5,
      "size":56,"do_convert_rgb":null})"}));
  // transformers looks at the nested form alone where it is there.
  EXPECT_TRUE(ReadHf({.config = config,
                      .preprocessor = R"({"resample":3})",
                      .processor = R"({"image_processor":{"resample":2}})"}));
}

}  // namespace
}  // namespace gemma3
