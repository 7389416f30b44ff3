// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The modules of an embedding model's folder are walked: what they say is what is read, and what is
// not computed is refused by name. The same of GGUF files.
#include "src/formats/hf_modules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "src/formats/checkpoint.h"
#include "src/formats/safetensors.h"
#include "tests/support/embedding_model.h"

namespace gemma3::testing {
namespace {

void ExpectRefused(const Result<Checkpoint>& result, const std::string& why,
                   ErrorCode code = ErrorCode::kUnsupported) {
  ASSERT_FALSE(result) << why;
  EXPECT_EQ(result.error().code, code) << result.error().message;
  EXPECT_NE(result.error().message.find(why), std::string::npos) << result.error().message;
}

class HfModulesTest : public ::testing::Test {
 protected:
  Result<Checkpoint> Open() const { return OpenCheckpoint(folder_.path()); }
  EmbeddingFolder folder_;
};

TEST_F(HfModulesTest, ReadsAllOfThem) {
  const auto opened = Open();
  ASSERT_TRUE(opened) << opened.error().message;
  const auto& embedding = opened->config.embedding;
  ASSERT_TRUE(embedding);
  ASSERT_EQ(embedding->dense.size(), 2u);
  EXPECT_EQ(embedding->dense[0].inputs, 64u);
  EXPECT_EQ(embedding->dense[0].outputs, 128u);
  EXPECT_FALSE(embedding->dense[0].bias);
  EXPECT_EQ(embedding->dense[0].activation, DenseActivation::kNone);
  EXPECT_TRUE(embedding->normalize);
  EXPECT_EQ(embedding->prompts.size(), 3u);
  EXPECT_EQ(embedding->max_tokens, 128u);
  EXPECT_TRUE(opened->config.text.bidirectional);
  EXPECT_EQ(opened->config.text.sliding_window, 7u);
  EXPECT_TRUE(opened->tensors.contains("dense.1.weight"));
}

TEST_F(HfModulesTest, NewerNamesAndFoldersAreTheSame) {
  folder_.Edit("modules.json", [](auto& json) {
    for (auto& module : json) {
      const std::string type = module["type"];
      module["type"] = "sentence_transformers.base.modules." + type.substr(type.rfind('.') + 1);
    }
  });
  folder_.Write("1_Pooling/config.json",
                R"({"embedding_dimension": 64, "pooling_mode": "mean", "include_prompt": true})");
  EXPECT_TRUE(Open());
  folder_.Write("1_Pooling/config.json", R"({"pooling_mode": ["mean"]})");
  EXPECT_TRUE(Open());
  // The transformer in a folder of its own.
  std::filesystem::create_directory(folder_.Path("0_Transformer"));
  for (const char* name :
       {"config.json", "model.safetensors", "tokenizer.model", "sentence_bert_config.json"}) {
    std::filesystem::rename(folder_.Path(name), folder_.Path(std::string("0_Transformer/") + name));
  }
  folder_.Edit("modules.json", [](auto& json) { json[0]["path"] = "0_Transformer"; });
  const auto opened = Open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->config.embedding->dense.size(), 2u);
}

TEST_F(HfModulesTest, FewerAndOtherModulesAreWhatTheyAre) {
  folder_.Edit("2_Dense/config.json", [](auto& json) { json.erase("activation_function"); });
  folder_.Edit("modules.json", [](auto& json) {
    json.erase(4);  // no normalisation
    json[3]["type"] = "sentence_transformers.models.Dropout";
  });
  const auto opened = Open();
  ASSERT_TRUE(opened) << opened.error().message;
  ASSERT_EQ(opened->config.embedding->dense.size(), 1u);
  EXPECT_EQ(opened->config.embedding->dense[0].activation, DenseActivation::kTanh);
  EXPECT_FALSE(opened->config.embedding->normalize);
}

TEST_F(HfModulesTest, ALayerWithABiasHasOne) {
  folder_.Edit("3_Dense/config.json", [](auto& json) { json["bias"] = true; });
  ExpectRefused(Open(), "dense.1.bias", ErrorCode::kBadModel);
  auto set = OpenSafetensors(folder_.Path("3_Dense/model.safetensors"));
  ASSERT_TRUE(set);
  TensorBank bank;
  bank.Add("linear.bias", TensorType::kF32, {64}, std::vector<float>(64, 0.5f));
  TensorMap tensors = bank.views();
  tensors.emplace("linear.weight", set->tensors.at("linear.weight"));
  ASSERT_TRUE(WriteSafetensors(folder_.Path("3_Dense/model.safetensors"), tensors));
  const auto opened = Open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(opened->config.embedding->dense[1].bias);
}

TEST_F(HfModulesTest, WithoutAListItIsRefused) {
  folder_.Remove("modules.json");
  ExpectRefused(Open(), "modules.json");
}

TEST_F(HfModulesTest, WhatIsMissingIsNamed) {
  folder_.Remove("3_Dense/model.safetensors");
  ExpectRefused(Open(), "3_Dense/model.safetensors", ErrorCode::kBadModel);
  folder_.Write("3_Dense/pytorch_model.bin", "pickle");
  ExpectRefused(Open(), "PyTorch");
  folder_.Remove("1_Pooling/config.json");
  ExpectRefused(Open(), "1_Pooling/config.json", ErrorCode::kBadModel);
}

TEST_F(HfModulesTest, OtherPoolingIsRefused) {
  folder_.Edit("1_Pooling/config.json", [](auto& json) { json["pooling_mode_cls_token"] = true; });
  ExpectRefused(Open(), "cls_token");
  folder_.Write("1_Pooling/config.json", R"({"pooling_mode": "lasttoken"})");
  ExpectRefused(Open(), "lasttoken");
  folder_.Write("1_Pooling/config.json", R"({"pooling_mode": ["mean", "max"]})");
  ExpectRefused(Open(), "mean, max");
  folder_.Write("1_Pooling/config.json", R"({"pooling_mode": "mean", "include_prompt": false})");
  ExpectRefused(Open(), "include_prompt");
}

TEST_F(HfModulesTest, OtherModulesAreRefused) {
  folder_.Edit("modules.json", [](auto& json) { json[4]["type"] = "models.LayerNorm"; });
  ExpectRefused(Open(), "LayerNorm");
  folder_.Edit("modules.json", [](auto& json) { json[4]["type"] = "models.Normalize"; });
  folder_.Edit("2_Dense/config.json", [](auto& json) {
    json["activation_function"] = "torch.nn.modules.activation.ReLU";
  });
  ExpectRefused(Open(), "ReLU");
  folder_.Edit("2_Dense/config.json", [](auto& json) {
    json["activation_function"] = "torch.nn.modules.linear.Identity";
    json["use_residual"] = true;
  });
  ExpectRefused(Open(), "use_residual");
  folder_.Edit("2_Dense/config.json", [](auto& json) {
    json["use_residual"] = false;
    json["out_features"] = 96;
  });
  ExpectRefused(Open(), "takes 128", ErrorCode::kBadModel);
  folder_.Edit("modules.json", [](auto& json) { json[2]["path"] = "../elsewhere"; });
  ExpectRefused(Open(), "inside the folder", ErrorCode::kBadModel);
}

TEST_F(HfModulesTest, AWindowThatWasSavedHalvedIsTheSame) {
  for (const auto& [stated, window] : {std::pair(512, 257u), {257, 257u}, {16, 9u}}) {
    folder_.Edit("config.json", [&](auto& json) { json["sliding_window"] = stated; });
    const auto opened = Open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->config.text.sliding_window, window);
  }
  folder_.Edit("config.json", [](auto& json) { json["sliding_window"] = 9; });
  ExpectRefused(Open(), "odd");
}

