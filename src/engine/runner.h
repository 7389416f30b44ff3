// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Tokens in, logits out: the transformer with its cache and the record of what the cache holds, so
// that a sequence that begins like the last one is computed only from where it differs.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "gemma3/generation.h"
#include "src/engine/loaded_model.h"
#include "src/model/kv_cache.h"
#include "src/model/transformer.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// Soft tokens of one picture or crop, [tokens_per_image, hidden]. Compared by address: the encoder
// returns the same object for the same picture as long as it is cached or in use.
using SoftTokenRows = std::shared_ptr<const std::vector<float>>;

struct ImageRun {
  size_t begin = 0;  // index into the ids
  size_t count = 0;
  SoftTokenRows rows;
};

struct TokenSequence {
  std::vector<TokenId> ids;
  std::vector<ImageRun> images;  // in rising order
};

class Runner {
 public:
  // The model must outlive this. Throws std::bad_alloc.
  Runner(const LoadedModel& model, const ResolvedOptions& options);

  // Receives the residual stream behind each prefill batch, [rows, hidden], and, for the first
  // layer's output, the same shape or null.
  using BatchCallback =
      std::function<void(size_t first_pos, Rows<const float> residual, const float* first_layer)>;

  struct PrefillRequest {
    const TokenSequence* sequence = nullptr;  // not empty, at most context() ids
    ProgressCallback on_progress = {};
    BatchCallback on_batch = {};
    size_t on_batch_from = 0;  // on_batch sees each position from here on: none of them is reused
    bool want_first_layer = false;  // pass first_layer to on_batch
  };
  // Makes the cache hold exactly the sequence and returns the logits behind its last token,
  // [vocab], valid and editable until the next call. *reused, if not null, gets the number of
  // tokens that were in the cache. Errors: kBadModel for ids outside the embedding table;
  // kCancelled: the cache then holds whole batches only.
  Result<std::span<float>> Prefill(const PrefillRequest& request, size_t* reused = nullptr);

  // Appends one token and returns the logits behind it.
  Result<std::span<float>> Append(TokenId id);

  size_t size() const { return held_.ids.size(); }  // tokens in the cache
  size_t context() const { return cache_.context(); }
  const ModelConfig& config() const { return config_; }
  std::span<const TokenId> ids() const { return held_.ids; }
  void Clear();

  ThreadPool& pool() { return pool_; }
  Transformer& transformer() { return transformer_; }

  // Set by any thread to stop the running call; cleared by whoever starts one.
  std::atomic<bool> cancel = false;

 private:
  Status CheckIds(const TokenSequence& sequence) const;
  size_t ReusablePrefix(const PrefillRequest& request) const;
  size_t BatchEnd(const TokenSequence& sequence, size_t begin) const;
  std::span<float> LastLogits(Rows<const float> residual);

  const ModelConfig& config_;
  const size_t prefill_batch_;
  ThreadPool pool_;
  Transformer transformer_;
  KvCache cache_;
  TokenSequence held_;
  std::vector<float> normed_;  // [hidden]
  std::vector<float> logits_;  // [vocab]
};

}  // namespace gemma3
