// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Keys and values of all layers. Local layers hold a ring just large enough for their window and
// one prefill batch; global layers hold the whole context.
#pragma once

#include <cstddef>
#include <vector>

#include "gemma3/config.h"
#include "ops/attention.h"
#include "src/base/aligned_buffer.h"

namespace gemma3 {

class KvCache {
 public:
  struct Shape {
    size_t context = 0;    // positions that global layers can hold
    size_t max_batch = 0;  // rows that one prefill batch may append
    KvType local = KvType::kBF16;
    KvType global = KvType::kBF16;
  };

  // Slots of a local layer's ring: a query needs its window, and the batch it came with is stored
  // before it attends.
  static size_t RingSlots(const TextConfig& config, const Shape& shape);
  static size_t Bytes(const TextConfig& config, const Shape& shape);

  // Memory is reserved here and becomes resident as positions fill. Throws std::bad_alloc.
  KvCache(const TextConfig& config, const Shape& shape);

  const KvView& layer(size_t i) const { return layers_[i]; }
  size_t context() const { return shape_.context; }

  // Declares that positions up to `end` (exclusive) are about to be overwritten.
  void WillWrite(size_t end) { written_end_ = end > written_end_ ? end : written_end_; }

  // Whether computation can go on at position p: whether every key that a query at p or later may
  // see is still there. After a rewind, rings may have lost the older part of the window.
  bool CanResumeAt(size_t p) const;

  // Forgets everything; the memory stays.
  void Clear() { written_end_ = 0; }

 private:
  Shape shape_;
  size_t window_;
  size_t ring_slots_;
  size_t written_end_ = 0;  // one past the highest position ever stored since Clear
  AlignedBuffers memory_;
  std::vector<KvView> layers_;
};

}  // namespace gemma3
