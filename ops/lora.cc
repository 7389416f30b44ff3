// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/lora.h"

#include <algorithm>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/lora.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;

// kRows rows from r on, kVecs vectors of columns from c on. Every element goes through the same
// additions whatever kRows and kVecs are.
template <size_t kRows, size_t kVecs>
HWY_INLINE void AddBlock(const LoraTask& task, size_t r, size_t c) {
  const DF d;
  const size_t N = hn::Lanes(d);
  VF sum[kRows * kVecs];
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t v = 0; v < kVecs; ++v) {
      sum[i * kVecs + v] = hn::LoadU(d, task.out.row(r + i) + c + v * N);
    }
  }
  const float* HWY_RESTRICT b = task.b + c;
  for (size_t k = 0; k < task.t.cols; ++k, b += task.out.cols) {
    VF weights[kVecs];
    for (size_t v = 0; v < kVecs; ++v) weights[v] = hn::LoadU(d, b + v * N);
    for (size_t i = 0; i < kRows; ++i) {
      const VF t = hn::Set(d, task.scale * task.t.row(r + i)[k]);
      for (size_t v = 0; v < kVecs; ++v) {
        sum[i * kVecs + v] = hn::MulAdd(t, weights[v], sum[i * kVecs + v]);
      }
    }
  }
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t v = 0; v < kVecs; ++v) {
      hn::StoreU(sum[i * kVecs + v], d, task.out.row(r + i) + c + v * N);
    }
  }
}

// The last columns, which fill no vector.
HWY_INLINE void AddRest(const LoraTask& task, size_t r, size_t c, size_t count) {
  const DF d;
  VF sum = hn::LoadN(d, task.out.row(r) + c, count);
  const float* HWY_RESTRICT b = task.b + c;
  for (size_t k = 0; k < task.t.cols; ++k, b += task.out.cols) {
    const VF t = hn::Set(d, task.scale * task.t.row(r)[k]);
    sum = hn::MulAdd(t, hn::LoadN(d, b, count), sum);
  }
  hn::StoreN(sum, d, task.out.row(r) + c, count);
}

// Columns [begin, end) of all rows.
void AddColumns(const LoraTask& task, size_t begin, size_t end) {
  const size_t N = hn::Lanes(DF());
  constexpr size_t kRows = 4, kVecs = 4;
  size_t c = begin;
  const auto down = [&]<size_t kWidth>() HWY_ATTR {
    size_t r = 0;
    for (; r + kRows <= task.out.rows; r += kRows) AddBlock<kRows, kWidth>(task, r, c);
    for (; r < task.out.rows; ++r) AddBlock<1, kWidth>(task, r, c);
  };
  for (; c + kVecs * N <= end; c += kVecs * N) down.template operator()<kVecs>();
  for (; c + N <= end; c += N) down.template operator()<1>();
  if (c == end) return;
  for (size_t r = 0; r < task.out.rows; ++r) AddRest(task, r, c, end - c);
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3 {

HWY_EXPORT(AddColumns);

void LoraAdd(std::span<const LoraTask> tasks, ThreadPool& pool) {
  // Wide enough that reading and writing a row of a block is a stretch, and narrow enough that a
  // block of B stays in the first-level cache.
  constexpr size_t kColumns = 256;
  struct Block {
    size_t first, last;  // tasks
    size_t begin, end;   // columns
  };
  std::vector<Block> blocks;
  for (size_t first = 0; first < tasks.size();) {
    size_t last = first + 1;
    while (last < tasks.size() && tasks[last].out.data == tasks[first].out.data) ++last;
    const size_t cols = tasks[first].out.cols;
    for (size_t c = 0; c < cols; c += kColumns) {
      blocks.push_back({first, last, c, std::min(cols, c + kColumns)});
    }
    first = last;
  }
  const auto add = HWY_DYNAMIC_POINTER(AddColumns);
  pool.ParallelFor(blocks.size(), [&](size_t i, size_t) {
    const Block& block = blocks[i];
    for (size_t t = block.first; t < block.last; ++t) add(tasks[t], block.begin, block.end);
  });
}

void GainBias(Rows<float> out, std::span<const float> gain, std::span<const float> bias,
              ThreadPool& pool) {
  if (gain.empty() && bias.empty()) return;
  pool.ParallelFor(out.rows, [&](size_t r, size_t) {
    float* row = out.row(r);
    for (size_t c = 0; c < out.cols && !gain.empty(); ++c) row[c] *= gain[c];
    for (size_t c = 0; c < out.cols && !bias.empty(); ++c) row[c] += bias[c];
  });
}

}  // namespace gemma3
#endif  // HWY_ONCE
