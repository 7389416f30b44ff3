// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// How much making something may cost. What is done is counted and not timed, so that what is too
// much is so on every machine, however busy, and every time.
#pragma once

#include <cstdint>

namespace gemma3 {

// A step is what takes about a nanosecond.
class Work {
 public:
  explicit Work(uint64_t limit = UINT64_MAX) : limit_(limit) {}

  // To be called for what is to be done or was just done, before it is much. False: that is more
  // than there was to spend. From then on nothing may be done, and what was made is not whole.
  bool Do(uint64_t steps) {
    spent_ = spent_ || steps > limit_ - done_;
    if (!spent_) done_ += steps;
    return !spent_;
  }
  bool spent() const { return spent_; }
  uint64_t done() const { return done_; }

 private:
  const uint64_t limit_;
  uint64_t done_ = 0;
  bool spent_ = false;
};

}  // namespace gemma3
