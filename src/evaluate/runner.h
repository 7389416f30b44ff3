// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Tokens in, logits out, one sequence at a time: what measuring needs of a model. A sequence that
// begins like the last one is computed from where it differs, as far as the cache can go back.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "gemma3/generation.h"
#include "src/engine/loaded_model.h"
#include "src/engine/resolve.h"
#include "src/generate/machine.h"
#include "src/generate/token_sequence.h"

namespace gemma3 {

class Runner {
 public:
  // The model must outlive this. Throws std::bad_alloc.
  Runner(const LoadedModel& model, const ResolvedOptions& options,
         std::shared_ptr<const AdapterSet> adapters = nullptr);

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
  // [vocab], valid and editable until the next call. Errors: those of CheckIds; kCancelled: the
  // cache then holds whole batches only.
  Result<std::span<float>> Prefill(const PrefillRequest& request);

  // Appends one token and returns the logits behind it.
  Result<std::span<float>> Append(TokenId id);

  // The error for logits that are no numbers. Whatever led there stands in the cache, and is
  // forgotten.
  Error NotFinite();
  // Errors: that one.
  Status CheckFinite(std::span<const float> logits);

  size_t size() const { return held_.ids.size(); }  // tokens in the cache
  size_t context() const { return context_; }
  const ModelConfig& config() const { return machine_.config; }
  const AdapterSet* adapters() const { return adapters_.get(); }
  void Clear();

  ThreadPool& pool() { return machine_.pool; }
  const Transformer& transformer() const { return machine_.transformer; }
  ImageEncoder* encoder() { return machine_.encoder ? &*machine_.encoder : nullptr; }

  // Set by any thread to stop the running call; cleared by whoever starts one.
  std::atomic<bool> cancel = false;

 private:
  size_t ResumeAt(size_t common);
  Result<Rows<const float>> Forward(std::span<const TokenId> ids, std::span<const ImageRun> images,
                                    float* after_first_layer = nullptr);
  std::span<float> LastLogits(Rows<const float> residual);

  const std::shared_ptr<const AdapterSet> adapters_;  // null: the model as it is
  const size_t context_;
  const size_t prefill_batch_;
  Machine machine_;
  KvCache cache_;
  TokenSequence held_;
  std::vector<float> normed_;  // [hidden]
  std::vector<float> logits_;  // [vocab]
};

}  // namespace gemma3
