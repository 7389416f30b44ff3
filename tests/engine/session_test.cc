// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a session promises: transactions, cancellation, reuse of its cache without a change of the
// answer, and results that do not depend on threads or batches.
#include "gemma3/session.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "src/text/utf8.h"
#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"

namespace gemma3::testing {
namespace {

const Model& Demo() {
  static const Model* const model = [] {
    auto loaded = Model::Load(std::string(GEMMA3_SOURCE_DIR) + "/tools/demo/tiny-gemma3");
    EXPECT_TRUE(loaded) << loaded.error().message;
    return new Model(*std::move(loaded));
  }();
  return *model;
}

Session MakeSession(const SessionOptions& options = {.threads = 2}) {
  auto session = Session::Create(Demo(), options);
  EXPECT_TRUE(session) << session.error().message;
  return *std::move(session);
}

GenerationOptions Sampled(uint64_t seed, size_t max_tokens = 24) {
  GenerationOptions options;
  options.temperature = 1;
  options.seed = seed;
  options.max_tokens = max_tokens;
  return options;
}

GenerationOptions Greedy(size_t max_tokens = 48) {
  GenerationOptions options;
  options.temperature = 0;
  options.max_tokens = max_tokens;
  return options;
}

std::string TextOf(const Result<GenerationResult>& result) {
  EXPECT_TRUE(result) << result.error().message;
  return result ? result->text : "";
}

constexpr const char* kQuestions[] = {"Calculate 184 + 886.", "Tell me a story.", "안녕하세요?",
                                      "Which is smaller, 264 or 359?"};

Message Picture(const char* name, const char* question) {
  auto image = LoadImage(std::string(GEMMA3_SOURCE_DIR) + "/tools/demo/eval/images/" + name);
  EXPECT_TRUE(image) << image.error().message;
  Message message = Message::User("");
  message.parts = {Part::Picture(*std::move(image)), Part::Text(question)};
  return message;
}

TEST(SessionTest, StreamsWholeCharactersThatAddUpToTheText) {
  Session session = MakeSession();
  std::string streamed;
  const auto result =
      session.Send(Message::User("안녕하세요?"), Sampled(3, 60), [&](std::string_view text) {
        EXPECT_FALSE(text.empty());
        EXPECT_EQ(FindInvalidUtf8(text), std::string_view::npos);
        streamed += text;
        return true;
      });
  EXPECT_EQ(TextOf(result), streamed);
}

TEST(SessionTest, TheSameSeedGivesTheSameTextForAnyThreadsAndBatches) {
  const std::string expected = TextOf(MakeSession().Send(Message::User(kQuestions[1]), Sampled(7)));
  EXPECT_FALSE(expected.empty());
  for (const size_t threads : {1, 2, 3}) {
    for (const size_t batch : {1, 7, 64}) {
      Session session = MakeSession({.threads = threads, .prefill_batch = batch});
      EXPECT_EQ(TextOf(session.Send(Message::User(kQuestions[1]), Sampled(7))), expected)
          << threads << " threads, batch " << batch;
    }
  }
}

TEST(SessionTest, ReusingTheCacheDoesNotChangeAnswers) {
  Session talking = MakeSession();
  std::vector<Message> conversation;
  uint64_t seed = 1;
  for (const char* question : kQuestions) {
    conversation.push_back(Message::User(question));
    const auto answer = talking.Send(conversation.back(), Sampled(++seed, 80));
    // A fresh session is given the same messages; model turns are encoded from their text there, so
    // the comparison is with the session's own ids, through SetMessages of another session's turns.
    conversation.push_back(Message::Model(TextOf(answer)));
  }
  // The last answer, computed by the session that knows everything and by one that starts anew from
  // the same prompt, whose turns came from a session in turn.
  Session again = MakeSession();
  seed = 1;
  for (size_t i = 0; i < std::size(kQuestions); ++i) {
    EXPECT_EQ(TextOf(again.Send(Message::User(kQuestions[i]), Sampled(++seed, 80))),
              conversation[2 * i + 1].parts[0].text);
  }
  EXPECT_EQ(TextOf(again.Regenerate(Sampled(seed, 80))), conversation.back().parts[0].text);
}

TEST(SessionTest, ARewindBeyondTheRingComputesAnew) {
  // The window is 64 tokens and the ring holds 64 + 8: a long answer overwrites what the question
  // needs, and the regenerated answer must not notice.
  Session session = MakeSession({.threads = 2, .prefill_batch = 8});
  const std::string story =
      TextOf(session.Send(Message::User("Tell me a story."), Sampled(5, 150)));
  ASSERT_GT(session.usage().used_tokens, 100u);
  const auto again = session.Regenerate(Sampled(5, 150));
  EXPECT_EQ(TextOf(again), story);
}

TEST(SessionTest, MaxTokensAndStopStringsEndTheAnswer) {
  Session session = MakeSession();
  auto result = session.Send(Message::User(kQuestions[1]), Greedy(5));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->stop_reason, StopReason::kMaxTokens);
  EXPECT_EQ(result->tokens, 5u);
  session.Clear();
  const std::string whole = TextOf(session.Send(Message::User(kQuestions[1]), Greedy()));
  const size_t at = whole.find(' ', whole.size() / 2);
  ASSERT_NE(at, std::string::npos);
  GenerationOptions options = Greedy();
  options.stop = {whole.substr(at, 6)};
  session.Clear();
  result = session.Send(Message::User(kQuestions[1]), options);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->stop_reason, StopReason::kStopString);
  EXPECT_EQ(result->text, whole.substr(0, whole.find(options.stop[0])));
}

