// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The slow, obvious matrix multiplication that ops/matmul.h is measured against.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ops/rows.h"

namespace gemma3::reference {

struct MatMulResult {
  std::vector<double> out;        // [x.rows, w.rows]
  std::vector<double> magnitude;  // sum of |x w| over the inputs, plus |bias|: scales the tolerance
};

// x: [rows, cols], w: [outputs, cols], bias: [outputs] or none.
inline MatMulResult MatMul(Rows<const float> x, Rows<const float> w, const float* bias = nullptr) {
  MatMulResult result;
  for (size_t r = 0; r < x.rows; ++r) {
    for (size_t n = 0; n < w.rows; ++n) {
      double sum = bias ? bias[n] : 0.0;
      double magnitude = std::abs(sum);
      for (size_t k = 0; k < x.cols; ++k) {
        const double product = double{x.row(r)[k]} * double{w.row(n)[k]};
        sum += product;
        magnitude += std::abs(product);
      }
      result.out.push_back(sum);
      result.magnitude.push_back(magnitude);
    }
  }
  return result;
}

// Weights in blocks of 32 inputs: value = scale * quant.
struct BlockWeights {
  size_t rows = 0;
  size_t cols = 0;
  std::vector<float> scales;   // [rows, cols / 32]
  std::vector<int8_t> quants;  // [rows, cols]
};

// The arithmetic that ops/packed.h and ops/matmul_packed-inl.h promise, operation by operation: to
// be met to the bit. (Needs a compiler that fuses no multiplication with an addition.)
inline std::vector<float> BlockMatMul(Rows<const float> x, const BlockWeights& w,
                                      const float* bias = nullptr) {
  const size_t blocks = x.cols / 32;
  std::vector<float> out;
  for (size_t r = 0; r < x.rows; ++r) {
    std::vector<float> x_scales(blocks);
    std::vector<int> x_quants(x.cols);
    for (size_t b = 0; b < blocks; ++b) {
      const float* from = x.row(r) + 32 * b;
      float largest = 0;
      for (size_t i = 0; i < 32; ++i) largest = std::fmax(largest, std::fabs(from[i]));
      if (largest < 1e-36f) continue;  // too small to invert: a block of zeros
      x_scales[b] = largest / 127.0f;
      const float inverse = 127.0f / largest;
      for (size_t i = 0; i < 32; ++i) {
        x_quants[32 * b + i] = static_cast<int>(std::nearbyint(from[i] * inverse));
      }
    }
    for (size_t n = 0; n < w.rows; ++n) {
      float total = 0;
      for (size_t b = 0; b < blocks; ++b) {
        int sum = 0;
        for (size_t k = 32 * b; k < 32 * b + 32; ++k) sum += w.quants[n * w.cols + k] * x_quants[k];
        const float scale = w.scales[n * blocks + b] * x_scales[b];
        const float product = static_cast<float>(sum) * scale;
        total = total + product;
      }
      out.push_back(bias ? total + bias[n] : total);
    }
  }
  return out;
}

}  // namespace gemma3::reference
