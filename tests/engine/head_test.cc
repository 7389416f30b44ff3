// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Output heads that are stored beside the embedding: one that differs is computed with, one that
// does not is shared, whatever the configuration says about it. A head that is the embedding
// negated has to give the negated logits, bit for bit.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "gemma3/bench.h"
#include "gemma3/experimental/evaluator.h"
#include "gemma3/gemma3.h"
#include "src/engine/loaded_model.h"
#include "src/formats/dequantize.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/load_model.h"
#include "tests/support/mlx_writer.h"
#include "tests/support/model_writer.h"
#include "tests/support/reference.h"
#include "tests/support/temp_folder.h"

namespace gemma3::testing {
namespace {

constexpr uint32_t kSeed = 7;
constexpr TensorType kStored = TensorType::kBF16;

std::vector<float> Floats(const TensorView& view) {
  size_t count = 1;
  for (const uint64_t dim : view.shape) count *= dim;
  std::vector<float> values(count);
  EXPECT_TRUE(Dequantize(view.type, view.data, count, values.data()));
  return values;
}

std::vector<float> Negated(std::vector<float> values) {
  for (float& value : values) value = -value;
  return values;
}

// The embedding of the random model of kSeed.
const std::vector<float>& Embedding() {
  static const std::vector<float> values =
      Floats(RandomTensors(TextShapes(TinyTextConfig().text), TensorType::kF32, kSeed)
                 .views()
                 .at("embed_tokens.weight"));
  return values;
}

const std::vector<uint64_t>& HeadShape() {
  static const std::vector<uint64_t> shape = {300, 32};
  return shape;
}

std::vector<float> Logits(const Model& model, ComputeMode compute = ComputeMode::kExact) {
  auto evaluator = Evaluator::Create(model, {.threads = 2, .compute = compute});
  if (!evaluator) {
    ADD_FAILURE() << evaluator.error().message;
    return {};
  }
  const auto logits = evaluator->Logits({{2, 17, 250, 3, 99, 17, 299, 40, 41, 8, 5}, {}});
  EXPECT_TRUE(logits) << logits.error().message;
  return logits ? *logits : std::vector<float>();
}

size_t WeightBytes(const Model& model) { return model.Plan({})->weights; }

bool HasOwnHead(const Model& model) {
  for (const TensorInfo& tensor : model.tensors()) {
    if (tensor.name == "lm_head.weight") return true;
  }
  return false;
}

// A Hugging Face folder of the random model, with more tensors.
class HeadFolder : public ::testing::Test {
 protected:
  // `tied`: what config.json says; nothing where it is not set.
  std::string Write(std::optional<bool> tied, const TensorBank& more,
                    const nlohmann::json& settings = {}) {
    const ModelConfig config = TinyTextConfig();
    const TensorBank bank = RandomTensors(TextShapes(config.text), kStored, kSeed);
    TensorMap tensors = more.views();
    for (const auto& [name, view] : bank.views()) tensors["model." + name] = view;
    auto json = nlohmann::json::parse(HfConfigJson(config));
    json.erase("tie_word_embeddings");
    if (tied) json["tie_word_embeddings"] = *tied;
    if (!settings.is_null()) json.update(settings);
    const std::string path = folder_.path() + "/" + std::to_string(count_++);
    std::filesystem::create_directories(path);
    std::ofstream(path + "/config.json") << json.dump();
    EXPECT_TRUE(WriteSafetensors(path + "/model.safetensors", tensors));
    return path;
  }
  std::string Write(std::optional<bool> tied = std::nullopt) { return Write(tied, {}); }
  TensorBank Head(const std::vector<float>& values, TensorType type = kStored,
                  const std::string& name = "lm_head.weight") {
    TensorBank bank;
    bank.Add(name, type, HeadShape(), values);
    return bank;
  }

