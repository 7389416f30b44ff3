// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The rotation of ops/rope.h for one head, in double: slow and obvious, for tests.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace gemma3::reference {

// angle[i] turns the pair (x[i], x[i + x.size() / 2]).
inline std::vector<double> ApplyRope(std::span<const float> x, std::span<const double> angle) {
  const size_t half = x.size() / 2;
  std::vector<double> out(x.size());
  for (size_t i = 0; i < half; ++i) {
    const double a = x[i];
    const double b = x[i + half];
    out[i] = a * std::cos(angle[i]) - b * std::sin(angle[i]);
    out[i + half] = b * std::cos(angle[i]) + a * std::sin(angle[i]);
  }
  return out;
}

}  // namespace gemma3::reference
