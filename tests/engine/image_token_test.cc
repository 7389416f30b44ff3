// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Embeddings without a row for the image soft token, as in Ollama's files and in exported ones: the
// places of a picture are overwritten, so the row has no part in anything.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gemma3/experimental/evaluator.h"
#include "gemma3/session.h"
#include "tests/support/demo_model.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"
#include "tests/text/tokenizers.h"

namespace gemma3::testing {
namespace {

// The last row is the soft token's; without it the model is the same.
ModelConfig WithoutRow() {
  ModelConfig config = TinyVisionConfig();
  --config.text.vocab_size;
  EXPECT_EQ(static_cast<size_t>(config.tokens.image_soft_token), config.text.vocab_size);
  return config;
}

class ImageToken : public ::testing::Test {
 protected:
  Model Load(const std::string& path) {
    auto model = Model::Load(path);
    if (!model) {
      ADD_FAILURE() << model.error().message;
      std::exit(1);
    }
    return *std::move(model);
  }
  // The logits that both have, before the last row.
  static std::vector<float> Logits(const Model& model) {
    const ModelConfig& config = model.config();
    TokenInput input{{2, 40, config.tokens.start_of_image}, {}};
    input.ids.insert(input.ids.end(), config.vision.tokens_per_image,
                     config.tokens.image_soft_token);
    input.ids.insert(input.ids.end(), {config.tokens.end_of_image, 41, 42});
    input.pixel_values.emplace_back(3 * config.vision.image_size * config.vision.image_size, 0.25f);
    auto evaluator = Evaluator::Create(model, {.threads = 2});
    EXPECT_TRUE(evaluator) << evaluator.error().message;
    const auto logits = evaluator->Logits(input);
    EXPECT_TRUE(logits) << logits.error().message;
    std::vector<float> shared;
    for (size_t at = 0; logits && at < logits->size(); at += config.text.vocab_size) {
      const float* row = logits->data() + at;
      shared.insert(shared.end(), row, row + WithoutRow().text.vocab_size);
    }
    return shared;
  }
  static std::string Answer(const Model& model) {
    auto session = Session::Create(model, {.threads = 2});
    EXPECT_TRUE(session) << session.error().message;
    const Image picture{20, 10, std::vector<uint8_t>(600, 77)};
    const auto answer =
        session->Send({Role::kUser, {Part::Picture(picture), Part::Text("abc")}}, Greedy(12));
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? answer->text : "";
  }
  void ExpectSame(const std::string& path, const std::string& whole) {
    const Model model = Load(path), expected = Load(whole);
    EXPECT_EQ(Logits(model), Logits(expected));
    EXPECT_EQ(Answer(model), Answer(expected));
  }
  std::string Path(const std::string& name) { return folder_.path() + "/" + name; }

  const TempFolder folder_;
};

TEST_F(ImageToken, HuggingFace) {
  for (const auto& [name, config] :
       {std::pair("whole", TinyVisionConfig()), {"cut", WithoutRow()}}) {
    ASSERT_TRUE(WriteHfFolder(Path(name), config));
    folder_.Write(std::string(name) + "/tokenizer.model", TestModel::Small().Serialize());
  }
  ExpectSame(Path("cut"), Path("whole"));
}

TEST_F(ImageToken, GgufWithTheTowerInside) {
  const GgufModelOptions options{.vision = GgufVision::kOllama, .vocabulary = false};
  for (const auto& [name, config] :
       {std::pair("whole.gguf", TinyVisionConfig()), {"cut.gguf", WithoutRow()}}) {
    GgufWriter writer = MakeGguf(config, 1, options);
    AddVocabulary(TinyVocabulary(TinyVisionConfig()), &writer);  // a token more than rows
    ASSERT_TRUE(WriteGguf(Path(name), writer));
  }
  ExpectSame(Path("cut.gguf"), Path("whole.gguf"));
}

TEST_F(ImageToken, GgufWithAnMmproj) {
  for (const auto& [name, config] :
       {std::pair("whole.gguf", TinyVisionConfig()), {"cut.gguf", WithoutRow()}}) {
    // As many tokens as rows.
    ASSERT_TRUE(WriteGguf(Path(name), MakeGguf(config, 1)));
  }
  ASSERT_TRUE(WriteGguf(Path("mmproj-f16.gguf"), MakeMmproj(TinyVisionConfig(), 1)));
  ExpectSame(Path("cut.gguf"), Path("whole.gguf"));
}

// Elsewhere the id is that of no token.
TEST_F(ImageToken, OutsideAPictureItIsRefused) {
  ASSERT_TRUE(WriteHfFolder(Path("cut"), WithoutRow()));
  const Model model = Load(Path("cut"));
  auto evaluator = Evaluator::Create(model, {.threads = 2});
  ASSERT_TRUE(evaluator) << evaluator.error().message;
  const auto logits = evaluator->Logits({{2, model.config().tokens.image_soft_token}, {}});
  ASSERT_FALSE(logits);
  EXPECT_EQ(logits.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace gemma3::testing
