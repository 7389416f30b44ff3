// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/engine/answer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "src/base/status.h"
#include "src/chat/answer_marks.h"
#include "src/decode/thought.h"
#include "src/text/utf8.h"

namespace gemma3 {
namespace {

class Stopwatch {
 public:
  double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

Result<AnswerLoop> AnswerLoop::Create(const Model& model, const GenerationOptions& options,
                                      Prompt prompt) {
  GEMMA3_TRY(const Tokenizer* tokenizer, model.tokenizer());
  const ModelConfig& config = model.config();
  AnswerMarks marks = prompt == Prompt::kChat ? ChatAnswerMarks(config, *tokenizer)
                                              : RawAnswerMarks(config, *tokenizer);
  // Rows of the embedding table beyond the vocabulary stand for no token: published tables are
  // padded.
  const size_t vocab_limit = std::min(config.text.vocab_size, tokenizer->vocab_size());
  GEMMA3_TRY(Sampler sampler,
             Sampler::Create(options, config.generation, vocab_limit, marks.banned));
  GEMMA3_TRY(StopStrings stops,
             StopStrings::Create(options.stop.empty() ? config.generation.stop : options.stop));
  return AnswerLoop(model, options, vocab_limit, std::move(marks.stop), std::move(sampler),
                    std::move(stops));
}

Result<GenerationResult> AnswerLoop::Run(Runner& runner, const TokenSequence& prompt,
                                         const TextCallback& on_text,
                                         const ProgressCallback& on_progress,
                                         GenerationResult result,
                                         std::vector<TokenId>* answer_ids) {
  const Tokenizer& tokenizer = **model_.tokenizer();
  result.seed = sampler_.seed();
  result.prompt_tokens = prompt.ids.size();

  const Stopwatch prefill_time;
  GEMMA3_TRY(
      std::span<float> logits,
      runner.Prefill({.sequence = &prompt, .on_progress = on_progress}, &result.cached_tokens));
  result.timings.prefill_seconds = prefill_time.Seconds();

  const Stopwatch decode_time;
  std::vector<TokenId> history = prompt.ids;  // what the repetition penalty looks back on
  ThoughtSplitter thought(tokenizer.Find("<unused94>"), tokenizer.Find("<unused95>"));
  Utf8Stream characters;
  std::string whole;    // characters completed by a token
  std::string certain;  // of these, what cannot belong to a stop string any more
  // Hands out certain text. False when the callback says stop.
  const auto emit = [&] {
    if (certain.empty()) return true;
    result.text += certain;
    const bool go_on = !on_text || on_text(certain);
    certain.clear();
    return go_on;
  };

  // Hands out what is known of the thought, where that was asked for.
  const auto show_thought = [&] {
    if (!options_.show_thought || !on_text) return true;
    const std::string part = thought.TakeWritten();
    return part.empty() || on_text(part);
  };

  bool wanted = true;  // by the callback
  for (;;) {
    GEMMA3_CHECK_OK(runner.CheckFinite(logits.first(vocab_limit_)));
    const TokenId id = sampler_.Sample(logits, history);
    ++result.tokens;
    if (std::ranges::find(stop_tokens_, id) != stop_tokens_.end()) {
      result.stop_reason = StopReason::kEndOfTurn;
      break;
    }
    history.push_back(id);
    whole.clear();
    characters.Push(thought.Feed(id, tokenizer.TokenBytes(id)), whole);
    const bool stopped = stops_.Feed(whole, certain);
    wanted = show_thought() && emit();
    if (stopped) {
      result.stop_reason = StopReason::kStopString;
      break;
    }
    if (!wanted || runner.cancel) {
      result.stop_reason = StopReason::kCancelled;
      break;
    }
    if (result.tokens == options_.max_tokens) {
      result.stop_reason = StopReason::kMaxTokens;
      break;
    }
    if (runner.size() == runner.context()) {
      result.stop_reason = StopReason::kContextFull;
      break;
    }
    auto next = runner.Append(id);
    if (!next && next.error().code == ErrorCode::kCancelled) {
      result.stop_reason = StopReason::kCancelled;
      break;
    }
    if (!next) return std::unexpected(next.error());
    logits = *next;
  }
  whole.clear();
  characters.Push(thought.Flush(), whole);
  characters.Flush(whole);
  stops_.Feed(whole, certain);
  stops_.Flush(certain);
  const bool cut = result.stop_reason == StopReason::kStopString || (!wanted && !certain.empty());
  if (wanted) wanted = show_thought() && emit();
  result.thought = thought.Thought();
  result.timings.decode_seconds = decode_time.Seconds();

  if (answer_ids && !cut) {
    const size_t begin = prompt.ids.size() + thought.tokens_before_answer();
    answer_ids->assign(history.begin() + static_cast<ptrdiff_t>(begin), history.end());
  }
  return result;
}

Result<std::vector<TokenId>> ContinueSequence(Runner& runner, const ModelConfig& config,
                                              const TokenSequence& sequence,
                                              const GenerationOptions& options) {
  if (options.max_tokens == 0) {
    return Fail(ErrorCode::kInvalidArgument, "max_tokens must be set to continue raw ids");
  }
  if (!options.stop.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "stop strings end text; raw ids are continued without any");
  }
  GEMMA3_TRY(Sampler sampler,
             Sampler::Create(options, config.generation, config.text.vocab_size, {}));
  GEMMA3_TRY(std::span<float> logits, runner.Prefill({.sequence = &sequence}));
  std::vector<TokenId> history = sequence.ids;
  for (;;) {
    GEMMA3_CHECK_OK(runner.CheckFinite(logits));
    history.push_back(sampler.Sample(logits, history));
    if (history.size() - sequence.ids.size() == options.max_tokens) break;
    if (runner.size() == runner.context()) break;
    GEMMA3_TRY(logits, runner.Append(history.back()));
  }
  return std::vector<TokenId>(history.begin() + static_cast<ptrdiff_t>(sequence.ids.size()),
                              history.end());
}

}  // namespace gemma3
