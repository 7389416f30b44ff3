// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/hf_folder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "src/formats/safetensors.h"
#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"

namespace gemma3 {
namespace {

using testing::HfName;
using testing::HfNames;

class HfFolder : public ::testing::Test {
 protected:
  // The tensors of a tiny model under their stored names, to be changed before Write.
  void Make(const ModelConfig& config, HfNames names = HfNames::kOfficial) {
    config_ = config;
    ShapeTable table = TextShapes(config.text);
    if (config.has_vision) table.merge(VisionShapes(config.vision, config.text));
    bank_ = testing::RandomTensors(table, TensorType::kBF16, 1);
    for (const auto& [name, view] : bank_.views()) {
      tensors_[HfName(name, config.has_vision ? names : HfNames::kTextOnly)] = view;
    }
  }
  Result<Checkpoint> Open() {
    folder_.Write("config.json", json_.empty() ? HfConfigJson(config_) : json_);
    const Status written = WriteSafetensors(folder_.path() + "/model.safetensors", tensors_);
    EXPECT_TRUE(written);
    return OpenCheckpoint(folder_.path());
  }
  void ExpectRefused(const std::string& part, ErrorCode code = ErrorCode::kBadModel) {
    const auto checkpoint = Open();
    ASSERT_FALSE(checkpoint) << part;
    EXPECT_EQ(checkpoint.error().code, code);
    EXPECT_NE(checkpoint.error().message.find(part), std::string::npos)
        << checkpoint.error().message;
    EXPECT_NE(checkpoint.error().message.find(folder_.path()), std::string::npos);
  }

