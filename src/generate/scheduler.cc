// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/generate/scheduler.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>
#include <vector>

#include "src/base/guard.h"
#include "src/base/stopwatch.h"

namespace gemma3 {
namespace {

using Stage = Request::Stage;

// Rows of logits that are computed and held at a time: a row of 262144 takes a megabyte.
constexpr size_t kLogitRows = kMaxDraft + 1;
// With more answers than that, the rows of all of them fill a step better than guesses do.
constexpr size_t kAnswersWithGuesses = 2;
// A prompt waits for another one only where that saves it so many tokens.
constexpr size_t kWorthWaiting = 32;

// The begins of the last turn, of its end and of its answer are kept as long as there is memory.
constexpr size_t kKeptPlaces = 3;

// What is kept for later is worth no error.
template <class Fn>
void IfThereIsMemory(const Fn& fn) noexcept {
  try {
    fn();
  } catch (const std::bad_alloc&) {
  }
}

}  // namespace

Scheduler::Scheduler(Machine& machine, const SchedulerOptions& options, ModelDraft* draft)
    : machine_(machine),
      draft_(draft),
      config_(machine.config.text),
      options_(options),
      store_(options.parallel, options.checkpoint_bytes, kKeptPlaces * options.parallel) {}

void Scheduler::Add(std::shared_ptr<Request> request) { waiting_.push_back(std::move(request)); }

Scheduler::Counts Scheduler::counts() const {
  Counts counts = counts_;
  counts.waiting = waiting_.size();
  counts.running = running_.size();
  counts.kv_bytes = machine_.kv->bytes_in_use();
  return counts;
}

bool Scheduler::Step(const std::function<void()>& on_tick) {
  EndStopped();
  Admit();
  if (running_.empty()) return false;
  if (pictures_turn_ && EncodePicture(on_tick)) {
    pictures_turn_ = false;
    return true;
  }
  pictures_turn_ = true;
  BeginPrompts();
  CollectBatch();
  if (!parts_.empty()) ComputeBatch(on_tick);
  for (size_t i = running_.size(); i-- > 0;) {
    if (running_[i].request->stage == Stage::kFinished) Remove(i);
  }
  return true;
}

// ---- Which requests there are

void Scheduler::EndStopped() {
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if (!(*it)->stopped()) {
      ++it;
      continue;
    }
    (*it)->FinishStopped();
    (*it)->Deliver();
    it = waiting_.erase(it);
  }
  for (size_t i = running_.size(); i-- > 0;) {
    Request& request = *running_[i].request;
    if (request.stage != Stage::kFinished && request.stopped()) request.FinishStopped();
    if (request.stage == Stage::kFinished) Remove(i);
  }
}

void Scheduler::EndAll(const Error& error,
                       std::span<const std::shared_ptr<Request>> others) noexcept {
  const auto end = [&error](Request& request) {
    if (request.delivered()) return;
    request.Fail(ErrorWithoutThrowing(error.code, error.message));
    request.cache.reset();
    request.Deliver();
  };
  for (const auto& request : waiting_) end(*request);
  for (const Running& running : running_) end(*running.request);
  for (const auto& request : others) end(*request);
  waiting_.clear();
  running_.clear();
}

size_t Scheduler::BytesFor(const Request& request) const {
  return KvCache::MostBytes(config_, machine_.kv_types, request.most_positions(),
                            machine_.max_batch);
}

// In the order in which they came: none is overtaken, so none waits for ever.
void Scheduler::Admit() {
  size_t reserved = 0;
  for (const Running& running : running_) reserved += running.reserved_bytes;
  while (!waiting_.empty()) {
    const size_t bytes = BytesFor(*waiting_.front());
    if (!running_.empty() && reserved + bytes > machine_.kv->max_bytes()) break;
    if (running_.size() == machine_.max_batch) break;
    running_.push_back({std::move(waiting_.front()), bytes});
    waiting_.pop_front();
    reserved += bytes;
    running_.back().request->stage = Stage::kPictures;
  }
}

