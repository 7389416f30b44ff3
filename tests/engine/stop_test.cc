// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Where answers end, and how they are drawn, with the files of fine-tunes beside the demo model's
// weights: what trainers write there must not change what the model says.
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "src/chat/answer_marks.h"
#include "tests/engine/demo_session.h"
#include "tests/support/demo_copy.h"

namespace gemma3::testing {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<TokenId>;

Session SessionOf(const Model& model) {
  auto session = Session::Create(model, {.threads = 2});
  if (!session) {
    ADD_FAILURE() << session.error().message;
    std::exit(1);
  }
  return *std::move(session);
}

TEST(StopTest, ChatsEndAtTheTurnWhateverTheFilesList) {
  struct Case {
    const char* what;
    std::function<void(Json&)> config;
    std::string generation;  // empty: no file
  };
  const auto same = [](Json&) {};
  const auto eos = [](Json value) {
    return [value](Json& config) { config["eos_token_id"] = value; };
  };
  for (const Case& c : std::vector<Case>{
           {"no generation_config.json, eos 1 alone", eos(1), ""},
           {"eos 1 in both", eos(1), R"({"eos_token_id":1})"},
           {"eos null in both", eos(nullptr), R"({"eos_token_id":null})"},
           {"no eos, empty generation_config.json",
            [](Json& config) { config.erase("eos_token_id"); }, "{}"},
           {"eos -1", eos(-1), R"({"eos_token_id":-1})"},
           {"eos as text", eos("1"), R"({"eos_token_id":"<eos>"})"},
           {"eos beyond the vocabulary", eos(262144), R"({"eos_token_id":262144})"},
           {"eos of text_config alone",
            [](Json& config) {
              config.erase("eos_token_id");
              config["text_config"]["eos_token_id"] = 1;
            },
            ""},
           {"another stop token besides", eos(Json{1, 50}), ""},
           {"pad is the end of turn", [](Json& config) { config["pad_token_id"] = 106; },
            R"({"eos_token_id":[1,106],"pad_token_id":106})"},
           {"pad is the end of turn, and only <eos> stops",
            [](Json& config) {
              config["pad_token_id"] = 106;
              config["text_config"]["pad_token_id"] = 106;
            },
            R"({"eos_token_id":1})"},
           {"pad is <eos>", [](Json& config) { config["pad_token_id"] = 1; }, ""},
           {"pad -1", [](Json& config) { config["pad_token_id"] = -1; }, R"({"pad_token_id":-1})"},
           {"pad null", [](Json& config) { config["pad_token_id"] = nullptr; }, ""},
           {"a bad default", same, R"({"top_k":"all","temperature":-1,"eos_token_id":[1,106]})"},
       }) {
    DemoCopy copy;
    copy.Edit("config.json", c.config);
    copy.Remove("generation_config.json");
    if (!c.generation.empty()) copy.Write("generation_config.json", c.generation);
    const Model model = copy.Load();
    Session session = SessionOf(model);
    for (const char* question : {kSum, kKorean}) {
      const auto result = session.Generate(std::vector{Message::User(question)}, Greedy(300));
      ASSERT_TRUE(result) << c.what << ": " << result.error().message;
      EXPECT_EQ(result->text, FreshText(question, Greedy())) << c.what;
      EXPECT_EQ(result->stop_reason, StopReason::kEndOfTurn) << c.what;
    }
  }
}

// A piece of text as padding: banned, it could never be written.
TEST(StopTest, PaddingThatIsTextCanBeWritten) {
  const std::string answer = FreshText(kSum, Greedy());
  const auto ids = (*DemoModel().tokenizer())->Encode(answer);
  ASSERT_TRUE(ids && !ids->empty());
  DemoCopy copy;
  copy.Edit("config.json", [&](Json& config) { config["pad_token_id"] = ids->front(); });
  const Model model = copy.Load();
  const auto result = SessionOf(model).Send(Message::User(kSum), Greedy(300));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->text, answer);
}

