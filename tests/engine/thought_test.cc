// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A thought before an answer. The demo model does not think; so some tokens of an answer of its are
// given the names of MedGemma's marks, by another tokenizer.model beside the same weights.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "gemma3/gemma3.h"
#include "src/base/spm_proto.h"
#include "tests/engine/demo_session.h"
#include "tests/support/demo_model.h"
#include "tests/support/temp_folder.h"
#include "tests/text/tokenizers.h"

namespace gemma3::testing {
namespace {

using Ids = std::vector<TokenId>;
constexpr size_t kAnswerTokens = 24;

// The prompt of one question, as the template lays it out.
Ids PromptOf(const Tokenizer& tokenizer, const std::string& question) {
  Ids ids = {2, 105};
  const auto add = [&](const std::string& text) {
    const Ids more = tokenizer.Encode(text).value();
    ids.insert(ids.end(), more.begin(), more.end());
  };
  add("user\n" + question);
  ids.push_back(106);
  add("\n");
  ids.push_back(105);
  add("model\n");
  return ids;
}

class ThinkingModel : public ::testing::Test {
 protected:
  void SetUp() override {
    Evaluator demo = DemoEvaluator();
    const Tokenizer& tokenizer = **demo.model().tokenizer();
    prompt_ = PromptOf(tokenizer, kStory);
    auto answer = demo.ContinueIds({prompt_, {}}, Greedy(kAnswerTokens));
    ASSERT_TRUE(answer) << answer.error().message;
    answer_ = *std::move(answer);
    // The marks must be tokens that occur once.
    const auto occurs_once = [&](TokenId id) {
      return std::ranges::count(answer_, id) == 1 && std::ranges::count(prompt_, id) == 0;
    };
    ASSERT_TRUE(occurs_once(answer_[0]) && occurs_once(answer_[1]));
    while (close_ < answer_.size() && !occurs_once(answer_[close_])) ++close_;
    ASSERT_LT(close_ + 2, answer_.size());

    auto vocabulary =
        ParseSpmProto(ReadTestFile(SourcePath("tools/demo/tiny-gemma3/tokenizer.model")), "demo");
    ASSERT_TRUE(vocabulary);
    const auto piece = [&](TokenId id) -> VocabularyPiece& {
      return vocabulary->pieces[static_cast<size_t>(id)];
    };
    std::swap(piece(answer_[0]), piece(100));       // <unused94>
    std::swap(piece(answer_[close_]), piece(101));  // <unused95>
    piece(answer_[1]) = {"thought\n", 0, PieceType::kUserDefined};
    folder_.Write("tokenizer.model", SerializeSpmProto(*vocabulary));
    for (const auto& entry : std::filesystem::directory_iterator(GEMMA3_DEMO_DIR)) {
      const std::string name = entry.path().filename();
      if (name.starts_with("tokenizer") || name.ends_with("_tokens.json")) continue;
      std::filesystem::create_symlink(entry.path(), folder_.path() + "/" + name);
    }
    auto model = Model::Load(folder_.path());
    ASSERT_TRUE(model) << model.error().message;
    auto session = Session::Create(*model);
    ASSERT_TRUE(session) << session.error().message;
    session_.push_back(*std::move(session));
    ASSERT_EQ(PromptOf(NewTokenizer(), kStory), prompt_);
  }
  const Tokenizer& NewTokenizer() { return **session_[0].model().tokenizer(); }
  std::string Text(size_t begin, size_t end) {
    return NewTokenizer().Decode(std::span(answer_).subspan(begin, end - begin)).value();
  }

  TempFolder folder_;
  Ids prompt_, answer_;
  size_t close_ = 6;  // where the thought ends
  std::vector<Session> session_;
};

TEST_F(ThinkingModel, TheThoughtIsAPartOfItsOwn) {
  Session& session = session_[0];
  std::string streamed;
  const auto result = session.Send(Message::User(kStory), Greedy(kAnswerTokens),
                                   [&](std::string_view text) { return streamed += text, true; });
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->thought, Text(2, close_));
  EXPECT_EQ(result->text, Text(close_ + 1, answer_.size()));
  EXPECT_EQ(streamed, result->text);
  EXPECT_EQ(result->tokens, kAnswerTokens);
  EXPECT_EQ(session.messages().back().parts[0].text, result->text);
  // The next prompt begins with the question and the answer, and ends the turn.
  EXPECT_EQ(session.usage().used_tokens, prompt_.size() + answer_.size() - close_ - 1 + 2);
  const auto next = session.Send(Message::User("And then?"), Greedy(2));
  ASSERT_TRUE(next) << next.error().message;
  EXPECT_EQ(next->cached_tokens, prompt_.size());
}

TEST_F(ThinkingModel, ItCanBeShown) {
  GenerationOptions options = Greedy(kAnswerTokens);
  options.show_thought = true;
  // The thought does not end at a stop string.
  options.stop = {Text(2, close_)};
  std::string streamed;
  const auto result = session_[0].Send(Message::User(kStory), options, [&](std::string_view text) {
    return streamed += text, true;
  });
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(streamed, Text(0, answer_.size()));
  EXPECT_TRUE(streamed.starts_with("<unused94>thought\n"));
  EXPECT_EQ(result->thought, Text(2, close_));
}

TEST_F(ThinkingModel, ItMayBeCutOff) {
  const auto result = session_[0].Send(Message::User(kStory), Greedy(close_ - 1));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->thought, Text(2, close_ - 1));
  EXPECT_EQ(result->text, "");
  EXPECT_EQ(result->stop_reason, StopReason::kMaxTokens);
}

}  // namespace
}  // namespace gemma3::testing
