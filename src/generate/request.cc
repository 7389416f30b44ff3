// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/generate/request.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "ops/select.h"
#include "src/base/finite.h"
#include "src/base/guard.h"
#include "src/base/status.h"
#include "src/base/stopwatch.h"
#include "src/chat/answer_marks.h"

namespace gemma3 {
namespace {

// Rows of logits that a prompt gets at a time: a row of 262144 takes a megabyte.
constexpr size_t kPromptLogitRows = 16;

std::vector<size_t> PlacesOf(const TokenSequence& prompt) {
  std::vector<size_t> places;
  for (const size_t turn : prompt.turns) {
    if (turn > 1) places.push_back(turn);  // BOS alone is not worth a page
  }
  const size_t size = prompt.ids.size();
  const size_t last_turn = prompt.turns.size() < 2 ? 0 : prompt.turns[prompt.turns.size() - 2];
  // Of a long last turn.
  if (size - last_turn > 2 * kPromptTail) places.push_back(size - kPromptTail);
  if (size > 1) places.push_back(size - 1);  // the last token is computed for its logits
  std::ranges::sort(places);
  return places;
}

}  // namespace

void Outbox::Put(std::vector<AnswerPiece> pieces) {
  const std::scoped_lock lock(mutex_);
  std::ranges::move(pieces, std::back_inserter(news_.pieces));
}

void Outbox::Put(const Progress& progress) {
  const std::scoped_lock lock(mutex_);
  news_.progress = progress;
}

void Outbox::Put(Result<GenerationResult> result) {
  const std::scoped_lock lock(mutex_);
  news_.result = std::move(result);
}

Outbox::News Outbox::Take() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(news_, {});
}

bool Outbox::empty() const {
  const std::scoped_lock lock(mutex_);
  return !news_.any();
}

Result<std::shared_ptr<Request>> Request::Create(
    const ModelConfig& config, const Tokenizer& tokenizer, const GenerationOptions& options,
    PromptKind kind, PromptPlan prompt, size_t context, const LazyConstraintVocabulary& vocabulary,
    std::shared_ptr<const CallConstraints> calls,
    std::shared_ptr<const std::atomic<bool>> also_stop) {
  const size_t prompt_tokens = prompt.layout.ids.size();
  if (prompt_tokens >= context) {
    return gemma3::Fail(ErrorCode::kContextTooLong, "the prompt has ", prompt_tokens,
                        " tokens and the context holds ", context,
                        ", the answer included; shorten the prompt or use a context of at least ",
                        prompt_tokens + 1, " (the model was trained for ", config.text.max_context,
                        ")");
  }
  AnswerMarks marks = kind == PromptKind::kChat ? ChatAnswerMarks(config, tokenizer)
                                                : RawAnswerMarks(config, tokenizer);
  // Rows of the embedding table beyond the vocabulary stand for no token: published tables are
  // padded.
  const size_t vocab_limit = std::min(config.text.vocab_size, tokenizer.vocab_size());
  for (const TokenId id : options.stop_tokens) {
    if (id < 0 || static_cast<size_t>(id) >= vocab_limit) {
      return gemma3::Fail(ErrorCode::kInvalidArgument, "stop_tokens names the token ", id,
                          ", and the vocabulary has ", vocab_limit);
    }
    marks.stop.push_back(id);
    std::erase(marks.banned, id);
  }
  GEMMA3_TRY(Sampler sampler,
             Sampler::Create(options, config.generation, vocab_limit, marks.banned));
  GEMMA3_TRY(StopStrings stops,
             StopStrings::Create(options.stop.empty() ? config.generation.stop : options.stop));
  std::optional<CallMarks> call_marks;
  if (prompt.tools && config.chat_template.kind == ChatTemplateKind::kFunctionGemma) {
    GEMMA3_TRY(call_marks, CallMarks::Find(tokenizer));
  }
  std::shared_ptr<Request> request(new Request(
      config, tokenizer, options, context, vocab_limit, std::move(marks.stop), std::move(sampler),
      std::move(stops), std::move(prompt.tools), call_marks, prompt_tokens, vocabulary,
      options.constraint ? nullptr : std::move(calls), std::move(also_stop)));
  if (options.constraint) {
    request->constraint_ =
        std::make_unique<ConstraintMatcher>(*options.constraint, &vocabulary.Get(tokenizer));
  }
  if (request->calls_) {
    request->calls_->PrepareBegun();
    vocabulary.Get(tokenizer);
  }
  TokenSequence& sequence = request->sequence_;
  sequence.ids = std::move(prompt.layout.ids);
  sequence.turns = std::move(prompt.layout.turn_begin);
  for (const ImageSpan& span : prompt.layout.images) {
    sequence.images.push_back({span.begin, span.count, nullptr});
  }
  GEMMA3_CHECK_OK(CheckIds(sequence, config.text.vocab_size));
  request->spans_ = std::move(prompt.layout.images);
  request->pictures_ = std::move(prompt.pictures);
  request->views_ = std::move(prompt.views);
  request->image_progress_.total = request->spans_.size() * config.vision.num_layers;
  request->places_ = PlacesOf(sequence);
  return request;
}