void Scheduler::Remove(size_t index) {
  const std::shared_ptr<Request> request = std::move(running_[index].request);
  running_.erase(running_.begin() + static_cast<ptrdiff_t>(index));
  if (request->cache) {
    if (!request->sound()) {
      store_.Drop(request->sequence(), request->salt(), request->cached_tokens());
    } else if (request->cache->size() > 0) {
      IfThereIsMemory([&] {
        store_.KeepEnd(request->sequence(), *std::exchange(request->cache, {}), request->salt());
      });
    }
    request->cache.reset();
  }
  counts_.answer_tokens += request->answer_tokens();
  request->Deliver();
}

// ---- Pictures

// At most one through the tower; those that are known cost nothing. False: none was encoded.
bool Scheduler::EncodePicture(const std::function<void()>& on_tick) {
  for (Running& running : running_) {
    Request& request = *running.request;
    while (request.stage == Stage::kPictures) {
      const auto view = request.NextView();
      if (!view) {
        request.stage = Stage::kPrompt;
        break;
      }
      ImageEncoder& encoder = *machine_.encoder;
      const auto begin = std::chrono::steady_clock::now();
      bool encoded = false;
      const Status status = Guarded("look at the picture", "", [&]() -> Status {
        SoftTokenRows rows = encoder.Find(view->picture, view->box, request.salt());
        if (!rows) {
          encoded = true;
          const auto on_layer = [&](size_t layers) {
            request.ReportImageLayers(layers);
            on_tick();
            return !request.stopped();
          };
          GEMMA3_TRY(rows, encoder.Encode(view->picture, view->box, request.salt(), on_layer,
                                          request.adapters.get()));
        }
        request.TakeView(std::move(rows), encoded, SecondsSince(begin));
        return {};
      });
      if (!status && status.error().code == ErrorCode::kCancelled) {
        request.FinishStopped();
      } else if (!status) {
        request.Fail(status.error());
      }
      if (encoded) return true;
    }
  }
  return false;
}

// ---- Prompts

// Whether a request that was admitted before computes what this one begins with, too.
bool Scheduler::WaitsForAnother(size_t index) {
  const Request& request = *running_[index].request;
  const TokenSequence& sequence = request.sequence();
  const size_t most = sequence.ids.size() - 1;
  if (request.wants_prompt_logprobs()) return false;
  const size_t known = store_.Match(sequence, request.salt(), most);
  for (size_t i = 0; i < index; ++i) {
    Request& other = *running_[i].request;
    if (other.stage == Stage::kFinished || other.salt() != request.salt()) continue;
    const size_t common =
        CommonPrefix(sequence, other.sequence(), std::min(most, other.prompt_tokens()));
    const size_t computed = other.cache ? other.cache->size() : 0;
    if (common <= known + kWorthWaiting || computed >= common) continue;
    IfThereIsMemory([&] { other.AddPlace(common); });
    return true;
  }
  return false;
}

void Scheduler::BeginPrompts() {
  for (size_t i = 0; i < running_.size(); ++i) {
    Request& request = *running_[i].request;
    if (request.stage != Stage::kPrompt || request.cache || WaitsForAnother(i)) continue;
    const TokenSequence& sequence = request.sequence();
    // At least the last token is always computed: its logits are wanted.
    const size_t most = sequence.ids.size() - 1;
    const Status status = Guarded("answer", "", [&]() -> Status {
      if (request.wants_prompt_logprobs()) {
        request.BeginPrompt(KvCache(machine_.kv));
        return {};
      }
      std::optional<KvCache> begun = store_.Find(sequence, request.salt(), most);
      for (const Running& running : running_) {
        const Request& other = *running.request;
        if (!other.cache || other.salt() != request.salt()) continue;
        const size_t common =
            CommonPrefix(sequence, other.sequence(), std::min(most, other.cache->size()));
        const bool better = common > (begun ? begun->size() : 0);
        if (!better || !other.cache->CanTruncate(common)) continue;
        begun = other.cache->Fork();
        begun->Truncate(common);
      }
      request.BeginPrompt(begun ? *std::move(begun) : KvCache(machine_.kv));
      return {};
    });
    if (!status) {
      request.Fail(status.error());
      continue;
    }
    counts_.cached_tokens += request.cached_tokens();
    counts_.prompt_tokens += sequence.ids.size() - request.cached_tokens();
  }
}

