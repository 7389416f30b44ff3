// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The Gemma 3 language model: one forward pass over a batch of rows, which may belong to several
// sequences.
//
// Promise: the bits of a row depend on that row's sequence alone, not on what else is in the batch,
// on how the sequence was cut into batches, or on the number of threads.
//
// Everything between matrices is f32: values in the residual stream reach 1e5 to 1e6, which f16
// cannot hold. Thread rule: any thread; what a pass changes is the workspace and the caches, which
// are passed in.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "gemma3/options.h"
#include "ops/matmul.h"
#include "src/model/image_run.h"
#include "src/model/kv_cache.h"
#include "src/threading/workspace.h"
#include "src/weights/weights.h"

namespace gemma3 {

// The rows of one sequence in a batch: the positions [cache->size(), cache->size() + ids.size()).
struct BatchPart {
  KvCache* cache = nullptr;           // a sequence is in a batch once
  std::span<const TokenId> ids = {};  // [rows]; at image rows the id is not looked up
  // Of the whole sequence, in rising order; those that begin in the part end in it.
  std::span<const ImageRun> images = {};
};

// Asked before each layer; true ends the pass. May be empty.
using StopCheck = std::function<bool()>;

class Transformer {
 public:
  // Floats of the workspace for batches of up to `max_rows` rows.
  static size_t WorkspaceFloats(const TextConfig& config, size_t max_rows);

  // Configuration and weights must outlive this.
  Transformer(const TextConfig& config, const TextWeights& weights, Compute compute,
              ReferenceRounding rounding);

  // Runs all layers over the batch and appends it to the caches. Returns the residual stream after
  // the last layer, [rows, hidden], the parts one after the other; valid until the workspace is
  // used again. Errors: kCancelled when `stop` said so, and those of KvCache::MakeRoom: the
  // caches then hold what they held before. after_first_layer, if not null, receives the residual
  // stream after layer 0, [rows, hidden].
  Result<Rows<const float>> Forward(std::span<const BatchPart> batch, Workspace& workspace,
                                    const StopCheck& stop,
                                    float* after_first_layer = nullptr) const;

  // out = final_norm(x). x, out: [rows, hidden].
  void FinalNorm(Rows<const float> x, Rows<float> out, ThreadPool& pool) const;

  // Logits of normalised states. normed: [rows, hidden], out: [rows, vocab].
  void Logits(Rows<const float> normed, Rows<float> out, ThreadPool& pool) const;
  // Of one state the logits of these tokens alone, with the bits that they have above. normed:
  // [hidden], tokens: ascending, out: [tokens.size()].
  void LogitsOf(std::span<const float> normed, std::span<const TokenId> tokens,
                std::span<float> out, ThreadPool& pool) const;

 private:
  struct Pass;  // what one call shares between its layers
  void Embed(std::span<const BatchPart> batch, Rows<float> x, ThreadPool& pool) const;
  void Prepare(std::span<const BatchPart> batch, Pass& pass) const;
  void RunLayer(size_t layer, std::span<const BatchPart> batch, Pass& pass, Rows<float> x,
                ThreadPool& pool) const;

  const TextConfig& config_;
  const TextWeights& weights_;
  const Compute compute_;
  const float embedding_scale_;
  std::vector<float> local_frequency_, global_frequency_;  // inverse, [head_dim / 2]
};

}  // namespace gemma3
