// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/mlx.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "src/formats/checkpoint.h"
#include "src/formats/grouped_codes.h"
#include "src/formats/safetensors.h"
#include "tests/support/mlx_writer.h"
#include "tests/support/temp_folder.h"

namespace gemma3::testing {
namespace {

constexpr uint64_t kBits[] = {2, 3, 4, 5, 6, 8};

// ---- Values

// Bytes written out by hand, from the expressions of mlx/backend/cpu/quantized.cpp.
TEST(MlxValues, CodesLieAsInMlx) {
  struct Case {
    size_t bits;
    std::vector<uint8_t> bytes, codes;
  };
  const std::vector<Case> cases = {
      {2, {0xe4, 0x1b}, {0, 1, 2, 3, 3, 2, 1, 0}},
      {3, {0x88, 0xc6, 0xfa}, {0, 1, 2, 3, 4, 5, 6, 7}},
      {4, {0x10, 0x32, 0x5f}, {0, 1, 2, 3, 15, 5}},
      {5, {0x3f, 0x04, 0x41, 0x90, 0xfa}, {31, 1, 1, 2, 4, 8, 10, 31}},
      {6, {0x7f, 0x30, 0x0b}, {63, 1, 3 + 48, 2}},
      {8, {0, 1, 128, 255}, {0, 1, 128, 255}},
  };
  for (const Case& c : cases) {
    std::vector<std::byte> data(4 * c.bits);
    for (size_t i = 0; i < c.bytes.size(); ++i) data[i] = std::byte{c.bytes[i]};
    GroupedCodes grouped;
    grouped.codes = {.data = data.data(), .bits = c.bits, .string_step = data.size()};
    TensorView view;
    view.type = TensorType::kGroupedCodes;
    view.shape = {1, 32};
    view.grouped = std::make_shared<GroupedCodes>(grouped);
    std::vector<uint8_t> codes(32);
    EXPECT_EQ(ReadCodes(view, 0, 0, codes.data()), 32u);
    codes.resize(c.codes.size());
    EXPECT_EQ(codes, c.codes) << c.bits;
  }
}

TEST(MlxValues, RowsAreScaleTimesCodePlusBias) {
  for (const uint64_t bits : kBits) {
    for (const uint64_t group : {32, 64, 128}) {
      for (const TensorType scale : {TensorType::kBF16, TensorType::kF16, TensorType::kF32}) {
        const uint64_t rows = 5, cols = 384;
        const auto matrix =
            QuantizeMlx(RandomValues({rows, cols}, 3), rows, cols, bits, group, scale);
        EXPECT_LT(std::ranges::min(matrix.scales), 0);
        EXPECT_GT(std::ranges::max(matrix.scales), 0);
        TensorBank bank;
        AddMlx("m", matrix, &bank);
        const TensorView view = MlxView("m", matrix, bank);
        EXPECT_EQ(StoredType(view), "MLX-" + std::to_string(bits));
        std::vector<float> got(rows * cols);
        for (size_t r = 0; r < rows; ++r) DequantizeCodesRow(view, r, got.data() + r * cols);
        EXPECT_EQ(got, matrix.Values()) << bits << " bits, groups of " << group;
        // A part of the rows is the same rows.
        DequantizeCodesRow(RowsOf(view, 2, 3), 1, got.data());
        EXPECT_TRUE(std::equal(got.begin(), got.begin() + cols, got.begin() + 3 * cols));
      }
    }
  }
}

// ---- Settings

Result<MlxQuantization> Parse(const std::string& json) {
  auto value = JsonValue::Parse(json, "config.json");
  EXPECT_TRUE(value);
  return ParseMlxQuantization(*value);
}

TEST(MlxSettings, ModulesMayDiffer) {
  const auto parsed = Parse(R"({"group_size": 64, "bits": 4, "mode": "affine", "a.b": false,
      "c.d": {"bits": 8}, "e": {"group_size": 32, "bits": 6}, "f": true})");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->usual.bits, 4u);
  EXPECT_EQ(parsed->usual.group_size, 64u);
  EXPECT_EQ(parsed->modules.size(), 2u);
  EXPECT_EQ(parsed->modules.at("c.d").bits, 8u);
  EXPECT_EQ(parsed->modules.at("c.d").group_size, 64u);
  EXPECT_EQ(parsed->modules.at("e").group_size, 32u);
}

TEST(MlxSettings, OthersAreRefused) {
  const auto refused = [](const std::string& json, const std::string& part,
                          ErrorCode code = ErrorCode::kUnsupported) {
    const auto parsed = Parse(json);
    ASSERT_FALSE(parsed) << json;
    EXPECT_EQ(parsed.error().code, code) << json;
    EXPECT_NE(parsed.error().message.find(part), std::string::npos) << parsed.error().message;
    EXPECT_NE(parsed.error().message.find("config.json"), std::string::npos);
  };
  refused(R"({"group_size": 64, "bits": 7})", "bits is 7");
  refused(R"({"group_size": 64, "bits": 18446744073709551615})", "bits is 18446744073709551615");
  refused(R"({"group_size": 64})", "bits is 0");
  refused(R"({"group_size": 16, "bits": 4})", "group_size is 16");
  refused(R"({"bits": 4})", "group_size is 0");
  refused(R"({"group_size": 32, "bits": 4, "mode": "mxfp4"})", "mxfp4");
  refused(R"({"group_size": 64, "bits": 4, "x": {"bits": 1}})", "bits is 1");
  refused(R"({"group_size": 64, "bits": 4, "x.y": {"mode": "nvfp4"}})", "x.y");
  refused(R"({"group_size": 64, "bits": "4"})", "bits", ErrorCode::kBadModel);
}

// ---- Folders

class MlxFolder : public ::testing::Test {
 protected:
  MlxFolder() {
    config_ = TinyVisionConfig();
    config_.text.hidden_size = 64;
    config_.vision.hidden_size = 96;  // whole groups of 32, but not of 64
    EXPECT_TRUE(WriteHfFolder(source_.path(), config_));
    EXPECT_TRUE(WriteMlxFolder(source_.path(), folder_.path(), {.bits = 4}));
    json_ = ReadFile(folder_.path() + "/config.json", 1 << 20).value();
    set_ = OpenSafetensors(folder_.path() + "/model.safetensors").value();
    tensors_ = set_.tensors;
  }