Request::Request(const ModelConfig& config, const Tokenizer& tokenizer,
                 const GenerationOptions& options, size_t context, size_t vocab_limit,
                 std::vector<TokenId> stop_tokens, Sampler sampler, StopStrings stops,
                 std::shared_ptr<const ToolSet> tools, const std::optional<CallMarks>& marks,
                 size_t prompt_tokens, const LazyConstraintVocabulary& vocabulary,
                 std::shared_ptr<const CallConstraints> calls,
                 std::shared_ptr<const std::atomic<bool>> also_stop)
    : config_(config),
      tokenizer_(tokenizer),
      options_(options),
      context_(context),
      vocab_limit_(vocab_limit),
      stop_tokens_(std::move(stop_tokens)),
      sampler_(std::move(sampler)),
      text_(tokenizer, std::move(stops), options.show_thought, std::move(tools), marks,
            sampler_.seed() + (uint64_t{prompt_tokens} << 40)),
      vocabulary_(vocabulary),
      calls_(std::move(calls)),
      also_stop_(std::move(also_stop)),
      prompt_tokens_(prompt_tokens) {
  result_.seed = sampler_.seed();
}

bool Request::stopped() const {
  return stop_.load(std::memory_order_relaxed) ||
         (also_stop_ && also_stop_->load(std::memory_order_relaxed)) ||
         (options_.cancel && options_.cancel->cancelled()) ||
         (options_.deadline && Clock::now() >= *options_.deadline);
}

size_t Request::most_positions() const {
  const size_t room = context_ - prompt_tokens_;
  const bool limited = options_.max_tokens != 0 && options_.max_tokens < room;
  return prompt_tokens_ + (limited ? options_.max_tokens : room);
}

std::optional<Request::View> Request::NextView() const {
  for (size_t i = 0; i < sequence_.images.size(); ++i) {
    if (sequence_.images[i].rows) continue;
    const ImageSpan& span = spans_[i];
    return View{pictures_[span.picture], views_[span.picture][span.view]};
  }
  return std::nullopt;
}

void Request::TakeView(SoftTokenRows rows, bool encoded, double seconds) {
  const auto image = std::ranges::find(sequence_.images, nullptr, &ImageRun::rows);
  image->rows = std::move(rows);
  result_.images_encoded += encoded;
  result_.timings.image_seconds += seconds;
  image_progress_.done =
      static_cast<size_t>(image - sequence_.images.begin() + 1) * config_.vision.num_layers;
  outbox.Put(image_progress_);
}

void Request::ReportImageLayers(size_t layers_of_view) {
  Progress progress = image_progress_;
  progress.done += layers_of_view;
  outbox.Put(progress);
}

void Request::BeginPrompt(KvCache begun) {
  cache = std::move(begun);
  stage = Stage::kPrompt;
  result_.prompt_tokens = prompt_tokens_;
  result_.cached_tokens = cache->size();
  if (wants_prompt_logprobs()) {
    for (const TokenId id : std::span(sequence_.ids).first(prompt_tokens_)) {
      result_.prompt_logprobs.push_back({{id, std::string(tokenizer_.TokenBytes(id)), 0}, {}});
    }
  }
  prompt_begin_ = Clock::now();
  outbox.Put({Progress::Stage::kPrefill, 0, prompt_tokens_ - cache->size()});
}

