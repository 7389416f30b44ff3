// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A model in a packed file is the model that was written.
#include "src/weights/packed_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "src/formats/safetensors.h"
#include "src/weights/config_json.h"
#include "src/weights/pack.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace gemma3 {
namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class PackedFile : public ::testing::Test {
 protected:
  // A checkpoint with matrices of int8.
  Checkpoint Packed() {
    model_.Load(ModelConfig(model_.checkpoint.config), {.weights = WeightFormat::kInt8});
    Checkpoint checkpoint = model_.checkpoint;
    for (const auto& [name, matrix] : model_.weights.rewritten) {
      checkpoint.tensors.at(name) = AsTensor(matrix, checkpoint.tensors.at(name));
    }
    return checkpoint;
  }

  testing::TinyModel model_{testing::TinyVisionConfig(), TensorType::kBF16};
  const testing::TempFolder folder_;
  const std::string path_ = folder_.path() + "/model.gemma3";
};

TEST_F(PackedFile, AWholeModelIsReadBack) {
  Checkpoint written = Packed();
  written.config.name = "some model";
  written.config.generation.top_k = 7;
  written.config.generation.stop_tokens = {1, 5};
  written.config.tokens.end_of_turn = 9;
  written.norms_store_offset = false;
  written.tokenizer_proto = "not looked into";
  written.remarks = {.notes = {"a note"}, .warnings = {"a warning", "two"}};
  ASSERT_TRUE(WritePackedFile(path_, written));
  const auto read = OpenPackedFile(path_);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(ConfigJson(read->config), ConfigJson(written.config));
  EXPECT_EQ(read->norms_store_offset, false);
  EXPECT_EQ(read->tokenizer_proto, written.tokenizer_proto);
  EXPECT_EQ(read->tokenizer_missing, "");
  EXPECT_EQ(read->remarks.notes, written.remarks.notes);
  EXPECT_EQ(read->remarks.warnings, written.remarks.warnings);
  ASSERT_EQ(read->tensors.size(), written.tensors.size());
  for (const auto& [name, view] : written.tensors) {
    const TensorView& got = read->tensors.at(name);
    EXPECT_EQ(got.type, view.type) << name;
    EXPECT_EQ(got.shape, view.shape) << name;
    ASSERT_EQ(got.bytes, view.bytes) << name;
    EXPECT_EQ(std::memcmp(got.data, view.data, view.bytes), 0) << name;
  }
  // Headers alone say the same of everything but the vocabulary.
  const auto headers = OpenPackedFile(path_, {.headers_only = true});
  ASSERT_TRUE(headers);
  EXPECT_EQ(headers->tokenizer_proto, "");
  EXPECT_EQ(headers->tokenizer_missing, "");
}

TEST_F(PackedFile, AModelWithoutATokenizerSaysSo) {
  ASSERT_TRUE(WritePackedFile(path_, Packed()));
  const auto read = OpenPackedFile(path_);
  ASSERT_TRUE(read);
  EXPECT_NE(read->tokenizer_missing.find(path_), std::string::npos);
}

TEST_F(PackedFile, MatricesAloneAreReadBackAndAreNoModel) {
  PackedMatrices written;
  written.source = "there: \"1\"";
  written.model = "a model";
  written.shares_head = true;
  const Checkpoint packed = Packed();
  for (const auto& [name, view] : packed.tensors) {
    if (IsPacked(view.type)) written.tensors.emplace(name, view);
  }
  ASSERT_FALSE(written.tensors.empty());
  ASSERT_TRUE(WritePackedMatrices(path_, written));
  const auto read = OpenPackedMatrices(path_);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->source, written.source);
  EXPECT_EQ(read->model, "a model");
  EXPECT_TRUE(read->shares_head);
  EXPECT_EQ(read->tensors.size(), written.tensors.size());
  const auto model = OpenPackedFile(path_);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::kUnsupported);
  ASSERT_TRUE(WritePackedFile(path_, packed));
  EXPECT_FALSE(OpenPackedMatrices(path_));
}

TEST_F(PackedFile, OtherVersionsAndDamageAreRefused) {
  ASSERT_TRUE(WritePackedFile(path_, Packed()));
  const std::string good = ReadAll(path_);
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string bytes = good;
    const size_t at = bytes.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    bytes.replace(at, from.size(), to);
    const auto read = OpenPackedFile(folder_.Write("changed.gemma3", bytes));
    EXPECT_FALSE(read) << from;
    if (!read) {
      EXPECT_EQ(read.error().code, ErrorCode::kBadModel) << read.error().message;
    }
    return read ? "" : read.error().message;
  };
  EXPECT_NE(refused("\"version\":4", "\"version\":3").find("gemma3 convert"), std::string::npos);
  EXPECT_NE(refused("\"version\":4", "\"version\":9").find("gemma3 convert"), std::string::npos);
  EXPECT_NE(refused("\"head_dim\":16", "\"head_dim\":61").find("head"), std::string::npos);
  EXPECT_NE(refused("\"head_dim\"", "\"head_men\"").find("head_dim"), std::string::npos);
  refused("\"type\":\"int8\"", "\"type\":\"int3\"");
  refused("gemma3.packed", "gemma4.packed");
  refused("\"shape\":[64,32]", "\"shape\":[32,64]");
}

TEST_F(PackedFile, ProgressCoversWritingAndCancellingLeavesNothing) {
  const Checkpoint packed = Packed();
  size_t calls = 0;
  Progress last;
  const auto watch = [&](const Progress& progress) {
    EXPECT_EQ(progress.stage, Progress::Stage::kWriting);
    EXPECT_GE(progress.done, last.done);
    last = progress;
    ++calls;
    return true;
  };
  ASSERT_TRUE(WritePackedFile(path_, packed, watch));
  EXPECT_GT(calls, packed.tensors.size());
  EXPECT_EQ(last.done, last.total);
  EXPECT_GT(last.total, 0u);
  std::filesystem::remove(path_);
  for (size_t stop = 1; stop <= calls; ++stop) {
    size_t n = 0;
    const Status status =
        WritePackedFile(path_, packed, [&](const Progress&) { return ++n < stop; });
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kCancelled);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

}  // namespace
}  // namespace gemma3
