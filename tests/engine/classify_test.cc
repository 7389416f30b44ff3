// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Classifier: what it computes, against Evaluator::Logits of the same prompts; what it encodes and
// shares; what it refuses. With the demo model, whose vocabulary has Yes and No.
#include "gemma3/classify.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/chat/classify_prompt.h"
#include "src/engine/loaded_model.h"
#include "src/formats/safetensors.h"
#include "src/image/preprocess.h"
#include "src/threading/thread_pool.h"
#include "tests/support/demo_model.h"
#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"
#include "tests/text/tokenizers.h"

namespace gemma3::testing {
namespace {

constexpr SessionOptions kExact = {.threads = 2, .compute = ComputeMode::kExact};

const Image& Picture() {
  static const Part part = DemoPicture("eval/images/image_describe-01.png");
  return *part.image;
}

Classifier DemoClassifier(const EngineOptions& options = {.threads = 2}) {
  auto classifier = Classifier::Create(DemoModel(), options);
  EXPECT_TRUE(classifier) << classifier.error().message;
  return *std::move(classifier);
}

// Probabilities in the order of the policies.
std::vector<double> Classify(Classifier& classifier, std::span<const Policy> policies) {
  const auto scores = classifier.Classify(Picture(), policies);
  EXPECT_TRUE(scores) << scores.error().message;
  std::vector<double> out;
  if (!scores) return out;
  EXPECT_EQ(scores->size(), policies.size());
  for (size_t i = 0; i < scores->size(); ++i) {
    EXPECT_EQ((*scores)[i].label, policies[i].label);
    out.push_back((*scores)[i].probability);
  }
  return out;
}

// The whole picture as the tower takes it.
std::vector<float> Pixels() {
  const size_t size = DemoModel().config().vision.image_size;
  ThreadPool pool(1);
  std::vector<float> pixels(3 * size * size);
  PreprocessView(Picture(), {0, 0, Picture().width, Picture().height}, size, pool, pixels);
  return pixels;
}

TEST(Classify, IsTheSoftmaxOfYesAndNoBehindThePrompt) {
  const Tokenizer& tokenizer = **DemoModel().tokenizer();
  const ModelConfig& config = DemoModel().config();
  const auto answers = AnswerTokens::Find(tokenizer);
  ASSERT_TRUE(answers);
  SessionOptions options = kExact;
  options.image_newlines = ImageNewlines::kIds;
  Classifier classifier = DemoClassifier(options);
  const auto policies = ShieldGemmaPolicies();
  const std::vector<double> probabilities = Classify(classifier, policies);
  ASSERT_EQ(probabilities.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    const auto prompt = LayOutClassification(policies[i], tokenizer, config, ImageForm::kIds);
    ASSERT_TRUE(prompt);
    Evaluator other = DemoEvaluator(options);
    const auto logits = other.Logits({prompt->ids, {Pixels()}});
    ASSERT_TRUE(logits) << logits.error().message;
    const float* last = logits->data() + logits->size() - config.text.vocab_size;
    const double yes = std::exp(double{last[answers->yes]});
    const double no = std::exp(double{last[answers->no]});
    // A probability changes by at most a quarter of what the logits do. Between the last position
    // alone and all positions together only the blocking of f32 sums may differ.
    const double largest = std::max(std::abs(last[answers->yes]), std::abs(last[answers->no]));
    EXPECT_NEAR(probabilities[i], yes / (yes + no), 1e-5 * (1 + largest)) << policies[i].label;
  }
  // The policies were read.
  EXPECT_NE(probabilities[0], probabilities[1]);
  EXPECT_NE(probabilities[1], probabilities[2]);
}

TEST(Classify, DoesNotDependOnWhatTheCacheHeld) {
  const auto policies = ShieldGemmaPolicies();
  Classifier all = DemoClassifier(kExact);
  const std::vector<double> together = Classify(all, policies);
  const std::vector<double> again = Classify(all, policies);
  EXPECT_EQ(again, together);
  for (size_t i = 0; i < policies.size(); ++i) {
    Classifier alone = DemoClassifier(kExact);
    EXPECT_EQ(Classify(alone, {&policies[i], 1}).at(0), together[i]) << policies[i].label;
  }
}

TEST(Classify, PanAndScanStaysOff) {
  Image wide{1024, 512, {}};
  for (size_t i = 0; i < 3 * wide.width * wide.height; ++i) {
    wide.pixels.push_back(static_cast<uint8_t>(i * i >> 7));
  }
  const auto views = PlanViews(wide, &DemoModel().config().pan_and_scan);
  ASSERT_TRUE(views);
  ASSERT_GT(views->size(), 1u);  // otherwise this test could not fail

  const size_t layers = DemoModel().config().vision.num_layers;
  SessionOptions options = kExact;
  options.pan_and_scan = PanAndScan::kOn;
  Classifier classifier = DemoClassifier(options);
  size_t total = 0;
  const auto on = classifier.Classify(wide, ShieldGemmaPolicies(), [&](const Progress& progress) {
    if (progress.stage == Progress::Stage::kImage) total = progress.total;
    return true;
  });
  ASSERT_TRUE(on);
  EXPECT_EQ(total, layers);
  Classifier plain = DemoClassifier(kExact);
  const auto off = plain.Classify(wide, ShieldGemmaPolicies());
  ASSERT_TRUE(off);
  for (size_t i = 0; i < off->size(); ++i) EXPECT_EQ((*on)[i].probability, (*off)[i].probability);
}

TEST(Classify, EncodesThePictureOnceAndReportsProgress) {
  const auto policies = ShieldGemmaPolicies();
  const size_t layers = DemoModel().config().vision.num_layers;
  Classifier classifier = DemoClassifier();
  size_t image_steps = 0;
  std::vector<Progress> prefill;
  const auto scores = classifier.Classify(Picture(), policies, [&](const Progress& progress) {
    if (progress.stage == Progress::Stage::kImage) {
      ++image_steps;
      EXPECT_EQ(progress.total, layers);
    } else {
      prefill.push_back(progress);
    }
    return true;
  });
  ASSERT_TRUE(scores);
  EXPECT_EQ(image_steps, layers);
  ASSERT_FALSE(prefill.empty());
  EXPECT_EQ(prefill.front().done, 0u);
  EXPECT_EQ(prefill.back().done, prefill.back().total);
  for (size_t i = 1; i < prefill.size(); ++i) {
    EXPECT_EQ(prefill[i].total, prefill[0].total);
    EXPECT_GE(prefill[i].done, prefill[i - 1].done);
  }
}

TEST(Classify, CanBeCancelledAtEveryStep) {
  const auto policies = ShieldGemmaPolicies();
  Classifier classifier = DemoClassifier(kExact);
  const std::vector<double> expected = Classify(classifier, policies);
  size_t calls = 0;
  for (size_t stop = 1; stop < 100; ++stop) {
    Classifier fresh = DemoClassifier(kExact);
    calls = 0;
    const auto scores =
        fresh.Classify(Picture(), policies, [&](const Progress&) { return ++calls != stop; });
    if (scores) {
      // The last report, when nothing is left to stop, or none.
      ASSERT_GT(stop, DemoModel().config().vision.num_layers);
      if (calls < stop) break;
      continue;
    }
    EXPECT_EQ(scores.error().code, ErrorCode::kCancelled);
    EXPECT_EQ(Classify(fresh, policies), expected) << "after a stop at step " << stop;
  }
  EXPECT_GT(calls, 0u);
}

TEST(Classify, RefusesWhatItCannotJudge) {
  Classifier classifier = DemoClassifier();
  const auto policies = ShieldGemmaPolicies();
  const auto code = [&](const Image& image, std::span<const Policy> some) {
    const auto scores = classifier.Classify(image, some);
    EXPECT_FALSE(scores);
    return scores ? ErrorCode::kInternal : scores.error().code;
  };
  EXPECT_EQ(code(Picture(), {}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(Picture(), std::vector<Policy>{{"empty", ""}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(Image{}, policies), ErrorCode::kBadImage);
  EXPECT_EQ(code(Image{2, 2, {1, 2, 3}}, policies), ErrorCode::kBadImage);

  std::string text;
  while (text.size() < 100'000) text += "no hats ";
  EXPECT_EQ(code(Picture(), std::vector<Policy>{{"long", text}}), ErrorCode::kContextTooLong);
}

TEST(Classify, ThePromptMayFillTheContext) {
  const Policy policy = ShieldGemmaPolicies()[0];
  const auto prompt = LayOutClassification(policy, **DemoModel().tokenizer(), DemoModel().config(),
                                           ImageForm::kIds);
  ASSERT_TRUE(prompt);
  SessionOptions options;
  options.image_newlines = ImageNewlines::kIds;
  options.context = prompt->ids.size();
  Classifier exact = DemoClassifier(options);
  EXPECT_EQ(Classify(exact, {&policy, 1}).size(), 1u);
  options.context -= 1;
  Classifier small = DemoClassifier(options);
  const auto scores = small.Classify(Picture(), {&policy, 1});
  ASSERT_FALSE(scores);
  EXPECT_EQ(scores.error().code, ErrorCode::kContextTooLong);
}

// The demo model as transformers' conversion script writes ShieldGemma 2: another class, every name
// with "model." in front, the output head stored again, no ids of ends in the configuration.
TEST(Classify, ReadsTheFilesOfShieldGemma2) {
  const TempFolder folder;
  nlohmann::json config = ReadJson(DemoPath("tiny-gemma3/config.json"));
  config["architectures"] = {"ShieldGemma2ForImageClassification"};
  config["model_type"] = "shieldgemma2";
  config["yes_token_index"] = 1;
  config["no_token_index"] = 2;
  config.erase("eos_token_id");
  folder.Write("config.json", config.dump());
  for (const char* name : {"tokenizer.model", "preprocessor_config.json"}) {
    folder.Write(name, ReadTestFile(DemoPath(std::string("tiny-gemma3/") + name)));
  }
  const auto demo = OpenSafetensors(DemoPath("tiny-gemma3/model.safetensors"));
  ASSERT_TRUE(demo) << demo.error().message;
  TensorMap tensors;
  for (const auto& [name, view] : demo->tensors) tensors["model." + name] = view;
  const std::string embedding = "model.language_model.model.embed_tokens.weight";
  ASSERT_TRUE(tensors.contains(embedding));
  tensors["model.language_model.lm_head.weight"] = tensors[embedding];
  ASSERT_TRUE(WriteSafetensors(folder.path() + "/model.safetensors", tensors));

  const auto model = Model::Load(folder.path());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_TRUE(model->notes().empty()) << model->notes().front();
  auto classifier = Classifier::Create(*model, kExact);
  ASSERT_TRUE(classifier) << classifier.error().message;
  Classifier original = DemoClassifier(kExact);
  const auto policies = ShieldGemmaPolicies();
  EXPECT_EQ(Classify(*classifier, policies), Classify(original, policies));
}

// A random model in `folder` with the small vocabulary, which has neither word.
Result<Classifier> WithSmallVocabulary(const TempFolder& folder, const ModelConfig& config) {
  if (const Status written = WriteHfFolder(folder.path(), config); !written) {
    return std::unexpected(written.error());
  }
  folder.Write("tokenizer.model", TestModel::Small().Serialize());
  const auto model = Model::Load(folder.path());
  if (!model) return std::unexpected(model.error());
  return Classifier::Create(*model, {.threads = 1});
}

TEST(Classify, NeedsAVocabularyWithTheAnswers) {
  const TempFolder folder;
  auto classifier = WithSmallVocabulary(folder, TinyVisionConfig());
  ASSERT_TRUE(classifier) << classifier.error().message;
  const auto scores = classifier->Classify(Picture(), ShieldGemmaPolicies());
  ASSERT_FALSE(scores);
  EXPECT_EQ(scores.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(scores.error().message.find("Yes"), std::string::npos) << scores.error().message;
}

TEST(Classify, NeedsAModelThatSees) {
  const TempFolder folder;
  auto classifier = WithSmallVocabulary(folder, TinyTextConfig());
  ASSERT_TRUE(classifier) << classifier.error().message;
  const auto scores = classifier->Classify(Picture(), ShieldGemmaPolicies());
  ASSERT_FALSE(scores);
  EXPECT_EQ(scores.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(scores.error().message.find("text-only"), std::string::npos) << scores.error().message;
}

}  // namespace
}  // namespace gemma3::testing
