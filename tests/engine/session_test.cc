// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a session promises: streams, stops, errors that leave it as it was, cancellation, and that
// neither its cache, nor threads, nor batches ever show in an answer. On the demo model.
#include "gemma3/session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <thread>

#include "src/text/utf8.h"
#include "tests/engine/demo_session.h"
#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"

namespace gemma3::testing {
namespace {

// ---- Streaming and stopping

TEST(SessionTest, PiecesAreWholeCharactersAndAddUpToTheText) {
  GenerationOptions wild = Sampled(3, 60);  // nearly random tokens, pieces of characters included
  wild.temperature = 50;
  wild.top_k = 0;
  wild.top_p = 1;
  for (const GenerationOptions& options : {Greedy(), Sampled(1, 50), wild}) {
    for (const char* question : {kKorean, kStory}) {
      Session session = DemoSession();
      std::string streamed;
      const auto result = session.Send(Message::User(question), options, [&](std::string_view s) {
        EXPECT_FALSE(s.empty());
        EXPECT_EQ(FindInvalidUtf8(s), std::string_view::npos);
        streamed += s;
        return true;
      });
      ASSERT_TRUE(result) << result.error().message;
      EXPECT_EQ(streamed, result->text);
      EXPECT_FALSE(result->text.empty());
      EXPECT_EQ(result->seed, options.seed.value_or(result->seed));
      EXPECT_EQ(Texts(session), (std::vector<std::string>{question, result->text}));
    }
  }
}

TEST(SessionTest, StopsBeforeStopStrings) {
  const std::string whole = FreshText(kStory, Greedy());
  ASSERT_GT(whole.size(), 60u);
  for (const size_t at : {0, 1, 17, 40}) {
    for (const size_t length : {1, 5, 12}) {
      GenerationOptions options = Greedy();
      options.stop = {"no story has this", whole.substr(at, length)};
      std::string streamed;
      Session session = DemoSession();
      const auto result = session.Send(Message::User(kStory), options, [&](std::string_view s) {
        streamed += s;
        return true;
      });
      ASSERT_TRUE(result) << result.error().message;
      EXPECT_EQ(result->stop_reason, StopReason::kStopString);
      EXPECT_EQ(result->text, whole.substr(0, whole.find(options.stop[1])));
      EXPECT_EQ(streamed, result->text);
    }
  }
}

TEST(SessionTest, StopsAfterMaxTokens) {
  const GenerationResult whole = Fresh({Message::User(kStory)}, Greedy());
  EXPECT_EQ(whole.stop_reason, StopReason::kEndOfTurn);
  for (const size_t count : {size_t{1}, size_t{2}, size_t{30}, whole.tokens - 1}) {
    const GenerationResult result = Fresh({Message::User(kStory)}, Greedy(count));
    EXPECT_EQ(result.stop_reason, StopReason::kMaxTokens);
    EXPECT_EQ(result.tokens, count);
    EXPECT_TRUE(whole.text.starts_with(result.text));
  }
  // The end-of-turn token counts, and nothing more is asked for.
  EXPECT_EQ(Fresh({Message::User(kStory)}, Greedy(whole.tokens)).stop_reason,
            StopReason::kEndOfTurn);
}

TEST(SessionTest, StopsWhenTheContextIsFull) {
  const GenerationResult whole = Fresh({Message::User(kStory)}, Greedy());
  Session session = DemoSession({.context = whole.prompt_tokens + 5});
  const auto result = session.Send(Message::User(kStory), Greedy());
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->stop_reason, StopReason::kContextFull);
  EXPECT_EQ(result->tokens, 6u);  // the last one needs no room
  EXPECT_TRUE(whole.text.starts_with(result->text));
  EXPECT_EQ(session.usage().used_tokens, session.usage().context_tokens);
  EXPECT_EQ(session.usage().context_tokens, whole.prompt_tokens + 5);
}

// ---- Refusals leave everything as it was

TEST(SessionTest, APromptTooLongSaysTheNumbersAndChangesNothing) {
  const size_t needed = Fresh({Message::User(LongQuestion())}, Greedy(1)).prompt_tokens;
  Session session = DemoSession({.context = 100});
  const auto first = session.Send(Message::User(kSum), Greedy());
  ASSERT_TRUE(first);
  const auto before = Texts(session);
  const auto refused = session.Generate(std::vector{Message::User(LongQuestion())}, Greedy());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kContextTooLong);
  EXPECT_NE(refused.error().message.find(std::to_string(needed)), std::string::npos);
  EXPECT_NE(refused.error().message.find("100"), std::string::npos);
  EXPECT_FALSE(session.Send(Message::User(LongQuestion()), Greedy()));
  EXPECT_EQ(Texts(session), before);
  const auto again = session.Regenerate(Greedy());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->text, first->text);
  EXPECT_GT(again->cached_tokens, 0u);
  // Exactly full is too long: the answer needs room. One more is enough for its first token.
  EXPECT_FALSE(DemoSession({.context = needed}).Send(Message::User(LongQuestion()), Greedy()));
  EXPECT_TRUE(DemoSession({.context = needed + 1}).Send(Message::User(LongQuestion()), Greedy()));
}

