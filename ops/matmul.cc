// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/matmul.h"

#include <algorithm>
#include <cstddef>
#include <span>

#include "ops/matmul_plan.h"

namespace gemma3 {

void MatMul(Rows<const float> x, std::span<const MatMulTask> tasks, Compute compute,
            ThreadPool& pool) {
  if (x.rows == 0) return;
  while (!tasks.empty()) {
    const size_t count = std::min(tasks.size(), kMaxTasks);
    Region region = MakeRegion(x, tasks.first(count), compute, pool.num_threads(), Cut::kApart);
    tasks = tasks.subspan(count);

    // Thread 0's scratch holds x for all threads, then its own part.
    const size_t prepared_bytes = PreparedBytes(region);
    std::byte* shared = pool.Scratch(0, prepared_bytes + region.thread_bytes).data();
    PrepareInput(region, shared, pool);
    RunRegion(region, shared + prepared_bytes, pool);
  }
}

void UnpackRow(const MatrixView& w, size_t row, float* out) {
  KernelsFor(w.type, w.cols).unpack(w, row, 1, out, w.cols);
}

}  // namespace gemma3
