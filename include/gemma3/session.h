// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// One conversation with a model: its messages, its key/value cache, its threads.
//
// Thread rule: one thread at a time, except Cancel, which any thread (or a signal handler) may
// call.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/classify.h"
#include "gemma3/generation.h"
#include "gemma3/message.h"
#include "gemma3/model.h"

namespace gemma3 {

// How much room the conversation has left.
struct ContextUsage {
  size_t used_tokens = 0;     // what the next prompt begins with; at most the capacity
  size_t context_tokens = 0;  // capacity
};

struct ScoreResult {
  size_t tokens = 0;               // predicted tokens (the first of each window is not predicted)
  double sum_log_probability = 0;  // natural logarithm
};

// How the predictions of two models for one text differ.
struct Comparison {
  ScoreResult score;                // of the session's own model
  ScoreResult other_score;          // of the other one
  std::vector<double> divergences;  // of each predicted token: KL(other || own) in nats
  size_t same_top = 0;              // predicted tokens for which both like the same one best
};

// Raw model input: ids with the pictures that their soft tokens stand for.
struct TokenInput {
  std::vector<TokenId> ids;
  // Tower input for each run of soft tokens, [3, S, S] each, in order of appearance.
  std::vector<std::vector<float>> pixel_values;
};

// What Logits can return besides; for comparing with other implementations.
struct HiddenStates {
  std::vector<float> first;  // residual stream after the first layer, [tokens, hidden]
  std::vector<float> last;   // after the final norm, [tokens, hidden]
};

// What Session::Bench times.
struct BenchWork {
  size_t prompt_tokens = 0;  // arbitrary ids, at least 1
  size_t decode_tokens = 0;  // greedy steps behind the prompt; end tokens do not stop them
  size_t images = 0;         // noise pictures through tower and projector; nothing is cached
};

class Session {
 public:
  // Allocates the cache and starts threads. The conversation is empty, but for a system message
  // that the model's store may want (ModelConfig::system). Errors: kInvalidArgument, kOutOfMemory
  // with the plan.
  static Result<Session> Create(const Model& model, const SessionOptions& options = {});
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  // Appends `message` to the conversation and answers it; the answer is appended as well. On any
  // error, and on cancellation before the first answer token, the conversation is as it was before.
  // Errors: kContextTooLong with the numbers; kInvalidArgument (bad option, roles out of order, not
  // UTF-8, a part with both text and picture); kUnsupported (a picture for a text-only model);
  // kCancelled; kInternal (logits that are not finite, from damaged weights or an overflow: the
  // same of every call that computes some).
  Result<GenerationResult> Send(const Message& message, const GenerationOptions& options = {},
                                const TextCallback& on_text = {},
                                const ProgressCallback& on_progress = {});

  // Answers `messages` as a whole conversation, replacing the session's own. What the cache already
  // holds of it is reused. Roles must alternate user/model after an optional system message, and
  // the last message be the user's.
  Result<GenerationResult> Generate(std::span<const Message> messages,
                                    const GenerationOptions& options = {},
                                    const TextCallback& on_text = {},
                                    const ProgressCallback& on_progress = {});

  // Continues raw text without chat template (BOS is put in front), for pretrained models. Pictures
  // may stand between texts. Forgets the conversation.
  Result<GenerationResult> Complete(std::span<const Part> prompt,
                                    const GenerationOptions& options = {},
                                    const TextCallback& on_text = {},
                                    const ProgressCallback& on_progress = {});

  // Answers the last user message anew: in other words, unless the options are greedy or their seed
  // is that of the answer. Errors: kInvalidArgument where there is none.
  Result<GenerationResult> Regenerate(const GenerationOptions& options = {},
                                      const TextCallback& on_text = {},
                                      const ProgressCallback& on_progress = {});

  // Removes the last user message and what followed. False where there is none.
  bool Undo();
  // Starts over; a system message stays.
  void Clear();
  // Sets, or with an empty text removes, the system message; clears the conversation. Errors:
  // kOutOfMemory; the conversation is then as it was.
  Status SetSystem(std::string_view text);

  std::span<const Message> messages() const;
  // Of the conversation as it is now, whether it has been computed or not; a system message counts
  // together with the first user message. Encodes it, as Send does.
  ContextUsage usage() const;
  // As they are used: what was left to the library (0, kAuto) is filled in.
  const SessionOptions& options() const;
  const Model& model() const;

  // Log-probability of text as the model's own continuation of BOS, in windows of at most the
  // context (perplexity = exp(-sum / tokens)). Rows of the embedding table that stand for no token
  // have no probability, as in answers. Forgets the conversation.
  Result<ScoreResult> Score(std::string_view text, const ProgressCallback& on_progress = {});

  // Scores the text with both models, in windows of the smaller context, and says how far the
  // predictions here are from those of `other`, over the tokens that both know. Logits are held for
  // a few tokens at a time, however long the text. Both sessions forget their conversations.
  // Errors: kInvalidArgument (the same session, or the vocabularies split the text differently),
  // and those of Score.
  Result<Comparison> Compare(Session& other, std::string_view text,
                             const ProgressCallback& on_progress = {});

  // Logits of every position, [ids.size(), vocab_size]; positions start at 0. Forgets the
  // conversation. hidden may be null. Errors as for Send.
  Result<std::vector<float>> Logits(const TokenInput& input, HiddenStates* hidden = nullptr);

  // Greedy or sampled continuation of raw ids; stops only at max_tokens (required) or a full
  // context, and refuses stop strings. Forgets the conversation.
  Result<std::vector<TokenId>> ContinueIds(const TokenInput& input,
                                           const GenerationOptions& options);

  // How likely the picture violates each policy, in their order, as ShieldGemma 2 judges: P(Yes)
  // against P(No) as the first word of the answer. The picture is shown whole, without crops, and
  // encoded once. Forgets the conversation. Errors: kUnsupported for a text-only model or a
  // vocabulary without the words; kInvalidArgument (no policy, or one without text or not UTF-8);
  // kContextTooLong, kBadImage, kCancelled.
  Result<std::vector<PolicyScore>> Classify(const Image& image, std::span<const Policy> policies,
                                            const ProgressCallback& on_progress = {});

  // Replaces the conversation without computing anything; what messages() returned is accepted.
  // Roles as for Generate, except that the last message may be the model's. On any error the
  // conversation is as it was before. Errors: kContextTooLong where the messages fill the context,
  // with the numbers; otherwise as for Send.
  Status SetMessages(std::span<const Message> messages);

  // Times work on arbitrary ids: image_seconds, prefill_seconds (all prompt tokens, with the logits
  // of the last), decode_seconds (decode_tokens steps at depth prompt_tokens, sampling included).
  // Needs no tokenizer. Forgets the conversation. Errors: kContextTooLong, kUnsupported (images for
  // a text-only model), kInvalidArgument (no prompt token), kCancelled.
  Result<Timings> Bench(const BenchWork& work);

  // Stops the running call behind the layer that it computes, of one batch of a prompt or one
  // token: at once on small models, within half a second on the largest. A no-op when none runs.
  // Async-signal-safe.
  void Cancel() noexcept;

 private:
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gemma3