TEST(StopTest, AStopTokenThatIsTextIsObeyedAndNoted) {
  const TokenId newline = (*DemoModel().tokenizer())->Find("\n");
  ASSERT_GE(newline, 0);
  DemoCopy copy;
  copy.Write("generation_config.json", R"({"eos_token_id":[1,)" + std::to_string(newline) + "]}");
  const Model model = copy.Load();
  bool noted = false;
  for (const std::string& note : model.notes()) {
    noted |= note.find("token " + std::to_string(newline)) != std::string::npos &&
             note.find("line break") != std::string::npos;
  }
  EXPECT_TRUE(noted);
  const ModelConfig& config = model.config();
  const auto stop = ChatAnswerMarks(config, **model.tokenizer()).stop;
  EXPECT_NE(std::ranges::find(stop, newline), stop.end());
  for (const std::string& note : DemoModel().notes()) {
    EXPECT_EQ(note.find("answers end at"), std::string::npos) << note;
  }
}

TEST(StopTest, MarksOfAnAnswer) {
  const Tokenizer& tokenizer = **DemoModel().tokenizer();
  ModelConfig config = DemoModel().config();
  config.generation.stop_tokens = {50};
  config.tokens.pad = 106;
  const AnswerMarks chat = ChatAnswerMarks(config, tokenizer);
  EXPECT_EQ(chat.stop, (Ids{50, 106, 1, 105}));
  EXPECT_EQ(chat.banned, (Ids{config.tokens.bos, config.tokens.start_of_image,
                              config.tokens.end_of_image, config.tokens.image_soft_token}));
  // Raw text ends where the files say. A stop token is never banned there either.
  EXPECT_EQ(RawAnswerMarks(config, tokenizer).stop, Ids{50});
  config.generation.stop_tokens = {1, 0};
  config.tokens.pad = 0;
  const AnswerMarks raw = RawAnswerMarks(config, tokenizer);
  EXPECT_EQ(raw.stop, (Ids{1, 0}));
  EXPECT_EQ(std::ranges::find(raw.banned, 0), raw.banned.end());
  config.tokens.pad = -1;
  const Ids banned = RawAnswerMarks(config, tokenizer).banned;
  EXPECT_EQ(std::ranges::find(banned, -1), banned.end());
}

TEST(StopTest, GenerationConfigIsBelieved) {
  const std::string greedy = FreshText(kStory, Greedy(40));
  const auto ask = [](const std::string& generation, const GenerationOptions& options) {
    DemoCopy copy;
    copy.Write("generation_config.json", generation);
    const Model model = copy.Load();
    auto result = SessionOf(model).Send(Message::User(kStory), options);
    EXPECT_TRUE(result) << result.error().message;
    return result ? result->text : "";
  };
  GenerationOptions short_answer;
  short_answer.max_tokens = 40;
  // No seed: another one each time.
  for (const char* one_way :
       {R"({"do_sample":false})", R"({"do_sample":false,"temperature":1.5})",
        R"({"temperature":0})", R"({"top_p":0})", R"({"top_k":1})", R"({"min_p":1})"}) {
    EXPECT_EQ(ask(one_way, short_answer), greedy) << one_way;
  }
  GenerationOptions hot = short_answer;
  hot.temperature = 3.0f;
  hot.top_k = 0;
  hot.top_p = 1.0f;
  hot.seed = 4;
  EXPECT_NE(ask(R"({"do_sample":false})", hot), greedy);  // the caller overrides
  GenerationOptions penalty = Greedy(40);
  penalty.repeat_penalty = 1.8f;
  penalty.repeat_last_n = 100000;
  EXPECT_EQ(ask(R"({"do_sample":false,"repetition_penalty":1.8})", short_answer),
            FreshText(kStory, penalty));
}

TEST(StopTest, AFreshSeedUnlessOneIsSet) {
  GenerationOptions options = Sampled(0, 30);
  options.seed = {};
  options.temperature = 3.0f;
  Session session = DemoSession();
  std::set<uint64_t> seeds;
  std::set<std::string> texts;
  for (int i = 0; i < 4; ++i) {
    const auto result =
        i == 0 ? session.Send(Message::User(kStory), options) : session.Regenerate(options);
    ASSERT_TRUE(result);
    seeds.insert(result->seed);
    texts.insert(result->text);
    // The seed that was told gives the same answer again.
    GenerationOptions again = options;
    again.seed = result->seed;
    EXPECT_EQ(FreshText(kStory, again), result->text);
  }
  EXPECT_GT(seeds.size(), 1u);
  EXPECT_GT(texts.size(), 1u);
}

}  // namespace
}  // namespace gemma3::testing
