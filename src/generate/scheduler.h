// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What is computed when: steps over all requests at once.
//
// A step is one pass through the network. It takes the next rows of every answer and, in turn, a
// piece of a prompt that waits, as many rows as a step may have; or one picture through the tower.
// A request is admitted when the pages that it can come to need are free, or in use only by what is
// kept for later, so that an admitted answer cannot run out of memory.
//
// A prompt that begins like one that is just being computed waits until that one has passed what
// they have in common, and goes on from there.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "src/base/aligned_buffer.h"
#include "src/generate/machine.h"
#include "src/generate/prefix_store.h"
#include "src/generate/request.h"

namespace gemma3 {

struct SchedulerOptions {
  size_t parallel = 1;  // answers at a time that are planned for, and texts that are kept
  size_t checkpoint_bytes = 0;
  // The part of a step that prompts get while answers are written: the rest waits a shorter time.
  size_t prompt_piece = 128;
};

// Thread rule: one at a time.
class Scheduler {
 public:
  // The machine must outlive this, and so must `draft`, if not null: it guesses. Throws
  // std::bad_alloc.
  Scheduler(Machine& machine, const SchedulerOptions& options, ModelDraft* draft = nullptr);

  void Add(std::shared_ptr<Request> request);

  // Computes one step. on_tick is called between layers: the place for whoever steps to look after
  // its own affairs; it must not throw. Whatever goes wrong ends the requests that it concerns, and
  // no others. False: there is nothing to do.
  bool Step(const std::function<void()>& on_tick);

  // Ends the requests that somebody has stopped; Step does so, too.
  void EndStopped();
  // Ends all, where something failed that is nobody's own; and `others`, which may be among them.
  void EndAll(const Error& error, std::span<const std::shared_ptr<Request>> others) noexcept;
  // What is kept for later.
  PrefixStore& store() { return store_; }

  struct Counts {
    size_t waiting = 0, running = 0, kv_bytes = 0;
    size_t prompt_tokens = 0, cached_tokens = 0, answer_tokens = 0;  // since creation
  };
  Counts counts() const;

 private:
  struct Running {
    std::shared_ptr<Request> request;
    size_t reserved_bytes = 0;
    // In the batch of the step that runs.
    size_t first_row = 0, rows = 0;
  };

  void Admit();
  size_t BytesFor(const Request& request) const;
  bool EncodePicture(const std::function<void()>& on_tick);
  bool WaitsForAnother(size_t index);
  void BeginPrompts();
  void CollectBatch();
  bool MakeRoom(const BatchPart& part, Request& request);
  void ComputeBatch(const std::function<void()>& on_tick);
  void KeepCheckpoints(const Request& request, size_t begin);
  void TakeLogits(Rows<const float> residual);
  struct LogitRow;
  void ComputeLogits(Rows<const float> residual, std::span<LogitRow> rows);
  void Remove(size_t index);

  Machine& machine_;
  ModelDraft* const draft_;
  const TextConfig& config_;
  const SchedulerOptions options_;
  PrefixStore store_;
  std::deque<std::shared_ptr<Request>> waiting_;
  std::vector<Running> running_;  // in the order of their admission
  size_t turn_ = 0;               // of the prompt that a step begins with
  bool pictures_turn_ = true;

  // Of the step.
  std::vector<Running*> batch_;
  std::vector<BatchPart> parts_;
  AlignedBuffer<float> normed_, logits_;
  size_t logit_rows_ = 0;  // that there is room for
  Counts counts_;
};

}  // namespace gemma3