TEST(SessionTest, WrongRequestsAreRefusedAndChangeNothing) {
  Session session = DemoSession();
  EXPECT_EQ(session.Regenerate().error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(session.Undo());
  ASSERT_TRUE(session.Send(Message::User(kSum), Greedy()));
  const auto before = Texts(session);
  const auto refused = [&](const auto& result) {
    EXPECT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(Texts(session), before);
  };
  const Message user = Message::User("Hello"), model = Message::Model("Hi");
  refused(session.Send(model, Greedy()));
  refused(session.Send(Message::System("Be brief."), Greedy()));
  refused(session.Send(Message::User("cut off: \xC3"), Greedy()));
  refused(session.Send(Message::User("\xED\xA0\x80"), Greedy()));
  refused(session.Generate(std::vector<Message>{}, Greedy()));
  refused(session.Generate(std::vector{user, user}, Greedy()));
  refused(session.Generate(std::vector{model}, Greedy()));
  refused(session.Generate(std::vector{user, Message::System("Late"), user}, Greedy()));
  refused(session.SetMessages(std::vector{user, user}));
  refused(session.SetMessages(std::vector{model}));
  for (const auto edit : std::initializer_list<void (*)(GenerationOptions&)>{
           [](GenerationOptions& o) { o.temperature = -1; },
           [](GenerationOptions& o) { o.temperature = NAN; },
           [](GenerationOptions& o) { o.top_k = -1; }, [](GenerationOptions& o) { o.top_p = -1; },
           [](GenerationOptions& o) { o.min_p = 2; },
           [](GenerationOptions& o) { o.repeat_penalty = 0; },
           [](GenerationOptions& o) { o.stop = {""}; },
           [](GenerationOptions& o) { o.stop = {"\xFF"}; }}) {
    GenerationOptions options;
    edit(options);
    refused(session.Send(user, options));
    refused(session.Regenerate(options));
  }
  EXPECT_TRUE(session.Send(user, Greedy()));
}

TEST(SessionTest, ImpossibleSessionsAreRefused) {
  const auto code = [](const SessionOptions& options) {
    const auto session = Session::Create(DemoModel(), options);
    return session ? ErrorCode::kInternal : session.error().code;
  };
  const size_t trained = DemoModel().config().text.max_context;
  EXPECT_EQ(code({.context = trained + 1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.prefill_batch = 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.threads = 1 << 20}), ErrorCode::kInvalidArgument);
}

TEST(SessionTest, APictureIsRefusedByATextOnlyModel) {
  const TempFolder folder;
  ModelConfig config = TinyTextConfig();
  config.text.vocab_size = DemoModel().config().text.vocab_size;
  ASSERT_TRUE(WriteHfFolder(folder.path(), config));
  std::filesystem::copy(std::string(GEMMA3_DEMO_DIR) + "/tokenizer.model",
                        folder.path() + "/tokenizer.model");
  const auto model = Model::Load(folder.path());
  ASSERT_TRUE(model) << model.error().message;
  auto session = Session::Create(*model);
  ASSERT_TRUE(session) << session.error().message;
  EXPECT_EQ(session->Send(Look({0})).error().code, ErrorCode::kUnsupported);
  EXPECT_TRUE(session->Send(Message::User("Hello"), Greedy(3)));
  auto evaluator = Evaluator::Create(*model);
  ASSERT_TRUE(evaluator) << evaluator.error().message;
  EXPECT_EQ(evaluator->Logits({{1, 2}, {std::vector<float>(3)}}).error().code,
            ErrorCode::kUnsupported);
  EXPECT_EQ(evaluator->Bench({.prompt_tokens = 1, .images = 1}).error().code,
            ErrorCode::kUnsupported);
  EXPECT_TRUE(evaluator->Logits({{1, 2}, {}}));
}

// What needs no text works without a tokenizer; the rest says that there is none.
TEST(SessionTest, AModelWithoutATokenizerTakesRawIds) {
  const TempFolder folder;
  ASSERT_TRUE(WriteHfFolder(folder.path(), TinyTextConfig()));
  const auto model = Model::Load(folder.path());
  ASSERT_TRUE(model) << model.error().message;
  auto session = Session::Create(*model);
  auto evaluator = Evaluator::Create(*model);
  ASSERT_TRUE(session && evaluator);
  EXPECT_TRUE(evaluator->Logits({{1, 2}, {}}));
  EXPECT_TRUE(evaluator->ContinueIds({{1, 2}, {}}, Greedy(3)));
  EXPECT_TRUE(evaluator->Bench({.prompt_tokens = 4, .decode_tokens = 2}));
  const auto expected = model->tokenizer().error();
  EXPECT_NE(expected.message.find("tokenizer"), std::string::npos) << expected.message;
  EXPECT_EQ(session->Send(Message::User("Hello")).error().message, expected.message);
  EXPECT_EQ(evaluator->Score("Hello").error().message, expected.message);
}

// A tokenizer with more pieces than the model has embeddings must not read beyond the table.
TEST(SessionTest, ATokenizerOfAnotherModelIsRefused) {
  const TempFolder folder;
  ASSERT_TRUE(WriteHfFolder(folder.path(), TinyTextConfig()));
  std::filesystem::copy(std::string(GEMMA3_DEMO_DIR) + "/tokenizer.model",
                        folder.path() + "/tokenizer.model");
  const auto model = Model::Load(folder.path());
  if (!model) {
    EXPECT_EQ(model.error().code, ErrorCode::kBadModel);
    return;
  }
  auto session = Session::Create(*model);
  ASSERT_TRUE(session);
  EXPECT_EQ(session->Send(Message::User(kKorean)).error().code, ErrorCode::kBadModel);
  auto evaluator = Evaluator::Create(*model);
  ASSERT_TRUE(evaluator);
  EXPECT_EQ(evaluator->Score(kStory).error().code, ErrorCode::kBadModel);
  // A single word, and the last of a text, are predicted and never read.
  auto other = Evaluator::Create(*model);
  ASSERT_TRUE(other);
  for (const char* text : {kStory, "The"}) {
    EXPECT_EQ(evaluator->Compare(*other, text).error().code, ErrorCode::kBadModel) << text;
  }
}

TEST(SessionTest, AConversationThatEndsWithTheModelIsNoQuestion) {
  Session session = DemoSession();
  ASSERT_TRUE(session.Send(Message::User(kSum), Greedy(5)));
  const auto before = Texts(session);
  const std::vector<Message> messages = {Message::User("Say a"), Message::Model("The star is")};
  const auto result = session.Generate(messages, Greedy(5));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(Texts(session), before);
  EXPECT_TRUE(session.Send(Message::User("Hello"), Greedy(5)));
  const std::vector<Message> all(session.messages().begin(), session.messages().end());
  EXPECT_TRUE(session.SetMessages(all));
  // As a state to go on from, it is fine.
  EXPECT_TRUE(session.SetMessages(messages));
  EXPECT_TRUE(session.Send(Message::User("b"), Greedy(5)));
  EXPECT_EQ(session.messages().size(), 4u);
}

TEST(SessionTest, OptionsAndPartsThatMeanNothingAreRefused) {
  Session session = DemoSession();
  Part both = Picture(0);
  both.text = "What is this?";
  const auto send = session.Send(Message{Role::kUser, {both}}, Greedy(5));
  ASSERT_FALSE(send);
  EXPECT_EQ(send.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(session.Complete(std::vector{both}, Greedy(5)).error().code,
            ErrorCode::kInvalidArgument);
  GenerationOptions stops = Greedy(5);
  stops.stop = {"END"};
  EXPECT_EQ(DemoEvaluator().ContinueIds({{2, 50}, {}}, stops).error().code,
            ErrorCode::kInvalidArgument);
}

// ---- Cancelling

TEST(SessionTest, CancelledDuringPrefillTheSessionIsAsBefore) {
  const std::string expected = FreshText(LongQuestion(), Greedy());
  Session session = DemoSession({.prefill_batch = 64});
  for (const size_t allowed : {0, 1, 3}) {  // batches before the callback says stop
    size_t calls = 0;
    const auto cancelled =
        session.Send(Message::User(LongQuestion()), Greedy(), {}, [&](const Progress& p) {
          EXPECT_LE(p.done, p.total);
          return calls++ < allowed;
        });
    ASSERT_FALSE(cancelled);
    EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
    EXPECT_EQ(calls, allowed + 1);
    EXPECT_TRUE(session.messages().empty());
  }
  // The batches that were computed are not computed again.
  const auto result = session.Send(Message::User(LongQuestion()), Greedy());
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->text, expected);
  EXPECT_GT(result->cached_tokens, 0u);
}

TEST(SessionTest, EveryProgressCallCanCancel) {
  Session session = DemoSession({.prefill_batch = 16});
  for (size_t allowed = 0;; ++allowed) {
    size_t calls = 0;
    session.Clear();
    const auto result = session.Send(Look({0, 1}), Greedy(), {},
                                     [&](const Progress&) { return calls++ < allowed; });
    if (result) {
      EXPECT_LE(calls, allowed) << "the callback said stop and was not heard";
      EXPECT_EQ(result->text, Fresh({Look({0, 1})}, Greedy()).text);
      break;
    }
    EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
    EXPECT_EQ(calls, allowed + 1);
  }
}

TEST(SessionTest, AnyThreadCanCancelPrefill) {
  Session session = DemoSession({.prefill_batch = 64});
  const auto cancelled =
      session.Send(Message::User(LongQuestion()), Greedy(), {}, [&](const Progress&) {
        std::thread([&] { session.Cancel(); }).join();
        return true;
      });
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
  session.Cancel();  // none runs: must not stop the next one
  const auto result = session.Send(Message::User(kSum), Greedy());
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->text, FreshText(kSum, Greedy()));
}

