// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What this machine can do at best: the limits that measured speeds are compared with. Not a part
// of inference; `gemma3 bench` and `gemma3 doctor` use it.
//
// All functions run on every thread of the pool at once, because clocks and memory are shared, and
// return the best of several short runs: disturbances only ever make a run slower.
#pragma once

#include <cstddef>
#include <span>

#include "src/threading/thread_pool.h"

namespace gemma3 {

// Operations per second of all threads together; a multiply-add counts as two. Each takes about
// 300 ms: threads of a virtual machine are at times held up for tens of milliseconds. Vector units
// only: Highway has no operations for matrix units such as AMX.
struct ComputePeaks {
  double f32 = 0;  // fused multiply-add where the CPU has it
  double bf16 =
      0;  // bf16 dot product into f32; equals f32 where there is none (weights are widened)
  double int8 = 0;  // dot product of four u8 * i8 into int32, in one instruction or several
};
ComputePeaks MeasureComputePeaks(ThreadPool& pool);

// Bytes per second read from `memory` by all threads together, each streaming through its own
// contiguous share: what a matrix-vector product over the same bytes could reach. Give it memory
// well beyond the caches, such as the weights. Makes passes until max_seconds are over, but two at
// least: the first may have to bring mapped pages in from a disk. 0 for empty memory.
double MeasureReadBandwidth(std::span<const std::byte> memory, ThreadPool& pool,
                            double max_seconds = 0.5);

}  // namespace gemma3