void Request::AddPlace(size_t place) {
  const auto at = std::ranges::lower_bound(places_, place);
  if (at == places_.end() || *at != place) places_.insert(at, place);
}

Result<BatchPart> Request::Next(size_t most, bool must, bool guess, ModelDraft* model) {
  const size_t begin = cache->size();
  guesses_ = 0;
  wanted_.clear();
  if (stage == Stage::kPrompt) {
    if (wants_prompt_logprobs()) {
      const size_t end = PieceEnd(sequence_, begin, std::min(most, kPromptLogitRows), must);
      wanted_.assign(end - begin, {});
      return BatchPart{&*cache, std::span(sequence_.ids).subspan(begin, end - begin),
                       sequence_.images};
    }
    size_t end = PieceEnd(sequence_, begin, most, must);
    if (end == prompt_tokens_ && !begun_) {
      // What the answer has to begin with goes along.
      begun_ = true;
      GEMMA3_CHECK_OK(TakeForced());
      if (stage == Stage::kFinished) return BatchPart{&*cache, {}, sequence_.images};
      end = PieceEnd(sequence_, begin, most, must);
    }
    if (end == sequence_.ids.size()) GEMMA3_CHECK_OK(WantLogits());
    return BatchPart{&*cache, std::span(sequence_.ids).subspan(begin, end - begin),
                     sequence_.images};
  }
  // What was drawn last, and what a constraint has put behind it.
  rows_.assign(sequence_.ids.begin() + static_cast<ptrdiff_t>(begin), sequence_.ids.end());
  if (rows_.size() > most) {
    rows_.resize(most);
    return BatchPart{&*cache, rows_, sequence_.images};
  }
  const size_t room = context_ - begin - rows_.size();
  const size_t left = options_.max_tokens == 0 ? room : options_.max_tokens - answer_tokens_ - 1;
  if (guess && options_.speculate && rows_.size() < most) {
    const size_t before = rows_.size();
    const size_t most_guesses = std::min({room, left, most - before});
    draft_.Propose(sequence_.ids, most_guesses, rows_);
    guessed_by_model_ = rows_.size() == before && model && sequence_.images.empty();
    if (guessed_by_model_) {
      const size_t length = std::min(most_guesses, model_length_.At(sequence_.ids.size()));
      GEMMA3_CHECK_OK(model->Propose(
          sequence_.ids, answer_tokens_, length, sampler_, [this] { return stopped(); }, rows_));
    }
    guesses_ = rows_.size() - before;
  }
  GEMMA3_CHECK_OK(WantLogits());
  return BatchPart{&*cache, rows_, sequence_.images};
}

namespace {

// The tokens that `constraint` leaves no choice about, which it goes on by: runs of bytes that are
// cut as the tokenizer cuts them, and single tokens.
Status GoOnForced(ConstraintMatcher& constraint, std::vector<TokenId>* tokens) {
  constexpr size_t kMost = 1024;  // the rest is for the next step
  tokens->clear();
  std::vector<TokenId> run;
  while (tokens->size() < kMost) {
    GEMMA3_CHECK_OK(constraint.Forced(&run));
    if (run.empty()) {
      if (constraint.MayEnd()) return {};
      GEMMA3_TRY(const TokenMask* allowed, constraint.Allowed());
      if (!allowed->is_list() || allowed->count() != 1) return {};
      run.assign(allowed->list().begin(), allowed->list().end());
    }
    for (const TokenId id : run) {
      GEMMA3_TRY(const bool taken, constraint.Accept(id));
      if (!taken) return Fail(ErrorCode::kInternal, "a forced token is not allowed");
      tokens->push_back(id);
    }
  }
  return {};
}

}  // namespace

Result<Request::LogitsWanted> Request::WantedBy(ConstraintMatcher& constraint) const {
  LogitsWanted wanted;
  GEMMA3_TRY(const TokenMask* allowed, constraint.Allowed());
  if (!allowed->is_list()) return wanted;
  wanted.all = false;
  wanted.tokens.assign(allowed->list().begin(), allowed->list().end());
  if (constraint.MayEnd()) {
    wanted.tokens.insert(wanted.tokens.end(), stop_tokens_.begin(), stop_tokens_.end());
    std::ranges::sort(wanted.tokens);
    const auto twice = std::ranges::unique(wanted.tokens);
    wanted.tokens.erase(twice.begin(), twice.end());
  }
  std::erase_if(wanted.tokens,
                [this](TokenId id) { return id < 0 || static_cast<size_t>(id) >= vocab_limit_; });
  return wanted;
}