TEST_F(HfModulesTest, WithoutEosIsAWarning) {
  folder_.Write("tokenizer_config.json", R"({"add_eos_token": false})");
  const auto opened = Open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_FALSE(opened->config.embedding->add_eos);
  EXPECT_TRUE(std::ranges::any_of(opened->remarks.warnings, [](const std::string& warning) {
    return warning.find("add_eos_token") != std::string::npos;
  }));
}

// The tokenizer's limit is the model's where the model's settings state none, as newer versions of
// sentence-transformers save them.
TEST_F(HfModulesTest, TheLongestTextMayBeTheTokenizersLimit) {
  const auto longest = [&] {
    const auto opened = Open();
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? opened->config.embedding->max_tokens : 0;
  };
  folder_.Write("tokenizer_config.json", R"({"model_max_length": 50})");
  EXPECT_EQ(longest(), 128u);
  folder_.Write("sentence_bert_config.json", R"({"transformer_task": "feature-extraction"})");
  EXPECT_EQ(longest(), 50u);
  folder_.Write("tokenizer_config.json",
                R"({"model_max_length": 1000000000000000019884624838656})");
  EXPECT_EQ(longest(), 128u);
  folder_.Write("sentence_bert_config.json", R"({"transformer_task": "text-generation"})");
  ExpectRefused(Open(), "text-generation");
}