TEST(SessionTest, CancelledDuringDecodeTheAnswerSoFarStays) {
  const std::string whole = FreshText(kStory, Greedy());
  for (const bool by_thread : {false, true}) {
    Session session = DemoSession();
    std::string streamed;
    size_t pieces = 0;
    const auto result = session.Send(Message::User(kStory), Greedy(), [&](std::string_view s) {
      streamed += s;
      if (++pieces < 10) return true;
      if (by_thread) std::thread([&] { session.Cancel(); }).join();
      return by_thread;
    });
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->stop_reason, StopReason::kCancelled);
    EXPECT_EQ(result->text, streamed);
    EXPECT_EQ(pieces, 10u);
    EXPECT_TRUE(whole.starts_with(streamed));
    EXPECT_EQ(Texts(session), (std::vector<std::string>{kStory, streamed}));
    ASSERT_TRUE(session.Send(Message::User(kSum), Greedy()));
    ASSERT_TRUE(session.Undo());
    const auto again = session.Regenerate(Greedy());
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->text, whole);
  }
}

// What the callback did not get is not part of the conversation either, not even as ids.
TEST(SessionTest, HeldBackTextIsDroppedWithItsTokensOnCancel) {
  const std::string whole = FreshText(kStory, Greedy());
  GenerationOptions options = Greedy();
  options.stop = {whole.substr(10, 8) + "never"};  // its beginning is held back
  Session session = DemoSession();
  std::string streamed;
  const auto cancelled = session.Send(Message::User(kStory), options, [&](std::string_view s) {
    streamed += s;
    return false;
  });
  ASSERT_TRUE(cancelled);
  EXPECT_EQ(cancelled->text, streamed);
  const std::vector<Message> messages = {Message::User(kStory), Message::Model(streamed),
                                         Message::User(kSum)};
  const auto next = session.Send(messages[2], Greedy());
  ASSERT_TRUE(next);
  EXPECT_EQ(next->text, Fresh(messages, Greedy()).text);
}