TEST(SessionTest, APromptThatDoesNotFitIsAnErrorWithTheNumbers) {
  Session session = MakeSession({.context = 40, .threads = 1});
  TextOf(session.Send(Message::User("Hi"), Greedy(4)));
  const size_t messages = session.messages().size();
  const auto result = session.Send(Message::User(std::string(400, '7')), Greedy());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kContextTooLong);
  EXPECT_NE(result.error().message.find("40"), std::string::npos) << result.error().message;
  EXPECT_EQ(session.messages().size(), messages);
  EXPECT_TRUE(session.Send(Message::User("Hi"), Greedy(2)));
}

TEST(SessionTest, AFullContextEndsTheAnswer) {
  Session session = MakeSession({.context = 24, .threads = 1});
  const auto result = session.Send(Message::User("Tell me a story."), Greedy(0));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->stop_reason, StopReason::kContextFull);
  EXPECT_EQ(session.usage().used_tokens, 24u);
}

TEST(SessionTest, CancellingPrefillLeavesTheConversationAsItWas) {
  Session session = MakeSession({.threads = 2, .prefill_batch = 4});
  const std::string expected = TextOf(MakeSession().Send(Message::User(kQuestions[0]), Greedy()));
  int calls = 0;
  const auto cancelled = session.Send(Message::User(kQuestions[1]), Greedy(), {},
                                      [&](const Progress&) { return ++calls < 2; });
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(session.messages().empty());
  EXPECT_EQ(TextOf(session.Send(Message::User(kQuestions[0]), Greedy())), expected);
}

TEST(SessionTest, StoppingAnAnswerKeepsWhatWasSaid) {
  Session session = MakeSession();
  std::string heard;
  const auto result =
      session.Send(Message::User(kQuestions[1]), Greedy(), [&](std::string_view text) {
        heard += text;
        return heard.size() < 10;
      });
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->stop_reason, StopReason::kCancelled);
  EXPECT_EQ(session.messages().back().parts[0].text, heard);
  EXPECT_TRUE(session.Send(Message::User(kQuestions[0]), Greedy()));
}

TEST(SessionTest, AnotherThreadCanCancel) {
  Session session = MakeSession();
  std::thread canceller;
  const auto result =
      session.Send(Message::User("Tell me a story."), Sampled(1, 0), [&](std::string_view) {
        if (!canceller.joinable()) canceller = std::thread([&] { session.Cancel(); });
        return true;
      });
  if (canceller.joinable()) canceller.join();
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(session.Send(Message::User(kQuestions[0]), Greedy(4)));
}

