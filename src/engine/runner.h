// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Tokens in, logits out: the transformer with the cache of one text and the record of what it
// holds, so that a sequence that begins like the last one is computed only from where it differs.
//
// Local layers keep no more than their window, so the cache itself can go back only a little. For
// longer ways there are checkpoints: forks of the cache at the begin of each turn and before the
// last token of a prompt. They share the pages of what they have in common with it.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "gemma3/generation.h"
#include "src/engine/loaded_model.h"
#include "src/model/image_run.h"
#include "src/model/kv_cache.h"
#include "src/model/transformer.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

struct TokenSequence {
  std::vector<TokenId> ids;
  std::vector<ImageRun> images;  // in rising order
  // Where turns begin, in rising order: places that a later sequence may go on from.
  std::vector<size_t> turns;
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
  // tokens that were not computed. Errors: kBadModel for ids outside the embedding table;
  // kCancelled: the cache then holds whole batches only.
  Result<std::span<float>> Prefill(const PrefillRequest& request, size_t* reused = nullptr);

  // Appends one token and returns the logits behind it.
  Result<std::span<float>> Append(TokenId id);

  // Remembers what is held, so that a call that fails can be undone. Where it was only cancelled,
  // what was computed on top may stay. Memory that runs short is taken from what is remembered
  // first: RollBack then leaves less than there was, and more has to be computed again.
  void Begin();
  void RollBack(bool cancelled);
  void Commit() { before_.reset(); }

  // The error for logits that are no numbers. Whatever led there stands in the cache: forgets all
  // of it, unless RollBack will.
  Error NotFinite();
  // Errors: that one.
  Status CheckFinite(std::span<const float> logits);

  size_t size() const { return now_.held.ids.size(); }  // tokens in the cache
  size_t context() const { return context_; }
  const ModelConfig& config() const { return config_; }
  void Clear();

  ThreadPool& pool() { return pool_; }
  Workspace& workspace() { return workspace_; }
  const Transformer& transformer() const { return transformer_; }

  // Set by any thread to stop the running call; cleared by whoever starts one.
  std::atomic<bool> cancel = false;

 private:
  Status CheckIds(const TokenSequence& sequence) const;
  size_t CommonPrefix(const TokenSequence& sequence, size_t most) const;
  size_t ResumeAt(size_t common);
  size_t BatchEnd(const TokenSequence& sequence, size_t begin) const;
  Result<Rows<const float>> Forward(std::span<const TokenId> ids, std::span<const ImageRun> images,
                                    float* after_first_layer = nullptr);
  void KeepCheckpoints(const TokenSequence& sequence, size_t begin);
  std::span<float> LastLogits(Rows<const float> residual);

  // What is held, and forks of its cache at the places that it may be taken up from again.
  struct State {
    KvCache cache;
    TokenSequence held;
    std::deque<KvCache> checkpoints;  // sizes rise
  };

  const ModelConfig& config_;
  const size_t context_;
  const size_t prefill_batch_;
  const size_t checkpoint_bytes_;
  ThreadPool pool_;
  Workspace workspace_;
  const Transformer transformer_;
  State now_;
  std::optional<State> before_;
  std::vector<float> normed_;  // [hidden]
  std::vector<float> logits_;  // [vocab]
};

}  // namespace gemma3