// Whatever the moment, the session survives; afterwards it answers as a new one.
TEST(SessionTest, CancellingAtRandomMomentsIsSafe) {
  const std::string expected = FreshText(kSum, Greedy());
  Session session = DemoSession({.prefill_batch = 16});
  for (int round = 0; round < 10; ++round) {
    std::atomic<bool> done = false;
    std::thread canceller([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(round * 3));
      while (!done) session.Cancel();
    });
    const auto result = session.Send(round % 2 ? Look({0}) : Message::User(kStory), Greedy());
    done = true;
    canceller.join();
    if (!result) {
      EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
    }
    session.Clear();
    const auto after = session.Send(Message::User(kSum), Greedy());
    ASSERT_TRUE(after) << after.error().message;
    EXPECT_EQ(after->text, expected);
    session.Clear();
  }
}

TEST(SessionTest, AThrowingCallbackIsAnError) {
  Session session = DemoSession();
  const auto result = session.Send(Message::User(kSum), Greedy(), [](std::string_view) -> bool {
    throw std::runtime_error("out of paper");
  });
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("out of paper"), std::string::npos);
  EXPECT_TRUE(session.messages().empty());
  EXPECT_EQ(session.Send(Message::User(kSum), Greedy())->text, FreshText(kSum, Greedy()));
}

