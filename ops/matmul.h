// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The one door to matrix multiplication: out = x * W^T (+ bias), for every weight type, for one row
// (decode), a few (small batches) and many (prefill, vision tower).
//
// Promise: the bits of a row of the result depend on that row of x and on W alone, not on how many
// rows come with it, on the number of threads, or on where memory lies. Prefill in any batch size
// and decode therefore agree to the bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ops/rows.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// The integer types are described in ops/packed.h.
enum class WeightType : uint8_t {
  kF32,
  kF16,
  kBF16,
  kInt8,       // 8 bits, a scale for 32 inputs
  kInt4,       // 4 bits, a scale for 32 inputs
  kInt8Min,    // 8 bits, a scale and a minimum for 32 inputs
  kInt4Min,    // 4 bits, a scale and a minimum for 32 inputs
  kInt8K,      // 8 bits, two levels of scales, for 16 and 256 inputs
  kInt8KMin,   // 8 bits, two levels of scales and minima, for 16 and 256 inputs
  kInt4K,      // 4 bits, two levels of scales and minima, for 32 and 256 inputs
  kInt4Table,  // 4 bits that stand for 16 numbers of 8, two levels of scales, for 16 and 256 inputs
};

// Weights [rows, cols] = [outputs, inputs]; row r holds the weights of output r. Never owns.
struct MatrixView {
  WeightType type = WeightType::kF32;
  size_t rows = 0;
  size_t cols = 0;
  // kF32, kF16, kBF16: row-major without padding, aligned to the element size only (mapped files).
  // Integers: the packed layout of ops/packed.h, aligned to 64 bytes.
  const void* data = nullptr;
};

// How activations meet the weights.
enum class Compute : uint8_t {
  kFast,   // activations rounded to bf16 where the CPU multiplies bf16, to int8 blocks for integer
           // weights; products summed in f32
  kExact,  // f32 activations and products; for comparing with other implementations
};

struct MatMulTask {
  MatrixView w;
  Rows<float> out;              // [x.rows, w.rows]
  const float* bias = nullptr;  // [w.rows] or none
};

// Runs all tasks on the same input (for example q, k and v) as one parallel region.
// x: [rows, cols]; every task has w.cols == x.cols. Outputs must not overlap x or each other.
void MatMul(Rows<const float> x, std::span<const MatMulTask> tasks, Compute compute,
            ThreadPool& pool);

inline void MatMul(Rows<const float> x, const MatrixView& w, Rows<float> out, Compute compute,
                   ThreadPool& pool, const float* bias = nullptr) {
  const MatMulTask task{w, out, bias};
  MatMul(x, {&task, 1}, compute, pool);
}

// Writes row `row` of w as floats (embedding lookup). out: [w.cols].
void UnpackRow(const MatrixView& w, size_t row, float* out);

}  // namespace gemma3
