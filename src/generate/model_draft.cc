// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/generate/model_draft.h"

#include <algorithm>

#include "src/base/status.h"

namespace gemma3 {

ModelDraft::ModelDraft(const ModelConfig& config, const ModelWeights& weights, Compute compute,
                       KvTypes kv, size_t context, size_t max_batch, Workspace& workspace)
    : config_(config),
      context_(std::min(context, config.text.max_context)),
      max_batch_(std::min(max_batch, context_)),
      workspace_(workspace),
      transformer_(config.text, weights.text, compute, ReferenceRounding::kPublished),
      cache_(std::make_shared<KvPool>(config.text, kv,
                                      KvCache::MostBytes(config.text, kv, context_, max_batch_))),
      normed_(config.text.hidden_size),
      logits_(config.text.vocab_size) {}

Status ModelDraft::Read(std::span<const TokenId> ids, const StopCheck& stop) {
  while (!ids.empty()) {
    const auto piece = ids.first(std::min(ids.size(), max_batch_));
    const BatchPart part{&cache_, piece};
    GEMMA3_TRY(const Rows<const float> residual,
               transformer_.Forward({&part, 1}, workspace_, stop));
    held_.insert(held_.end(), piece.begin(), piece.end());
    // Guesses are taken back: as far as one proposal goes, the cache must be able to follow.
    cache_.Settle(cache_.size() - std::min(cache_.size(), kMaxDraft + 1));
    ids = ids.subspan(piece.size());
    if (!ids.empty()) continue;
    const Rows<float> normed(normed_.data(), 1, normed_.size());
    transformer_.FinalNorm(residual.Slice(residual.rows - 1, 1), normed, workspace_.pool());
    transformer_.Logits(normed, Rows<float>(logits_.data(), 1, logits_.size()), workspace_.pool());
  }
  return {};
}

Status ModelDraft::Propose(std::span<const TokenId> text, size_t place, size_t most,
                           Sampler& sampler, const StopCheck& stop, std::vector<TokenId>& out) {
  most = std::min(most, kMaxDraft);
  if (most == 0 || text.size() + most > context_) return {};
  for (const TokenId id : text) {
    if (id < 0 || static_cast<size_t>(id) >= config_.text.vocab_size) return {};
  }
  // The last token is read again where all of the text is there: its logits are wanted.
  size_t common = 0;
  const size_t limit = std::min(held_.size(), text.size() - 1);
  while (common < limit && held_[common] == text[common]) ++common;
  if (!cache_.CanTruncate(common)) common = 0;
  cache_.Truncate(common);
  held_.resize(common);
  words_.assign(text.begin(), text.end());
  for (size_t i = 0; i < most; ++i) {
    GEMMA3_CHECK_OK(Read(std::span(words_).subspan(held_.size()), stop));
    const TokenId id = sampler.Sample(logits_, words_, place + i);
    words_.push_back(id);
    out.push_back(id);
  }
  return {};
}

}  // namespace gemma3
