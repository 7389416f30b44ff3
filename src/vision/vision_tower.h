// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The SigLIP vision transformer and Gemma 3's projector: one picture to its soft tokens.
//
// Patches of patch_size x patch_size pixels become rows; every row attends to every other; the grid
// of rows is averaged in squares down to tokens_per_image rows, normalised, and projected to the
// width of the language model. Thread rule: any thread, each with a workspace of its own.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "ops/attention.h"
#include "ops/matmul.h"
#include "src/threading/workspace.h"
#include "src/weights/adapter.h"
#include "src/weights/weights.h"

namespace gemma3 {

class VisionTower {
 public:
  // Floats of the workspace while a picture is encoded.
  static size_t WorkspaceFloats(const VisionConfig& config, Compute compute);
  // Bytes of memory beside it, in the threads' scratch.
  static size_t MlpScratchBytes(const VisionConfig& config);

  // The configuration and the weights must outlive this.
  VisionTower(const VisionConfig& config, const VisionWeights& weights, Compute compute);

  // Called after each layer with the number done; false cancels.
  using LayerCallback = std::function<bool(size_t layers_done)>;

  // pixels: [channels, image_size, image_size], in [-1, 1].
  // soft_tokens: [tokens_per_image, text hidden]. adapters: null, or of this model. Errors:
  // kCancelled.
  Status Encode(std::span<const float> pixels, Rows<float> soft_tokens, Workspace& workspace,
                const LayerCallback& on_layer, const AdapterSet* adapters = nullptr) const;

 private:
  struct Pass;  // the scratch of one picture
  void EmbedPatches(std::span<const float> pixels, const Pass& pass) const;
  void RunLayer(size_t layer, const Pass& pass) const;
  void RunMlp(size_t layer, const Pass& pass, Rows<const float> x, Rows<float> out) const;
  void Project(const Pass& pass, Rows<float> soft_tokens) const;
  void Multiply(Rows<const float> x, const Linear& linear, Rows<float> out, ThreadPool& pool) const;
  struct Product {
    const Linear& linear;
    Rows<float> out;
    TowerMatrix matrix;
  };
  // With what adapters add to it.
  void Multiply(size_t layer, const Pass& pass, Rows<const float> x,
                std::span<const Product> products) const;

  const VisionConfig& config_;
  const VisionWeights& weights_;
  const Compute compute_;
};

}  // namespace gemma3
