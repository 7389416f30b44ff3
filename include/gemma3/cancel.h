// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// How a caller stops what it has asked for.
#pragma once

#include <atomic>
#include <memory>

namespace gemma3 {

// Set once and for all: a call that is given a flag that is already set ends before it begins. The
// library never clears one; use a new flag for each piece of work that is to be stopped on its own.
// Copies share one state. Any thread may set it; so may a signal handler.
class CancelFlag {
 public:
  CancelFlag() : state_(std::make_shared<std::atomic<bool>>(false)) {}

  void Cancel() const noexcept { state_->store(true, std::memory_order_relaxed); }
  bool cancelled() const noexcept { return state_->load(std::memory_order_relaxed); }

 private:
  static_assert(std::atomic<bool>::is_always_lock_free);  // what a signal handler may touch
  std::shared_ptr<std::atomic<bool>> state_;
};

}  // namespace gemma3
