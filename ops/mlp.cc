// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/mlp.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>

#include "ops/elementwise.h"
#include "ops/matmul_plan.h"

namespace gemma3 {
namespace {

// Values of a block that wait for the activation: most of the second-level cache. Fewer would leave
// room for the weights there, but read them from it, or copy them, for fewer rows; this was faster.
constexpr size_t kMaxValueBytes = 768 * 1024;
constexpr size_t kMinValueRows = 96;  // fewer would read the weights' block too often

size_t RoundUpToLine(size_t bytes) { return (bytes + kInputAlign - 1) / kInputAlign * kInputAlign; }

// The inner rows, in the form that the last matrix takes.
struct Inner {
  const Plan& plan;  // of the last matrix
  size_t cols;
  size_t stride;  // bytes
  std::byte* data;

  // Rows [first_row, ...) of columns `w`.
  void Store(Rows<const float> values, size_t first_row, Range w) const {
    for (size_t r = 0; r < values.rows; ++r) {
      std::byte* row = data + (first_row + r) * stride;
      if (plan.form() == InputForm::kF32) {
        std::memcpy(row + w.begin * sizeof(float), values.row(r), w.count() * sizeof(float));
      } else {
        plan.kernels.prepare(values.row(r), w, cols, row);
      }
    }
  }
};

}  // namespace

void Mlp(Rows<const float> x, const MlpTask& task, Rows<float> out, Compute compute,
         ThreadPool& pool) {
  if (x.rows == 0) return;
  const std::array<MatMulTask, 2> into{{{task.gate, {}, task.gate_bias}, {task.up, {}}}};
  const size_t matrices = task.up.data ? 2 : 1;
  const MatMulTask from{task.down, out, task.down_bias};
  const size_t threads = pool.num_threads();
  Region first = MakeRegion(x, std::span(into).first(matrices), compute, threads, Cut::kTogether);
  const Rows<const float> unused(nullptr, x.rows, task.down.cols);
  Region second = MakeRegion(unused, {&from, 1}, compute, threads, Cut::kApart);
  const InputForm form = second.plans[0].form();

  const size_t block_rows = first.plans[0].block_rows;
  const size_t value_rows =
      std::max(kMinValueRows, kMaxValueBytes / (matrices * block_rows * sizeof(float)));
  const size_t most_rows = std::min(value_rows, (x.rows + first.parts - 1) / first.parts);
  const size_t value_bytes = RoundUpToLine(most_rows * block_rows * sizeof(float));

  // Thread 0's scratch holds x and the inner rows for all threads, then its own part.
  const size_t x_bytes = PreparedBytes(first);
  const size_t inner_stride = form == InputForm::kF32
                                  ? RoundUpToLine(task.down.cols * sizeof(float))
                                  : PreparedStride(form, task.down.cols);
  const size_t shared_bytes = x_bytes + x.rows * inner_stride;
  const size_t first_bytes = RoundUpToLine(first.thread_bytes) + matrices * value_bytes;
  std::byte* shared =
      pool.Scratch(0, shared_bytes + std::max(first_bytes, second.thread_bytes)).data();
  const Inner inner{second.plans[0], task.down.cols, inner_stride, shared + x_bytes};

  PrepareInput(first, shared, pool);
  pool.ParallelFor(first.blocks * first.parts, [&](size_t index, size_t thread) {
    std::byte* scratch =
        thread == 0 ? shared + shared_bytes : pool.Scratch(thread, first_bytes).data();
    std::byte* values = scratch + RoundUpToLine(first.thread_bytes);
    const Range part = first.Part(index / first.blocks);
    const Range w = first.plans[0].Block(index % first.blocks);
    const size_t pieces = (part.count() + value_rows - 1) / value_rows;
    for (size_t i = 0; i < pieces; ++i) {
      const Range rows = part.Piece(i, pieces);
      std::array<Rows<float>, 2> value;
      for (size_t m = 0; m < matrices; ++m) {
        value[m] = Rows<float>(reinterpret_cast<float*>(values + m * value_bytes), rows.count(),
                               w.count(), block_rows);
        const bool last = m + 1 == matrices;
        const Plan& next = first.plans[last ? 0 : m + 1];
        RunPart(first, first.plans[m], w, rows, value[m], scratch,
                next.At(last && i + 1 == pieces ? w.end : w.begin));
      }
      if (matrices == 2) {
        GeluMul(value[0], value[1]);
      } else {
        Gelu(value[0]);
      }
      inner.Store(value[0], rows.begin, w);
    }
  });

  second.SetInput(form, inner.data, inner_stride);
  RunRegion(second, shared + shared_bytes, pool);
}

}  // namespace gemma3
