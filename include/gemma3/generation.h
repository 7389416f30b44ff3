// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// How to sample, and what a generation reports.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gemma3/adapter.h"
#include "gemma3/cancel.h"
#include "gemma3/config.h"
#include "gemma3/constraint.h"
#include "gemma3/tools.h"

namespace gemma3 {

// Every field has the same name as its command-line flag (max_tokens = --max-tokens) and its /set
// name in the chat. An unset optional of the first five means: what the model's
// generation_config.json recommends, else GenerationDefaults.
struct GenerationOptions {
  std::optional<float> temperature = {};  // >= 0; 0 is greedy
  std::optional<int> top_k = {};          // >= 0; 0 keeps all tokens
  std::optional<float> top_p = {};        // [0, 1]; 1 keeps all tokens, 0 the likeliest alone
  std::optional<float> min_p = {};  // [0, 1]; drops what is below min_p * the largest probability
  // > 0; 1 is off. Divides positive, multiplies negative logits of the latest tokens.
  std::optional<float> repeat_penalty = {};
  // How many tokens the penalty looks back on. Unset: 64 with a repeat_penalty that is set here;
  // the whole text, prompt included, with the model's own, as it is defined there.
  std::optional<size_t> repeat_last_n = {};
  // Subtracted from the logit of each token that the answer has already: the first as often as it
  // stands there, the second once. Any finite number; 0 is off. The prompt does not count.
  float frequency_penalty = 0;
  float presence_penalty = 0;
  // The same seed gives the same text. Unset: another one for each answer; GenerationResult::seed
  // says which.
  std::optional<uint64_t> seed = {};
  size_t max_tokens = 0;               // 0: until the model stops or the context is full
  std::vector<std::string> stop = {};  // the answer ends before the first of these; none is empty
  bool show_thought = false;  // the text callback gets the thought, too, as the model writes it
  // Ids that end the answer besides the model's own; as those, they are no part of it.
  std::vector<TokenId> stop_tokens = {};
  // Added to the logits of single tokens before anything else; -infinity forbids one.
  std::vector<std::pair<TokenId, float>> logit_bias = {};
  // Log-probabilities are reported for each token of the answer, and for this many of the likeliest
  // in its place; unset: none are, which costs nothing.
  std::optional<size_t> logprobs = {};
  // The same for each token of the prompt (GenerationResult::prompt_logprobs). The prompt is then
  // computed whole, found or not, and a few tokens at a time.
  std::optional<size_t> prompt_logprobs = {};
  // Guess what comes next from what the text repeats, and check several guesses at once: the answer
  // is the same to the last bit, and arrives sooner where guesses are right. Pauses where not.
  bool speculate = true;
  // What the answer may be (constraint.h): one that ends by itself meets it. Where a call is
  // required (ToolOptions::choice), the call comes first, and this holds for answers in words.
  std::optional<Constraint> constraint = {};
  // What the model may call, and whether; for chats. The same tools in the same order for all turns
  // of a conversation keep what was computed of it.
  ToolOptions tools = {};
  // When the answer must have ended: it ends there with what there is (StopReason::kDeadline), or,
  // before its first token, with kCancelled.
  std::optional<std::chrono::steady_clock::time_point> deadline = {};
  // The caller's way to stop the call, also while it waits for its turn.
  std::optional<CancelFlag> cancel = {};
  // The adapters of this answer. Unset: those of the engine (EngineOptions::adapters). What was
  // computed with some is found by answers with the same ones alone.
  std::optional<std::vector<AdapterUse>> adapters = {};
  // Computed text is shared among calls of one engine with the same salt only. Different tenants
  // should have different ones: how soon an answer begins tells whether its prompt was seen before.
  std::string cache_salt = {};
};

// One token of an answer, and what else could have stood there.
struct TokenLogprobs {
  struct Token {
    TokenId id = 0;
    std::string bytes;   // its own; a character may need several tokens
    double logprob = 0;  // natural logarithm, of the model's own distribution: before bias,
                         // penalty, temperature and filters
  };
  Token chosen;
  std::vector<Token> likeliest;  // GenerationOptions::logprobs of them, in falling order. Empty,
                                 // and `chosen` certain, where a constraint left no choice: nothing
                                 // was computed there
};

enum class StopReason {
  kEndOfTurn,    // the model ended its answer
  kMaxTokens,    // max_tokens were generated
  kStopString,   // one of GenerationOptions::stop came up; it is not part of the text
  kContextFull,  // no room for another token
  kCancelled,    // the callback or the cancel flag said stop
  kDeadline,     // GenerationOptions::deadline has passed
};
constexpr const char* StopReasonName(StopReason reason) {
  switch (reason) {
    case StopReason::kEndOfTurn:
      return "stop";
    case StopReason::kMaxTokens:
      return "length";
    case StopReason::kStopString:
      return "stop_string";
    case StopReason::kContextFull:
      return "context";
    case StopReason::kCancelled:
      return "cancelled";
    case StopReason::kDeadline:
      return "deadline";
  }
  return "";
}

// Called with each piece of answer text as soon as it is certain: whole UTF-8 characters, and never
// the beginning of a stop string. Return false to stop; the session stays usable.
using TextCallback = std::function<bool(std::string_view text)>;

// The same with what is known of the tokens. Views are valid during the call.
struct AnswerStep {
  std::string_view text;
  size_t tokens = 0;                        // of the answer so far, a thought's included
  std::span<const TokenLogprobs> logprobs;  // of those since the last step, where asked for; what
                                            // ends the answer is in none
};
using StepCallback = std::function<bool(const AnswerStep& step)>;

// What long work reports while it runs.
struct Progress {
  enum class Stage {
    kWeights,  // packing them; in bytes, as kWriting
    kWriting,  // a file of packed weights
    kImage,    // in tower layers over all images
    kPrefill,  // in prompt tokens
    kEmbed,    // in tokens of all texts
  } stage = Stage::kPrefill;
  size_t done = 0;
  size_t total = 0;
};
// Return false to cancel. Called at least once a prefill batch and once a tower layer.
using ProgressCallback = std::function<bool(const Progress&)>;

struct Timings {
  double image_seconds = 0;  // decoding excluded; tower and projector
  double prefill_seconds = 0;
  double decode_seconds = 0;
};

struct GenerationResult {
  std::string text;
  // What the model thought before it answered: MedGemma does when its system text asks for it, and
  // marks it with <unused94> and <unused95>. It is no part of `text` or of later prompts, and stop
  // strings do not end it. Cut off with the answer where max_tokens is reached in it.
  std::string thought;
  // The calls that the answer holds, in whatever style; they are no part of `text`. Results go back
  // as Message::ToolResult, behind a Message::ModelCalls with the text and these.
  std::vector<ToolCall> calls;
  StopReason stop_reason = StopReason::kEndOfTurn;
  size_t prompt_tokens = 0;    // tokens of the whole conversation when the answer began
  size_t cached_tokens = 0;    // of these, tokens already in the cache
  size_t tokens = 0;           // generated, the end-of-turn token included
  size_t images_encoded = 0;   // crops included; pictures that were cached cost nothing
  uint64_t seed = 0;           // that was used
  size_t drafted_tokens = 0;   // guessed by speculation and checked
  size_t accepted_tokens = 0;  // of these, those that were right
  // The tokens of `text`: without a thought and what ended the answer. Empty where the text was cut
  // within a token, at a stop string. As Message::ids they make a later prompt begin with exactly
  // what was computed.
  std::vector<TokenId> ids;
  std::vector<TokenLogprobs> logprobs;  // [tokens], where they were asked for
  // [prompt_tokens], where they were asked for. Nothing comes before the first, and pictures are
  // not guessed: there, `likeliest` is empty and `logprob` 0.
  std::vector<TokenLogprobs> prompt_logprobs;
  Timings timings;
};

}  // namespace gemma3
