// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Guesses of a smaller model with the same vocabulary: it writes a few tokens ahead, with the
// settings and the random numbers of the answer itself, so that it guesses what the large model
// would draw and not only what is likeliest.
//
// It follows one answer at a time. Whatever it has read of another one is kept as far as both begin
// alike. Texts with pictures are not for it.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gemma3/config.h"
#include "src/decode/sampler.h"
#include "src/generate/draft.h"
#include "src/model/kv_cache.h"
#include "src/model/transformer.h"
#include "src/threading/workspace.h"
#include "src/weights/weights.h"

namespace gemma3 {

// Thread rule: one step at a time, as the machine whose workspace it shares.
class ModelDraft {
 public:
  // All of it must outlive this. context: positions, at most the model's own. max_batch: prompt
  // tokens that it reads at once. Throws std::bad_alloc.
  ModelDraft(const ModelConfig& config, const ModelWeights& weights, Compute compute, KvTypes kv,
             size_t context, size_t max_batch, Workspace& workspace);

  // Appends to `out` at most `most` tokens that may follow `text`. `place`: of the first of them in
  // the answer. Nothing where the text is too long for the model, or `stop` said so. Errors: those
  // of Transformer::Forward.
  Status Propose(std::span<const TokenId> text, size_t place, size_t most, Sampler& sampler,
                 const StopCheck& stop, std::vector<TokenId>& out);

 private:
  Status Read(std::span<const TokenId> ids, const StopCheck& stop);

  const ModelConfig& config_;
  const size_t context_, max_batch_;
  Workspace& workspace_;
  const Transformer transformer_;
  KvCache cache_;
  std::vector<TokenId> held_;   // by the cache
  std::vector<TokenId> words_;  // the text and the guesses
  std::vector<float> normed_;   // [hidden]
  std::vector<float> logits_;   // [vocab], behind the last of held_
};

}  // namespace gemma3
