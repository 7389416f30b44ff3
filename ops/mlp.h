// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The two or three matrices of a layer's MLP as one operation, whose inner rows never exist as a
// whole in floats: a block of them is computed, goes through the activation while it is in the
// second-level cache, and is stored once, in the form that the last matrix takes. They are the
// widest activations of a model, and reading and writing them was a twentieth of the time of a long
// prompt.
#pragma once

#include <cstddef>
#include <span>

#include "ops/lora.h"
#include "ops/matmul.h"
#include "ops/rows.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

struct MlpTask {
  MatrixView gate;                   // [inner, x.cols]
  MatrixView up;                     // the same shape; without data: none
  MatrixView down;                   // [out.cols, inner]
  const float* gate_bias = nullptr;  // [inner] or none
  const float* down_bias = nullptr;  // [out.cols] or none
  // What is added to each product (lora.h). Those of gate and up have the same rows.
  std::span<const LoraRun> gate_runs = {}, up_runs = {}, down_runs = {};
  // Where `down` has runs: memory for the inner rows as floats, [rows, inner].
  Rows<float> inner = {};
};

// out = down(gelu(gate(x)) * up(x)), or down(gelu(gate(x))) where there is no `up`: the same bits
// as MatMul, GeluMul (or Gelu) and MatMul, with their promise and errors. x: [rows, cols], out:
// [rows, out.cols], may not overlap.
void Mlp(Rows<const float> x, const MlpTask& task, Rows<float> out, Compute compute,
         ThreadPool& pool);

// At most this much memory is taken for x and the inner rows; and about kMlpThreadBytes by each
// thread for blocks of weights and values (more where weights are unpacked to floats).
constexpr size_t MlpBytes(size_t rows, size_t cols, size_t inner) {
  return rows * (cols + inner) * sizeof(float);
}
inline constexpr size_t kMlpThreadBytes = size_t{5} << 18;

}  // namespace gemma3