// Row 0 is behind the last token that is certain, the others are behind guesses. What is forced
// behind a guess is not drawn, so the rows before it need no logits.
Status Request::WantLogits() {
  wanted_.assign(1 + guesses_, {});
  if (!constraint_ || options_.logprobs) return {};
  GEMMA3_TRY(wanted_[0], WantedBy(*constraint_));
  if (guesses_ == 0) return {};
  const std::unique_ptr<ConstraintMatcher> ahead = constraint_->Fork();
  const std::span<const TokenId> guesses = std::span(rows_).last(guesses_);
  size_t row = 0;
  std::vector<TokenId> forced;
  const auto drop_from = [&](size_t guess) {
    rows_.resize(rows_.size() - (guesses_ - guess));
    guesses_ = guess;
    wanted_.resize(1 + guess);
  };
  while (row < guesses.size()) {
    GEMMA3_TRY(const bool allowed, ahead->Accept(guesses[row]));
    if (!allowed) return drop_from(row), Status();
    GEMMA3_CHECK_OK(GoOnForced(*ahead, &forced));
    ++row;
    for (const TokenId id : forced) {
      wanted_[row].all = false;
      if (row == guesses.size()) return {};
      if (guesses[row] != id) return drop_from(row), Status();
      ++row;
    }
    if (ahead->MustEnd()) {
      if (calls_) return {};  // and anything may be said behind the call
      wanted_[row].all = false;
      return drop_from(row), Status();
    }
    GEMMA3_TRY(wanted_[row], WantedBy(*ahead));
  }
  return {};
}

void Request::NoteLogprobs(std::span<const float> logits, size_t likeliest_count,
                           TokenLogprobs& out) const {
  const auto row = logits.first(vocab_limit_);
  const double total = LogSumExp(row);
  std::vector<Candidate> likeliest;
  TopK(row, likeliest_count, likeliest);
  for (const Candidate& c : likeliest) {
    out.likeliest.push_back(
        {c.id, std::string(tokenizer_.TokenBytes(c.id)), static_cast<double>(c.logit) - total});
  }
  // The chosen one follows; until it is known, this holds what its logit is taken from.
  out.chosen.logprob = -total;
}

// The rows are those of the last tokens that the cache holds; each says how likely the next was.
void Request::NotePrompt(std::span<const std::span<float>> logits) {
  std::vector<TokenLogprobs>& notes = result_.prompt_logprobs;
  const size_t begin = cache->size() - logits.size();
  for (size_t row = 0; row < logits.size(); ++row) {
    const size_t next = begin + row + 1;
    if (next >= prompt_tokens_) break;
    const bool of_picture = std::ranges::any_of(sequence_.images, [next](const ImageRun& image) {
      return image.begin <= next && next < image.end();
    });
    if (of_picture) continue;
    const auto id = static_cast<size_t>(sequence_.ids[next]);
    NoteLogprobs(logits[row], *options_.prompt_logprobs, notes[next]);
    notes[next].chosen.logprob += static_cast<double>(logits[row][id]);
  }
}

Status Request::Mask(std::span<float> logits) {
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  GEMMA3_TRY(const TokenMask* allowed, constraint_->Allowed());
  // The marks that end an answer are no text: whether they may come is the constraint's to say.
  std::vector<std::pair<TokenId, float>> kept;
  const auto keep = [&](TokenId id) {
    if (id >= 0 && static_cast<size_t>(id) < logits.size()) {
      kept.emplace_back(id, logits[static_cast<size_t>(id)]);
    }
  };
  if (constraint_->MayEnd()) {
    for (const TokenId id : stop_tokens_) keep(id);
  }
  if (allowed->is_list()) {
    for (const TokenId id : allowed->list()) keep(id);
    std::ranges::fill(logits, kNever);
  } else {
    const auto bits = allowed->bits();
    for (size_t word = 0; word * 64 < logits.size(); ++word) {
      const std::span<float> some =
          logits.subspan(word * 64, std::min(logits.size() - word * 64, size_t{64}));
      uint64_t never = ~(word < bits.size() ? bits[word] : 0);
      if (some.size() < 64) never &= (uint64_t{1} << some.size()) - 1;
      if (never == ~uint64_t{0}) {
        std::ranges::fill(some, kNever);
        continue;
      }
      for (; never != 0; never &= never - 1) {
        some[static_cast<size_t>(std::countr_zero(never))] = kNever;
      }
    }
  }
  for (const auto& [id, logit] : kept) logits[static_cast<size_t>(id)] = logit;
  return {};
}

