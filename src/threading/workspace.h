// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a step of computation needs besides the weights and the caches: threads, and memory for
// intermediate results. The language model and the vision tower take turns with one.
#pragma once

#include <cstddef>

#include "src/base/aligned_buffer.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// Thread rule: one step at a time.
class Workspace {
 public:
  explicit Workspace(ThreadPool& pool) : pool_(pool) {}

  ThreadPool& pool() const { return pool_; }

  // Room for `count` floats, uninitialized, aligned to a cache line. Ends the life of what was
  // returned before. Throws std::bad_alloc.
  float* Floats(size_t count) {
    if (memory_.size() < count) {
      memory_ = {};  // first, so that the old and the new are never both there
      memory_ = AlignedBuffer<float>(count);
    }
    return memory_.data();
  }

  // Gives the memory back where it is larger than this many floats.
  void Shrink(size_t count) {
    if (memory_.size() > count) memory_ = {};
  }

 private:
  ThreadPool& pool_;
  AlignedBuffer<float> memory_;
};

}  // namespace gemma3
