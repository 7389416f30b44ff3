// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A model file that is cut off or overwritten while sessions use it: their calls are errors instead
// of crashes or nonsense, everything else goes on, and so do they once the file is whole again.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "gemma3/bench.h"
#include "gemma3/gemma3.h"
#include "src/engine/loaded_model.h"
#include "tests/support/demo_model.h"
#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"
#include "tests/text/tokenizers.h"

namespace gemma3::testing {
namespace {

namespace fs = std::filesystem;

class ChangedFile : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(WriteHfFolder(folder_.path(), TinyVisionConfig()));
    folder_.Write("tokenizer.model", TestModel::Small().Serialize());
    weights_ = folder_.path() + "/model.safetensors";
    content_ = ReadTestFile(weights_);
    written_ = fs::last_write_time(weights_);
  }
  Session Create(const LoadOptions& options = {}) {
    auto model = Model::Load(folder_.path(), options);
    EXPECT_TRUE(model) << model.error().message;
    auto session = Session::Create(*model, {.threads = 2});
    EXPECT_TRUE(session) << session.error().message;
    return *std::move(session);
  }
  void Restore() {
    folder_.Write("model.safetensors", content_);
    fs::last_write_time(weights_, written_);
  }

  const TempFolder folder_;
  std::string weights_, content_;
  fs::file_time_type written_;
};

TEST_F(ChangedFile, EveryCallThatComputesIsAnError) {
  Session session = Create();
  const auto first = session.Send(Message::User("abc"), Greedy(4));
  ASSERT_TRUE(first) << first.error().message;

  auto evaluator = Evaluator::Create(session.model(), {.threads = 2});
  auto classifier = Classifier::Create(session.model(), {.threads = 2});
  ASSERT_TRUE(evaluator && classifier);
  const Image image{2, 2, std::vector<uint8_t>(12)};
  const std::vector<Part> prompt = {Part::Text("ab")};
  const std::vector<Message> messages = {Message::User("ab")};
  const TokenInput input = {{2, 5, 6}, {}};
  const auto error_of = [](const auto& result) {
    return result ? Error{ErrorCode::kInternal, "no error"} : result.error();
  };
  const std::vector<std::function<Error()>> calls = {
      [&] { return error_of(session.Send(Message::User("ab"), Greedy(4))); },
      [&] { return error_of(session.Regenerate(Greedy(4))); },
      [&] { return error_of(session.Generate(messages, Greedy(4))); },
      [&] { return error_of(session.Complete(prompt, Greedy(4))); },
      [&] { return error_of(evaluator->Score("abc")); },
      [&] { return error_of(evaluator->Logits(input)); },
      [&] { return error_of(evaluator->ContinueIds(input, Greedy(4))); },
      [&] { return error_of(classifier->Classify(image, ShieldGemmaPolicies())); },
      [&] { return error_of(evaluator->Bench({.prompt_tokens = 1})); },
      [&] { return error_of(MeasureLimits(&session.model(), {.threads = 1})); },
  };
  fs::resize_file(weights_, 4096);
  for (size_t i = 0; i < calls.size(); ++i) {
    const Error error = calls[i]();
    EXPECT_EQ(error.code, ErrorCode::kBadModel) << i;
    for (const std::string& part : {weights_, std::string("4096 now"), std::string("load it")}) {
      EXPECT_NE(error.message.find(part), std::string::npos) << i << ": " << error.message;
    }
  }

  // What needs no weights goes on, and with the file back all of it does.
  ASSERT_EQ(session.messages().size(), 2u);
  EXPECT_TRUE(session.SetMessages(messages));
  EXPECT_TRUE(session.Undo());
  EXPECT_TRUE(Session::Create(session.model()));
  Restore();
  const auto again = session.Send(Message::User("abc"), Greedy(4));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->text, first->text);
}

TEST_F(ChangedFile, OverwritingWithTheSameSizeIsNoticed) {
  Session session = Create();
  folder_.Write("model.safetensors", content_);
  fs::last_write_time(weights_, written_ + std::chrono::seconds(1));
  const auto result = session.Send(Message::User("abc"), Greedy(4));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kBadModel);
}

TEST_F(ChangedFile, ReplacingByRenameAndDeletingAreFine) {
  Session session = Create();
  const auto first = session.Send(Message::User("abc"), Greedy(4));
  ASSERT_TRUE(first);
  fs::rename(folder_.Write("new", "something else"), weights_);
  EXPECT_EQ(session.Regenerate(Greedy(4))->text, first->text);
  fs::remove(weights_);
  EXPECT_EQ(session.Regenerate(Greedy(4))->text, first->text);
}

TEST_F(ChangedFile, WeightsThatWereAllPackedIntoMemoryDoNotCare) {
  ASSERT_TRUE(WriteHfFolder(folder_.path(), TinyTextConfig()));
  Session session = Create({.weights = WeightFormat::kInt8});
  ASSERT_EQ(session.model().impl().weights.mapped_bytes, 0u);
  fs::resize_file(weights_, 0);
  EXPECT_TRUE(session.Send(Message::User("abc"), Greedy(4)));
}

}  // namespace
}  // namespace gemma3::testing
