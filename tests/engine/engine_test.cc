// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Many answers from one engine: each is the one that it would be alone, whatever is computed beside
// it, shared with it, cancelled or forgotten. On the demo model.
#include "gemma3/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <optional>
#include <random>
#include <thread>

#include "gemma3/bench.h"
#include "src/engine/engine_state.h"
#include "tests/engine/demo_session.h"

namespace gemma3::testing {
namespace {

Engine DemoEngine(EngineOptions options = {}) {
  if (options.threads == 0) options.threads = 2;
  auto engine = Engine::Create(DemoModel(), options);
  EXPECT_TRUE(engine) << engine.error().message;
  return *std::move(engine);
}

Prompt Ask(std::string_view text) { return Prompt::Chat({Message::User(text)}); }

std::string Document() {
  std::string text;
  for (int i = 0; i < 60; ++i) {
    text += "The " + std::string(i % 2 ? "red star" : "blue square") + " is at place " +
            std::to_string(i * 7) + ". ";
  }
  return text;
}

void ExpectSame(const Result<GenerationResult>& result, const GenerationResult& alone) {
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->text, alone.text);
  EXPECT_EQ(result->ids, alone.ids);
  EXPECT_EQ(result->tokens, alone.tokens);
  EXPECT_EQ(result->stop_reason, alone.stop_reason);
  EXPECT_EQ(result->prompt_tokens, alone.prompt_tokens);
}

// Whoever waited for its own step would wait for ever.
TEST(EngineTest, AProgressCallbackThatWaitsForItsEngineIsToldSo) {
  const Engine engine = DemoEngine();
  size_t refused = 0, answered = 0;
  const auto result = engine.Answer(Ask(Document()), Greedy(4), {}, [&](const Progress&) {
    engine.Forget();
    auto ticket = engine.Submit(Ask(kSum), Greedy(4));
    EXPECT_TRUE(ticket);
    const auto nested = ticket->Wait();
    nested ? ++answered : ++refused;
    if (!nested) {
      EXPECT_EQ(nested.error().code, ErrorCode::kInvalidArgument);
    }
    return true;
  });
  EXPECT_TRUE(result) << result.error().message;
  EXPECT_GT(refused + answered, 0u);
}

// parallel and prefill_batch: each with each.
void CompareAmongOthers(std::initializer_list<size_t> parallels,
                        std::initializer_list<size_t> batches) {
  const std::vector<Prompt> prompts = {Ask(kSum),
                                       Ask(kStory),
                                       Prompt::Chat({Look({0})}),
                                       Ask(kKorean),
                                       Ask(Document() + "Where is the star?"),
                                       Prompt::Chat({Look({0, 1})})};
  const auto options = [](size_t i) { return i % 2 ? Sampled(i, 50) : Greedy(50); };
  std::vector<GenerationResult> alone;
  for (size_t i = 0; i < prompts.size(); ++i) {
    alone.push_back(Fresh(prompts[i].messages, options(i)));
  }
  for (const size_t parallel : parallels) {
    for (const size_t batch : batches) {
      const Engine engine = DemoEngine({.parallel = parallel, .prefill_batch = batch});
      std::vector<Ticket> tickets;
      for (size_t i = 0; i < prompts.size(); ++i) {
        auto ticket = engine.Submit(prompts[i], options(i));
        ASSERT_TRUE(ticket) << ticket.error().message;
        tickets.push_back(*std::move(ticket));
      }
      // In another order than they were asked for.
      for (const size_t i : {3, 0, 5, 1, 4, 2}) {
        std::string streamed;
        const auto result = tickets[i].Wait([&](std::string_view text) {
          streamed += text;
          return true;
        });
        ExpectSame(result, alone[i]);
        EXPECT_EQ(streamed, alone[i].text);
      }
      const EngineUsage usage = engine.usage();
      EXPECT_EQ(usage.waiting + usage.running, 0u);
      EXPECT_LE(usage.kv_bytes, usage.max_kv_bytes);
    }
  }
}

TEST(EngineTest, AnswersAmongOthersAreThoseAlone) { CompareAmongOthers({1, 3, 8}, {16, 64, 512}); }

TEST(EngineTest, AnswersAmongOthersAreThoseAloneWithOtherInstructions) {
  const auto host = DescribeHost();
  ASSERT_TRUE(host) << host.error().message;
  struct Restore {
    ~Restore() { (void)UseSimd(best); }
    std::string best;
  } restore{host->simd_target};
  for (const std::string& target : host->simd_targets) {
    if (target == host->simd_target) continue;
    SCOPED_TRACE(target);
    ASSERT_TRUE(UseSimd(target));
    CompareAmongOthers({3}, {64});
  }
}

TEST(EngineTest, ThreadsShareAnEngine) {
  const Engine engine = DemoEngine({.parallel = 3, .prefill_batch = 64});
  const GenerationResult sum = Fresh({Message::User(kSum)}, Greedy(30));
  const GenerationResult story = Fresh({Message::User(kStory)}, Sampled(3, 30));
  const GenerationResult look = Fresh({Look({0})}, Greedy(30));
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 5; ++t) {
    threads.emplace_back([&, t] {
      auto session = Session::Create(engine);
      ASSERT_TRUE(session);
      for (size_t round = 0; round < (kSanitized ? 2 : 6); ++round) {
        session->Clear();
        switch ((t + round) % 3) {
          case 0:
            ExpectSame(session->Send(Message::User(kSum), Greedy(30)), sum);
            break;
          case 1:
            ExpectSame(session->Send(Message::User(kStory), Sampled(3, 30)), story);
            break;
          default:
            ExpectSame(session->Send(Look({0}), Greedy(30)), look);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Submit, cancel, drop, forget, at random and from several threads; what ends in an answer ends in
// the right one.
TEST(EngineTest, SeveralAnswersAreWaitedForTogether) {
  const Engine engine = DemoEngine({.parallel = 3});
  const std::vector<std::pair<Prompt, GenerationOptions>> asked = {
      {Ask(kStory), Greedy(60)}, {Ask(kSum), Greedy(50)}, {Ask(kKorean), Sampled(3, 40)}};
  std::vector<Ticket> tickets;
  for (const auto& [prompt, options] : asked) {
    auto ticket = engine.Submit(prompt, options);
    ASSERT_TRUE(ticket) << ticket.error().message;
    tickets.push_back(*std::move(ticket));
  }
  std::vector<std::string> texts(asked.size());
  std::vector<size_t> order;  // whose steps came
  std::vector<bool> ended(asked.size());
  for (size_t count = 0; count < asked.size(); ++count) {
    const auto [index, answer] = Ticket::WaitAny(tickets, [&](size_t i, const AnswerStep& step) {
      texts[i] += step.text;
      order.push_back(i);
      EXPECT_FALSE(ended[i]);
      return true;
    });
    ASSERT_LT(index, asked.size());
    EXPECT_FALSE(ended[index]);
    ended[index] = true;
    ExpectSame(answer, Fresh(asked[index].first.messages, asked[index].second));
    EXPECT_EQ(texts[index], answer->text);
  }
  // Not one after the other.
  size_t changes = 0;
  for (size_t i = 1; i < order.size(); ++i) changes += order[i] != order[i - 1];
  EXPECT_GT(changes, 10u);
  const auto [none, error] = Ticket::WaitAny(tickets, {});
  EXPECT_EQ(none, tickets.size());
  EXPECT_EQ(error.error().code, ErrorCode::kInvalidArgument);
}

TEST(EngineTest, OneOfSeveralIsGivenUpAndOthersGoOn) {
  const Engine engine = DemoEngine({.parallel = 2});
  auto tickets = engine.Submit(Ask(kStory), Greedy(60), 2);
  ASSERT_TRUE(tickets);
  size_t steps = 0;
  const auto on_step = [&](size_t i, const AnswerStep&) { return i == 1 || ++steps < 5; };
  for (int count = 0; count < 2; ++count) {
    const auto [index, answer] = Ticket::WaitAny(*tickets, on_step);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->stop_reason == StopReason::kCancelled, index == 0);
  }
  EXPECT_EQ(steps, 5u);
  const Engine other = DemoEngine();
  std::vector<Ticket> mixed;
  mixed.push_back(*engine.Submit(Ask(kSum), Greedy(4)));
  mixed.push_back(*other.Submit(Ask(kSum), Greedy(4)));
  EXPECT_EQ(Ticket::WaitAny(mixed, {}).index, 2u);
  auto one = mixed[0].Wait();  // they are as they were
  EXPECT_TRUE(one) << one.error().message;
}

TEST(EngineTest, RandomUseFromSeveralThreads) {
  const Engine engine =
      DemoEngine({.parallel = 2, .prefill_batch = 32, .image_cache_bytes = 20000});
  const std::vector<Prompt> prompts = {Ask(kSum), Ask(kStory), Prompt::Chat({Look({0})}),
                                       Ask(Document() + "Say a"), Ask(Document() + "Say b")};
  std::vector<GenerationResult> alone;
  for (const Prompt& prompt : prompts) alone.push_back(Fresh(prompt.messages, Greedy(20)));
  std::atomic<size_t> answered = 0, not_stopped = 0;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (size_t round = 0; round < (kSanitized ? 5 : 20); ++round) {
        const size_t i = random() % prompts.size();
        GenerationOptions options = Greedy(20);
        options.cancel.emplace();
        options.cache_salt = random() % 4 == 0 ? "other" : "";
        auto ticket = engine.Submit(prompts[i], options);
        ASSERT_TRUE(ticket);
        const auto what = random() % 6;
        if (what == 0) continue;  // dropped
        if (what == 1) options.cancel->Cancel();
        if (what == 2) engine.Forget();
        if (what != 1 && what != 3) ++not_stopped;
        size_t pieces = random() % 10;
        const auto result =
            ticket->Wait([&](std::string_view) { return what != 3 || pieces-- > 0; });
        if (!result) {
          EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
        } else if (result->stop_reason == StopReason::kCancelled) {
          EXPECT_TRUE(alone[i].text.starts_with(result->text));
        } else {
          ExpectSame(result, alone[i]);
          ++answered;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(not_stopped, 0u);
  EXPECT_GE(answered, not_stopped);
  engine.Forget();
  const EngineUsage usage = engine.usage();
  EXPECT_EQ(usage.waiting + usage.running, 0u);
  EXPECT_EQ(usage.kv_bytes, 0u);
}

// ---- Nothing is computed twice

TEST(EngineTest, ACommonBeginningIsComputedOnce) {
  const Engine engine = DemoEngine({.parallel = 8, .prefill_batch = 64});
  const std::string document = Document();
  std::vector<Ticket> tickets;
  std::vector<std::string> questions;
  for (size_t i = 0; i < 8; ++i) {
    questions.push_back(document + "Where is the star number " + std::to_string(i) + "?");
    tickets.push_back(*engine.Submit(Ask(questions.back()), Greedy(10)));
  }
  size_t all = 0, computed = 0;
  for (size_t i = 0; i < 8; ++i) {
    const auto result = tickets[i].Wait();
    ExpectSame(result, Fresh({Message::User(questions[i])}, Greedy(10)));
    all += result->prompt_tokens;
    computed += result->prompt_tokens - result->cached_tokens;
  }
  EXPECT_LT(computed, all / 8 + 8 * 40);
  // Who has another salt shares nothing.
  GenerationOptions other = Greedy(10);
  other.cache_salt = "somebody else";
  const auto result = engine.Answer(Ask(questions[0]), other);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->cached_tokens, 0u);
  EXPECT_EQ(result->text, Fresh({Message::User(questions[0])}, Greedy(10)).text);
}

// How long a picture takes must not tell that somebody else has shown it.
TEST(EngineTest, PicturesAreSharedUnderOneSaltOnly) {
  const Engine engine = DemoEngine();
  const Prompt prompt = Prompt::Chat({Look({0})});
  const auto encoded = [&](const char* salt) {
    GenerationOptions options = Greedy(4);
    options.cache_salt = salt;
    const auto result = engine.Answer(prompt, options);
    EXPECT_TRUE(result) << result.error().message;
    return result ? result->images_encoded : SIZE_MAX;
  };
  EXPECT_EQ(encoded("one"), 1u);
  EXPECT_EQ(encoded("one"), 0u);
  EXPECT_EQ(encoded("another"), 1u);
  EXPECT_EQ(encoded(""), 1u);
  EXPECT_EQ(encoded("one"), 0u);
}

// Another question behind a long text goes on near its end, also after the first was answered.
TEST(EngineTest, ALongPromptIsFoundAgain) {
  const Engine engine = DemoEngine({.context = 4096, .prefill_batch = 128});
  std::string book;
  while (book.size() < 9000) book += Document();
  const auto first = engine.Answer(Ask(book + "Where is the star?"), Greedy(5));
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_GT(first->prompt_tokens, 1200u);
  const auto second = engine.Answer(Ask(book + "How many squares are there?"), Greedy(5));
  ASSERT_TRUE(second);
  EXPECT_GT(second->cached_tokens + 520, second->prompt_tokens);
  const auto alone =
      DemoEngine({.context = 4096}).Answer(Ask(book + "How many squares are there?"), Greedy(5));
  ASSERT_TRUE(alone);
  EXPECT_EQ(second->ids, alone->ids);
}

TEST(EngineTest, SeveralAnswersToOnePrompt) {
  const Engine engine = DemoEngine({.parallel = 4});
  auto tickets = engine.Submit(Ask(LongQuestion()), Sampled(100, 40), 4);
  ASSERT_TRUE(tickets) << tickets.error().message;
  size_t computed = 0;
  for (size_t i = 0; i < 4; ++i) {
    const auto result = (*tickets)[i].Wait();
    ExpectSame(result, Fresh({Message::User(LongQuestion())}, Sampled(100 + i, 40)));
    EXPECT_EQ(result->seed, 100 + i);
    computed += result->prompt_tokens - result->cached_tokens;
  }
  EXPECT_EQ(computed, Fresh({Message::User(LongQuestion())}, Greedy(1)).prompt_tokens + 3);
}

// A model's message with the ids that it was generated as is found by any session.
TEST(EngineTest, MessagesWithIdsFindWhatWasComputed) {
  const Engine engine = DemoEngine();
  const auto answer = engine.Answer(Ask(kStory), Sampled(9, 60));
  ASSERT_TRUE(answer);
  Message turn = Message::Model(answer->text);
  turn.ids = answer->ids;
  const auto next =
      engine.Answer(Prompt::Chat({Message::User(kStory), turn, Message::User(kSum)}), Greedy(5));
  ASSERT_TRUE(next) << next.error().message;
  // All but the last, which was drawn and not read.
  EXPECT_GE(next->cached_tokens + 1, answer->prompt_tokens + answer->ids.size());
  // Ids that would begin a turn of their own are refused.
  turn.ids.push_back(DemoModel().config().tokens.start_of_turn);
  const auto refused =
      engine.Answer(Prompt::Chat({Message::User(kStory), turn, Message::User(kSum)}), Greedy(5));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
}

// ---- Stopping

TEST(EngineTest, TokensOfAPromptAreItsText) {
  const Engine engine = DemoEngine();
  const Tokenizer* const tokenizer = *DemoModel().tokenizer();
  const std::string text = "The capital of the small village";
  const auto expected = engine.Answer(Prompt::Raw(text), Greedy(20));
  ASSERT_TRUE(expected);
  Prompt tokens;
  tokens.ids = *tokenizer->Encode(text);
  const auto same = engine.Answer(tokens, Greedy(20));
  ASSERT_TRUE(same) << same.error().message;
  EXPECT_EQ(same->ids, expected->ids);
  EXPECT_EQ(same->prompt_tokens, expected->prompt_tokens);
  // A BOS in front is the one that is put there.
  tokens.ids.insert(tokens.ids.begin(), tokenizer->Find("<bos>"));
  const auto with_bos = engine.Answer(tokens, Greedy(20));
  ASSERT_TRUE(with_bos) << with_bos.error().message;
  EXPECT_EQ(with_bos->ids, expected->ids);
  EXPECT_EQ(with_bos->prompt_tokens, expected->prompt_tokens);
  // Control tokens and what is no token are refused, wherever they stand.
  for (const TokenId bad : {tokenizer->Find("<bos>"), tokenizer->Find("<end_of_turn>"), TokenId{-1},
                            static_cast<TokenId>(DemoModel().config().text.vocab_size)}) {
    Prompt wrong;
    wrong.ids = {tokens.ids[1], bad, tokens.ids[2]};
    const auto refused = engine.Answer(wrong, Greedy(1));
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  }
}

// An answer that was cut goes on as it would have.
TEST(EngineTest, AnAnswerIsGoneOnWith) {
  const Engine engine = DemoEngine();
  const Message question = Message::User("What is 17 + 25?");
  const auto whole = engine.Answer(Prompt::Chat({question}), Greedy(40));
  ASSERT_TRUE(whole);
  for (const size_t tokens : {1u, 5u, 12u}) {
    const auto begun = engine.Answer(Prompt::Chat({question}), Greedy(tokens));
    ASSERT_TRUE(begun);
    // With its ids nothing is encoded anew.
    Message turn = Message::Model(begun->text);
    turn.ids = begun->ids;
    Prompt prompt = Prompt::Chat({question, turn});
    prompt.continues = true;
    const auto rest = engine.Answer(prompt, Greedy(40));
    ASSERT_TRUE(rest) << rest.error().message;
    EXPECT_EQ(begun->text + rest->text, whole->text) << tokens;
    EXPECT_EQ(rest->prompt_tokens, whole->prompt_tokens + tokens);
  }
  // An empty beginning is none.
  Prompt empty = Prompt::Chat({question, Message::Model("")});
  empty.continues = true;
  const auto rest = engine.Answer(empty, Greedy(40));
  ASSERT_TRUE(rest) << rest.error().message;
  EXPECT_EQ(rest->text, whole->text);
  // Only the model's message can be gone on with.
  Prompt wrong = Prompt::Chat({question});
  wrong.continues = true;
  EXPECT_FALSE(engine.Answer(wrong, Greedy(1)));
}

TEST(EngineTest, AFlagThatIsSetStopsWhatHasNotBegun) {
  const Engine engine = DemoEngine();
  GenerationOptions options = Greedy(20);
  options.cancel.emplace();
  options.cancel->Cancel();
  for (int i = 0; i < 2; ++i) {
    const auto result = engine.Answer(Ask(kSum), options);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  }
  EXPECT_EQ(engine.usage().prompt_tokens, 0u);
  // Behind another one in the queue.
  const Engine busy = DemoEngine({.parallel = 1});
  auto first = busy.Submit(Ask(kStory), Greedy());
  GenerationOptions later = Greedy();
  later.cancel.emplace();
  auto second = busy.Submit(Ask(kSum), later);
  ASSERT_TRUE(first && second);
  const auto result = first->Wait([&](std::string_view) {
    later.cancel->Cancel();
    return true;
  });
  ASSERT_TRUE(result);
  EXPECT_EQ(second->Wait().error().code, ErrorCode::kCancelled);
}

TEST(EngineTest, DeadlinesEndAnswers) {
  const Engine engine = DemoEngine({.prefill_batch = 16});
  GenerationOptions options = Greedy();
  options.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  const auto late = engine.Answer(Ask(kStory), options);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kCancelled);
  EXPECT_NE(late.error().message.find("deadline"), std::string::npos);
  // In the middle: after the first piece, the time is over.
  options.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  const auto cut = engine.Answer(Ask(kStory), options, [&](std::string_view) {
    std::this_thread::sleep_until(*options.deadline);
    return true;
  });
  ASSERT_TRUE(cut) << cut.error().message;
  EXPECT_EQ(cut->stop_reason, StopReason::kDeadline);
  EXPECT_TRUE(FreshText(kStory, Greedy()).starts_with(cut->text));
}

// ---- What else can be asked for

TEST(EngineTest, LogprobsAreThoseOfTheModel) {
  GenerationOptions options = Sampled(4, 12);
  options.temperature = 2;
  options.repeat_penalty = 1.3f;
  options.logprobs = 5;
  const auto result = DemoEngine().Answer(Ask(kStory), options);
  ASSERT_TRUE(result);
  ASSERT_EQ(result->logprobs.size(), result->tokens);
  const Tokenizer& tokenizer = **DemoModel().tokenizer();
  // Asked for or not, the answer is the same.
  options.logprobs = {};
  EXPECT_EQ(DemoEngine().Answer(Ask(kStory), options)->text, result->text);

  Evaluator evaluator = DemoEvaluator();
  TokenInput input;
  for (const TokenId id : {DemoModel().config().tokens.bos}) input.ids.push_back(id);
  // The prompt as the template lays it out, then the answer.
  const auto chat = [&](std::string_view mark, std::string_view text) {
    input.ids.push_back(tokenizer.Find(mark));
    const auto ids = tokenizer.Encode(text);
    input.ids.insert(input.ids.end(), ids->begin(), ids->end());
  };
  chat("<start_of_turn>", "user\n" + std::string(kStory));
  chat("<end_of_turn>", "\n");
  chat("<start_of_turn>", "model\n");
  ASSERT_EQ(input.ids.size(), result->prompt_tokens);
  input.ids.insert(input.ids.end(), result->ids.begin(), result->ids.end());
  const auto logits = evaluator.Logits(input);
  ASSERT_TRUE(logits);
  const size_t rows = DemoModel().config().text.vocab_size;
  const size_t vocab = std::min(rows, tokenizer.vocab_size());
  for (size_t i = 0; i < result->ids.size(); ++i) {
    const float* row = logits->data() + (result->prompt_tokens - 1 + i) * rows;
    double sum = 0;
    const float largest = *std::max_element(row, row + vocab);
    for (size_t v = 0; v < vocab; ++v) sum += std::exp(static_cast<double>(row[v] - largest));
    const auto logprob = [&](TokenId id) {
      return static_cast<double>(row[id] - largest) - std::log(sum);
    };
    const TokenLogprobs& token = result->logprobs[i];
    EXPECT_EQ(token.chosen.id, result->ids[i]);
    // Sums of f32 exponentials against doubles, and rounded logits.
    EXPECT_NEAR(token.chosen.logprob, logprob(token.chosen.id), 1e-4);
    ASSERT_EQ(token.likeliest.size(), 5u);
    for (size_t k = 0; k < 5; ++k) {
      EXPECT_NEAR(token.likeliest[k].logprob, logprob(token.likeliest[k].id), 1e-4);
      EXPECT_EQ(token.likeliest[k].bytes, tokenizer.TokenBytes(token.likeliest[k].id));
      if (k > 0) {
        EXPECT_LE(token.likeliest[k].logprob, token.likeliest[k - 1].logprob);
      }
    }
    EXPECT_EQ(token.likeliest[0].id, std::max_element(row, row + vocab) - row);
  }
}

TEST(EngineTest, BiasAndStopTokens) {
  const auto whole = DemoEngine().Answer(Ask(kStory), Greedy(20));
  ASSERT_TRUE(whole);
  ASSERT_GT(whole->ids.size(), 6u);
  GenerationOptions options = Greedy(20);
  options.logit_bias = {{whole->ids[0], -std::numeric_limits<float>::infinity()}};
  const auto other = DemoEngine().Answer(Ask(kStory), options);
  ASSERT_TRUE(other);
  for (const TokenId id : other->ids) EXPECT_NE(id, whole->ids[0]);

  options = Greedy(20);
  options.stop_tokens = {whole->ids[5]};
  const auto first =
      static_cast<size_t>(std::ranges::find(whole->ids, whole->ids[5]) - whole->ids.begin());
  const auto stopped = DemoEngine().Answer(Ask(kStory), options);
  ASSERT_TRUE(stopped);
  EXPECT_EQ(stopped->stop_reason, StopReason::kEndOfTurn);
  EXPECT_EQ(stopped->ids, std::vector<TokenId>(whole->ids.begin(),
                                               whole->ids.begin() + static_cast<ptrdiff_t>(first)));
  options.stop_tokens = {-1};
  EXPECT_EQ(DemoEngine().Answer(Ask(kStory), options).error().code, ErrorCode::kInvalidArgument);
}

// Without encoding them: that would take as many tokens of memory and time as they have.
TEST(EngineTest, PromptsThatCannotFitAreNotEncoded) {
  const Engine engine = DemoEngine();
  std::string text;
  while (text.size() < (size_t{1} << 20)) text += "word ";
  std::vector<Message> turns;
  for (int i = 0; i < 4; ++i) {
    turns.push_back(Message::User(text.substr(0, size_t{1} << 18)));
    turns.push_back(Message::Model("yes"));
  }
  turns.push_back(Message::User("why?"));
  for (const Prompt& prompt : {Ask(text), Prompt::Raw(text), Prompt::Chat(turns)}) {
    const auto refused = engine.Submit(prompt, Greedy(4));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kContextTooLong);
    EXPECT_NE(refused.error().message.find("has at least"), std::string::npos)
        << refused.error().message;
  }
  // One that might have fit is counted.
  const auto counted = engine.Submit(Ask(text.substr(0, size_t{1} << 16)), Greedy(4));
  ASSERT_FALSE(counted);
  EXPECT_EQ(counted.error().code, ErrorCode::kContextTooLong);
  EXPECT_EQ(counted.error().message.find("has at least"), std::string::npos);
}

// Whoever drops a ticket while another thread has its turn leaves nothing behind, also where no
// step follows.
TEST(EngineTest, ATicketThatIsDroppedDuringTheLastTurnLetsGoOfItsMemory) {
  const Engine engine = DemoEngine();
  std::optional<Ticket> running = *engine.Submit(Ask(kStory), Greedy(100));
  ASSERT_TRUE(engine.Answer(Ask(kSum), Greedy(2)));
  std::optional<Ticket> waiting = *engine.Submit(Ask(kSum), Greedy(100));
  EXPECT_EQ(engine.usage().running, 1u);
  EXPECT_EQ(engine.usage().waiting, 1u);
  engine.state()->Exclusively([&](Machine&, Scheduler&) {
    running.reset();
    waiting.reset();
    return 0;
  });
  EXPECT_EQ(engine.usage().running, 0u);
  EXPECT_EQ(engine.usage().waiting, 0u);
}

TEST(EngineTest, AFlagStopsTheEncodingOfAPrompt) {
  const Engine engine = DemoEngine();
  GenerationOptions options = Greedy(4);
  options.cancel.emplace().Cancel();
  const auto stopped = engine.Submit(Ask("why?"), options);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
}

TEST(EngineTest, WrongPromptsAreRefusedAtOnce) {
  const Engine engine = DemoEngine({.context = 64});
  EXPECT_EQ(engine.Submit(Ask(LongQuestion())).error().code, ErrorCode::kContextTooLong);
  EXPECT_EQ(engine.Submit(Prompt::Chat({Message::Model("a")})).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(engine.Submit(Ask("\xFF")).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(Engine::Create(DemoModel(), {.parallel = 0}).error().code, ErrorCode::kInvalidArgument);
  auto ticket = engine.Submit(Ask("Hello"), Greedy(3));
  ASSERT_TRUE(ticket);
  EXPECT_TRUE(ticket->Wait());
  EXPECT_EQ(ticket->Wait().error().code, ErrorCode::kInvalidArgument);
}

// Answers that cannot fill the context are admitted in greater number.
TEST(EngineTest, AdmissionGoesByWhatAnswersCanNeed) {
  const Engine engine = DemoEngine({.context = 2048, .parallel = 1});
  std::vector<Ticket> tickets;
  for (size_t i = 0; i < 4; ++i) tickets.push_back(*engine.Submit(Ask(kSum), Sampled(i, 8)));
  bool looked = false;
  const auto result = tickets[0].Wait([&](std::string_view) {
    if (!std::exchange(looked, true)) {
      EXPECT_EQ(engine.usage().running, 4u);
      EXPECT_EQ(engine.usage().waiting, 0u);
    }
    return true;
  });
  ASSERT_TRUE(result);
  for (size_t i = 1; i < 4; ++i) EXPECT_TRUE(tickets[i].Wait());
  // Without a limit each takes a context, and they wait for each other.
  tickets.clear();
  for (size_t i = 0; i < 3; ++i) tickets.push_back(*engine.Submit(Ask(kSum), Sampled(i)));
  looked = false;
  ASSERT_TRUE(tickets[0].Wait([&](std::string_view) {
    if (!std::exchange(looked, true)) {
      EXPECT_EQ(engine.usage().running, 1u);
    }
    return true;
  }));
  EXPECT_TRUE(tickets[2].Wait());
  EXPECT_TRUE(tickets[1].Wait());
}

}  // namespace
}  // namespace gemma3::testing
