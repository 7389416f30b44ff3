// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/engine/runner.h"

#include <algorithm>
#include <utility>

#include "src/base/finite.h"
#include "src/base/status.h"

namespace gemma3 {

Runner::Runner(const LoadedModel& model, const ResolvedOptions& options)
    : config_(model.checkpoint.config),
      context_(options.context),
      prefill_batch_(std::min(options.session.prefill_batch, options.context)),
      checkpoint_bytes_(options.checkpoint_bytes),
      pool_(options.threads),
      workspace_(pool_),
      transformer_(config_.text, model.weights.text, options.compute, options.session.reference),
      now_{.cache = KvCache(std::make_shared<KvPool>(
               config_.text, options.kv,
               KvCache::MostBytes(config_.text, options.kv, context_, options.max_batch) +
                   checkpoint_bytes_)),
           .held = {},
           .checkpoints = {}},
      normed_(config_.text.hidden_size),
      logits_(config_.text.vocab_size) {
  workspace_.Floats(Transformer::WorkspaceFloats(config_.text, options.max_batch));
}

void Runner::Clear() {
  before_.reset();
  now_.checkpoints.clear();
  now_.cache.Truncate(0);
  now_.held = {};
}

Error Runner::NotFinite() {
  // Pages are zeroed when they are taken, so that forgetting is enough.
  if (!before_) Clear();
  return Fail(ErrorCode::kInternal,
              "the model's logits are not finite (infinite, or not a number): its weights are "
              "damaged, or numbers grew too large on the way; is the download complete?")
      .error();
}

Status Runner::CheckFinite(std::span<const float> logits) {
  if (AllFinite(logits)) return {};
  return std::unexpected(NotFinite());
}

void Runner::Begin() {
  before_ = State{now_.cache.Fork(), now_.held, {}};
  for (const KvCache& checkpoint : now_.checkpoints) {
    before_->checkpoints.push_back(checkpoint.Fork());
  }
}

void Runner::RollBack(bool cancelled) {
  if (!before_) return Clear();
  State before = *std::move(before_);
  before_.reset();
  const auto begins_like = [](const auto& whole, const auto& part) {
    return whole.size() >= part.size() && std::equal(part.begin(), part.end(), whole.begin());
  };
  const bool more = begins_like(now_.held.ids, before.held.ids) &&
                    begins_like(now_.held.images, before.held.images);
  if (!cancelled || !more) {
    now_ = std::move(before);
    return;
  }
  // What was computed on top is right, and is likely to be asked for again.
  auto& checkpoints = now_.checkpoints;
  const size_t size = before.cache.size();
  const auto at = std::ranges::lower_bound(checkpoints, size, {}, &KvCache::size);
  if (size > 0 && (at == checkpoints.end() || at->size() != size)) {
    checkpoints.insert(at, std::move(before.cache));
  }
}

// How many tokens the sequence has in common with what is held, at most `most`.
size_t Runner::CommonPrefix(const TokenSequence& sequence, size_t most) const {
  const TokenSequence& held = now_.held;
  most = std::min(most, held.ids.size());
  size_t common = 0;
  while (common < most && held.ids[common] == sequence.ids[common]) ++common;
  for (const ImageRun& image : sequence.images) {
    if (image.begin >= common) break;
    // A picture is computed as a whole or not at all.
    if (std::ranges::find(held.images, image) == held.images.end() || image.end() > common) {
      common = image.begin;
    }
  }
  return common;
}

// Takes the cache back to where the first `common` tokens can be gone on from, or as far before as
// necessary. What is held shrinks with it.
size_t Runner::ResumeAt(size_t common) {
  while (!now_.checkpoints.empty() && now_.checkpoints.back().size() > common) {
    now_.checkpoints.pop_back();
  }
  size_t start = common;
  if (now_.cache.CanTruncate(common)) {
    now_.cache.Truncate(common);
  } else if (!now_.checkpoints.empty()) {
    now_.cache = now_.checkpoints.back().Fork();
    start = now_.cache.size();
  } else {
    now_.cache.Truncate(0);
    start = 0;
  }
  now_.held.ids.resize(start);
  std::erase_if(now_.held.images, [&](const ImageRun& image) { return image.begin >= start; });
  return start;
}

// A tokenizer may come with a model that it was not made for. At the places of pictures nothing is
// looked up.
Status Runner::CheckIds(const TokenSequence& sequence) const {
  auto image = sequence.images.begin();
  for (size_t i = 0; i < sequence.ids.size(); ++i) {
    if (image != sequence.images.end() && image->begin == i) {
      i += image->count - 1;
      ++image;
      continue;
    }
    const TokenId id = sequence.ids[i];
    if (id < 0 || static_cast<size_t>(id) >= config_.text.vocab_size) {
      return Fail(ErrorCode::kBadModel, "token ", id, " of the prompt is outside the model's ",
                  config_.text.vocab_size, " embeddings: the tokenizer belongs to another model");
    }
  }
  return {};
}

// Where the batch that starts at `begin` ends: after prefill_batch_ tokens, but never inside a
// picture.
size_t Runner::BatchEnd(const TokenSequence& sequence, size_t begin) const {
  const size_t end = std::min(begin + prefill_batch_, sequence.ids.size());
  for (const ImageRun& image : sequence.images) {
    if (image.begin < end && end < image.end()) {
      return image.begin > begin ? image.begin : image.end();
    }
  }
  return end;
}

std::span<float> Runner::LastLogits(Rows<const float> residual) {
  const Rows<float> normed(normed_.data(), 1, normed_.size());
  transformer_.FinalNorm(residual.Slice(residual.rows - 1, 1), normed, pool_);
  transformer_.Logits(normed, Rows<float>(logits_.data(), 1, logits_.size()), pool_);
  return logits_;
}

// Where the pool has no page left, what is kept for later goes, the oldest first.
Result<Rows<const float>> Runner::Forward(std::span<const TokenId> ids,
                                          std::span<const ImageRun> images,
                                          float* after_first_layer) {
  for (;;) {
    Status room = now_.cache.MakeRoom(now_.cache.size() + ids.size());
    if (room) break;
    if (before_) {
      before_.reset();
    } else if (!now_.checkpoints.empty()) {
      now_.checkpoints.pop_front();
    } else {
      return std::unexpected(std::move(room).error());
    }
  }
  const BatchPart part{&now_.cache, ids, images};
  GEMMA3_TRY(const Rows<const float> residual,
             transformer_.Forward({&part, 1}, workspace_, cancel, after_first_layer));
  now_.held.ids.insert(now_.held.ids.end(), ids.begin(), ids.end());
  return residual;
}

// The cache still holds every key that queries at `begin` or later see.
void Runner::KeepCheckpoints(const TokenSequence& sequence, size_t begin) {
  const auto keep = [&](size_t place) {
    const bool known = !now_.checkpoints.empty() && now_.checkpoints.back().size() >= place;
    if (place < begin || place == 0 || place > now_.cache.size() || known) return;
    KvCache fork = now_.cache.Fork();
    fork.Truncate(place);
    fork.Settle(place);
    now_.checkpoints.push_back(std::move(fork));
  };
  for (const size_t turn : sequence.turns) keep(turn);
  keep(sequence.ids.size() - 1);  // the last token is computed again for its logits
  // The begins of the last question and of its answer are kept as long as there is memory.
  constexpr size_t kKept = 2;
  size_t bytes = 0;
  for (size_t i = now_.checkpoints.size(); i-- > 0;) {
    const bool last = i + 1 == now_.checkpoints.size();
    bytes += now_.checkpoints[i].BytesBeside(last ? now_.cache : now_.checkpoints[i + 1]);
    if (bytes > checkpoint_bytes_ && now_.checkpoints.size() - i > kKept) {
      now_.checkpoints.erase(now_.checkpoints.begin(),
                             now_.checkpoints.begin() + static_cast<ptrdiff_t>(i + 1));
      break;
    }
  }
}

Result<std::span<float>> Runner::Prefill(const PrefillRequest& request, size_t* reused) {
  const TokenSequence& sequence = *request.sequence;
  GEMMA3_CHECK_OK(CheckIds(sequence));
  // At least the last token is always computed: its logits are wanted.
  size_t most = sequence.ids.size() - 1;
  if (request.on_batch) most = std::min(most, request.on_batch_from);
  const size_t start = ResumeAt(CommonPrefix(sequence, most));
  if (reused) *reused = start;

  const size_t total = sequence.ids.size() - start;
  std::vector<float> first_layer;
  Rows<const float> residual;
  for (size_t begin = start; begin < sequence.ids.size();) {
    const size_t end = BatchEnd(sequence, begin);
    if (request.on_progress &&
        !request.on_progress({Progress::Stage::kPrefill, begin - start, total})) {
      return Fail(ErrorCode::kCancelled, "cancelled by the caller");
    }
    if (request.want_first_layer) first_layer.resize((end - begin) * config_.text.hidden_size);
    GEMMA3_TRY(residual,
               Forward(std::span(sequence.ids).subspan(begin, end - begin), sequence.images,
                       request.want_first_layer ? first_layer.data() : nullptr));
    for (const ImageRun& image : sequence.images) {
      if (image.begin >= begin && image.begin < end) now_.held.images.push_back(image);
    }
    KeepCheckpoints(sequence, begin);
    // One position back, so that the last token can be computed again.
    now_.cache.Settle(end - 1);
    if (request.on_batch) {
      request.on_batch(begin, residual, request.want_first_layer ? first_layer.data() : nullptr);
    }
    begin = end;
  }
  if (request.on_progress && !request.on_progress({Progress::Stage::kPrefill, total, total})) {
    return Fail(ErrorCode::kCancelled, "cancelled by the caller");
  }
  return LastLogits(residual);
}

Result<std::span<float>> Runner::Append(TokenId id) {
  GEMMA3_TRY(const Rows<const float> residual, Forward({&id, 1}, {}));
  now_.cache.Settle(now_.cache.size() - 1);
  return LastLogits(residual);
}

}  // namespace gemma3