TEST(SessionTest, UndoClearAndSystem) {
  Session session = MakeSession();
  session.SetSystem("Answer in one word.");
  TextOf(session.Send(Message::User(kQuestions[0]), Greedy(4)));
  TextOf(session.Send(Message::User(kQuestions[3]), Greedy(4)));
  EXPECT_EQ(session.messages().size(), 5u);
  EXPECT_TRUE(session.Undo());
  EXPECT_EQ(session.messages().size(), 3u);
  EXPECT_TRUE(session.Undo());
  EXPECT_FALSE(session.Undo());
  ASSERT_EQ(session.messages().size(), 1u);
  EXPECT_EQ(session.messages()[0].role, Role::kSystem);
  TextOf(session.Send(Message::User(kQuestions[0]), Greedy(4)));
  session.Clear();
  EXPECT_EQ(session.messages().size(), 1u);
  session.SetSystem("");
  EXPECT_TRUE(session.messages().empty());
  EXPECT_FALSE(session.Regenerate());
}

TEST(SessionTest, BadInputIsRefusedAndChangesNothing) {
  Session session = MakeSession({.threads = 1});
  const auto code = [&](const Message& message, const GenerationOptions& options) {
    const auto result = session.Send(message, options);
    return result ? ErrorCode::kInternal : result.error().code;
  };
  EXPECT_EQ(code(Message::User("\xff"), Greedy()), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(Message::Model("me first"), Greedy()), ErrorCode::kInvalidArgument);
  GenerationOptions bad;
  bad.temperature = -1;
  EXPECT_EQ(code(Message::User("x"), bad), ErrorCode::kInvalidArgument);
  bad = {};
  bad.stop = {""};
  EXPECT_EQ(code(Message::User("x"), bad), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(session.messages().empty());
  EXPECT_FALSE(Session::Create(Demo(), {.context = 1 << 20}));
  EXPECT_FALSE(Session::Create(Demo(), {.prefill_batch = 0}));
  const auto limited = Session::Create(Demo(), {.max_memory_bytes = 1000});
  ASSERT_FALSE(limited);
  EXPECT_EQ(limited.error().code, ErrorCode::kOutOfMemory);
}

TEST(SessionTest, ATextOnlyModelSaysThatItCannotSee) {
  const TempFolder folder;
  ASSERT_TRUE(WriteHfFolder(folder.path(), TinyTextConfig()));
  const auto model = Model::Load(folder.path());
  ASSERT_TRUE(model) << model.error().message;
  auto session = Session::Create(*model, {.threads = 1});
  ASSERT_TRUE(session) << session.error().message;
  const auto result = session->Send(Picture("image_describe-01.png", "What is it?"));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kUnsupported);
}

TEST(SessionTest, TextThatSpellsControlTokensAddsNone) {
  // "<end_of_turn>" typed by a user must not end the turn: each piece of text costs its ordinary
  // tokens, and a text of the same bytes without a mark's brackets costs about as many.
  const Tokenizer& tokenizer = **Demo().tokenizer();
  for (const char* text :
       {"<end_of_turn>", "<start_of_image>", "<bos>", "<start_of_turn>model\n"}) {
    const auto ids = tokenizer.Encode(text);
    ASSERT_TRUE(ids);
    for (const TokenId id : *ids) EXPECT_FALSE(tokenizer.IsControl(id)) << text;
    EXPECT_EQ(tokenizer.Decode(*ids), text);
    Session session = MakeSession({.threads = 1});
    EXPECT_TRUE(session.Send(Message::User(text), Greedy(2)));
  }
}

TEST(SessionTest, APictureIsEncodedOnce) {
  Session session = MakeSession();
  auto result = session.Send(Picture("image_describe-01.png", "What can you see?"), Greedy());
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->images_encoded, 1u);
  result = session.Send(Message::User("How many shapes are there?"), Greedy());
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->images_encoded, 0u);
  EXPECT_GT(result->cached_tokens, 16u);
  result = session.Regenerate(Greedy());
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->images_encoded, 0u);
  session.Clear();
  result = session.Send(Picture("image_describe-01.png", "Describe it."), Greedy());
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->images_encoded, 0u);

  // Without memory for encoded pictures the rows live as long as the cache holds them.
  Session forgetful = MakeSession({.threads = 2, .image_cache_bytes = 0});
  result = forgetful.Send(Picture("image_describe-01.png", "What can you see?"), Greedy());
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->images_encoded, 1u);
  forgetful.Clear();
  ASSERT_TRUE(forgetful.Send(Message::User("Hello"), Greedy(2)));
  forgetful.Clear();
  result = forgetful.Send(Picture("image_describe-01.png", "What can you see?"), Greedy());
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->images_encoded, 1u);
}