// ---- Memory

TEST(SessionTest, ThePlanAddsUpAndLimitsHold) {
  const Model& model = DemoModel();
  const TextConfig& text = model.config().text;
  const auto small = model.Plan({.context = 256});
  const auto large = model.Plan({.context = 1024});
  ASSERT_TRUE(small && large);
  // Only global layers grow: keys and values of bf16, in tiles of 64 positions. Besides there is
  // room for a checkpoint, of a window and a tile.
  const auto global = static_cast<size_t>(std::ranges::count(text.layers, LayerKind::kGlobal));
  const size_t local = text.num_layers - global;
  const size_t tile = 64 * text.num_kv_heads * text.head_dim * 2 * 2;
  const auto tiles = [](size_t positions) { return (positions + 63) / 64; };
  const size_t checkpoint = tile * (local * (tiles(text.sliding_window - 1) + 1) + global);
  const auto cache = [&](size_t context) {
    const size_t seen = tiles(text.sliding_window - 1 + std::min<size_t>(512, context)) + 1;
    return tile * (global * tiles(context) + local * std::min(tiles(context), seen)) + checkpoint;
  };
  EXPECT_EQ(small->kv_cache, cache(256));
  EXPECT_EQ(large->kv_cache, cache(1024));
  size_t stored = 0;
  for (const TensorInfo& tensor : model.tensors()) stored += tensor.bytes;
  EXPECT_NEAR(static_cast<double>(small->weights), static_cast<double>(stored),
              0.05 * static_cast<double>(stored));
  EXPECT_EQ(small->total(), small->weights + small->kv_cache + small->activations + small->vision +
                                small->tokenizer + small->program);

  const size_t total = small->total();
  EXPECT_TRUE(Session::Create(model, {.context = 256, .max_memory_bytes = total}));
  const auto refused = Session::Create(model, {.context = 256, .max_memory_bytes = total - 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOutOfMemory);
  EXPECT_NE(refused.error().message.find("KV cache"), std::string::npos);
  const auto unloaded = Model::Load(GEMMA3_DEMO_DIR, {.max_memory_bytes = 1000});
  ASSERT_FALSE(unloaded);
  EXPECT_EQ(unloaded.error().code, ErrorCode::kOutOfMemory);
}

// ---- Several sessions

TEST(SessionTest, SessionsOfOneModelRunSideBySide) {
  const Model model = DemoModel();
  const std::string sum = FreshText(kSum, Greedy()), look = Fresh({Look({0})}, Greedy()).text;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      auto session = Session::Create(model, {.threads = 2});
      ASSERT_TRUE(session);
      for (size_t round = 0; round < 3; ++round) {
        const bool picture = (i + round) % 2 == 0;
        const auto result = session->Send(picture ? Look({0}) : Message::User(kSum), Greedy());
        ASSERT_TRUE(result);
        EXPECT_EQ(result->text, picture ? look : sum);
        session->Clear();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Random use of one session: at every answer it equals a new session with the same messages.
TEST(SessionTest, RandomConversationsEqualThoseOfNewSessions) {
  std::mt19937 random(20261);
  const size_t steps = kSanitized ? 10 : 60;
  size_t compared = 0;
  Session session = DemoSession({.prefill_batch = 32, .image_cache_bytes = 20000});
  const auto question = [&]() -> Message {
    switch (random() % 5) {
      case 0:
        return Look({random() % 2});
      case 1:
        return Message::User(kSum);
      case 2:
        return Message::User(kKorean);
      case 3:
        return Look({0, 1}, "What is in the second picture?");
      default:
        return Message::User(kStory);
    }
  };
  for (size_t step = 0; step < steps; ++step) {
    const GenerationOptions options = Greedy(random() % 3 == 0 ? 4 : 40);
    Result<GenerationResult> result;
    switch (random() % 8) {
      case 0:
        session.Undo();
        continue;
      case 1:
        session.Clear();
        continue;
      case 2: {
        EXPECT_TRUE(session.SetSystem("End every answer with the word over."));
        continue;
      }
      case 3: {  // a call that is cancelled leaves no trace
        size_t calls = random() % 6;
        (void)session.Send(question(), options, {}, [&](const Progress&) { return calls-- > 0; });
        if (!session.messages().empty() && session.messages().back().role == Role::kModel) {
          session.Undo();
        }
        continue;
      }
      case 4:
        if (session.messages().empty() || session.messages().back().role != Role::kModel) continue;
        result = session.Regenerate(options);
        break;
      default:
        result = session.Send(question(), options);
    }
    ASSERT_TRUE(result) << result.error().message;
    std::vector<Message> messages(session.messages().begin(), session.messages().end());
    messages.pop_back();
    const GenerationResult fresh = Fresh(messages, options);
    // A cut answer's own ids need not be what its text encodes to.
    if (fresh.prompt_tokens == result->prompt_tokens) {
      EXPECT_EQ(result->text, fresh.text);
      ++compared;
    }
    if (session.usage().used_tokens > 1500) session.Clear();
  }
  EXPECT_GT(compared, steps / 4);
}

}  // namespace
}  // namespace gemma3::testing
