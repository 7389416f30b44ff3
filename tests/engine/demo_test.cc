// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The demo model (tools/demo) answers as it does in transformers: ids, soft tokens, logits and
// greedy texts of its goldens, and the accuracy that its README states on the evaluation set.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>

#include "src/chat/template.h"
#include "src/engine/loaded_model.h"
#include "src/engine/resolve.h"
#include "src/image/preprocess.h"
#include "tests/support/demo_model.h"
#include "tests/support/reference.h"

namespace gemma3::testing {
namespace {

// The project's definition of parity; see reference_test.cc.
constexpr double kParity = 2e-4;

// ---- Goldens

struct Golden {
  nlohmann::json json;
  std::vector<Message> messages;
  std::vector<const Image*> pictures;
};

const std::map<std::string, Golden>& Goldens() {
  static const auto* goldens = [] {
    auto* out = new std::map<std::string, Golden>;
    for (const auto& json : ReadJson(DemoPath("goldens/goldens.json"))) {
      Golden& golden = (*out)[json["id"]];
      golden.json = json;
      golden.messages = MessagesOf(json["messages"], "goldens");
      for (const Message& message : golden.messages) {
        for (const Part& part : message.parts) {
          if (part.image) golden.pictures.push_back(part.image.get());
        }
      }
    }
    return out;
  }();
  return *goldens;
}

class GoldenTest : public ::testing::TestWithParam<std::string> {
 protected:
  const Golden& golden_ = Goldens().at(GetParam());
  const ReferenceFile reference_{DemoPath("goldens/goldens.safetensors")};
};

TEST_P(GoldenTest, IdsMatch) {
  const auto tokenizer = DemoModel().tokenizer();
  ASSERT_TRUE(tokenizer);
  const auto layout = LayOutChat(golden_.messages, **tokenizer, DemoModel().config(),
                                 {.image_form = ImageForm::kMerged});
  ASSERT_TRUE(layout) << layout.error().message;
  EXPECT_EQ(layout->ids, golden_.json["input_ids"].get<std::vector<TokenId>>());
  EXPECT_EQ(layout->images.size(), golden_.pictures.size());
}

TEST_P(GoldenTest, SoftTokensAndLogitsMatch) {
  const ModelConfig& config = DemoModel().config();
  const SessionOptions options{.threads = 2, .compute = ComputeMode::kExact};
  const auto resolved = Resolve(config, options);
  ASSERT_TRUE(resolved);
  Machine machine(config, DemoModel().impl().weights, MachineOptionsOf(*resolved));

  TokenInput input{golden_.json["input_ids"].get<std::vector<TokenId>>(), {}};
  std::vector<float> soft_tokens;
  for (const Image* picture : golden_.pictures) {
    const auto views = PlanViews(*picture, nullptr);
    ASSERT_TRUE(views);
    const size_t size = config.vision.image_size;
    std::vector<float>& pixels = input.pixel_values.emplace_back(3 * size * size);
    PreprocessView(*picture, views->front(), size, machine.pool, pixels);
    const auto rows = machine.encoder->EncodePixels(pixels, [](size_t) { return true; });
    ASSERT_TRUE(rows);
    soft_tokens.insert(soft_tokens.end(), (*rows)->begin(), (*rows)->end());
  }
  if (!golden_.pictures.empty()) {
    const double distance =
        RelativeDistance(soft_tokens, reference_.Values<float>(GetParam() + "/soft_tokens"));
    RecordProperty("soft_token_distance", std::to_string(distance));
    EXPECT_LT(distance, kParity);
  }

  Evaluator evaluator = DemoEvaluator(options);
  const auto logits = evaluator.Logits(input);
  ASSERT_TRUE(logits) << logits.error().message;
  std::vector<float> actual;
  for (const int32_t position : reference_.Values<int32_t>(GetParam() + "/positions")) {
    const auto row = logits->begin() + position * static_cast<ptrdiff_t>(config.text.vocab_size);
    actual.insert(actual.end(), row, row + static_cast<ptrdiff_t>(config.text.vocab_size));
  }
  const double distance =
      RelativeDistance(actual, reference_.Values<float>(GetParam() + "/logits"));
  RecordProperty("logit_distance", std::to_string(distance));
  EXPECT_LT(distance, kParity);
}

TEST_P(GoldenTest, GreedyTextMatches) {
  for (const ComputeMode compute : {ComputeMode::kExact, ComputeMode::kFast}) {
    Session session = DemoSession({.compute = compute, .image_newlines = ImageNewlines::kMerged});
    const auto result = session.Generate(golden_.messages, Greedy(32));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->text, golden_.json["greedy_text"].get<std::string>());
    EXPECT_EQ(result->prompt_tokens, golden_.json["input_ids"].size());
    EXPECT_EQ(result->tokens, golden_.json["greedy_ids"].size());
    EXPECT_EQ(result->images_encoded, golden_.pictures.size());
  }
}

std::vector<std::string> GoldenNames() {
  std::vector<std::string> names;
  for (const auto& [name, golden] : Goldens()) names.push_back(name);
  return names;
}

std::string TestName(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Demo, GoldenTest, ::testing::ValuesIn(GoldenNames()),
                         [](const auto& info) { return TestName(info.param); });

// ---- The evaluation set

std::string_view Stripped(std::string_view text) {
  const auto space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

// The rules of tools/demo/train/evaluate.py.
bool IsCorrect(std::string_view answer, const std::string& expected, const std::string& match) {
  answer = Stripped(answer);
  if (match == "exact") return answer == Stripped(expected);
  if (match == "contains") {
    for (size_t at = answer.find(expected); at != std::string_view::npos;
         at = answer.find(expected, at + 1)) {
      const size_t end = at + expected.size();
      // A number must not go on after the expected text.
      if (end == answer.size() || !std::isdigit(static_cast<unsigned char>(answer[end]))) {
        return true;
      }
    }
    return false;
  }
  const size_t begin = answer.find('{');
  const size_t end = answer.rfind('}');
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return false;
  const auto got = nlohmann::json::parse(answer.substr(begin, end + 1 - begin), nullptr, false);
  return !got.is_discarded() && got == nlohmann::json::parse(expected, nullptr, false);
}

struct Tally {
  size_t questions = 0;
  size_t correct = 0;
  size_t reference_correct = 0;  // of the answers of transformers, with BF16 weights
  size_t equal = 0;              // word for word
};

// Asks the questions of one task, or all of them where `task` is empty.
Tally Evaluate(Session& session, const std::string& task) {
  const auto reference = ReadJson(DemoPath("eval/reference_bf16.json"));
  std::map<std::string, nlohmann::json> answers;
  for (const auto& answer : reference["answers"]) answers[answer["id"]] = answer;
  Tally tally;
  size_t index = 0;
  std::ifstream file(DemoPath("eval/eval.jsonl"));
  for (std::string line; std::getline(file, line);) {
    const auto question = nlohmann::json::parse(line);
    if (!task.empty() && question["task"] != task) continue;
    if (kSanitized && index++ % 10 != 0) continue;
    const auto result = session.Generate(MessagesOf(question["messages"], "eval"),
                                         Greedy(question["task"] == "story" ? 160 : 96));
    if (!result) {
      ADD_FAILURE() << question["id"] << ": " << result.error().message;
      continue;
    }
    const auto& theirs = answers.at(question["id"]);
    const bool ok = IsCorrect(result->text, question["expected"], question["match"]);
    ++tally.questions;
    tally.correct += ok;
    tally.reference_correct += theirs["ok"].get<bool>();
    tally.equal += result->text == theirs["answer"].get<std::string>();
  }
  ::testing::Test::RecordProperty("questions", std::to_string(tally.questions));
  ::testing::Test::RecordProperty("correct", std::to_string(tally.correct));
  ::testing::Test::RecordProperty("equal_to_transformers", std::to_string(tally.equal));
  return tally;
}

class EvaluationTest : public ::testing::TestWithParam<std::string> {};

TEST_P(EvaluationTest, IsAsAccurateAsTransformers) {
  const std::string& task = GetParam();
  Session session = DemoSession();
  const Tally tally = Evaluate(session, task);
  EXPECT_GT(tally.questions, 0u);
  if (!kSanitized) {
    const auto reference = ReadJson(DemoPath("eval/reference_bf16.json"));
    EXPECT_EQ(tally.questions, reference["questions"][task].get<size_t>());
  }
  // The README's table is the percentage of reference_correct.
  EXPECT_GE(tally.correct, tally.reference_correct) << "of " << tally.questions;
}

std::vector<std::string> Tasks() {
  std::vector<std::string> names;
  const auto reference = ReadJson(DemoPath("eval/reference_bf16.json"));
  for (const auto& [task, count] : reference["questions"].items()) names.push_back(task);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Demo, EvaluationTest, ::testing::ValuesIn(Tasks()),
                         [](const auto& info) { return info.param; });

// ---- The same with less: packed weights, a packed cache

struct LossyForm {
  const char* name;
  WeightFormat weights;
  KvCacheType kv;
};

class LossyFormTest : public ::testing::TestWithParam<LossyForm> {};

TEST_P(LossyFormTest, IsWithinOnePointOfBf16) {
  const auto model = Model::Load(GEMMA3_DEMO_DIR, {.weights = GetParam().weights});
  ASSERT_TRUE(model) << model.error().message;
  auto session = Session::Create(*model, {.threads = 2, .kv = GetParam().kv});
  ASSERT_TRUE(session) << session.error().message;
  const Tally tally = Evaluate(*session, "");
  EXPECT_GE(tally.correct + tally.questions / 100, tally.reference_correct)
      << "of " << tally.questions;
}

INSTANTIATE_TEST_SUITE_P(
    Demo, LossyFormTest,
    ::testing::Values(LossyForm{"int8", WeightFormat::kInt8, KvCacheType::kAuto},
                      LossyForm{"int4", WeightFormat::kInt4, KvCacheType::kAuto},
                      LossyForm{"kv_int8", WeightFormat::kAsStored, KvCacheType::kInt8}),
    [](const auto& info) { return info.param.name; });

// Any other file of the demo model, such as a GGUF written by another program: GEMMA3_DEMO_FILE,
// and GEMMA3_DEMO_MMPROJ with its vision part.
TEST(DemoFileTest, IsWithinOnePointOfBf16) {
  const char* file = std::getenv("GEMMA3_DEMO_FILE");
  const char* mmproj = std::getenv("GEMMA3_DEMO_MMPROJ");
  if (!file) GTEST_SKIP() << "GEMMA3_DEMO_FILE is not set";
  const auto model = Model::Load(file, {.mmproj = mmproj ? mmproj : ""});
  ASSERT_TRUE(model) << model.error().message;
  auto session = Session::Create(*model, {.threads = 2});
  ASSERT_TRUE(session) << session.error().message;
  const Tally tally = Evaluate(*session, "");
  std::cout << tally.correct << " of " << tally.questions << " right, " << tally.equal
            << " word for word as transformers\n";
  EXPECT_GE(tally.correct + tally.questions / 100, tally.reference_correct);
}

}  // namespace
}  // namespace gemma3::testing
