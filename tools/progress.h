// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A line with a percentage on standard error while a prompt or a picture takes long.
#pragma once

#include <chrono>
#include <cstddef>

#include "gemma3/generation.h"

namespace gemma3::cli {

// Shows nothing when standard error is no terminal, and nothing before 300 ms have passed, so that
// quick answers do not flicker.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine() { Erase(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void Update(const Progress& progress);
  // Leaves the terminal as if nothing had been shown. To be called before other output.
  void Erase();

 private:
  using Clock = std::chrono::steady_clock;
  bool enabled_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_shown_ = {};
  size_t shown_width_ = 0;
};

}  // namespace gemma3::cli