// ---- A batch

// Where the pool has no page left, what is kept for later goes.
bool Scheduler::MakeRoom(const BatchPart& part, Request& request) {
  for (;;) {
    const Status room = Guarded(
        "answer", "", [&] { return part.cache->MakeRoom(part.cache->size() + part.ids.size()); });
    if (room) return true;
    if (store_.EvictOne()) continue;
    request.Fail(room.error());
    return false;
  }
}

void Scheduler::CollectBatch() {
  batch_.clear();
  parts_.clear();
  size_t rows = 0;
  const auto answers = static_cast<size_t>(std::ranges::count_if(
      running_, [](const Running& r) { return r.request->stage == Stage::kAnswer; }));
  const auto take = [&](Running& running, size_t most, bool must, bool guess) {
    Request& request = *running.request;
    const auto next = Guarded("answer", "", [&] {
      // It follows one answer; with several it would read each time what it has read before.
      return request.Next(most, must, guess, answers == 1 ? draft_ : nullptr);
    });
    if (!next && next.error().code == ErrorCode::kCancelled) return;  // ended by the next step
    if (!next) return request.Fail(next.error());
    BatchPart part = *next;
    part.adapters = request.adapters.get();
    if (part.ids.empty() || !MakeRoom(part, request)) return;
    running.first_row = rows;
    running.rows = part.ids.size();
    rows += running.rows;
    batch_.push_back(&running);
    parts_.push_back(part);
  };
  const size_t max_batch = machine_.max_batch;
  const size_t for_prompts = answers == 0 ? max_batch : std::min(max_batch, options_.prompt_piece);
  for (size_t i = 0; i < running_.size(); ++i) {
    Running& running = running_[(turn_ + i) % running_.size()];
    if (running.request->stage != Stage::kPrompt || !running.request->cache) continue;
    if (rows >= for_prompts) break;
    take(running, for_prompts - rows, /*must=*/rows == 0, false);
  }
  ++turn_;
  // A picture is computed as a whole, and may leave no room for answers.
  const bool guess = answers <= kAnswersWithGuesses && rows == 0;
  size_t left = answers;  // that must have a row each
  for (Running& running : running_) {
    if (running.request->stage != Stage::kAnswer) continue;
    --left;
    if (rows + left < max_batch) take(running, max_batch - rows - left, true, guess);
  }
}

void Scheduler::ComputeBatch(const std::function<void()>& on_tick) {
  const auto residual = Guarded("answer", "", [&] {
    return machine_.transformer.Forward(parts_, machine_.workspace, [&] {
      on_tick();
      return std::ranges::any_of(batch_, [](const Running* r) { return r->request->stopped(); });
    });
  });
  if (!residual) {
    // Those who did not ask for it begin the step anew.
    if (residual.error().code == ErrorCode::kCancelled) return;
    for (Running* running : batch_) running->request->Fail(residual.error());
    return;
  }
  const Status status = Guarded("answer", "", [&]() -> Status {
    for (Running* running : batch_) {
      Request& request = *running->request;
      if (request.stage != Stage::kPrompt) continue;
      IfThereIsMemory([&] { KeepCheckpoints(request, request.cache->size() - running->rows); });
    }
    TakeLogits(*residual);
    return {};
  });
  for (Running* running : batch_) {
    Request& request = *running->request;
    if (!status) {
      request.Fail(status.error());
    } else if (request.cache && request.cache->size() > 0) {
      // One position back, so that the last token can be computed again.
      request.cache->Settle(request.cache->size() - 1);
    }
  }
}

