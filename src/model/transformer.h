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
#include "src/weights/adapter.h"
#include "src/weights/weights.h"

namespace gemma3 {

// The rows of one sequence in a batch: the positions [cache->size(), cache->size() + ids.size()).
struct BatchPart {
  KvCache* cache = nullptr;           // a sequence is in a batch once
  std::span<const TokenId> ids = {};  // [rows]; at image rows the id is not looked up
  // Of the whole sequence, in rising order; those that begin in the part end in it.
  std::span<const ImageRun> images = {};
  const AdapterSet* adapters = nullptr;  // null: the model as it is
};

// Rows whose logits are computed with these adapters.
struct LogitsPart {
  size_t rows = 0;
  const AdapterSet* adapters = nullptr;
};

// Asked before each layer; true ends the pass. May be empty.
using StopCheck = std::function<bool()>;

class Transformer {
 public:
  // Floats of the workspace for batches of up to `max_rows` rows.
  static size_t WorkspaceFloats(const TextConfig& config, size_t max_rows);

  // What batches with adapters take beside it. max_rank: the largest AdapterSet::max_rank.
  static size_t AdapterFloats(const TextConfig& config, size_t rows, size_t max_rank);

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

  // Floats of the workspace for texts of `rows` tokens in `tiles` tiles of kKvTile (each text
  // begins one).
  static size_t EncodeFloats(const TextConfig& config, Compute compute, size_t rows, size_t tiles);
  // Runs all layers of a bidirectional model over whole texts, none empty, in one pass without
  // caches. adapters: of all of them, or null. Returns as Forward does. Errors: kCancelled.
  Result<Rows<const float>> Encode(std::span<const std::span<const TokenId>> texts,
                                   const AdapterSet* adapters, Workspace& workspace,
                                   const StopCheck& stop) const;

  // out = final_norm(x). x, out: [rows, hidden], may be the same memory.
  void FinalNorm(Rows<const float> x, Rows<float> out, ThreadPool& pool) const;

  // Logits of normalised states. normed: [rows, hidden], out: [rows, vocab].
  void Logits(Rows<const float> normed, Rows<float> out, ThreadPool& pool) const;
  // The same, of the rows of several sequences, one after the other.
  void Logits(Rows<const float> normed, std::span<const LogitsPart> parts, Rows<float> out,
              ThreadPool& pool) const;
  // Of one state the logits of these tokens alone, with the bits that they have above. normed:
  // [hidden], tokens: ascending, out: [tokens.size()]. adapters: the sequence's, or null.
  void LogitsOf(std::span<const float> normed, std::span<const TokenId> tokens,
                const AdapterSet* adapters, std::span<float> out, ThreadPool& pool) const;

 private:
  struct Pass;  // what one call shares between its layers
  // Rows of a batch with one set of adapters.
  struct AdaptedRows {
    size_t begin, count;
    const AdapterSet* set;
  };
  static std::vector<AdaptedRows> AdaptedRowsOf(std::span<const BatchPart> batch);
  // memory: AdapterFloats.
  void PrepareAdapters(std::vector<AdaptedRows> adapted, float* memory, Pass& pass) const;
  void EmbedIds(std::span<const TokenId> ids, const AdapterSet* adapters, Rows<float> rows,
                ThreadPool& pool) const;
  void Embed(std::span<const BatchPart> batch, Rows<float> x, ThreadPool& pool) const;
  void Prepare(std::span<const BatchPart> batch, Pass& pass) const;
  // A product of the pass, to which adapters may add.
  struct Product {
    MatrixView w;
    Rows<float> out;
    LayerMatrix matrix;
  };
  void Multiply(size_t layer, const Pass& pass, Rows<const float> x,
                std::span<const Product> products, ThreadPool& pool) const;
  // What the pass' adapters do to matrices that are computed together, for each its runs; empty
  // where they do nothing.
  std::vector<std::vector<LoraRun>> RunsOf(size_t layer, const Pass& pass,
                                           std::span<const LayerMatrix> matrices) const;
  void RunMlp(size_t layer, const Pass& pass, ThreadPool& pool) const;
  // With the keys and values in pass.parts.
  void RunLayer(size_t layer, Pass& pass, Rows<float> x, ThreadPool& pool) const;

  const TextConfig& config_;
  const TextWeights& weights_;
  const Compute compute_;
  const float embedding_scale_;
  std::vector<float> local_frequency_, global_frequency_;  // inverse, [head_dim / 2]
};

}  // namespace gemma3