  Result<Checkpoint> Open() {
    changed_.Write("config.json", json_);
    EXPECT_TRUE(WriteSafetensors(changed_.path() + "/model.safetensors", tensors_));
    return OpenCheckpoint(changed_.path());
  }

  // Opens with one thing broken, and expects an error that says `part`.
  void ExpectRefused(const std::string& part, const std::function<void()>& change) {
    const TensorMap tensors = tensors_;
    const std::string json = json_;
    change();
    const auto checkpoint = Open();
    tensors_ = tensors;
    json_ = json;
    ASSERT_FALSE(checkpoint) << part;
    EXPECT_EQ(checkpoint.error().code, ErrorCode::kBadModel);
    EXPECT_NE(checkpoint.error().message.find(part), std::string::npos)
        << checkpoint.error().message;
    EXPECT_NE(checkpoint.error().message.find(changed_.path()), std::string::npos);
  }

  void ReplaceInJson(const std::string& what, const std::string& by) {
    const size_t at = json_.find(what);
    ASSERT_NE(at, std::string::npos) << json_;
    json_.replace(at, what.size(), by);
  }

  // A tensor of zeros.
  TensorView Zeros(TensorType type, std::vector<uint64_t> shape) {
    uint64_t bytes = InfoOf(type).block_bytes;
    for (const uint64_t dim : shape) bytes *= dim;
    const std::string name = std::to_string(extra_.views().size());
    extra_.AddBytes(name, type, std::move(shape), std::vector<std::byte>(bytes));
    return extra_.views().at(name);
  }