// The cache still holds every key that queries behind `begin` see.
void Scheduler::KeepCheckpoints(const Request& request, size_t begin) {
  for (const size_t place : request.places()) {
    if (place <= begin || place > request.cache->size()) continue;
    KvCache fork = request.cache->Fork();
    fork.Truncate(place);
    fork.Settle(place);
    store_.KeepCheckpoint(request.sequence(), std::move(fork), request.salt(), &*request.cache);
  }
}

// A row of the residual stream whose logits are wanted, and where they come to lie.
struct Scheduler::LogitRow {
  const Request::LogitsWanted* wanted;
  const AdapterSet* adapters;
  size_t row;
  std::span<float> logits = {};  // [vocab], or none where no token's is wanted
};

void Scheduler::TakeLogits(Rows<const float> residual) {
  for (size_t begin = 0, end = 0; begin < batch_.size(); begin = end) {
    // As many requests as their logits fit.
    std::vector<LogitRow> rows;
    std::vector<size_t> first;  // of each request's rows
    for (; end < batch_.size(); ++end) {
      const Running& running = *batch_[end];
      const auto wanted = running.request->wanted();
      if (end > begin && rows.size() + wanted.size() > kLogitRows) break;
      first.push_back(rows.size());
      for (size_t k = 0; k < wanted.size(); ++k) {
        rows.push_back({&wanted[k], running.request->adapters.get(),
                        running.first_row + running.rows - wanted.size() + k});
      }
    }
    ComputeLogits(residual, rows);
    std::vector<std::span<float>> logits;
    for (const LogitRow& row : rows) logits.push_back(row.logits);
    machine_.pool.ParallelFor(end - begin, [&](size_t i, size_t) {
      Request& request = *batch_[begin + i]->request;
      const Status taken = Guarded("answer", "", [&]() -> Status {
        request.Take(std::span(logits).subspan(first[i], request.wanted().size()));
        return {};
      });
      if (!taken) request.Fail(taken.error());
    });
  }
}

// Rows that need all logits come first, as one product reads the matrix for all of them.
void Scheduler::ComputeLogits(Rows<const float> residual, std::span<LogitRow> rows) {
  const size_t vocab = config_.vocab_size, hidden = config_.hidden_size;
  const Transformer& transformer = machine_.transformer;
  if (rows.size() > logit_rows_) {
    normed_ = AlignedBuffer<float>(rows.size() * hidden);
    logits_ = AlignedBuffer<float>(rows.size() * vocab);
    logit_rows_ = rows.size();
  }
  size_t used = 0;
  const auto begin = [&](LogitRow& row) {
    float* const normed = normed_.data() + used * hidden;
    transformer.FinalNorm(residual.Slice(row.row, 1), {normed, 1, hidden}, machine_.pool);
    row.logits = {logits_.data() + used * vocab, vocab};
    ++used;
    return std::span<const float>(normed, hidden);
  };
  std::vector<LogitsPart> whole;
  for (LogitRow& row : rows) {
    if (!row.wanted->all) continue;
    begin(row);
    whole.push_back({1, row.adapters});
  }
  if (!whole.empty()) {
    transformer.Logits({normed_.data(), used, hidden}, whole, {logits_.data(), used, vocab},
                       machine_.pool);
  }
  std::vector<float> some;
  for (LogitRow& row : rows) {
    const std::span<const TokenId> tokens = row.wanted->tokens;
    if (row.wanted->all || tokens.empty()) continue;
    some.resize(tokens.size());
    transformer.LogitsOf(begin(row), tokens, row.adapters, some, machine_.pool);
    std::ranges::fill(row.logits, -std::numeric_limits<float>::infinity());
    for (size_t i = 0; i < tokens.size(); ++i) {
      row.logits[static_cast<size_t>(tokens[i])] = some[i];
    }
  }
}

}  // namespace gemma3
