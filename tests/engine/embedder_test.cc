// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Vectors of texts: parity with the reference implementation (tests/data/embedding says how its
// outputs were made), from every kind of file; their bits; what is refused.
#include "gemma3/embedder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "gemma3/experimental/evaluator.h"
#include "gemma3/gemma3.h"
#include "tests/support/adapter_writer.h"
#include "tests/support/embedding_model.h"
#include "tests/support/load_model.h"
#include "tests/support/temp_folder.h"

namespace gemma3::testing {
namespace {

struct Case {
  std::string prompt, text;
  std::vector<TokenId> ids;
  std::vector<float> vector;
};

std::vector<Case> Cases() {
  std::ifstream in(EmbeddingData() + "reference.json");
  const nlohmann::json json = nlohmann::json::parse(in);
  std::vector<Case> cases;
  for (const auto& item : json["cases"]) {
    cases.push_back({item["prompt"], item["text"], item["ids"], item["vector"]});
  }
  return cases;
}

Embedder EmbedderOf(const Model& model, const EmbedderOptions& options = {}) {
  auto embedder = Embedder::Create(model, options);
  if (!embedder) {
    ADD_FAILURE() << embedder.error().message;
    std::exit(1);
  }
  return *std::move(embedder);
}

// The vector of one text.
std::vector<float> VectorOf(const Embedder& embedder, const std::string& text,
                            const EmbedOptions& options = {}) {
  const auto embeddings = embedder.Embed({&text, 1}, options);
  if (!embeddings) {
    ADD_FAILURE() << embeddings.error().message;
    return {};
  }
  return embeddings->values;
}

float WorstDifference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return INFINITY;
  float worst = 0;
  for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

// The smallest cosine between a model's vectors and the reference's.
float WorstCosine(const Embedder& embedder) {
  float worst = 1;
  for (const Case& c : Cases()) {
    worst = std::min(worst, Cosine(VectorOf(embedder, c.text, {.prompt = c.prompt}), c.vector));
  }
  return worst;
}

constexpr float kParity = 1e-5f;

class EmbedderTest : public ::testing::Test {
 protected:
  const EmbeddingFolder folder_;
  const Model model_ = LoadAt(folder_.path());
};

TEST_F(EmbedderTest, IsTheReferenceExactly) {
  for (const size_t threads : {1, 3}) {
    const Embedder embedder =
        EmbedderOf(model_, {.threads = threads, .compute = ComputeMode::kExact});
    EXPECT_EQ(embedder.dimensions(), 64u);
    EXPECT_EQ(embedder.max_tokens(), 128u);
    for (const Case& c : Cases()) {
      const EmbedOptions options = {.prompt = c.prompt};
      EXPECT_EQ(embedder.Tokens(c.text, options), c.ids) << c.text;
      EXPECT_LT(WorstDifference(VectorOf(embedder, c.text, options), c.vector), kParity) << c.text;
    }
  }
}

// Products of bf16 are off by 2^-9 each, at random, so that a vector of unit length is off by about
// as much for each of the 7 layers' five roundings, in squares: under 0.02, a cosine above 0.999.
TEST_F(EmbedderTest, FastIsNear) { EXPECT_GT(WorstCosine(EmbedderOf(model_)), 0.999f); }

TEST_F(EmbedderTest, AVectorHasTheSameBitsAloneAndAmongOthers) {
  std::vector<std::string> texts;
  for (const Case& c : Cases()) texts.push_back(c.text);
  for (const ComputeMode compute : {ComputeMode::kFast, ComputeMode::kExact}) {
    const Embedder reference = EmbedderOf(model_, {.threads = 1, .compute = compute});
    std::vector<std::vector<float>> alone;
    for (const std::string& text : texts) alone.push_back(VectorOf(reference, text));
    for (const size_t batch : {1, 40, 100, 4096}) {
      const Embedder embedder =
          EmbedderOf(model_, {.threads = 2, .compute = compute, .batch = batch});
      const auto together = embedder.Embed(texts);
      ASSERT_TRUE(together) << together.error().message;
      ASSERT_EQ(together->size(), texts.size());
      for (size_t i = 0; i < texts.size(); ++i) {
        const auto vector = together->vector(i);
        EXPECT_EQ(std::vector<float>(vector.begin(), vector.end()), alone[i])
            << "batch " << batch << ", text " << i;
      }
    }
  }
}

TEST_F(EmbedderTest, AdaptersChangeEveryTextAsMergedOnesDo) {
  const TempFolder folder;
  WriteRandomAdapter(folder, "a", model_.config(), AllModules(model_.config().text), 3, 0.1,
                     "base_model.model.");
  const auto adapter = Adapter::Load(model_, folder.path() + "/a");
  ASSERT_TRUE(adapter) << adapter.error().message;
  const AdapterPath path{folder.path() + "/a", 1};
  const std::string merged_path = folder.path() + "/merged.gemma3";
  const Status converted = ConvertMerged(folder_.path(), {&path, 1}, merged_path, {});
  ASSERT_TRUE(converted) << converted.error().message;
  const Embedder base = EmbedderOf(model_, {.compute = ComputeMode::kExact});
  const Embedder merged = EmbedderOf(LoadAt(merged_path), {.compute = ComputeMode::kExact});
  const Embedder embedder =
      EmbedderOf(model_, {.compute = ComputeMode::kExact, .adapters = {{*adapter}}});
  const Embedder twice = EmbedderOf(
      model_, {.compute = ComputeMode::kExact, .adapters = {{*adapter, 0.25f}, {*adapter, 0.75f}}});
  std::vector<std::string> texts;
  for (const Case& c : Cases()) texts.push_back(c.text);
  const auto together = embedder.Embed(texts);
  ASSERT_TRUE(together) << together.error().message;
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<float> vector = VectorOf(embedder, texts[i]);
    EXPECT_EQ(vector, std::vector<float>(together->vector(i).begin(), together->vector(i).end()));
    EXPECT_LT(Cosine(vector, VectorOf(base, texts[i])), 0.99f);
    EXPECT_GT(Cosine(vector, VectorOf(merged, texts[i])), 0.999f);  // which is rounded to bf16
    EXPECT_LT(WorstDifference(vector, VectorOf(twice, texts[i])), kParity);
  }
}

TEST_F(EmbedderTest, AnAdapterOfAnotherModelIsRefused) {
  const TempFolder folder;
  WriteRandomAdapter(folder, "a", model_.config(), {"layers.0.mlp.up_proj"}, 3);
  const auto adapter = Adapter::Load(LoadAt(folder_.path()), folder.path() + "/a");
  ASSERT_TRUE(adapter) << adapter.error().message;
  const auto embedder = Embedder::Create(model_, {.adapters = {{*adapter}}});
  ASSERT_FALSE(embedder);
  EXPECT_EQ(embedder.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(EmbedderTest, DimensionsAreTheBeginBroughtToLengthOne) {
  const Embedder embedder = EmbedderOf(model_);
  const std::vector<float> whole = VectorOf(embedder, "a red star");
  for (const size_t dimensions : {1, 7, 32, 64}) {
    const auto part = VectorOf(embedder, "a red star", {.dimensions = dimensions});
    ASSERT_EQ(part.size(), dimensions);
    EXPECT_NEAR(Cosine(part, std::span(whole).first(dimensions)), 1, 1e-6);
    double squares = 0;
    for (const float value : part) squares += double{value} * value;
    EXPECT_NEAR(squares, 1, 1e-6);
  }
  const std::string text = "a";
  const auto refused = embedder.Embed({&text, 1}, {.dimensions = 65});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(refused.error().message.find("64"), std::string::npos);
}

TEST_F(EmbedderTest, ALongTextIsAnErrorOrIsCutWithItsEosKept) {
  const Embedder embedder = EmbedderOf(model_);
  std::string longest, text = "a";
  // The most words that fit, and many more.
  for (int i = 0; i < 200; ++i) {
    text += " a";
    if (embedder.Tokens(text)->size() <= 128) longest = text;
  }
  ASSERT_EQ(embedder.Tokens(longest)->size(), 128u);
  const auto refused = embedder.Embed({&text, 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kContextTooLong);
  EXPECT_NE(refused.error().message.find("text 0"), std::string::npos);
  const auto cut = embedder.Embed({&text, 1}, {.truncate = true});
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->truncated, std::vector<size_t>{0});
  EXPECT_EQ(cut->tokens, std::vector<size_t>{128});
  EXPECT_EQ(cut->values, VectorOf(embedder, longest));
}

// What is cut away is not encoded: here it could not be.
TEST_F(EmbedderTest, NoMoreOfATextIsEncodedThanStays) {
  const Embedder embedder = EmbedderOf(model_);
  std::string text;
  while (text.size() < (size_t{1} << 16)) text += "a few words ";
  const auto whole = embedder.Embed({&text, 1}, {.truncate = true});
  ASSERT_TRUE(whole) << whole.error().message;
  text.append((size_t{1} << 20) + 1, ' ');
  EXPECT_FALSE(embedder.Tokens(text));
  const auto cut = embedder.Embed({&text, 1}, {.truncate = true});
  ASSERT_TRUE(cut) << cut.error().message;
  EXPECT_EQ(cut->values, whole->values);
  EXPECT_EQ(cut->truncated, std::vector<size_t>{0});
  // And where it may not be cut, it is refused before.
  const auto refused = embedder.Embed({&text, 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kContextTooLong);
  EXPECT_NE(refused.error().message.find("at least"), std::string::npos);
}

TEST_F(EmbedderTest, PromptsGoByName) {
  const Embedder embedder = EmbedderOf(model_, {.compute = ComputeMode::kExact});
  const auto query = VectorOf(embedder, "apple", {.prompt = "QUERY"});
  EXPECT_EQ(query, VectorOf(embedder, "task: search result | query: apple"));
  EXPECT_EQ(query, VectorOf(embedder, "apple", {.prefix = "task: search result | query: "}));
  EXPECT_EQ(VectorOf(embedder, "apple"), VectorOf(embedder, "apple", {.prompt = "none"}));
  const std::string text = "apple";
  const auto refused = embedder.Embed({&text, 1}, {.prompt = "quarry"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(refused.error().message.find("document"), std::string::npos);
}

TEST_F(EmbedderTest, APromptAsItIsSpelledComesBeforeOtherSpellings) {
  EmbeddingFolder folder;
  folder.Edit("config_sentence_transformers.json", [](auto& json) {
    json["prompts"] = {{"Mine", "one: "}, {"mine", "two: "}, {"none", "three: "}};
  });
  const Model model = LoadAt(folder.path());
  const Embedder embedder = EmbedderOf(model, {.compute = ComputeMode::kExact});
  for (const auto& [name, prefix] :
       {std::pair("Mine", "one: "), {"mine", "two: "}, {"none", "three: "}, {"MINE", "one: "}}) {
    EXPECT_EQ(VectorOf(embedder, "apple", {.prompt = name}),
              VectorOf(embedder, "apple", {.prefix = prefix}))
        << name;
  }
}

TEST_F(EmbedderTest, NothingToEmbedIsNoError) {
  const auto none = EmbedderOf(model_).Embed({});
  ASSERT_TRUE(none) << none.error().message;
  EXPECT_EQ(none->size(), 0u);
}

TEST_F(EmbedderTest, SaysWhichTextIsNotUtf8) {
  const std::vector<std::string> texts = {"good", "b\xff\xff"};
  const auto refused = EmbedderOf(model_).Embed(texts);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(refused.error().message.find("text 1"), std::string::npos);
}

TEST_F(EmbedderTest, StopsWhenTold) {
  const Embedder embedder = EmbedderOf(model_, {.batch = 8});
  const std::vector<std::string> texts(20, "a red star and a blue circle");
  const CancelFlag cancel;
  cancel.Cancel();
  const auto flagged = embedder.Embed(texts, {.cancel = cancel});
  ASSERT_FALSE(flagged);
  EXPECT_EQ(flagged.error().code, ErrorCode::kCancelled);
  size_t calls = 0;
  const auto refused = embedder.Embed(texts, {}, [&](const Progress&) { return ++calls < 3; });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(calls, 3u);
  size_t done = 0, total = 0;
  ASSERT_TRUE(embedder.Embed(texts, {}, [&](const Progress& progress) {
    EXPECT_GE(progress.done, done);
    done = progress.done;
    total = progress.total;
    return true;
  }));
  EXPECT_EQ(done, total);
}

TEST_F(EmbedderTest, EachKindOfModelNamesTheOther) {
  const Model demo = LoadAt(GEMMA3_DEMO_DIR);
  const auto refused = Embedder::Create(demo);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(refused.error().message.find("embeddinggemma"), std::string::npos);
  const auto check = [](const auto& result) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(result.error().message.find("gemma3 embed"), std::string::npos);
  };
  check(Engine::Create(model_));
  check(Session::Create(model_));
  check(Evaluator::Create(model_));
  check(Engine::Create(demo, {}, &model_));
}

TEST_F(EmbedderTest, IsTheReferenceFromGguf) {
  const TempFolder folder;
  for (const bool older : {false, true}) {
    const Model model = LoadAt(WriteEmbeddingGguf(folder, "e.gguf", {.older = older}));
    const Embedder embedder = EmbedderOf(model, {.compute = ComputeMode::kExact});
    for (const Case& c : Cases()) {
      const EmbedOptions options = {.prompt = c.prompt};
      EXPECT_EQ(embedder.Tokens(c.text, options), c.ids) << c.text;
      EXPECT_LT(WorstDifference(VectorOf(embedder, c.text, options), c.vector), kParity) << c.text;
    }
  }
}

// A weight rounded to b bits in blocks of 32 is off by about 2^-b of its own size, as activations
// are above; int4 is what QAT models are trained for, and a random model is not.
TEST_F(EmbedderTest, QuantisedFilesAreNear) {
  const TempFolder folder;
  for (const auto& [type, least] :
       {std::pair(TensorType::kQ8_0, 0.999f), {TensorType::kQ4_0, 0.9f}}) {
    const Model model =
        LoadAt(WriteEmbeddingGguf(folder, "q.gguf", {.older = true, .matrices = type}));
    EXPECT_GT(WorstCosine(EmbedderOf(model)), least) << InfoOf(type).name;
  }
}

TEST_F(EmbedderTest, PackedWeightsAreNearAndKept) {
  const TempFolder cache;
  for (const auto& [format, least] :
       {std::pair(WeightFormat::kInt8, 0.999f), {WeightFormat::kInt4, 0.9f}}) {
    const LoadOptions options = {.weights = format, .cache_folder = cache.path()};
    const Model packed = LoadAt(folder_.path(), options);
    const Embedder embedder = EmbedderOf(packed);
    EXPECT_GT(WorstCosine(embedder), least);
    const Model again = LoadAt(folder_.path(), options);
    EXPECT_EQ(VectorOf(EmbedderOf(again), "a red star"), VectorOf(embedder, "a red star"));
    const std::string file = cache.path() + "/e.gemma3";
    ASSERT_TRUE(Convert(folder_.path(), file, {.weights = format}));
    const Model converted = LoadAt(file);
    EXPECT_EQ(VectorOf(EmbedderOf(converted), "a red star", {.prompt = "STS"}),
              VectorOf(embedder, "a red star", {.prompt = "STS"}));
  }
}

TEST_F(EmbedderTest, InspectsAndPlans) {
  const auto info = Model::Inspect(folder_.path());
  ASSERT_TRUE(info) << info.error().message;
  const auto plan = info->Plan();
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->kv_cache, 0u);
  EXPECT_GT(plan->activations, 0u);
  const auto refused = Embedder::Create(model_, {.max_memory_bytes = 1000});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOutOfMemory);
}

// The published vectors and cosines of google/embeddinggemma-300m, as its notebooks print them
// (google-gemma/cookbook, inference with sentence-transformers). They come from a GPU: agreement to
// a thousandth. GEMMA3_EMBEDDINGGEMMA names the model's folder or file.
TEST(PublishedVectors, AreReproduced) {
  const char* path = std::getenv("GEMMA3_EMBEDDINGGEMMA");
  if (path == nullptr) GTEST_SKIP() << "GEMMA3_EMBEDDINGGEMMA is not set";
  const Model model = LoadAt(path);
  const Embedder embedder = EmbedderOf(model, {.compute = ComputeMode::kExact});
  constexpr float kPrinted = 1e-3f;
  struct Head {
    const char* text;
    float begin[3], end[3];
  };
  for (const Head& head : {Head{"apple",
                                {-0.18476306f, 0.00167681f, 0.03773484f},
                                {-0.07996225f, -0.02348064f, 0.00976741f}},
                           Head{"banana",
                                {-0.21189538f, -0.02657359f, 0.02513712f},
                                {-0.08042689f, -0.01999852f, 0.00512146f}},
                           Head{"car",
                                {-0.18924113f, -0.02551468f, 0.04486253f},
                                {-0.06377774f, -0.03699806f, 0.03973572f}}}) {
    const std::vector<float> vector = VectorOf(embedder, head.text);
    ASSERT_EQ(vector.size(), 768u);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_NEAR(vector[i], head.begin[i], kPrinted) << head.text;
      EXPECT_NEAR(vector[765 + i], head.end[i], kPrinted) << head.text;
    }
  }
  struct Pair {
    const char *a, *b;
    float plain, sts;
  };
  for (const Pair& pair :
       {Pair{"The chef prepared a delicious meal for the guests.",
             "A tasty dinner was cooked by the chef for the visitors.", 0.8002148f, 0.9363755f},
        Pair{"She is an expert in machine learning.",
             "He has a deep interest in artificial intelligence.", 0.45417833f, 0.6425841f},
        Pair{"The weather in Tokyo is sunny today.", "I need to buy groceries for the week.",
             0.22262995f, 0.38587403f}}) {
    EXPECT_NEAR(Cosine(VectorOf(embedder, pair.a), VectorOf(embedder, pair.b)), pair.plain,
                kPrinted);
    const EmbedOptions sts = {.prompt = "STS"};
    EXPECT_NEAR(Cosine(VectorOf(embedder, pair.a, sts), VectorOf(embedder, pair.b, sts)), pair.sts,
                kPrinted);
  }
  const auto planet =
      VectorOf(embedder, "Which planet is known as the Red Planet?", {.prompt = "query"});
  const auto mars = VectorOf(
      embedder, "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
      {.prompt = "document"});
  EXPECT_NEAR(Cosine(planet, mars), 0.63588315f, kPrinted);
  EXPECT_NEAR(Cosine(std::span(planet).first(256), std::span(mars).first(256)), 0.6715f, kPrinted);
}

}  // namespace
}  // namespace gemma3::testing
