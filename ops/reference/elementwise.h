// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The activation of ops/elementwise.h in double: slow and obvious, for tests.
#pragma once

#include <cmath>

namespace gemma3::reference {

// 0.5 x (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3). For negative u the sum 1 + tanh(u) loses
// all digits even in double, so it is written as its equal 2 exp(2u) / (1 + exp(2u)).
inline double Gelu(double x) {
  const double u = std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x);
  if (u < 0) return x * std::exp(2 * u) / (1 + std::exp(2 * u));
  return 0.5 * x * (1 + std::tanh(u));
}

}  // namespace gemma3::reference
