// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Looking at a model without loading it: the same numbers as loading gives, at no cost.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gemma3/gemma3.h"
#include "src/engine/loaded_model.h"
#include "src/formats/shape_table.h"
#include "tests/support/demo_model.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"
#include "tests/text/tokenizers.h"

namespace gemma3::testing {
namespace {

namespace fs = std::filesystem;

void ExpectSamePlan(const MemoryPlan& a, const MemoryPlan& b, const std::string& what) {
  EXPECT_EQ(a.weights, b.weights) << what;
  EXPECT_EQ(a.kv_cache, b.kv_cache) << what;
  EXPECT_EQ(a.activations, b.activations) << what;
  EXPECT_EQ(a.vision, b.vision) << what;
  EXPECT_EQ(a.tokenizer, b.tokenizer) << what;
  EXPECT_EQ(a.program, b.program) << what;
}

// Inspects, loads, loads again from kept matrices: one plan, one configuration, one list.
void ExpectSame(const std::string& path, const std::string& cache) {
  for (const WeightFormat format :
       {WeightFormat::kAsStored, WeightFormat::kBF16, WeightFormat::kInt8, WeightFormat::kInt4}) {
    const std::string what = path + " as " + std::to_string(static_cast<int>(format));
    const LoadOptions options = {.weights = format, .cache_folder = cache};
    const auto info = Model::Inspect(path, options);
    ASSERT_TRUE(info) << info.error().message;
    for (int i = 0; i < 2; ++i) {
      const auto model = Model::Load(path, options);
      ASSERT_TRUE(model) << model.error().message;
      const SessionOptions session = {.context = 100};
      ExpectSamePlan(*info->Plan(session), *model->Plan(session), what);
      const ModelWeights& weights = model->impl().weights;
      EXPECT_EQ(info->Plan()->weights, weights.mapped_bytes + weights.owned_bytes) << what;
      EXPECT_EQ(info->config().name, model->config().name);
      EXPECT_EQ(info->config().generation.stop_tokens, model->config().generation.stop_tokens);
      EXPECT_EQ(info->config().tokens.end_of_turn, model->config().tokens.end_of_turn);
      EXPECT_EQ(info->config().has_vision, model->config().has_vision);
      EXPECT_EQ(info->path(), model->path());
      EXPECT_EQ(info->has_tokenizer(), model->tokenizer().has_value());
      EXPECT_EQ(info->warnings(), model->warnings());
      ASSERT_EQ(info->tensors().size(), model->tensors().size());
      for (size_t t = 0; t < info->tensors().size(); ++t) {
        const TensorInfo &a = info->tensors()[t], &b = model->tensors()[t];
        EXPECT_EQ(a.name, b.name);
        EXPECT_EQ(a.type, b.type);
        EXPECT_EQ(a.shape, b.shape);
        EXPECT_EQ(a.bytes, b.bytes);
        EXPECT_EQ(a.file, b.file);
      }
    }
  }
}

TEST(Inspect, SaysWhatLoadingGives) {
  const TempFolder folder;
  const std::string cache = folder.path() + "/cache";
  for (const TensorType type : {TensorType::kBF16, TensorType::kF16, TensorType::kF32}) {
    const std::string model = folder.path() + "/" + InfoOf(type).name;
    ASSERT_TRUE(WriteHfFolder(model, TinyVisionConfig(), 1, type));
    folder.Write(std::string(InfoOf(type).name) + "/tokenizer.model",
                 TestModel::Small().Serialize());
    ExpectSame(model, cache);
  }
  for (const TensorType type : {TensorType::kF16, TensorType::kQ8_0, TensorType::kQ4_0}) {
    const std::string file = folder.path() + "/" + InfoOf(type).name + ".gguf";
    ASSERT_TRUE(WriteGguf(file, MakeGguf(TinyTextConfig(), 1, {.matrices = type})));
    ExpectSame(file, cache);
  }
  const std::string bare = folder.path() + "/bare.gguf";
  ASSERT_TRUE(WriteGguf(bare, MakeGguf(TinyTextConfig(), 1, {.vocabulary = false})));
  ExpectSame(bare, cache);
  const std::string packed = folder.path() + "/packed.gemma3";
  ASSERT_TRUE(Convert(folder.path() + "/BF16", packed, {.weights = WeightFormat::kInt8}));
  ExpectSame(packed, cache);
  ExpectSame(GEMMA3_DEMO_DIR, cache);
}

TEST(Inspect, ResolvesOptionsAsASessionDoes) {
  const auto info = Model::Inspect(GEMMA3_DEMO_DIR);
  ASSERT_TRUE(info);
  const auto session = Session::Create(DemoModel());
  ASSERT_TRUE(session);
  const auto options = info->Resolve();
  ASSERT_TRUE(options);
  EXPECT_EQ(options->context, session->options().context);
  EXPECT_EQ(options->context, session->usage().context_tokens);
  EXPECT_GT(options->threads, 0u);
  EXPECT_EQ(options->threads, session->options().threads);
  EXPECT_EQ(options->kv, session->options().kv);
  EXPECT_NE(options->kv, KvCacheType::kAuto);
  EXPECT_NE(options->pan_and_scan, PanAndScan::kAuto);
  EXPECT_NE(options->image_newlines, ImageNewlines::kAuto);
  EXPECT_EQ(info->Resolve({.context = size_t{1} << 40}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(info->Plan({.max_memory_bytes = 1000}).error().code, ErrorCode::kOutOfMemory);
}

TEST(Inspect, WhatIsNoModelIsAnErrorAsInLoading) {
  const TempFolder folder;
  for (const std::string& path : {folder.path() + "/none", folder.Write("text.gguf", "GGUF"),
                                  folder.Write("empty/config.json", "{}")}) {
    const auto info = Model::Inspect(path);
    const auto model = Model::Load(path);
    ASSERT_FALSE(info);
    ASSERT_FALSE(model);
    EXPECT_EQ(info.error().code, model.error().code) << info.error().message;
  }
}

// The shape of 27B in Q4_0, with a vocabulary of the real size and 15 GB of holes for weights.
std::string WriteHugeGguf(const TempFolder& folder, size_t* bytes) {
  ModelConfig config;
  TextConfig& text = config.text;
  text.vocab_size = 262144;
  text.hidden_size = 5376;
  text.intermediate_size = 21504;
  text.num_layers = 62;
  text.num_heads = 32;
  text.num_kv_heads = 16;
  text.head_dim = 128;
  text.sliding_window = 1024;
  text.max_context = 131072;
  text.rope_factor_global = 8;
  SpmVocabulary vocabulary = TinyVocabulary(TinyTextConfig());
  while (vocabulary.pieces.size() < text.vocab_size) {
    vocabulary.pieces.push_back({"piece" + std::to_string(vocabulary.pieces.size()), 0});
  }
  GgufWriter writer;
  AddTextKeys(text, "gemma3", text.sliding_window, &writer);
  AddVocabulary(vocabulary, &writer);
  uint64_t offset = 0;
  for (const auto& [name, shape] : TextShapes(text)) {
    uint64_t elements = 1;
    for (const uint64_t n : shape) elements *= n;
    const bool matrix = shape.size() == 2;
    const TensorType type = matrix ? TensorType::kQ4_0 : TensorType::kF32;
    const TensorTypeInfo& info = InfoOf(type);
    std::vector<int64_t> ne(shape.rbegin(), shape.rend());
    writer.TensorRaw(GgufName(name), ne, static_cast<int32_t>(GgufTypeId(type)), offset, 0);
    offset += (elements / info.block_elems * info.block_bytes + 31) / 32 * 32;
  }
  const std::string header = writer.Finish();
  const std::string path = folder.Write("huge.gguf", header);
  *bytes = (header.size() + 31) / 32 * 32 + offset;
  std::error_code error;
  fs::resize_file(path, *bytes, error);
  return error ? "" : path;
}

size_t StatusKib(const std::string& key) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    size_t value = 0;
    if (line.starts_with(key) && std::sscanf(line.c_str() + key.size(), ": %zu", &value) == 1) {
      return value;
    }
  }
  return 0;
}

TEST(Inspect, CostsNextToNothingForAModelOfAnySize) {
  const TempFolder folder;
  size_t bytes = 0;
  const std::string path = WriteHugeGguf(folder, &bytes);
  if (path.empty()) GTEST_SKIP() << "the file system holds no file of 15 GB";
  EXPECT_GT(bytes, size_t{15'000'000'000});

  { std::ofstream("/proc/self/clear_refs") << "5"; }  // VmHWM counts from here
  const size_t before = StatusKib("VmRSS");
  const bool counts = before != 0 && StatusKib("VmHWM") < before + 1024;
  const auto start = std::chrono::steady_clock::now();
  const auto info = Model::Inspect(path);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(info) << info.error().message;
  if (!kSanitized) {
    EXPECT_LT(took.count(), 1);
    if (counts) {
      EXPECT_LT(StatusKib("VmHWM"), before + 32 * 1024);
    }
  }
  EXPECT_EQ(info->tensors().size(), 62 * 13 + 2u);
  EXPECT_TRUE(info->has_tokenizer());
  const auto plan = info->Plan({.context = 4096});
  ASSERT_TRUE(plan);
  EXPECT_GT(plan->weights, size_t{14} << 30);
  EXPECT_GT(plan->tokenizer, size_t{50} << 20);

  // A limit is obeyed at the same cost, and nothing is written.
  const std::string cache = folder.path() + "/cache";
  const auto refused = Model::Load(
      path, {.cache_folder = cache, .max_memory_bytes = plan->weights + plan->tokenizer});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOutOfMemory) << refused.error().message;
  EXPECT_FALSE(fs::exists(cache));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace gemma3::testing
