// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/engine/runner.h"

#include <algorithm>
#include <utility>

#include "src/base/status.h"

namespace gemma3 {

Runner::Runner(const LoadedModel& model, const ResolvedOptions& options)
    : config_(model.checkpoint.config),
      prefill_batch_(std::min(options.session.prefill_batch, options.context)),
      pool_(options.threads),
      transformer_(config_.text, model.weights.text, options.compute,
                   options.session.rope_frequencies, options.max_batch, pool_),
      cache_(config_.text, {.context = options.context,
                            .max_batch = options.max_batch,
                            .local = options.kv_local,
                            .global = options.kv_global}),
      normed_(config_.text.hidden_size),
      logits_(config_.text.vocab_size) {
  held_.ids.reserve(options.context);
}

void Runner::Clear() {
  held_.ids.clear();
  held_.images.clear();
  cache_.Clear();
}

// How many tokens of the sequence need not be computed again. At least the last one always is: its
// logits are wanted.
size_t Runner::ReusablePrefix(const PrefillRequest& request) const {
  const TokenSequence& sequence = *request.sequence;
  size_t most = std::min(held_.ids.size(), sequence.ids.size() - 1);
  if (request.on_batch) most = std::min(most, request.on_batch_from);
  size_t common = 0;
  while (common < most && held_.ids[common] == sequence.ids[common]) ++common;
  for (const ImageRun& image : sequence.images) {
    if (image.begin >= common) break;
    const bool same = std::ranges::any_of(held_.images, [&](const ImageRun& held) {
      return held.begin == image.begin && held.count == image.count && held.rows == image.rows;
    });
    // A picture is computed as a whole or not at all.
    if (!same || image.begin + image.count > common) common = image.begin;
  }
  return cache_.CanResumeAt(common) ? common : 0;
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
    const size_t image_end = image.begin + image.count;
    if (image.begin < end && end < image_end) return image.begin > begin ? image.begin : image_end;
  }
  return end;
}

std::span<float> Runner::LastLogits(Rows<const float> residual) {
  const Rows<float> normed(normed_.data(), 1, normed_.size());
  transformer_.FinalNorm(residual.Slice(residual.rows - 1, 1), normed);
  transformer_.Logits(normed, Rows<float>(logits_.data(), 1, logits_.size()));
  return logits_;
}

Result<std::span<float>> Runner::Prefill(const PrefillRequest& request, size_t* reused) {
  const TokenSequence& sequence = *request.sequence;
  GEMMA3_CHECK_OK(CheckIds(sequence));
  const size_t start = ReusablePrefix(request);
  if (reused) *reused = start;
  if (start == 0) cache_.Clear();
  held_.ids.resize(start);
  std::erase_if(held_.images, [&](const ImageRun& image) { return image.begin >= start; });

  const size_t total = sequence.ids.size() - start;
  std::vector<float> first_layer;
  std::vector<SoftTokens> images;
  Rows<const float> residual;
  for (size_t begin = start; begin < sequence.ids.size();) {
    const size_t end = BatchEnd(sequence, begin);
    images.clear();
    for (const ImageRun& image : sequence.images) {
      if (image.begin >= begin && image.begin < end) {
        images.push_back({image.begin - begin, image.count, image.rows->data()});
      }
    }
    if (request.on_progress &&
        !request.on_progress({Progress::Stage::kPrefill, begin - start, total})) {
      return Fail(ErrorCode::kCancelled, "cancelled by the caller");
    }
    if (request.want_first_layer) first_layer.resize((end - begin) * config_.text.hidden_size);
    const std::span<const TokenId> ids(sequence.ids.data() + begin, end - begin);
    GEMMA3_TRY(residual,
               transformer_.Forward({ids, begin, images}, cache_, cancel,
                                    request.want_first_layer ? first_layer.data() : nullptr));
    held_.ids.insert(held_.ids.end(), ids.begin(), ids.end());
    for (const ImageRun& image : sequence.images) {
      if (image.begin >= begin && image.begin < end) held_.images.push_back(image);
    }
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
  GEMMA3_TRY(const Rows<const float> residual,
             transformer_.Forward({{&id, 1}, held_.ids.size(), {}}, cache_, cancel));
  held_.ids.push_back(id);
  return LastLogits(residual);
}

}  // namespace gemma3
