// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/mlp.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "hwy/base.h"
#include "ops/elementwise.h"
#include "ops/lora.h"
#include "ops/matmul_plan.h"
#include "ops/packed.h"

namespace gemma3 {
namespace {

// Values of a block that wait for the activation: most of the second-level cache. Fewer would leave
// room for the weights there, but read them from it, or copy them, for fewer rows; this was faster.
constexpr size_t kMaxValueBytes = 768 * 1024;
constexpr size_t kMinValueRows = 96;  // fewer would read the weights' block too often

// The inner rows, in the form that the last matrix takes.
struct Inner {
  const Plan& plan;  // of the last matrix
  InputForm form;
  size_t cols;
  size_t stride;  // bytes
  std::byte* data;

  // Puts `gate` (times `up`, if that has data) through the activation, in place, and stores it as
  // columns `w` of the rows from first_row on.
  void Store(Rows<float> gate, Rows<const float> up, size_t first_row, Range w) const {
    if (up.data) {
      GeluMul(gate, up);
    } else {
      Gelu(gate);
    }
    for (size_t r = 0; r < gate.rows; ++r) {
      std::byte* row = data + (first_row + r) * stride;
      if (form == InputForm::kF32) {
        std::memcpy(row + w.begin * sizeof(float), gate.row(r), w.count() * sizeof(float));
      } else {
        plan.kernels.prepare(gate.row(r), w, cols, row);
      }
    }
  }
};

// Memory for values before the activation: of gate, then of up.
struct Values {
  std::byte* data;
  size_t bytes;  // of each
  Rows<float> Of(size_t matrix, size_t rows, size_t cols, size_t stride) const {
    return {reinterpret_cast<float*>(data + matrix * bytes), rows, cols, stride};
  }
};

// All values of a few rows, a run of columns at a time: spread over the threads where they are more
// than what a thread does while others wake up, and where something is added to them first.
void ActivateAll(Rows<float> gate, Rows<float> up, const MlpTask& task, const Inner& inner,
                 ThreadPool& pool) {
  constexpr size_t kInlineValues = 8 * 1024;
  constexpr size_t kTaskValues = 4 * 1024;
  constexpr size_t kAddedValues = 8 * kLoraPanel;
  const bool added = !task.gate_runs.empty() || !task.up_runs.empty();
  const size_t cols = gate.cols;
  const auto store = [&](Range w) {
    const Rows<float> gate_part = gate.Cols(w.begin, w.count());
    const Rows<float> up_part = up.data ? up.Cols(w.begin, w.count()) : up;
    AddLora(task.gate_runs, 0, w.begin, gate_part);
    if (up.data) AddLora(task.up_runs, 0, w.begin, up_part);
    inner.Store(gate_part, up_part, 0, w);
  };
  if (pool.num_threads() == 1 || (gate.rows * cols <= kInlineValues && !added)) {
    store({0, cols});
    return;
  }
  const size_t width =
      added ? kAddedValues : hwy::RoundUpTo(hwy::DivCeil(kTaskValues, gate.rows), kPackedBlock);
  pool.ParallelFor(hwy::DivCeil(cols, width), [&](size_t i, size_t /*thread*/) {
    store({i * width, std::min(cols, (i + 1) * width)});
  });
}

// Block `w` of the first matrices against rows `part`, at most `most_rows` of them at a time.
void RunTogether(const Region& first, Range w, Range part, size_t most_rows, const Values& values,
                 std::byte* scratch, const Inner& inner) {
  const size_t pieces = hwy::DivCeil(part.count(), most_rows);
  for (size_t i = 0; i < pieces; ++i) {
    const Range rows = part.Piece(i, pieces);
    std::array<Rows<float>, 2> value;
    for (size_t m = 0; m < first.num_plans; ++m) {
      const Plan& plan = first.plans[m];
      value[m] = values.Of(m, rows.count(), w.count(), plan.block_rows);
      const bool last = m + 1 == first.num_plans;
      const Plan& next = first.plans[last ? 0 : m + 1];
      RunPart(first, plan, w, rows, value[m], scratch,
              next.At(last && i + 1 == pieces ? w.end : w.begin));
    }
    inner.Store(value[0], value[1], rows.begin, w);
  }
}

// The first halves of what is added to the first products: in one region with those, or at once.
void AddFirstHalves(Rows<const float> x, const MlpTask& task, std::vector<MatMulTask>* into,
                    ThreadPool& pool) {
  const std::array<std::span<const LoraRun>, 2> runs = {task.gate_runs, task.up_runs};
  for (size_t i = 0; i < task.gate_runs.size(); ++i) {
    std::vector<MatMulTask> halves;
    AppendFirstHalves(runs, i, &halves);
    if (JoinsFirstHalves(x.rows, task.gate_runs) && into->size() + halves.size() <= kMaxTasks) {
      into->insert(into->end(), halves.begin(), halves.end());
    } else {
      const LoraRun& run = task.gate_runs[i];
      MatMul(x.Slice(run.begin, run.count), halves, Compute::kExact, pool);
    }
  }
}

}  // namespace

void Mlp(Rows<const float> x, const MlpTask& task, Rows<float> out, Compute compute,
         ThreadPool& pool) {
  if (x.rows == 0) return;
  const size_t cols = task.down.cols;  // of the inner rows
  const size_t threads = pool.num_threads();
  const size_t matrices = task.up.data ? 2 : 1;
  std::vector<MatMulTask> into = {{task.gate, {}, task.gate_bias}};
  if (task.up.data) into.push_back({task.up, {}});
  // Few rows of x leave few values, and each thread reads W fastest as one long stream: then all
  // values are computed, a matrix after the other.
  const bool few = x.rows <= kStreamRows;
  AddFirstHalves(x, task, &into, pool);
  Region first =
      MakeRegion(x, into, compute, threads, few ? Cut::kApart : Cut::kTogether, matrices);
  const MatMulTask from{task.down, out, task.down_bias};
  Region second = MakeRegion({nullptr, x.rows, cols}, {&from, 1}, compute, threads, Cut::kApart);

  const size_t value_cols = few ? cols : first.plans[0].block_rows;
  const size_t most_rows =
      few ? x.rows
          : std::max(kMinValueRows, kMaxValueBytes / (matrices * value_cols * sizeof(float)));
  const size_t part_rows = hwy::DivCeil(x.rows, first.parts);
  const size_t value_bytes =
      hwy::RoundUpTo(std::min(most_rows, part_rows) * value_cols * sizeof(float), kInputAlign);

  // Thread 0's scratch holds x and the inner rows for all threads, then its own part: what products
  // need, and values. Inner rows to whose product something is added stay floats, for both.
  const bool floats = !task.down_runs.empty();
  const InputForm form = floats ? InputForm::kF32 : second.plans[0].form();
  const size_t x_bytes = PreparedBytes(first);
  const size_t inner_stride =
      floats ? task.inner.stride * sizeof(float) : PreparedStride(form, cols);
  const size_t shared_bytes = x_bytes + (floats ? 0 : x.rows * inner_stride);
  const size_t product_bytes =
      hwy::RoundUpTo(std::max(first.thread_bytes, second.thread_bytes), kInputAlign);
  const size_t thread_bytes = product_bytes + matrices * value_bytes;
  std::byte* shared = pool.Scratch(0, shared_bytes + thread_bytes).data();
  std::byte* scratch0 = shared + shared_bytes;
  std::byte* inner_data = floats ? reinterpret_cast<std::byte*>(task.inner.data) : shared + x_bytes;
  const Inner inner{second.plans[0], form, cols, inner_stride, inner_data};

  PrepareInput(first, shared, pool);
  if (few) {
    const Values values{scratch0 + product_bytes, value_bytes};
    for (size_t m = 0; m < matrices; ++m) into[m].out = values.Of(m, x.rows, cols, cols);
    RunRegion(first, scratch0, pool);
    ActivateAll(into[0].out, matrices == 2 ? into[1].out : Rows<float>(), task, inner, pool);
  } else {
    first.plans[0].runs = task.gate_runs;
    if (matrices == 2) first.plans[1].runs = task.up_runs;
    pool.ParallelFor(first.blocks * first.parts, [&](size_t index, size_t thread) {
      std::byte* scratch = thread == 0 ? scratch0 : pool.Scratch(thread, thread_bytes).data();
      const Values values{scratch + product_bytes, value_bytes};
      RunTogether(first, first.plans[0].Block(index % first.blocks),
                  first.Part(index / first.blocks), most_rows, values, scratch, inner);
    });
  }
  if (floats) {
    const LoraTask last{from, {task.down_runs.begin(), task.down_runs.end()}};
    return MatMul(task.inner, {&last, 1}, compute, pool);
  }
  second.SetInput(form, inner.data, inner_stride);
  RunRegion(second, scratch0, pool);
}

}  // namespace gemma3