  testing::TempFolder folder_;
  ModelConfig config_;
  std::string json_;
  testing::TensorBank bank_, extra_;
  TensorMap tensors_;
};

TEST_F(HfFolder, EveryPrefixFamilyGivesTheCanonicalNames) {
  const ModelConfig config = testing::TinyVisionConfig();
  for (const HfNames names : {HfNames::kOfficial, HfNames::kNew}) {
    tensors_.clear();
    Make(config, names);
    const auto checkpoint = Open();
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    EXPECT_TRUE(checkpoint->config.has_vision);
    EXPECT_TRUE(checkpoint->norms_store_offset);
    EXPECT_TRUE(checkpoint->remarks.notes.empty());
    ASSERT_EQ(checkpoint->tensors.size(), bank_.views().size());
    for (const auto& [name, view] : bank_.views()) {
      const TensorView& read = checkpoint->tensors.at(name);
      EXPECT_EQ(read.shape, view.shape);
      EXPECT_TRUE(std::equal(view.data, view.data + view.bytes, read.data)) << name;
    }
  }
  EXPECT_EQ(CanonicalHfName("vision_model.vision_model.post_layernorm.bias"),
            "vision.post_layernorm.bias");
  EXPECT_EQ(CanonicalHfName("vision_tower.post_layernorm.bias"), "vision.post_layernorm.bias");
  EXPECT_EQ(CanonicalHfName("layers.3.mlp.up_proj.weight"), "layers.3.mlp.up_proj.weight");
  EXPECT_EQ(CanonicalHfName("language_model.lm_head.weight"), "lm_head.weight");
  EXPECT_EQ(CanonicalHfName("model.model.language_model.norm.weight"), "norm.weight");
  EXPECT_EQ(CanonicalHfName("model.model.vision_tower.vision_model.post_layernorm.bias"),
            "vision.post_layernorm.bias");
  EXPECT_EQ(CanonicalHfName("score.weight"), "");
}

TEST_F(HfFolder, TextModelsInEveryFloatType) {
  const testing::TempFolder folder;
  for (const TensorType type : {TensorType::kBF16, TensorType::kF16, TensorType::kF32}) {
    ASSERT_TRUE(testing::WriteHfFolder(folder.path(), testing::TinyTextConfig(), 3, type));
    const auto checkpoint = OpenCheckpoint(folder.path() + "/");
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    EXPECT_EQ(checkpoint->tensors.at("norm.weight").type, type);
    EXPECT_EQ(checkpoint->config.name, std::filesystem::path(folder.path()).filename());
    EXPECT_TRUE(checkpoint->tokenizer_proto.empty());
    EXPECT_FALSE(checkpoint->tokenizer_missing.empty());
  }
}

TEST_F(HfFolder, MissingWrongAndSurplusTensors) {
  const std::string q = "model.layers.2.self_attn.q_proj.weight";
  Make(testing::TinyTextConfig());
  const TensorMap good = tensors_;

  tensors_.erase(q);
  ExpectRefused("layers.2.self_attn.q_proj.weight of shape [64, 32] is missing");

  tensors_ = good;
  extra_.Add("wide", TensorType::kBF16, {64, 33}, std::vector<float>(64 * 33));
  tensors_[q] = extra_.views().at("wide");
  ExpectRefused("should have shape [64, 32], found [64, 33]");

  extra_.Add("flat", TensorType::kBF16, {64 * 32}, std::vector<float>(64 * 32));
  tensors_[q] = extra_.views().at("flat");
  ExpectRefused("found [2048]");

  extra_.AddBytes("whole", TensorType::kI32, {64, 32}, std::vector<std::byte>(64 * 32 * 4));
  tensors_[q] = extra_.views().at("whole");
  ExpectRefused("found I32");

  tensors_ = good;
  tensors_["model.layers.7.mlp.up_proj.weight"] = good.at("model.layers.0.mlp.up_proj.weight");
  ExpectRefused("num_hidden_layers 7");

  tensors_ = good;
  tensors_["language_model.model.norm.weight"] = good.at("model.norm.weight");
  ExpectRefused("another prefix");

  tensors_ = good;
  tensors_["model.layers.0.mlp.up_proj.lora"] = good.at("model.norm.weight");
  tensors_["optimizer.state"] = good.at("model.norm.weight");
  tensors_["model.rotary_emb.inv_freq"] = good.at("model.norm.weight");
  const auto noted = Open();
  ASSERT_TRUE(noted);
  ASSERT_EQ(noted->remarks.notes.size(), 1u);
  EXPECT_NE(noted->remarks.notes[0].find("layers.0.mlp.up_proj.lora"), std::string::npos);
  EXPECT_EQ(noted->tensors.size(), good.size());
}

TEST_F(HfFolder, TheOutputHead) {
  Make(testing::TinyTextConfig());
  tensors_["lm_head.weight"] = tensors_.at("model.embed_tokens.weight");
  EXPECT_TRUE(Open());
  json_ = HfConfigJson(config_);
  json_.replace(json_.find("\"tie_word_embeddings\": true"), 27, "\"tie_word_embeddings\": false");
  ExpectRefused("tie_word_embeddings", ErrorCode::kUnsupported);
  tensors_.erase("lm_head.weight");
  const auto without = Open();
  ASSERT_TRUE(without);
  EXPECT_EQ(without->remarks.notes.size(), 1u);
  json_.clear();
  extra_.Add("head", TensorType::kBF16, {299, 32}, std::vector<float>(299 * 32));
  tensors_["lm_head.weight"] = extra_.views().at("head");
  ExpectRefused("lm_head.weight should have shape [300, 32]");
}

TEST_F(HfFolder, RowsOfTheEmbedding) {
  ModelConfig config = testing::TinyTextConfig();
  config.text.hidden_size = 2;  // keeps the table small
  config.text.num_layers = 1;
  config.text.layers.resize(1);
  for (const auto& [rows, said] : {std::pair<size_t, size_t>{262144, 262208}, {262208, 262144}}) {
    tensors_.clear();
    config.text.vocab_size = rows;
    Make(config);
    config_.text.vocab_size = said;
    const auto checkpoint = Open();
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    EXPECT_EQ(checkpoint->config.text.vocab_size, rows);
  }
  config_.text.vocab_size = 262145;
  ExpectRefused("embed_tokens.weight should have shape [262145, 2]");
}

TEST_F(HfFolder, AConfigurationWithATowerThatIsNotStored) {
  Make(testing::TinyVisionConfig());
  const TensorMap all = tensors_;
  std::erase_if(tensors_, [](const auto& entry) {
    return entry.first.find("vision") != std::string::npos ||
           entry.first.find("projector") != std::string::npos;
  });
  const auto text = Open();
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_FALSE(text->config.has_vision);
  EXPECT_EQ(text->remarks.notes.size(), 1u);
  // Half a tower is damage.
  tensors_ = all;
  tensors_.erase("multi_modal_projector.mm_soft_emb_norm.weight");
  ExpectRefused("projector.mm_soft_emb_norm.weight");
  // A pooling head is part of some files and of no model.
  tensors_ = all;
  tensors_["vision_tower.vision_model.head.probe"] =
      all.at("multi_modal_projector.mm_soft_emb_norm.weight");
  const auto head = Open();
  ASSERT_TRUE(head);
  EXPECT_TRUE(head->remarks.notes.empty());
}

TEST_F(HfFolder, ShardsWithAnIndex) {
  Make(testing::TinyTextConfig());
  TensorMap first, second;
  std::string map;
  for (const auto& [name, view] : tensors_) {
    const bool early = first.size() < tensors_.size() / 2;
    (early ? first : second)[name] = view;
    map += (map.empty() ? "\"" : ",\"") + name + "\":\"" + (early ? "one" : "two") + "\"";
  }
  folder_.Write("config.json", HfConfigJson(config_));
  folder_.Write("model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
  ASSERT_TRUE(WriteSafetensors(folder_.path() + "/one", first));
  ASSERT_TRUE(WriteSafetensors(folder_.path() + "/two", second));
  const auto checkpoint = OpenCheckpoint(folder_.path());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_EQ(checkpoint->files.size(), 2u);
  EXPECT_TRUE(OpenCheckpoint(folder_.path() + "/model.safetensors.index.json"));
}

TEST_F(HfFolder, EveryTruncationOfTheWeightsIsAnError) {
  Make(testing::TinyTextConfig());
  ASSERT_TRUE(Open());
  const std::string path = folder_.path() + "/model.safetensors";
  for (uintmax_t size = std::filesystem::file_size(path); size > 0;) {
    size = size > 5000 ? size - 4999 : size - 1;
    std::filesystem::resize_file(path, size);
    const auto checkpoint = OpenCheckpoint(folder_.path());
    ASSERT_FALSE(checkpoint) << size;
    EXPECT_EQ(checkpoint.error().code, ErrorCode::kBadModel);
  }
}

TEST(HfFolderErrors, SayWhatIsThereInstead) {
  const auto refused = [](const std::string& file, const std::string& content,
                          const std::string& part) {
    const testing::TempFolder folder;
    if (!file.empty()) folder.Write(file, content);
    const auto checkpoint = OpenCheckpoint(folder.path());
    ASSERT_FALSE(checkpoint);
    EXPECT_NE(checkpoint.error().message.find(part), std::string::npos)
        << checkpoint.error().message;
  };
  refused("", "", "is empty");
  refused("pytorch_model.bin", "x", ".bin");
  refused("abc.incomplete", "x", "unfinished");
  refused("m.gguf", "x", "not a GGUF file");
  refused("adapter_config.json", "{}", "LoRA");
  refused("notes.txt", "x", "model's folder");
  refused("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "LFS");
  refused("model.safetensors", "", "too few");
  refused("model.safetensors", std::string("\x02\0\0\0\0\0\0\0{}", 10), "config.json");
}

TEST(OpenCheckpointFile, OtherFilesSayWhatTheyAre) {
  const testing::TempFolder folder;
  const auto message = [&](const std::string& content) {
    const auto checkpoint = OpenCheckpoint(folder.Write("file", content));
    return checkpoint ? "" : checkpoint.error().message;
  };
  EXPECT_NE(message("PK\x03\x04xxxx").find("zip"), std::string::npos);
  EXPECT_NE(message("SBS\nxxxx").find(".sbs"), std::string::npos);
  EXPECT_NE(message("\x80\x02xxxx").find("pickle"), std::string::npos);
  EXPECT_NE(message("version https://git-lfs").find("LFS"), std::string::npos);
  EXPECT_NE(message("").find("no model file"), std::string::npos);
  const auto missing = OpenCheckpoint(folder.path() + "/nothing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace gemma3