Status Request::Draw(size_t row, std::span<float> logits) {
  const LogitsWanted& wanted = wanted_[row];
  const bool finite = wanted.all ? AllFinite(logits.first(vocab_limit_))
                                 : std::ranges::all_of(wanted.tokens, [&](TokenId id) {
                                     return std::isfinite(logits[static_cast<size_t>(id)]);
                                   });
  if (!finite) return std::unexpected(LogitsNotFinite());
  std::optional<TokenLogprobs> note;
  std::vector<float> untouched;
  if (options_.logprobs) {
    NoteLogprobs(logits, *options_.logprobs, note.emplace());
    untouched.assign(logits.begin(), logits.end());
  }
  if (constraint_ && wanted.all) GEMMA3_CHECK_OK(Mask(logits.first(vocab_limit_)));
  const TokenId id = sampler_.Sample(logits, sequence_.ids, answer_tokens_);
  if (note) {
    note->chosen.id = id;
    note->chosen.bytes = tokenizer_.TokenBytes(id);
    note->chosen.logprob += static_cast<double>(untouched[static_cast<size_t>(id)]);
    result_.logprobs.push_back(*std::move(note));
  }
  const bool ends = std::ranges::find(stop_tokens_, id) != stop_tokens_.end();
  if (constraint_ && !ends) {
    GEMMA3_TRY(const bool allowed, constraint_->Accept(id));
    if (!allowed) {
      return gemma3::Fail(ErrorCode::kInternal, "no token that may be drawn meets the constraint");
    }
  }
  if (!Accept(id)) return {};
  FollowCalls();
  return TakeForced();
}

void Request::FollowCalls() {
  if (!calls_) return;
  const CallReader::OpenUnit call = text_.open_unit();
  if (constraint_ && (constraint_->MustEnd() || call.text.empty())) constraint_.reset();
  if (constraint_ || call.text.empty() || call_begin_ == call.begin) return;
  call_begin_ = call.begin;
  constraint_ = calls_->Behind(call.text, vocabulary_.Get(tokenizer_));
}

Status Request::TakeForced() {
  if (!constraint_) return {};
  std::vector<TokenId> forced;
  GEMMA3_CHECK_OK(GoOnForced(*constraint_, &forced));
  for (const TokenId id : forced) {
    if (options_.logprobs) {
      result_.logprobs.push_back({{id, std::string(tokenizer_.TokenBytes(id)), 0}, {}});
    }
    if (!Accept(id)) return {};
  }
  if (!constraint_->MustEnd()) return {};
  if (calls_) return constraint_.reset(), Status();
  // The end is no choice either; it counts as if it had been drawn.
  result_.tokens = ++answer_tokens_;
  Finish(StopReason::kEndOfTurn);
  return {};
}

bool Request::Accept(TokenId id) {
  result_.tokens = ++answer_tokens_;
  if (std::ranges::find(stop_tokens_, id) != stop_tokens_.end()) {
    Finish(StopReason::kEndOfTurn);
    return false;
  }
  sequence_.ids.push_back(id);
  if (text_.Feed(id)) {
    Finish(StopReason::kStopString);
    return false;
  }
  if (result_.tokens == options_.max_tokens) {
    Finish(StopReason::kMaxTokens);
    return false;
  }
  if (sequence_.ids.size() > context_) {
    Finish(StopReason::kContextFull);
    return false;
  }
  return true;
}

