// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The SigLIP vision transformer and Gemma 3's projector: one picture to its soft tokens.
//
// Patches of patch_size x patch_size pixels become rows; every row attends to every other; the grid
// of rows is averaged in squares down to tokens_per_image rows, normalised, and projected to the
// width of the language model. Thread rule: one call at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "ops/attention.h"
#include "ops/matmul.h"
#include "src/base/aligned_buffer.h"
#include "src/threading/thread_pool.h"
#include "src/weights/weights.h"

namespace gemma3 {

class VisionTower {
 public:
  // Bytes of scratch that one encoder holds.
  static size_t ScratchBytes(const VisionConfig& config, Compute compute);

  // The configuration and the weights must outlive this. Throws std::bad_alloc.
  VisionTower(const VisionConfig& config, const VisionWeights& weights, Compute compute,
              ThreadPool& pool);

  // Called after each layer with the number done; false cancels.
  using LayerCallback = std::function<bool(size_t layers_done)>;

  // pixels: [channels, image_size, image_size], in [-1, 1].
  // soft_tokens: [tokens_per_image, text hidden]. Errors: kCancelled.
  Status Encode(std::span<const float> pixels, Rows<float> soft_tokens,
                const LayerCallback& on_layer);

 private:
  void EmbedPatches(std::span<const float> pixels);
  void RunLayer(const VisionLayerWeights& w);
  void Project(Rows<float> soft_tokens);
  void Multiply(Rows<const float> x, const Linear& linear, Rows<float> out);

  const VisionConfig& config_;
  const VisionWeights& weights_;
  const Compute compute_;
  ThreadPool& pool_;
  std::vector<KeyRange> keys_;  // [patches]: all of them, for every query

  AlignedBuffer<float> memory_;
  AlignedBuffers kv_memory_;
  KvView kv_;
  Rows<float> x_;       // residual stream, [patches, hidden]
  Rows<float> normed_;  // [patches, hidden]
  Rows<float> q_, k_, v_;
};

}  // namespace gemma3
