// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Speculation changes no answer: token for token the plain one, for every seed, temperature and
// weight type. On the demo model.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <tuple>

#include "src/generate/draft.h"
#include "tests/engine/demo_session.h"
#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"
#include "tests/text/tokenizers.h"

namespace gemma3::testing {
namespace {

const std::vector<std::string>& Questions() {
  static const std::vector<std::string> questions = {
      "Repeat after me: the red star is above the blue square, the red star is above the blue "
      "square, "
      "the red star is above the blue square.",
      kStory, kSum, kKorean, LongQuestion()};
  return questions;
}

class SpeculationTest : public ::testing::TestWithParam<WeightFormat> {};

TEST_P(SpeculationTest, GivesThePlainAnswer) {
  const auto model = Model::Load(GEMMA3_DEMO_DIR, {.weights = GetParam()});
  ASSERT_TRUE(model) << model.error().message;
  size_t drafted = 0, accepted = 0, compared = 0;
  auto session = Session::Create(*model, {.threads = 2});
  ASSERT_TRUE(session);
  for (uint64_t seed = 0; seed < (kSanitized ? 4 : 60); ++seed) {
    GenerationOptions options = Sampled(seed, 60);
    options.temperature = std::array{0.0f, 0.3f, 0.7f, 1.0f, 1.5f}[seed % 5];
    options.repeat_penalty = seed % 7 == 0 ? 1.1f : 1.0f;
    if (seed % 4 == 3) options.stop = {"e r", "ar"};
    const std::string& question = Questions()[seed / 2 % Questions().size()];
    options.speculate = false;
    session->Clear();
    const auto plain = session->Send(Message::User(question), options);
    ASSERT_TRUE(plain) << plain.error().message;
    EXPECT_EQ(plain->drafted_tokens, 0u);
    options.speculate = true;
    session->Clear();
    std::string streamed;
    const auto fast = session->Send(Message::User(question), options, [&](std::string_view text) {
      streamed += text;
      return true;
    });
    ASSERT_TRUE(fast) << fast.error().message;
    EXPECT_EQ(fast->text, plain->text) << "seed " << seed;
    EXPECT_EQ(streamed, plain->text);
    EXPECT_EQ(fast->ids, plain->ids);
    EXPECT_EQ(fast->tokens, plain->tokens);
    EXPECT_EQ(fast->stop_reason, plain->stop_reason);
    EXPECT_LE(fast->accepted_tokens, fast->drafted_tokens);
    drafted += fast->drafted_tokens;
    accepted += fast->accepted_tokens;
    ++compared;
    // And so are later turns.
    if (seed % 6 == 0) {
      const auto next = session->Send(Message::User(kSum), options);
      ASSERT_TRUE(next);
      std::vector<Message> messages(session->messages().begin(), session->messages().end() - 1);
      auto fresh = Session::Create(*model, {.threads = 2});
      options.speculate = false;
      EXPECT_EQ(fresh->Generate(messages, options)->ids, next->ids);
    }
  }
  EXPECT_GT(drafted, compared);
  EXPECT_GT(accepted, drafted / 10);
}

INSTANTIATE_TEST_SUITE_P(Weights, SpeculationTest,
                         ::testing::Values(WeightFormat::kAsStored, WeightFormat::kInt8,
                                           WeightFormat::kInt4));

// What the callback did not want is not there, though it was computed ahead.
TEST(SpeculationTest, StopsWhereTheCallbackSaysSo) {
  const GenerationOptions options = Greedy(60);
  GenerationOptions plain = options;
  plain.speculate = false;
  for (size_t wanted = 1; wanted < 25; wanted += 3) {
    const auto cut = [&](const GenerationOptions& how) {
      Session session = DemoSession();
      size_t pieces = 0;
      auto result = session.Send(Message::User(Questions()[0]), how,
                                 [&](std::string_view) { return ++pieces < wanted; });
      EXPECT_TRUE(result);
      const auto next = session.Send(Message::User(kSum), Greedy(5));
      EXPECT_TRUE(next);
      return std::tuple(result->text, result->ids, result->tokens, result->stop_reason, next->text,
                        next->prompt_tokens);
    };
    EXPECT_EQ(cut(options), cut(plain)) << wanted;
  }
}

// A model that guesses changes nothing either: the demo model in four bits before itself, which is
// right often and not always.
TEST(DraftModelTest, GivesThePlainAnswer) {
  const auto draft = Model::Load(GEMMA3_DEMO_DIR, {.weights = WeightFormat::kInt4});
  ASSERT_TRUE(draft) << draft.error().message;
  auto fast = Session::Create(DemoModel(), {.threads = 2, .prefill_batch = 64}, &*draft);
  ASSERT_TRUE(fast) << fast.error().message;
  size_t drafted = 0, accepted = 0;
  for (uint64_t seed = 0; seed < (kSanitized ? 3 : 40); ++seed) {
    GenerationOptions options = Sampled(seed, 40);
    options.temperature = std::array{0.0f, 0.7f, 1.0f}[seed % 3];
    if (seed % 5 == 4) fast->Clear();
    if (seed % 8 == 7) {
      ASSERT_TRUE(fast->Send(Look({0}), Greedy(5)));
    }
    const auto result = fast->Send(Message::User(Questions()[seed % Questions().size()]), options);
    ASSERT_TRUE(result) << result.error().message;
    std::vector<Message> messages(fast->messages().begin(), fast->messages().end() - 1);
    options.speculate = false;
    EXPECT_EQ(Fresh(messages, options).ids, result->ids) << seed;
    drafted += result->drafted_tokens;
    accepted += result->accepted_tokens;
    if (fast->usage().used_tokens > 1000) fast->Clear();
  }
  EXPECT_GT(drafted, 100u);
  EXPECT_GT(accepted, drafted / 3);
}

TEST(DraftModelTest, AnotherVocabularyIsRefused) {
  const TempFolder folder;
  ModelConfig config = TinyTextConfig();
  ASSERT_TRUE(WriteHfFolder(folder.path(), config));
  folder.Write("tokenizer.model", TestModel::Small().Serialize());
  const auto other = Model::Load(folder.path());
  ASSERT_TRUE(other) << other.error().message;
  const auto engine = Engine::Create(DemoModel(), {.threads = 1}, &*other);
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(engine.error().message.find("vocabulary"), std::string::npos);
}

// ---- The guesses

std::vector<TokenId> Propose(NgramDraft& draft, std::span<const TokenId> text, size_t most) {
  std::vector<TokenId> out = {-7};  // what is there stays
  draft.Propose(text, most, out);
  EXPECT_EQ(out.front(), -7);
  out.erase(out.begin());
  return out;
}

TEST(NgramDraftTest, GuessesWhatFollowedTheSameWords) {
  NgramDraft draft;
  const std::vector<TokenId> text = {1, 2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4};
  EXPECT_EQ(Propose(draft, text, 7), (std::vector<TokenId>{5, 6, 7}));
  EXPECT_EQ(Propose(draft, text, 2), (std::vector<TokenId>{5, 6}));
  EXPECT_TRUE(Propose(draft, text, 0).empty());
  EXPECT_TRUE(Propose(draft, std::vector<TokenId>{1, 2}, 7).empty());
}

TEST(NgramDraftTest, ALoopGoesOn) {
  NgramDraft draft;
  const std::vector<TokenId> text = {9, 1, 2, 1, 2, 1, 2};
  for (int i = 0; i < 3; ++i) draft.Learn(3, 3);
  EXPECT_EQ(Propose(draft, text, 7), (std::vector<TokenId>{1, 2, 1, 2, 1, 2, 1}));
}

TEST(NgramDraftTest, TheLongerMatchAndTheLatestPlaceCount) {
  NgramDraft draft;
  //                                 [1 2 3 4] 50          [0 2 3 4] 60
  const std::vector<TokenId> text = {1, 2, 3, 4, 50, 8, 0, 2, 3, 4, 60, 8, 1, 2, 3, 4};
  EXPECT_EQ(Propose(draft, text, 1), (std::vector<TokenId>{50}));
  const std::vector<TokenId> later = {1, 2, 3, 50, 8, 1, 2, 3, 60, 8, 0, 1, 2, 3};
  NgramDraft other;
  EXPECT_EQ(Propose(other, later, 1), (std::vector<TokenId>{60}));
}

TEST(NgramDraftTest, PausesWhereGuessesFail) {
  NgramDraft draft;
  std::vector<TokenId> text;
  for (TokenId id = 0; id < 40; ++id) text.push_back(id % 5);
  size_t tries = 0;
  for (; tries < 100; ++tries) {
    const auto guess = Propose(draft, text, 7);
    if (guess.empty()) break;
    draft.Learn(guess.size(), 0);
    text.push_back(static_cast<TokenId>(text.size() % 5));
  }
  EXPECT_LE(tries, 4u);
  size_t paused = 0;
  for (; paused < 1000 && Propose(draft, text, 7).empty(); ++paused) {
    text.push_back(static_cast<TokenId>(text.size() % 5));
  }
  EXPECT_GE(paused, 50u);
  EXPECT_LE(paused, 80u);
}

// Prose repeats its phrases now and then. With what rows cost in 4 bits, a text that is what the
// model says anyway never takes longer than without guesses by more than 2 %.
TEST(NgramDraftTest, ProseCostsNoTime) {
  constexpr double kStep[] = {1, 1.10, 1.19, 1.28, 1.37, 1.46, 1.55, 1.65};  // by guesses
  for (const char* name : {"README.md", "src/README.md", "tests/README.md", "LICENSE"}) {
    std::ifstream file(std::string(GEMMA3_SOURCE_DIR) + "/" + name);
    std::map<std::string, TokenId> ids;
    std::vector<TokenId> text;
    for (std::string word; file >> word;) {
      text.push_back(ids.try_emplace(word, static_cast<TokenId>(ids.size())).first->second);
    }
    ASSERT_GT(text.size(), 1000u) << name;
    NgramDraft draft;
    double time = 0;
    for (size_t said = 20; said < text.size();) {
      const auto guess = Propose(draft, std::span(text).first(said), text.size() - said - 1);
      size_t right = 0;
      while (right < guess.size() && guess[right] == text[said + right]) ++right;
      draft.Learn(guess.size(), right);
      time += kStep[guess.size()];
      said += right + 1;
    }
    EXPECT_LE(time, static_cast<double>(text.size() - 20) / 0.98) << name;
  }
}

// Whatever the text, guesses are tokens of it, or of themselves, and no memory is read elsewhere.
TEST(NgramDraftTest, RandomTexts) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    NgramDraft draft;
    std::vector<TokenId> text;
    const auto letters = static_cast<TokenId>(1 + random() % 4);
    for (int step = 0; step < 60; ++step) {
      for (size_t more = random() % 4; more-- > 0;) {
        text.push_back(static_cast<TokenId>(random()) % letters);
      }
      const auto guess = Propose(draft, text, random() % 9);
      EXPECT_LE(guess.size(), kMaxDraft);
      for (const TokenId id : guess) {
        EXPECT_NE(std::ranges::find(text, id), text.end());
      }
      draft.Learn(guess.size(), guess.empty() ? 0 : random() % (guess.size() + 1));
    }
  }
}

}  // namespace
}  // namespace gemma3::testing
