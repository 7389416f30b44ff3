// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The selections of ops/select.h by sorting everything: slow and obvious, for tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

namespace gemma3::reference {

// All indices, larger values first, NaN last, lower indices first among equals.
inline std::vector<int32_t> FallingOrder(std::span<const float> x) {
  std::vector<int32_t> order(x.size());
  std::iota(order.begin(), order.end(), 0);
  const auto value = [&](int32_t i) { return x[static_cast<size_t>(i)]; };
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    if (std::isnan(value(a)) || std::isnan(value(b))) {
      return !std::isnan(value(a)) && std::isnan(value(b));
    }
    return value(a) > value(b);
  });
  return order;
}

inline double LogSumExp(std::span<const float> x) {
  double max = -std::numeric_limits<double>::infinity();
  for (const double v : x) max = std::max(max, v);
  double sum = 0;
  for (const double v : x) sum += std::exp(v - max);
  return max + std::log(sum);
}

}  // namespace gemma3::reference