  const TempFolder folder_;
  int count_ = 0;
};

TEST_F(HeadFolder, WhatIsStoredDecidesAndNotTheFlag) {
  const Model plain = LoadAt(Write());
  EXPECT_FALSE(HasOwnHead(plain));
  const std::vector<float> expected = Logits(plain);
  for (const std::optional<bool> tied :
       {std::optional<bool>(), std::optional(true), std::optional(false)}) {
    for (const char* name :
         {"lm_head.weight", "model.lm_head.weight", "language_model.lm_head.weight",
          "model.language_model.lm_head.weight"}) {
      const Model same = LoadAt(Write(tied, Head(Embedding(), kStored, name)));
      EXPECT_EQ(Logits(same), expected);
      EXPECT_FALSE(HasOwnHead(same));
      EXPECT_TRUE(same.config().text.tie_word_embeddings);
      EXPECT_TRUE(same.warnings().empty());
      EXPECT_EQ(WeightBytes(same), WeightBytes(plain));

      const Model other = LoadAt(Write(tied, Head(Negated(Embedding()), kStored, name)));
      EXPECT_EQ(Logits(other), Negated(expected));
      EXPECT_TRUE(HasOwnHead(other));
      EXPECT_FALSE(other.config().text.tie_word_embeddings);
      EXPECT_TRUE(other.warnings().empty());
      EXPECT_EQ(WeightBytes(other), WeightBytes(plain) + 300 * 32 * 2);
    }
    const Model none = LoadAt(Write(tied));
    EXPECT_EQ(Logits(none), expected);
    ASSERT_EQ(none.warnings().size(), tied == false ? 1u : 0u);
    if (tied == false) {
      EXPECT_NE(none.warnings()[0].find("tie_word_embeddings"), std::string::npos);
    }
  }
}

// One value of the last row, or the first.
TEST_F(HeadFolder, TheSmallestDifferenceIsSeen) {
  for (const size_t at : {size_t{0}, Embedding().size() - 1}) {
    std::vector<float> head = Embedding();
    head[at] += 1;
    EXPECT_TRUE(HasOwnHead(LoadAt(Write(std::nullopt, Head(head)))));
  }
}

// A head of equal values in another type is the embedding, too; a finer one is not.
TEST_F(HeadFolder, HeadsOfAnotherType) {
  const TensorBank rounded = Head(Embedding());  // BF16
  const std::vector<float> stored = Floats(rounded.views().at("lm_head.weight"));
  const std::vector<float> expected = Logits(LoadAt(Write()));
  const Model same = LoadAt(Write(std::nullopt, Head(stored, TensorType::kF32)));
  EXPECT_FALSE(HasOwnHead(same));
  EXPECT_EQ(Logits(same), expected);
  const Model finer = LoadAt(Write(std::nullopt, Head(Embedding(), TensorType::kF32)));
  EXPECT_TRUE(HasOwnHead(finer));
  EXPECT_NE(Logits(finer), expected);
  EXPECT_LT(RelativeDistance(Logits(finer), expected), 0.05);
}

TEST_F(HeadFolder, EveryFormOfWeights) {
  const std::string plain = Write(), other = Write(true, Head(Negated(Embedding())));
  for (const WeightFormat weights :
       {WeightFormat::kAsStored, WeightFormat::kBF16, WeightFormat::kInt8, WeightFormat::kInt4}) {
    const Model model = LoadAt(other, {.weights = weights});
    for (const ComputeMode compute : {ComputeMode::kExact, ComputeMode::kFast}) {
      EXPECT_EQ(Logits(model, compute),
                Negated(Logits(LoadAt(plain, {.weights = weights}), compute)));
    }
    const auto& text = model.impl().weights.text;
    EXPECT_EQ(text.head.type, text.embedding.type);
    EXPECT_NE(text.head.data, text.embedding.data);
    if (weights == WeightFormat::kInt4) {
      EXPECT_EQ(text.head.type, WeightType::kInt8);
    }
  }
}

TEST_F(HeadFolder, PackedFilesAndTheCacheKeepIt) {
  for (const bool own : {false, true}) {
    const std::string folder = Write(std::nullopt, Head(own ? Negated(Embedding()) : Embedding()));
    const LoadOptions options{.weights = WeightFormat::kInt8};
    const std::vector<float> expected = Logits(LoadAt(folder, options));
    const std::string packed = folder + "/packed.gemma3";
    const Status converted = Convert(folder, packed, options);
    ASSERT_TRUE(converted) << converted.error().message;
    LoadOptions cached = options;
    cached.cache_folder = folder + "/cache";
    for (const Model& model : {LoadAt(packed), LoadAt(folder, cached), LoadAt(folder, cached)}) {
      EXPECT_EQ(Logits(model), expected);
      EXPECT_EQ(HasOwnHead(model), own);
      EXPECT_EQ(model.config().text.tie_word_embeddings, !own);
      EXPECT_EQ(model.impl().weights.text.embedding.type, WeightType::kInt8);
    }
  }
}

TEST_F(HeadFolder, ATokenReadsTheHead) {
  const auto decode_bytes = [](const Model& model) {
    return WorkOf(model, {})->decode_weight_bytes;
  };
  const size_t tied = decode_bytes(LoadAt(Write()));
  // Twice as many bytes a weight as the embedding, which a token reads one row of.
  const Model finer = LoadAt(Write(std::nullopt, Head(Embedding(), TensorType::kF32)));
  EXPECT_EQ(decode_bytes(finer), tied + 300 * 32 * 2);
}

TEST_F(HeadFolder, AWrongShapeIsAnError) {
  TensorBank bank;
  bank.Add("lm_head.weight", kStored, {299, 32}, std::vector<float>(299 * 32));
  const auto model = Model::Load(Write(std::nullopt, bank));
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::kBadModel);
  EXPECT_NE(model.error().message.find("lm_head.weight should have shape [300, 32]"),
            std::string::npos);
}

// ---- MLX

TEST_F(HeadFolder, QuantisedHeadsOfMlx) {
  const nlohmann::json settings = {{"quantization", {{"group_size", 32}, {"bits", 4}}}};
  const auto mlx = [](const std::string& module, const std::vector<float>& values, uint64_t bits) {
    return std::pair(module, QuantizeMlx(values, 300, 32, bits, 32));
  };
  // Beside a BF16 embedding.
  const auto [name, matrix] = mlx("lm_head", Embedding(), 4);
  TensorBank quantised;
  AddMlx(name, matrix, &quantised);
  const Model own = LoadAt(Write(std::nullopt, quantised, settings));
  EXPECT_TRUE(HasOwnHead(own));
  EXPECT_EQ(Logits(own),
            Logits(LoadAt(Write(std::nullopt, Head(matrix.Values(), TensorType::kF32)))));

  // Beside a quantised one: equal, other codes, other scales alone.
  for (const int change : {0, 1, 2}) {
    MlxMatrix head = matrix;
    if (change == 1) head.codes.back() ^= 1;
    if (change == 2) head.scales.back() *= 2;
    TensorBank bank;
    AddMlx("model.embed_tokens", matrix, &bank);
    AddMlx("lm_head", head, &bank);
    const std::string folder = folder_.path() + "/mlx" + std::to_string(change);
    std::filesystem::create_directories(folder);
    const ModelConfig config = TinyTextConfig();
    TensorMap tensors = bank.views();
    const TensorBank rest = RandomTensors(TextShapes(config.text), kStored, kSeed);
    for (const auto& [canonical, view] : rest.views()) tensors.emplace("model." + canonical, view);
    auto json = nlohmann::json::parse(HfConfigJson(config));
    json.update(settings);
    std::ofstream(folder + "/config.json") << json.dump();
    ASSERT_TRUE(WriteSafetensors(folder + "/model.safetensors", tensors));
    EXPECT_EQ(HasOwnHead(LoadAt(folder)), change != 0);
  }
}

// ---- GGUF

class HeadGguf : public ::testing::Test {
 protected:
  static std::vector<std::byte> Bytes(TensorType type, const std::vector<float>& values) {
    if (InfoOf(type).block_elems > 1) return QuantizeBlocks(type, values);
    TensorBank bank;
    bank.Add("x", type, {values.size()}, values);
    const TensorView& view = bank.views().at("x");
    return {view.data, view.data + view.bytes};
  }
  static std::vector<float> Values(TensorType type, const std::vector<float>& values) {
    const std::vector<std::byte> bytes = Bytes(type, values);
    std::vector<float> result(values.size());
    EXPECT_TRUE(Dequantize(type, bytes.data(), result.size(), result.data()));
    return result;
  }
  Model Open(TensorType embedding_type, const std::vector<float>& embedding,
             std::optional<TensorType> head_type = std::nullopt,
             const std::vector<float>& head = {}) {
    GgufWriter writer = MakeGguf(TinyTextConfig(), kSeed, {.embedding = false});
    writer.Tensor("token_embd.weight", embedding_type, HeadShape(),
                  Bytes(embedding_type, embedding));
    if (head_type) writer.Tensor("output.weight", *head_type, HeadShape(), Bytes(*head_type, head));
    const std::string path = folder_.path() + "/" + std::to_string(count_++) + ".gguf";
    EXPECT_TRUE(WriteGguf(path, writer));
    return LoadAt(path);
  }
  const TempFolder folder_;
  int count_ = 0;
};

TEST_F(HeadGguf, HeadsAreUsedWhereTheyDiffer) {
  struct Case {
    TensorType embedding, head;
    bool negated, own;
  };
  using enum TensorType;
  for (const Case& c : {Case{kF16, kF16, false, false}, Case{kF16, kF16, true, true},
                        Case{kQ8_0, kQ8_0, false, false}, Case{kQ8_0, kQ8_0, true, true},
                        // As quantisers write them.
                        Case{kQ4_0, kQ8_0, false, true}, Case{kQ8_0, kQ4_0, false, true},
                        Case{kQ4_0, kF16, false, true}, Case{kF16, kBF16, false, true},
                        Case{kQ4_1, kQ4_0, true, true}}) {
    const std::vector<float> head = c.negated ? Negated(Embedding()) : Embedding();
    const Model model = Open(c.embedding, Embedding(), c.head, head);
    EXPECT_EQ(HasOwnHead(model), c.own);
    EXPECT_TRUE(model.warnings().empty());
    // The same values in floats, which exact mode computes with.
    const Model floats = Open(kF32, Values(c.embedding, Embedding()), kF32, Values(c.head, head));
    EXPECT_EQ(Logits(model), Logits(floats)) << InfoOf(c.embedding).name << InfoOf(c.head).name;
    if (!c.own) {
      EXPECT_EQ(Logits(model), Logits(Open(c.embedding, Embedding())));
    }
  }
}

// ---- The reference implementation's own

TEST(HeadReference, TheFlagDoesNotMatter) {
  const std::string source = std::string(GEMMA3_SOURCE_DIR) + "/tests/data/reference/text-untied";
  const ReferenceFile reference(source + "/reference.safetensors");
  const auto ids = reference.Values<int64_t>("input_ids");
  for (const char* flag : {"true", "false", ""}) {
    const TempFolder folder;
    std::ifstream in(source + "/config.json");
    auto config = nlohmann::json::parse(in);
    config.erase("tie_word_embeddings");
    if (*flag) config["tie_word_embeddings"] = nlohmann::json::parse(flag);
    folder.Write("config.json", config.dump());
    std::filesystem::copy_file(source + "/model.safetensors", folder.path() + "/model.safetensors");
    auto evaluator = Evaluator::Create(
        LoadAt(folder.path()),
        {.threads = 2, .compute = ComputeMode::kExact, .reference = ReferenceRounding::kBF16});
    ASSERT_TRUE(evaluator) << evaluator.error().message;
    const auto logits = evaluator->Logits({{ids.begin(), ids.end()}, {}});
    ASSERT_TRUE(logits) << logits.error().message;
    EXPECT_LT(RelativeDistance(*logits, reference.Values<float>("logits")), 2e-4);
  }
}

}  // namespace
}  // namespace gemma3::testing