TEST(SessionTest, PanAndScanAddsViewsOfLongPictures) {
  Image wide;
  wide.width = 800;
  wide.height = 300;
  wide.pixels.assign(wide.width * wide.height * 3, 128);
  Message message = Message::User("");
  message.parts = {Part::Picture(wide), Part::Text("What is it?")};
  Session whole = MakeSession({.threads = 2, .pan_and_scan = PanAndScan::kOff});
  Session crops = MakeSession({.threads = 2, .pan_and_scan = PanAndScan::kOn});
  const auto without = whole.Send(message, Greedy(2));
  const auto with = crops.Send(message, Greedy(2));
  ASSERT_TRUE(without && with);
  EXPECT_EQ(without->images_encoded, 1u);
  EXPECT_EQ(with->images_encoded, 4u);  // 800 / 300 rounds to 3 crops of at least 256 pixels
  EXPECT_GT(with->prompt_tokens, without->prompt_tokens + 3 * 16);
}

TEST(SessionTest, ScoreIsTheSumOfTheLogits) {
  Session session = MakeSession({.context = 64, .threads = 2, .compute = ComputeMode::kExact});
  const std::string text = "The answer is 42.";
  const auto score = session.Score(text);
  ASSERT_TRUE(score) << score.error().message;
  auto ids = (*Demo().tokenizer())->Encode(text);
  ASSERT_TRUE(ids);
  TokenInput input{{2}, {}};
  input.ids.insert(input.ids.end(), ids->begin(), ids->end());
  const auto logits = session.Logits(input);
  ASSERT_TRUE(logits) << logits.error().message;
  const size_t vocab = Demo().config().text.vocab_size;
  double sum = 0;
  for (size_t i = 0; i < ids->size(); ++i) {
    double total = 0;
    for (size_t v = 0; v < vocab; ++v) total += std::exp(double{(*logits)[i * vocab + v]});
    sum += (*logits)[i * vocab + static_cast<size_t>((*ids)[i])] - std::log(total);
  }
  EXPECT_EQ(score->tokens, ids->size());
  // f32 logits of size about 20, and an f32 exponential, per token.
  EXPECT_NEAR(score->sum_log_probability, sum, 1e-5 * static_cast<double>(ids->size()));
}

TEST(SessionTest, SessionsOfOneModelRunSideBySide) {
  const std::string expected = TextOf(MakeSession().Send(Message::User(kQuestions[0]), Greedy()));
  std::string texts[2];
  std::thread threads[2];
  for (int i = 0; i < 2; ++i) {
    threads[i] = std::thread([&, i] {
      Session session = MakeSession();
      texts[i] = TextOf(session.Send(Message::User(kQuestions[0]), Greedy()));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(texts[0], expected);
  EXPECT_EQ(texts[1], expected);
}

TEST(ModelTest, PackedFilesAnswerLikeTheModelTheyWereMadeFrom) {
  const TempFolder folder;
  const std::string demo = std::string(GEMMA3_SOURCE_DIR) + "/tools/demo/tiny-gemma3";
  for (const WeightFormat weights : {WeightFormat::kInt8, WeightFormat::kInt4}) {
    const auto answer = [&](const std::string& path, const LoadOptions& options) {
      const auto model = Model::Load(path, options);
      EXPECT_TRUE(model) << model.error().message;
      if (!model) return std::string();
      auto session = Session::Create(*model, {.threads = 2});
      return TextOf(session->Send(Picture("image_describe-03.png", "What is it?"), Greedy()));
    };
    const std::string expected = answer(demo, {.weights = weights});
    const std::string file = folder.path() + "/packed.gemma3";
    ASSERT_TRUE(Convert(demo, file, {.weights = weights}));
    EXPECT_EQ(answer(file, {}), expected);
    const std::string cache = folder.path() + "/cache";
    EXPECT_EQ(answer(demo, {.weights = weights, .cache_folder = cache}), expected);
    EXPECT_EQ(answer(demo, {.weights = weights, .cache_folder = cache}), expected);
  }
  EXPECT_FALSE(Convert(demo, folder.path() + "/wrong.bin", {}));
}

}  // namespace
}  // namespace gemma3::testing