TEST_F(HfModulesTest, ACutThatTheFolderAsksForIsTold) {
  folder_.Edit("config_sentence_transformers.json", [](auto& json) { json["truncate_dim"] = 32; });
  const auto opened = Open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(std::ranges::any_of(opened->remarks.warnings, [](const std::string& warning) {
    return warning.find("truncate_dim is 32") != std::string::npos;
  }));
}

TEST_F(HfModulesTest, ADefaultPromptHasToBeOne) {
  folder_.Edit("config_sentence_transformers.json",
               [](auto& json) { json["default_prompt_name"] = "document"; });
  const auto opened = Open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->config.embedding->default_prompt, "document");
  folder_.Edit("config_sentence_transformers.json",
               [](auto& json) { json["default_prompt_name"] = "missing"; });
  ExpectRefused(Open(), "default_prompt_name", ErrorCode::kBadModel);
}

// MLX keeps them with the transformer and may leave out the list.
TEST_F(HfModulesTest, DenseLayersMayLieWithTheTransformer) {
  auto trunk = OpenSafetensors(folder_.Path("model.safetensors"));
  ASSERT_TRUE(trunk);
  TensorMap tensors;
  for (const auto& [name, view] : trunk->tensors) tensors.emplace("model." + name, view);
  std::vector<SafetensorsSet> dense;
  for (const char* folder : {"2_Dense", "3_Dense"}) {
    auto set = OpenSafetensors(folder_.Path(std::string(folder) + "/model.safetensors"));
    ASSERT_TRUE(set);
    tensors.emplace("dense." + std::to_string(dense.size()) + ".weight",
                    set->tensors.at("linear.weight"));
    dense.push_back(*std::move(set));
  }
  ASSERT_TRUE(WriteSafetensors(folder_.Path("mlx.safetensors"), tensors));
  std::filesystem::rename(folder_.Path("mlx.safetensors"), folder_.Path("model.safetensors"));
  folder_.Remove("2_Dense/config.json");
  // What there is of settings counts.
  folder_.Edit("3_Dense/config.json", [](auto& json) { json["activation_function"] = "x.Tanh"; });
  auto opened = Open();
  ASSERT_TRUE(opened) << opened.error().message;
  ASSERT_EQ(opened->config.embedding->dense.size(), 2u);
  EXPECT_EQ(opened->config.embedding->dense[1].activation, DenseActivation::kTanh);
  EXPECT_TRUE(opened->config.embedding->normalize);
  folder_.Write("1_Pooling/config.json", R"({"pooling_mode": "cls"})");
  ExpectRefused(Open(), "cls");
  folder_.Remove("modules.json");
  folder_.Remove("2_Dense");
  opened = Open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->config.embedding->dense.size(), 2u);
  EXPECT_TRUE(opened->config.embedding->normalize);
}

// ---- GGUF

TEST(GgufEmbedding, IsRecognisedByEitherArchitecture) {
  const TempFolder folder;
  for (const bool older : {false, true}) {
    const auto opened = OpenCheckpoint(WriteEmbeddingGguf(folder, "e.gguf", {.older = older}));
    ASSERT_TRUE(opened) << opened.error().message;
    ASSERT_TRUE(opened->config.embedding);
    EXPECT_EQ(opened->config.text.sliding_window, 7u);
    EXPECT_EQ(opened->config.embedding->dense[1].inputs, 128u);
    EXPECT_EQ(opened->config.embedding->prompts.size(), 14u);
    EXPECT_TRUE(opened->remarks.warnings.empty());
  }
}

TEST(GgufEmbedding, WithoutDenseLayersSaysWhereThereAreSome) {
  const TempFolder folder;
  for (const bool older : {false, true}) {
    const std::string path = WriteEmbeddingGguf(folder, "e.gguf", {.older = older, .dense = false});
    ExpectRefused(OpenCheckpoint(path), "google/embeddinggemma-300m");
  }
}

TEST(GgufEmbedding, ContradictionsAreErrors) {
  const TempFolder folder;
  const auto with = [&](const std::function<void(GgufWriter&)>& add, bool older = false) {
    return OpenCheckpoint(WriteEmbeddingGguf(folder, "e.gguf", {.older = older, .add_keys = add}));
  };
  ExpectRefused(with([](GgufWriter& w) { w.KeyBool("gemma-embedding.attention.causal", true); }),
                "causal");
  ExpectRefused(with([](GgufWriter& w) { w.Key("gemma3.dense_2_feat_in", uint32_t{63}); }, true),
                "dense_2_feat_in", ErrorCode::kBadModel);
}

}  // namespace
}  // namespace gemma3::testing
