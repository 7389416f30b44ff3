// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/hf_folder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "src/formats/hf_names.h"
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
    folder_.Write("config.json", json_.empty() ? testing::HfConfigJson(config_) : json_);
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
}

TEST_F(HfFolder, EveryOuterNameIsUnderstood) {
  // Around the text model, the tower, and the projector.
  struct Names {
    std::string text, tower, projector;
  };
  const std::string wrappers[] = {"",
                                  "module.",
                                  "_orig_mod.",
                                  "base_model.model.",
                                  "module._orig_mod.",
                                  "base_model.model.module.",
                                  "_fsdp_wrapped_module."};
  for (const Names& names : {
           Names{"language_model.", "vision_tower.", "multi_modal_projector."},  // Gemma3Model
           Names{"language_model.model.", "vision_tower.vision_model.", "multi_modal_projector."},
           Names{"model.language_model.model.", "model.vision_tower.", "multi_modal_projector."},
           Names{"model.model.language_model.", "model.model.vision_tower.vision_model.",
                 "model.model.multi_modal_projector."},
           Names{"", "vision_model.vision_model.", "model.multi_modal_projector."},
       }) {
    for (const std::string& wrapper : wrappers) {
      tensors_.clear();
      Make(testing::TinyVisionConfig());
      tensors_.clear();
      for (const auto& [name, view] : bank_.views()) {
        const bool tower = name.starts_with("vision."), projector = name.starts_with("projector.");
        const std::string rest = tower || projector ? name.substr(name.find('.') + 1) : name;
        tensors_[wrapper +
                 (tower       ? names.tower
                  : projector ? names.projector
                              : names.text) +
                 rest] = view;
      }
      const auto checkpoint = Open();
      ASSERT_TRUE(checkpoint) << checkpoint.error().message;
      EXPECT_TRUE(checkpoint->remarks.warnings.empty());
      EXPECT_EQ(checkpoint->tensors.size(), bank_.views().size());
    }
  }
}

TEST(CanonicalHfName, NamesThatAreNotTrivial) {
  const std::pair<const char*, const char*> kNames[] = {
      {"model.lm_head.weight", "lm_head.weight"},
      {"language_model.lm_head.weight", "lm_head.weight"},
      {"lm_head.bias", "lm_head.bias"},
      {"model.layers.0._orig_mod.mlp.up_proj.weight", "layers.0.mlp.up_proj.weight"},
      {"base_model.model.model.layers.0.mlp.up_proj.base_layer.weight",
       "layers.0.mlp.up_proj.base_layer.weight"},
      {"score.weight", ""},
      {"transformer.layers.0.weight", ""},
      {"layer.norm.weight", ""},
      {"model.", ""},
      {"", ""},
      {".", ""},
  };
  for (const auto& [stored, canonical] : kNames) EXPECT_EQ(CanonicalHfName(stored), canonical);
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
  tensors_["optimizer.state"] = good.at("model.norm.weight");
  tensors_["v_head.weight"] = good.at("model.norm.weight");
  tensors_["model.rotary_emb.inv_freq"] = good.at("model.norm.weight");
  tensors_["model.layers.1.self_attn.rotary_emb.inv_freq"] = good.at("model.norm.weight");
  const auto warned = Open();
  ASSERT_TRUE(warned);
  EXPECT_TRUE(warned->remarks.notes.empty());
  ASSERT_EQ(warned->remarks.warnings.size(), 1u);
  EXPECT_NE(warned->remarks.warnings[0].find("2 tensors (optimizer.state, v_head.weight)"),
            std::string::npos)
      << warned->remarks.warnings[0];
  EXPECT_EQ(warned->tensors.size(), good.size());

  // A missing one may be there under a name that is not understood.
  tensors_.erase(q);
  ExpectRefused("is missing");
  ExpectRefused("not understood: 2 tensors (optimizer.state");
}

// They take part in what the model computes, whoever wrote them and under whatever prefix.
TEST_F(HfFolder, TensorsInsideTheModelAreRefused) {
  Make(testing::TinyVisionConfig());
  const TensorMap good = tensors_;
  const TensorView vector = good.at("language_model.model.norm.weight");
  const std::string tower = "vision_tower.vision_model.encoder.layers.1.";
  const std::pair<std::string, const char*> kInside[] = {
      {"language_model.model.layers.0.self_attn.q_proj.bias", "no such bias"},
      {"language_model.model.layers.6.mlp.up_proj.bias", "no such bias"},
      {"model.layers.0.self_attn.q_proj.lora_A.weight", "adapter"},
      {"base_model.model.model.layers.0.self_attn.q_proj.lora_B.default.weight", "adapter"},
      {"language_model.model.layers.0.self_attn.q_proj.base_layer.weight", "adapter"},
      {"language_model.model.embed_tokens.lora_embedding_A", "adapter"},
      {"language_model.model.layers.2.mlp.down_proj.weight_scale", "quantised"},
      {"language_model.model.layers.2.mlp.down_proj.weight.absmax", "quantised"},
      {"language_model.model.layers.2.layer_scalar", "layer_scalar"},
      {"language_model.model.layers.2.self_attn.sinks", "sinks"},
      {"language_model.model.norm.bias", "no such bias"},
      {"lm_head.bias", "no such bias"},
      {tower + "self_attn.q_proj.lora_A.weight", "adapter"},
      {tower + "layer_scale1", "layer_scale1"},
      {"vision_tower.vision_model.pre_layrnorm.weight", "pre_layrnorm"},
      {"multi_modal_projector.linear_2.weight", "linear_2"},
  };
  for (const auto& [name, part] : kInside) {
    tensors_ = good;
    tensors_[name] = vector;
    ExpectRefused("tensor " + name, ErrorCode::kUnsupported);
    ExpectRefused(part, ErrorCode::kUnsupported);
  }
}

