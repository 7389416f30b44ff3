// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/matmul.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "ops/lora.h"
#include "ops/matmul_plan.h"

namespace gemma3 {

namespace {

// The tasks from exact_from on exactly; to what the first ones give, `runs` are added.
void RunAll(Rows<const float> x, std::span<const MatMulTask> tasks, Compute compute,
            size_t exact_from, std::span<const std::span<const LoraRun>> runs, ThreadPool& pool) {
  if (x.rows == 0) return;
  for (size_t first = 0; first < tasks.size(); first += kMaxTasks) {
    const size_t count = std::min(tasks.size() - first, kMaxTasks);
    Region region = MakeRegion(x, tasks.subspan(first, count), compute, pool.num_threads(),
                               Cut::kApart, exact_from - std::min(exact_from, first));
    for (size_t i = 0; i < count && first + i < runs.size(); ++i) {
      region.plans[i].runs = runs[first + i];
    }
    // Thread 0's scratch holds x for all threads, then its own part.
    const size_t prepared_bytes = PreparedBytes(region);
    std::byte* shared = pool.Scratch(0, prepared_bytes + region.thread_bytes).data();
    PrepareInput(region, shared, pool);
    RunRegion(region, shared + prepared_bytes, pool);
  }
}

}  // namespace

void MatMul(Rows<const float> x, std::span<const MatMulTask> tasks, Compute compute,
            ThreadPool& pool) {
  RunAll(x, tasks, compute, tasks.size(), {}, pool);
}

void MatMul(Rows<const float> x, std::span<const LoraTask> tasks, Compute compute,
            ThreadPool& pool) {
  if (tasks.empty()) return;
  std::vector<MatMulTask> products;
  std::vector<std::span<const LoraRun>> runs;
  for (const LoraTask& task : tasks) {
    products.push_back(task.product);
    runs.push_back(task.runs);
  }
  if (JoinsFirstHalves(x.rows, runs[0])) {
    AppendFirstHalves(runs, 0, &products);
    RunAll(x, products, compute, tasks.size(), {}, pool);
    for (const LoraTask& task : tasks) AddLora(task.runs, task.product.out, pool);
    return;
  }
  for (size_t i = 0; i < runs[0].size(); ++i) {
    std::vector<MatMulTask> halves;
    AppendFirstHalves(runs, i, &halves);
    MatMul(x.Slice(runs[0][i].begin, runs[0][i].count), halves, Compute::kExact, pool);
  }
  RunAll(x, products, compute, tasks.size(), runs, pool);
}

bool JoinsFirstHalves(size_t rows, std::span<const LoraRun> runs) {
  return rows <= kStreamRows && runs.size() == 1 && runs[0].count == rows;
}

void UnpackRow(const MatrixView& w, size_t row, float* out) {
  KernelsFor(w.type, w.cols).unpack(w, row, 1, out, w.cols);
}

}  // namespace gemma3
