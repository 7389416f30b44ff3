// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// One answer that is asked for: it says which rows it wants computed next and takes their logits.
// It never waits and never computes; the scheduler does.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gemma3/generation.h"
#include "gemma3/image.h"
#include "gemma3/tokenizer.h"
#include "ops/rows.h"
#include "src/chat/prompt_builder.h"
#include "src/constrain/matcher.h"
#include "src/decode/sampler.h"
#include "src/generate/answer_text.h"
#include "src/generate/call_constraint.h"
#include "src/generate/draft.h"
#include "src/generate/model_draft.h"
#include "src/generate/token_sequence.h"
#include "src/image/view.h"
#include "src/model/kv_cache.h"
#include "src/model/transformer.h"

namespace gemma3 {

// A prompt whose pictures are known but not yet encoded.
struct PromptPlan {
  PromptLayout layout;
  std::vector<std::shared_ptr<const Image>> pictures;
  std::vector<std::vector<CropBox>> views;         // [pictures]: the whole picture, then its crops
  std::shared_ptr<const ToolSet> tools = nullptr;  // that the prompt offers; null: none
};

enum class PromptKind { kChat, kRaw };

// What of a long prompt is likely to be another one's as well: all but so many tokens at its end,
// where the question behind a document stands.
inline constexpr size_t kPromptTail = 512;

// What becomes known of an answer, on its way from the thread that computes to the one that waits.
class Outbox {
 public:
  struct News {
    std::vector<AnswerPiece> pieces;
    std::optional<Progress> progress;  // the latest
    std::optional<Result<GenerationResult>> result;
    bool any() const { return !pieces.empty() || progress || result; }
  };
  void Put(std::vector<AnswerPiece> pieces);
  void Put(const Progress& progress);
  void Put(Result<GenerationResult> result);
  News Take();
  bool empty() const;

 private:
  mutable std::mutex mutex_;
  News news_;
};

class Request {
 public:
  // Checks the options. What ends the answer depends on the kind of prompt (chat/answer_marks.h).
  // Tokenizer, configuration and vocabulary (the tokenizer's) must outlive this. calls: what calls
  // have to meet that the model begins by itself; null: nothing. also_stop, if not null, stops the
  // request when set. Errors: kInvalidArgument; kContextTooLong where the prompt leaves no room.
  static Result<std::shared_ptr<Request>> Create(
      const ModelConfig& config, const Tokenizer& tokenizer, const GenerationOptions& options,
      PromptKind kind, PromptPlan prompt, size_t context,
      const LazyConstraintVocabulary& vocabulary,
      std::shared_ptr<const CallConstraints> calls = nullptr,
      std::shared_ptr<const std::atomic<bool>> also_stop = nullptr);

  // ---- For whoever waits; any thread.
  Outbox outbox;
  void Stop() { stop_.store(true, std::memory_order_relaxed); }
  // Whether somebody has stopped it, or its time is over.
  bool stopped() const;

  // ---- For the scheduler.
  enum class Stage { kWaiting, kPictures, kPrompt, kAnswer, kFinished };
  Stage stage = Stage::kWaiting;
  std::shared_ptr<const AdapterSet> adapters;  // null: none; its salt says which
  std::optional<KvCache> cache;                // once its prompt has begun

  const TokenSequence& sequence() const { return sequence_; }
  size_t prompt_tokens() const { return prompt_tokens_; }
  size_t cached_tokens() const { return result_.cached_tokens; }
  size_t answer_tokens() const { return answer_tokens_; }
  const std::string& salt() const { return options_.cache_salt; }
  // Then all of its prompt is computed, with logits.
  bool wants_prompt_logprobs() const { return options_.prompt_logprobs.has_value(); }
  // Positions that it may come to fill, at most the context.
  size_t most_positions() const;

  // A view of a picture that has no soft tokens yet.
  struct View {
    std::shared_ptr<const Image> picture;
    CropBox box;
  };
  // The next one; null where all have theirs.
  std::optional<View> NextView() const;
  // Gives it its soft tokens. seconds: that they took, 0 where they were known.
  void TakeView(SoftTokenRows rows, bool encoded, double seconds);
  void ReportImageLayers(size_t layers_of_view);

  // The prompt begins, on a cache that holds `cached` tokens of it.
  void BeginPrompt(KvCache begun);
  // Places of the prompt to keep checkpoints at, in rising order.
  const std::vector<size_t>& places() const { return places_; }
  void AddPlace(size_t place);