TEST_F(HfFolder, NoNameOfGemmas) {
  Make(testing::TinyTextConfig());
  const TensorMap good = tensors_;
  tensors_.clear();
  for (const auto& [name, view] : good) tensors_["backbone." + name] = view;
  ExpectRefused("backbone.model.embed_tokens.weight", ErrorCode::kUnsupported);
}

// ---- Which files hold the weights

class HfWeights : public HfFolder {
 protected:
  void SetUp() override {
    Make(testing::TinyTextConfig());
    folder_.Write("config.json", testing::HfConfigJson(config_));
  }
  std::string Path(const std::string& name) { return folder_.path() + "/" + name; }
  void Put(const std::string& name) { ASSERT_TRUE(WriteSafetensors(Path(name), tensors_)); }
  // The tensors in `count` parts, of which those in `kept` are written.
  void PutParts(size_t count, const std::vector<size_t>& kept) {
    for (const size_t part : kept) {
      TensorMap some;
      size_t i = 0;
      for (const auto& [name, view] : tensors_) {
        if (i++ % count == part - 1) some[name] = view;
      }
      const std::string name =
          "model-0000" + std::to_string(part) + "-of-0000" + std::to_string(count);
      ASSERT_TRUE(WriteSafetensors(Path(name + ".safetensors"), some));
    }
  }
  std::string Message(const std::string& path) {
    const auto checkpoint = OpenCheckpoint(path);
    return checkpoint ? "" : checkpoint.error().message;
  }
};

TEST_F(HfWeights, OneFileUnderAnyName) {
  for (const char* name : {"model.fp16.safetensors", "gemma-3-1b-it.safetensors"}) {
    Put(name);
    const auto checkpoint = OpenCheckpoint(folder_.path());
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    ASSERT_EQ(checkpoint->remarks.notes.size(), 1u);
    EXPECT_NE(checkpoint->remarks.notes[0].find(name), std::string::npos);
    std::filesystem::remove(Path(name));
  }
  Put("model.bf16.safetensors");
  Put("model.fp16.safetensors");
  EXPECT_NE(Message(folder_.path()).find("model.bf16.safetensors, model.fp16.safetensors"),
            std::string::npos);
  // Named, each is the one that is read, and not its neighbour.
  for (const char* name : {"model.bf16.safetensors", "model.fp16.safetensors"}) {
    const auto checkpoint = OpenCheckpoint(Path(name));
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    EXPECT_EQ(checkpoint->files.at(0)->path(), Path(name));
  }
  Put("model.safetensors");
  EXPECT_EQ(OpenCheckpoint(folder_.path())->files.at(0)->path(), Path("model.safetensors"));
  EXPECT_EQ(OpenCheckpoint(Path("model.fp16.safetensors"))->files.at(0)->path(),
            Path("model.fp16.safetensors"));
}

TEST_F(HfWeights, PartsWithoutAnIndex) {
  PutParts(3, {1, 3});
  EXPECT_NE(Message(folder_.path()).find("2 of 3 parts"), std::string::npos)
      << Message(folder_.path());
  PutParts(3, {2});
  for (const std::string& path : {folder_.path(), Path("model-00002-of-00003.safetensors")}) {
    const auto checkpoint = OpenCheckpoint(path);
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    EXPECT_EQ(checkpoint->files.size(), 3u);
    EXPECT_EQ(checkpoint->tensors.size(), tensors_.size());
  }
}

TEST_F(HfWeights, AnAdapterBesideTheModelIsAWarning) {
  for (const char* name : {"adapter_model.safetensors", "adapters.safetensors", "adapter_model.bin",
                           "0000100_adapters.safetensors"}) {
    Put("model.safetensors");
    folder_.Write(name, "x");
    const auto checkpoint = OpenCheckpoint(folder_.path());
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    ASSERT_EQ(checkpoint->remarks.warnings.size(), 1u);
    EXPECT_NE(checkpoint->remarks.warnings[0].find(name), std::string::npos);
    // Alone it is no model.
    std::filesystem::remove(Path("model.safetensors"));
    EXPECT_NE(Message(folder_.path()).find("LoRA"), std::string::npos) << Message(folder_.path());
    std::filesystem::remove(Path(name));
  }
  Put("adapter_model.safetensors");
  EXPECT_NE(Message(Path("adapter_model.safetensors")).find("LoRA"), std::string::npos);
}

TEST_F(HfFolder, TheOutputHead) {
  Make(testing::TinyTextConfig());
  tensors_["lm_head.weight"] = tensors_.at("model.embed_tokens.weight");
  // Opening does not read it, so equal or not it is the checkpoint's.
  for (const bool tied : {true, false}) {
    config_.text.tie_word_embeddings = tied;
    const auto with = Open();
    ASSERT_TRUE(with) << with.error().message;
    EXPECT_TRUE(with->tensors.contains("lm_head.weight"));
    EXPECT_FALSE(with->config.text.tie_word_embeddings);
    EXPECT_TRUE(with->remarks.warnings.empty());
  }
  tensors_.erase("lm_head.weight");
  const auto without = Open();
  ASSERT_TRUE(without);
  EXPECT_TRUE(without->config.text.tie_word_embeddings);
  EXPECT_EQ(without->remarks.warnings.size(), 1u);
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
  folder_.Write("config.json", testing::HfConfigJson(config_));
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
  EXPECT_NE(message("").find("is empty"), std::string::npos);
  const auto missing = OpenCheckpoint(folder.path() + "/nothing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace gemma3
