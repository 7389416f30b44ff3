// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Splits the rows of a light operation over the threads, or not at all where waking threads costs
// more than the work.
#pragma once

#include <algorithm>
#include <cstddef>

#include "src/threading/thread_pool.h"

namespace gemma3 {

// Calls fn(begin, end) for ranges that cover [0, rows). Each row is handled whole by one call, so
// its bits depend neither on the number of threads nor on the rows beside it.
template <class Fn>
void ParallelRows(size_t rows, size_t cols, ThreadPool& pool, const Fn& fn) {
  if (rows == 0 || cols == 0) return;
  // 16K floats take about as long as waking a sleeping thread (a few us).
  constexpr size_t kInlineElements = 16 * 1024;
  // Smaller tasks would spend their time in the pool; more than a few per thread balance no better.
  constexpr size_t kTaskElements = 8 * 1024;
  constexpr size_t kTasksPerThread = 8;
  if (rows == 1 || pool.num_threads() == 1 || rows <= kInlineElements / cols) {
    fn(size_t{0}, rows);
    return;
  }
  const size_t max_tasks = pool.num_threads() * kTasksPerThread;
  const size_t task_rows =
      std::max((kTaskElements + cols - 1) / cols, (rows + max_tasks - 1) / max_tasks);
  pool.ParallelFor((rows + task_rows - 1) / task_rows, [&](size_t task, size_t /*thread*/) {
    fn(task * task_rows, std::min(rows, (task + 1) * task_rows));
  });
}

}  // namespace gemma3