  // The rows to compute next: at most `most`, but a picture is never split. Nothing where a picture
  // does not fit; where `must` is set, it is taken whatever its size. Valid until Take.
  // guess: whether an answer may have guesses checked; model, if not null, guesses where the text
  // does not repeat. Errors: those of ModelDraft::Propose.
  Result<BatchPart> Next(size_t most, bool must, bool guess, ModelDraft* model);
  // Of these, what logits the last ones need: those of all tokens, or of some, or none.
  struct LogitsWanted {
    bool all = true;
    std::vector<TokenId> tokens = {};  // where not all: ascending
  };
  std::span<const LogitsWanted> wanted() const { return wanted_; }
  // The rows were computed: the cache holds them. logits: for each of wanted() the vocabulary's,
  // edited; -inf for tokens that were not wanted; empty where none was. Rows of guesses that were
  // wrong are taken back from the cache.
  void Take(std::span<const std::span<float>> logits);

  // Ends it now: with the answer so far or, before the first token, an error.
  void FinishStopped();
  void Fail(Error error);
  // Whether what the cache holds is right.
  bool sound() const { return !error_ || error_->code == ErrorCode::kCancelled; }
  // Tells the waiting thread that it is finished. The last that is done with it.
  void Deliver() noexcept;
  bool delivered() const { return delivered_; }

 private:
  Request(const ModelConfig& config, const Tokenizer& tokenizer, const GenerationOptions& options,
          size_t context, size_t vocab_limit, std::vector<TokenId> stop_tokens, Sampler sampler,
          StopStrings stops, std::shared_ptr<const ToolSet> tools,
          const std::optional<CallMarks>& marks, size_t prompt_tokens,
          const LazyConstraintVocabulary& vocabulary, std::shared_ptr<const CallConstraints> calls,
          std::shared_ptr<const std::atomic<bool>> also_stop);

  void NoteLogprobs(std::span<const float> logits, size_t likeliest, TokenLogprobs& out) const;
  void NotePrompt(std::span<const std::span<float>> logits);
  // What became certain of the text, with the log-probabilities of its tokens.
  std::vector<AnswerPiece> TakePieces();
  // Says what logits the rows of the part need, and drops guesses that the constraint excludes.
  Status WantLogits();
  Result<LogitsWanted> WantedBy(ConstraintMatcher& constraint) const;
  // Draws the token behind row `row` of those that were wanted.
  Status Draw(size_t row, std::span<float> logits);
  // Leaves what the constraint allows.
  Status Mask(std::span<float> logits);
  // Takes the next token of the answer. False: it was the last.
  bool Accept(TokenId id);
  // Takes what the constraint leaves no choice about.
  Status TakeForced();
  // Begins and ends the constraint of a call that the model has begun by itself.
  void FollowCalls();
  void Finish(StopReason reason);
  void CompleteResult();

  using Clock = std::chrono::steady_clock;
  const ModelConfig& config_;
  const Tokenizer& tokenizer_;
  const GenerationOptions options_;
  const size_t context_;
  const size_t vocab_limit_;
  const std::vector<TokenId> stop_tokens_;
  Sampler sampler_;
  AnswerText text_;
  const LazyConstraintVocabulary& vocabulary_;
  const std::shared_ptr<const CallConstraints> calls_;  // null: calls are free
  std::optional<size_t> call_begin_;                    // of the latest that was looked at
  // Of the whole answer or, with calls_, of the call that is being written. Null: anything may be
  // said.
  std::unique_ptr<ConstraintMatcher> constraint_;
  NgramDraft draft_;
  DraftLength model_length_{4};
  const std::shared_ptr<const std::atomic<bool>> also_stop_;
  std::atomic<bool> stop_ = false;

  TokenSequence sequence_;  // the prompt, then the answer
  const size_t prompt_tokens_;
  size_t answer_tokens_ = 0;      // what ended it included
  std::vector<ImageSpan> spans_;  // of sequence_.images
  std::vector<std::shared_ptr<const Image>> pictures_;
  std::vector<std::vector<CropBox>> views_;
  Progress image_progress_{Progress::Stage::kImage, 0, 0};
  std::vector<size_t> places_;

  std::vector<TokenId> rows_;  // of the part that is computed
  std::vector<LogitsWanted> wanted_;
  size_t guesses_ = 0;
  bool begun_ = false;  // what is forced at the answer's beginning was taken
  bool guessed_by_model_ = false;
  GenerationResult result_;
  size_t logprobs_taken_ = 0;
  std::optional<Error> error_;
  bool delivered_ = false;
  Clock::time_point prompt_begin_, answer_begin_;
};

}  // namespace gemma3
