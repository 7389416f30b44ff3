// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The Gemma 3 language model: one forward pass of a batch of consecutive positions.
//
// Everything between matrices is f32: values in the residual stream reach 1e5 to 1e6, which f16
// cannot hold. Thread rule: one call at a time; the weights are shared and never written.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "gemma3/options.h"
#include "ops/attention.h"
#include "ops/matmul.h"
#include "src/base/aligned_buffer.h"
#include "src/model/kv_cache.h"
#include "src/threading/thread_pool.h"
#include "src/weights/weights.h"

namespace gemma3 {

// An image's soft tokens within a batch.
struct SoftTokens {
  size_t begin = 0;             // first row of the batch
  size_t count = 0;             // rows; never split between batches
  const float* rows = nullptr;  // [count, hidden], replacing the token embeddings
};

struct Batch {
  std::span<const TokenId> ids;        // [rows]; at image rows the id is not looked up
  size_t first_pos = 0;                // position of row 0 in the conversation
  std::span<const SoftTokens> images;  // in rising order
};

class Transformer {
 public:
  // Bytes of scratch for batches of up to `max_batch` rows.
  static size_t ScratchBytes(const TextConfig& config, size_t max_batch);

  // The weights must outlive this. Throws std::bad_alloc.
  Transformer(const TextConfig& config, const TextWeights& weights, Compute compute,
              RopeFrequencies frequencies, size_t max_batch, ThreadPool& pool);

  // Runs all layers over the batch, appending to the cache. Returns the residual stream after the
  // last layer, [rows, hidden], valid until the next call. Errors: kCancelled when `cancel` was
  // set; the batch's positions in the cache are then undefined. after_first_layer, if not null,
  // receives the residual stream after layer 0, [rows, hidden].
  Result<Rows<const float>> Forward(const Batch& batch, KvCache& cache,
                                    const std::atomic<bool>& cancel,
                                    float* after_first_layer = nullptr);

  // out = final_norm(x). x, out: [rows, hidden].
  void FinalNorm(Rows<const float> x, Rows<float> out);

  // Logits of normalised states. normed: [rows, hidden], out: [rows, vocab].
  void Logits(Rows<const float> normed, Rows<float> out);

 private:
  void Embed(const Batch& batch, Rows<float> x);
  void RunLayer(size_t layer, size_t first_pos, Rows<float> x, const KvView& kv);

  const TextConfig& config_;
  const TextWeights& weights_;
  const Compute compute_;
  ThreadPool& pool_;
  const float embedding_scale_;

  // What the two kinds of layers see differently.
  struct Kind {
    std::vector<float> inverse_frequency;  // [head_dim / 2]
    std::vector<float> cos, sin;           // [rows, head_dim / 2] of the current batch
    std::vector<KeyRange> keys;            // [rows] of the current batch
  };
  Kind local_, global_;
  Kind& KindOf(size_t layer) {
    return config_.layers[layer] == LayerKind::kLocal ? local_ : global_;
  }
  void Prepare(const Batch& batch);

  AlignedBuffer<float> memory_;
  // Carved from memory_, for max_batch rows each.
  float* x_;       // residual stream
  float* normed_;  // input of a block, and its output before the post-norm
  float* branch_;
  float* q_;
  float* k_;
  float* v_;
};

}  // namespace gemma3
