// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The slow, obvious matrix multiplication that ops/matmul.h is measured against.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "hwy/base.h"
#include "ops/matmul.h"
#include "ops/packed.h"
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

// Integer weights: value = scale * quant + min, scale and min belonging to scale_inputs inputs.
struct BlockWeights {
  size_t rows = 0;
  size_t cols = 0;
  size_t scale_inputs = 32;
  std::vector<float> scales;  // [rows, cols / scale_inputs]
  std::vector<float> mins;    // the same, or empty
  std::vector<int> quants;    // [rows, cols]
};

// Reads a packed matrix by the letter of ops/packed.h.
inline BlockWeights ReadPacked(const MatrixView& w) {
  const PackedFormat format = PackedFormatOf(w.type);
  BlockWeights out;
  out.rows = w.rows;
  out.cols = w.cols;
  out.scale_inputs = format.scale_inputs;
  const auto* bytes = static_cast<const uint8_t*>(w.data);
  const auto half = [](const uint8_t* p) {
    hwy::float16_t value;
    std::memcpy(&value, p, 2);
    return hwy::ConvertScalarTo<float>(value);
  };
  const size_t zero = format.zero_shift < 0 ? 0 : size_t{1} << format.zero_shift;
  const size_t arrays = format.min ? 2 : 1;
  for (size_t n = 0; n < w.rows; ++n) {
    const uint8_t* group = bytes + n / 16 * PackedGroupBytes(w.type, w.cols);
    const size_t r = n % 16;
    const auto chunk_of = [&](size_t input) {
      return group + input / PackedChunkInputs(w.type) * PackedChunkBytes(w.type);
    };
    for (size_t k = 0; k < w.cols; k += format.scale_inputs) {
      const uint8_t* chunk = chunk_of(k);
      const size_t b = k % PackedChunkInputs(w.type) / format.scale_inputs;  // within the chunk
      if (format.super) {
        const uint8_t* s = chunk + arrays * 32 + b * arrays * 16 + r;
        float d = half(chunk + 2 * r);
        if (format.table) {
          float factor;
          std::memcpy(&factor, chunk + 32 + 16 * 16 + 16, sizeof factor);
          d *= factor;
        }
        out.scales.push_back(d * static_cast<float>(static_cast<int8_t>(s[0])));
        if (format.min) {
          out.mins.push_back(-(half(chunk + 32 + 2 * r) * static_cast<float>(s[16])));
        }
      } else {
        const uint8_t* s = chunk + b * arrays * 32 + 2 * r;
        out.scales.push_back(half(s));
        if (format.min) out.mins.push_back(half(s + 32));
      }
    }
    for (size_t k = 0; k < w.cols; ++k) {
      const uint8_t* values = chunk_of(k) + PackedValueOffset(w.type);
      const size_t quad = k % PackedChunkInputs(w.type) / 4;
      int stored;
      if (format.nibbles) {
        stored = values[quad / 2 * 64 + 4 * r + k % 4];
        stored = quad % 2 == 0 ? stored & 15 : stored >> 4;
      } else {
        stored = values[quad * 64 + 4 * r + k % 4];
      }
      if (format.table) stored = chunk_of(k)[32 + 16 * 16 + stored];
      out.quants.push_back(stored - static_cast<int>(zero));
    }
  }
  return out;
}

// The arithmetic that ops/matmul_packed-inl.h promises, operation by operation: to be met to the
// bit. (Needs a compiler that fuses no multiplication with an addition.)
inline std::vector<float> BlockMatMul(Rows<const float> x, const BlockWeights& w,
                                      const float* bias = nullptr) {
  std::vector<float> out;
  for (size_t r = 0; r < x.rows; ++r) {
    std::vector<float> x_scales(x.cols / 32);
    std::vector<int> x_quants(x.cols);
    for (size_t b = 0; b < x.cols / 32; ++b) {
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
      for (size_t b = 0; b < x.cols / w.scale_inputs; ++b) {
        int sum = 0;
        int x_sum = 0;
        for (size_t k = w.scale_inputs * b; k < w.scale_inputs * (b + 1); ++k) {
          sum += w.quants[n * w.cols + k] * x_quants[k];
          x_sum += x_quants[k];
        }
        const size_t at = n * (x.cols / w.scale_inputs) + b;
        const float x_scale = x_scales[w.scale_inputs * b / 32];
        const float scale = w.scales[at] * x_scale;
        total = std::fma(static_cast<float>(sum), scale, total);
        if (!w.mins.empty()) {
          const float x_total = x_scale * static_cast<float>(x_sum);
          total = std::fma(w.mins[at], x_total, total);
        }
      }
      out.push_back(bias ? total + bias[n] : total);
    }
  }
  return out;
}

}  // namespace gemma3::reference
