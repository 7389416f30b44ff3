// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The second half of a low-rank product, y += B (s A x): what A gave, a few numbers a row, goes
// through B and is added to what the base matrix gave.
//
// Promise: as in matmul.h, the bits of a row depend on that row and the factors alone.
#pragma once

#include <cstddef>
#include <span>

#include "ops/rows.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

struct LoraTask {
  Rows<const float> t;       // A x, [rows, rank]
  const float* b = nullptr;  // B transposed, [rank, out.cols]
  float scale = 1;           // of t
  Rows<float> out;           // [rows, cols]
};

// out[r][c] += sum over k of (scale * t[r][k]) * b[k][c], in f32 and in rising k, for all tasks as
// one parallel region. Tasks may share an `out`: they are added in their order.
void LoraAdd(std::span<const LoraTask> tasks, ThreadPool& pool);

// out[r][c] = out[r][c] * gain[c] + bias[c], where there is a gain (else 1), a bias (else 0).
void GainBias(Rows<float> out, std::span<const float> gain, std::span<const float> bias,
              ThreadPool& pool);

}  // namespace gemma3
