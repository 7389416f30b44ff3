// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/evaluate/runner.h"

#include <algorithm>
#include <utility>

#include "src/base/finite.h"
#include "src/base/status.h"

namespace gemma3 {

Runner::Runner(const LoadedModel& model, const ResolvedOptions& options,
               std::shared_ptr<const AdapterSet> adapters)
    : adapters_(std::move(adapters)),
      context_(options.context),
      prefill_batch_(std::min(options.session.prefill_batch, options.context)),
      machine_(model.checkpoint.config, model.weights, MachineOptionsOf(options)),
      cache_(machine_.kv),
      normed_(config().text.hidden_size),
      logits_(config().text.vocab_size) {}

void Runner::Clear() {
  cache_.Truncate(0);
  held_ = {};
}

Error Runner::NotFinite() {
  Clear();  // pages are zeroed when they are taken, so that forgetting is enough
  return LogitsNotFinite();
}

Status Runner::CheckFinite(std::span<const float> logits) {
  if (AllFinite(logits)) return {};
  return std::unexpected(NotFinite());
}

// Takes the cache back to where the first `common` tokens can be gone on from, or to nothing.
size_t Runner::ResumeAt(size_t common) {
  const size_t start = cache_.CanTruncate(common) ? common : 0;
  cache_.Truncate(start);
  held_.Truncate(start);
  return start;
}

std::span<float> Runner::LastLogits(Rows<const float> residual) {
  const Rows<float> normed(normed_.data(), 1, normed_.size());
  transformer().FinalNorm(residual.Slice(residual.rows - 1, 1), normed, pool());
  const LogitsPart part{1, adapters()};
  transformer().Logits(normed, {&part, 1}, Rows<float>(logits_.data(), 1, logits_.size()), pool());
  return logits_;
}

Result<Rows<const float>> Runner::Forward(std::span<const TokenId> ids,
                                          std::span<const ImageRun> images,
                                          float* after_first_layer) {
  const BatchPart part{&cache_, ids, images, adapters()};
  GEMMA3_TRY(
      const Rows<const float> residual,
      transformer().Forward(
          {&part, 1}, machine_.workspace, [this] { return cancel.load(); }, after_first_layer));
  held_.ids.insert(held_.ids.end(), ids.begin(), ids.end());
  return residual;
}

Result<std::span<float>> Runner::Prefill(const PrefillRequest& request) {
  const TokenSequence& sequence = *request.sequence;
  GEMMA3_CHECK_OK(CheckIds(sequence, config().text.vocab_size));
  // At least the last token is always computed: its logits are wanted.
  size_t most = sequence.ids.size() - 1;
  if (request.on_batch) most = std::min(most, request.on_batch_from);
  const size_t start = ResumeAt(CommonPrefix(sequence, held_, most));

  const size_t total = sequence.ids.size() - start;
  std::vector<float> first_layer;
  Rows<const float> residual;
  for (size_t begin = start; begin < sequence.ids.size();) {
    const size_t end = PieceEnd(sequence, begin, prefill_batch_, /*must=*/true);
    if (request.on_progress &&
        !request.on_progress({Progress::Stage::kPrefill, begin - start, total})) {
      return Fail(ErrorCode::kCancelled, "cancelled by the caller");
    }
    if (request.want_first_layer) first_layer.resize((end - begin) * config().text.hidden_size);
    GEMMA3_TRY(residual,
               Forward(std::span(sequence.ids).subspan(begin, end - begin), sequence.images,
                       request.want_first_layer ? first_layer.data() : nullptr));
    for (const ImageRun& image : sequence.images) {
      if (image.begin >= begin && image.begin < end) held_.images.push_back(image);
    }
    // One position back, so that the last token can be computed again.
    cache_.Settle(end - 1);
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
  cache_.Settle(cache_.size() - 1);
  return LastLogits(residual);
}

}  // namespace gemma3
