// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The norms of ops/norm.h for one row, in double: slow and obvious, for tests.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace gemma3::reference {

inline std::vector<double> RmsNorm(std::span<const float> x, std::span<const float> gain,
                                   double eps) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  const double rms = std::sqrt(sum / static_cast<double>(x.size()) + eps);
  std::vector<double> out(x.size());
  for (size_t i = 0; i < x.size(); ++i) out[i] = double{x[i]} / rms * double{gain[i]};
  return out;
}

inline std::vector<double> LayerNorm(std::span<const float> x, std::span<const float> weight,
                                     std::span<const float> bias, double eps) {
  const double n = static_cast<double>(x.size());
  double sum = 0;
  for (const double v : x) sum += v;
  const double mean = sum / n;
  double squares = 0;
  for (const double v : x) squares += (v - mean) * (v - mean);
  const double deviation = std::sqrt(squares / n + eps);
  std::vector<double> out(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    out[i] = (double{x[i]} - mean) / deviation * double{weight[i]} + double{bias[i]};
  }
  return out;
}

}  // namespace gemma3::reference