void Request::Take(std::span<const std::span<float>> logits) {
  if (stage == Stage::kPrompt) {
    const size_t total = prompt_tokens_ - result_.cached_tokens;
    const size_t done = std::min(cache->size(), prompt_tokens_) - result_.cached_tokens;
    outbox.Put({Progress::Stage::kPrefill, done, total});
    if (wants_prompt_logprobs()) {
      NotePrompt(logits);
      if (cache->size() < prompt_tokens_) return;
      logits = logits.last(1);
      wanted_.resize(1);
    }
    if (logits.empty()) return;
    stage = Stage::kAnswer;
    result_.timings.prefill_seconds = SecondsSince(prompt_begin_);
    answer_begin_ = Clock::now();
    if (!std::exchange(begun_, true)) {
      if (const Status begun = TakeForced(); !begun) return Fail(begun.error());
    }
  }
  if (logits.empty()) return;
  // Row 0 is behind the last token that was certain; the others are behind guesses, and count as
  // long as these are what the text has.
  const size_t certain = cache->size() - guesses_;
  const auto right = [&] {
    size_t count = 0;
    while (count < guesses_ && certain + count < sequence_.ids.size() &&
           sequence_.ids[certain + count] == rows_[rows_.size() - guesses_ + count]) {
      ++count;
    }
    return count;
  };
  for (size_t row = 0; stage == Stage::kAnswer && row < logits.size();
       row = sequence_.ids.size() - certain) {
    if (certain + row != sequence_.ids.size() || row > right()) break;
    if (const Status drawn = Draw(row, logits[row]); !drawn) return Fail(drawn.error());
  }
  const size_t accepted = right();
  result_.drafted_tokens += guesses_;
  result_.accepted_tokens += accepted;
  if (guessed_by_model_) {
    model_length_.Learn(sequence_.ids.size(), guesses_, accepted);
  } else {
    draft_.Learn(guesses_, accepted);
  }
  // What stands behind the tokens of the text were wrong guesses.
  cache->Truncate(certain + accepted);
  outbox.Put(TakePieces());
}

std::vector<AnswerPiece> Request::TakePieces() {
  std::vector<AnswerPiece> pieces = text_.TakePieces();
  if (!options_.logprobs) return pieces;
  // What ends the answer has an entry as well, and no text.
  const size_t spelled = std::min(result_.logprobs.size(), sequence_.ids.size() - prompt_tokens_);
  for (AnswerPiece& piece : pieces) {
    const size_t end = std::max(std::min(piece.tokens, spelled), logprobs_taken_);
    piece.logprobs.assign(result_.logprobs.begin() + static_cast<ptrdiff_t>(logprobs_taken_),
                          result_.logprobs.begin() + static_cast<ptrdiff_t>(end));
    logprobs_taken_ = end;
  }
  return pieces;
}

void Request::Finish(StopReason reason) {
  stage = Stage::kFinished;
  result_.stop_reason = reason;
}

void Request::FinishStopped() {
  const bool late = options_.deadline && Clock::now() >= *options_.deadline;
  // What is forced is there before the prompt is; without the model it is no answer.
  if (result_.tokens == 0 || stage != Stage::kAnswer) {
    return Fail({ErrorCode::kCancelled,
                 late ? "the deadline passed before the answer began" : "cancelled by the caller"});
  }
  Finish(late ? StopReason::kDeadline : StopReason::kCancelled);
}

void Request::Fail(Error error) {
  stage = Stage::kFinished;
  error_ = std::move(error);
}

void Request::CompleteResult() {
  text_.Finish();
  result_.text = text_.text();
  result_.thought = text_.thought();
  result_.calls = text_.calls();
  if (answer_begin_ != Clock::time_point())
    result_.timings.decode_seconds = SecondsSince(answer_begin_);
  if (result_.stop_reason != StopReason::kStopString) {
    const size_t begin = prompt_tokens_ + text_.tokens_before_answer();
    result_.ids.assign(sequence_.ids.begin() + static_cast<ptrdiff_t>(begin), sequence_.ids.end());
  }
  outbox.Put(TakePieces());
}

void Request::Deliver() noexcept {
  delivered_ = true;
  if (!error_) {
    const Status completed = Guarded("answer", "", [&]() -> Status {
      CompleteResult();
      return {};
    });
    if (!completed) error_ = completed.error();
  }
  if (error_) return outbox.Put(Result<GenerationResult>(std::unexpected(*std::move(error_))));
  outbox.Put(Result<GenerationResult>(std::move(result_)));
}

}  // namespace gemma3