  const std::string module_ = "language_model.model.layers.2.mlp.up_proj";
  TempFolder source_, folder_, changed_;
  ModelConfig config_;
  std::string json_;
  SafetensorsSet set_;
  TensorMap tensors_;
  TensorBank extra_;
};

TEST_F(MlxFolder, ModulesAreJoined) {
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_TRUE(checkpoint->remarks.notes.empty());
  config_.text.tie_word_embeddings = false;  // mlx-vlm stores the embedding once more
  ShapeTable table = TextShapes(config_.text);
  table.merge(VisionShapes(config_.vision, config_.text));
  ASSERT_EQ(checkpoint->tensors.size(), table.size());
  for (const auto& [name, view] : checkpoint->tensors) {
    EXPECT_EQ(view.shape, table.at(name)) << name;
    const bool quantized =
        name.ends_with(".weight") && view.shape.size() == 2 && view.shape[1] % 64 == 0;
    EXPECT_EQ((view.type == TensorType::kGroupedCodes), quantized) << name;
  }
}

TEST_F(MlxFolder, WhatIsQuantisedShowsInTheTensors) {
  // The same module in floats again; config.json need not say so.
  tensors_.erase(module_ + ".scales");
  tensors_.erase(module_ + ".biases");
  tensors_[module_ + ".weight"] = Zeros(TensorType::kBF16, {64, 64});
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_EQ(checkpoint->tensors.at("layers.2.mlp.up_proj.weight").type, TensorType::kBF16);
  EXPECT_EQ(StoredType(checkpoint->tensors.at("layers.1.mlp.up_proj.weight")), "MLX-4");
}

TEST_F(MlxFolder, AModuleMayDiffer) {
  ReplaceInJson("\"quantization\": {",
                "\"quantization\": {\"" + module_ + "\": {\"bits\": 8, \"group_size\": 32}, ");
  const auto matrix = QuantizeMlx(RandomValues({64, 64}, 9), 64, 64, 8, 32);
  AddMlx(module_, matrix, &extra_);
  for (const auto& [name, view] : extra_.views()) tensors_[name] = view;
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  const TensorView& view = checkpoint->tensors.at("layers.2.mlp.up_proj.weight");
  EXPECT_EQ(StoredType(view), "MLX-8");
  std::vector<float> got(64 * 64);
  for (size_t r = 0; r < 64; ++r) DequantizeCodesRow(view, r, got.data() + 64 * r);
  EXPECT_EQ(got, matrix.Values());
}

TEST_F(MlxFolder, TheConvolutionIsInTheUsualOrder) {
  const std::string name = "vision.embeddings.patch_embedding.weight";
  const auto original = OpenCheckpoint(source_.path());
  const auto checkpoint = Open();
  ASSERT_TRUE(original);
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  const std::string stored = "vision_tower.vision_model.embeddings.patch_embedding.weight";
  EXPECT_EQ(tensors_.at(stored).shape, (std::vector<uint64_t>{96, 14, 14, 3}));
  const TensorView& expected = original->tensors.at(name);
  const TensorView& got = checkpoint->tensors.at(name);
  EXPECT_EQ(got.shape, expected.shape);
  ASSERT_EQ(got.bytes, expected.bytes);
  EXPECT_TRUE(std::equal(got.data, got.data + got.bytes, expected.data));
  // It stays where other programs have left it.
  tensors_[stored] = expected;
  const auto usual = Open();
  ASSERT_TRUE(usual) << usual.error().message;
  EXPECT_TRUE(usual->rearranged.empty());
  // And is no other shape.
  ExpectRefused("found [96, 14, 3, 14]", [&] {
    tensors_[stored] = Zeros(TensorType::kBF16, {96, 14, 3, 14});
  });
}

TEST_F(MlxFolder, PartsThatDoNotBelongTogether) {
  const std::string weight = module_ + ".weight", scales = module_ + ".scales",
                    biases = module_ + ".biases";
  ExpectRefused(biases + " is missing", [&] { tensors_.erase(biases); });
  ExpectRefused(weight + " is missing", [&] { tensors_.erase(weight); });
  ExpectRefused(scales + " should be BF16 [64, 1]", [&] {
    tensors_[scales] = Zeros(TensorType::kBF16, {64, 2});
  });
  ExpectRefused(scales + " should be BF16 [64, 1]",
                [&] { tensors_[scales] = Zeros(TensorType::kBF16, {64}); });
  ExpectRefused(scales + " should be BF16, F16 or F32 [64, 1]", [&] {
    tensors_[scales] = Zeros(TensorType::kI32, {64, 1});
  });
  ExpectRefused(biases + " should be BF16 [64, 1]", [&] {
    tensors_[biases] = Zeros(TensorType::kBF16, {32, 1});
  });
  ExpectRefused(biases + " should be BF16 [64, 1]", [&] {
    tensors_[biases] = Zeros(TensorType::kF16, {64, 1});
  });
  ExpectRefused("should be a matrix of U32; found BF16", [&] {
    tensors_[weight] = Zeros(TensorType::kBF16, {64, 64});
  });
  ExpectRefused("should be a matrix of U32; found U32 [512]",
                [&] { tensors_[weight] = Zeros(TensorType::kU32, {512}); });
  ExpectRefused("groups of 64 values of 4 bits", [&] {
    tensors_[weight] = Zeros(TensorType::kU32, {64, 9});
  });
  ExpectRefused("groups of 64 values of 4 bits", [&] {
    tensors_[weight] = Zeros(TensorType::kU32, {0, uint64_t{1} << 60});
  });
  // Consistent, but not of this model.
  ExpectRefused("layers.2.mlp.up_proj.weight should have shape [64, 64], found [64, 128]", [&] {
    tensors_[weight] = Zeros(TensorType::kU32, {64, 16});
    tensors_[scales] = tensors_[biases] = Zeros(TensorType::kBF16, {64, 2});
  });
  ExpectRefused("norm.weight should have shape [64], found [64, 64]", [&] {
    for (const char* part : {".weight", ".scales", ".biases"}) {
      tensors_[std::string("language_model.model.norm") + part] = tensors_.at(module_ + part);
    }
  });
}

TEST_F(MlxFolder, ConfigurationsOfOtherFiles) {
  ExpectRefused("with bits 2 and group_size 64", [&] {
    ReplaceInJson("\"quantization_config\"", "\"another\"");
    ReplaceInJson("\"quantization\": {\n    \"bits\": 4", "\"quantization\": {\"bits\": 2");
  });
  ExpectRefused("no entry \"quantization\"", [&] {
    ReplaceInJson("\"quantization\"", "\"other\"");
    ReplaceInJson("\"quantization_config\"", "\"another\"");
  });
}

}  // namespace
}  // namespace gemma3::testing
