// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The door to matrix multiplication: chooses kernels, brings x into the form they take, and cuts
// the work into blocks for the threads. No arithmetic happens here.
//
// A block is a run of rows of one W against all rows of x, or a part of them. For a few rows of x
// the blocks only share out one long read of all weights. For more, a span of the inputs of a block
// of W stays in the second-level cache while the rows of x pass, and W is read from memory once for
// each part.

#include "ops/matmul.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ops/matmul_kernels.h"
#include "ops/packed.h"

namespace gemma3 {
namespace {

constexpr size_t kMaxTasks = 8;  // in one region; longer lists take several

// A quarter of the second-level cache of current server and desktop CPUs (1 to 2 MiB): beside a
// block of W the next one and rows of x have to find room.
constexpr size_t kMaxBlockBytes = 256 * 1024;
// A good length for a lone stream.
constexpr size_t kMaxStreamBytes = 512 * 1024;
// Shorter blocks of a stream cost more in hand-over between threads than they gain in balance.
constexpr size_t kMinBlockBytes = 32 * 1024;
// Blocks per thread that keep the last thread's lateness at a few percent: of a stream, where they
// cost nothing, and of many rows, where small ones read x or W more often.
constexpr size_t kStreamsPerThread = 16;
constexpr size_t kBlocksPerThread = 8;
// Blocks are whole tiles and whole groups of packed rows; where they are long, whole tiles of two
// groups.
constexpr size_t kBlockRowStep = 16;
constexpr size_t kLongBlockRowStep = 32;
constexpr size_t kMaxBlockRows = 480;  // bounds the scratch memory for narrow matrices
// Rows of x in a part; fewer would read W too often.
constexpr size_t kMinPartRows = 96;
// Rows of x per unit of work when x is brought into the kernel's form.
constexpr size_t kPrepareRows = 4;

// Scratch for unpacked rows that are used only once, by a few rows of x: first-level cache.
constexpr size_t kUnpackOnceBytes = 16 * 1024;

constexpr size_t RoundUp(size_t n, size_t step) { return (n + step - 1) / step * step; }
constexpr size_t DivCeil(size_t n, size_t d) { return (n + d - 1) / d; }

MatMulKernels KernelsFor(WeightType type, size_t cols) {
  switch (type) {
    case WeightType::kF32:
      return F32Kernels(cols);
    case WeightType::kF16:
      return F16Kernels(cols);
    case WeightType::kBF16:
      return BF16Kernels(cols);
    case WeightType::kInt8:
      return Int8Kernels(cols);
    case WeightType::kInt4:
      return Int4Kernels(cols);
    case WeightType::kInt8Min:
      return Int8MinKernels(cols);
    case WeightType::kInt4Min:
      return Int4MinKernels(cols);
    case WeightType::kInt8K:
      return Int8KKernels(cols);
    case WeightType::kInt8KMin:
      return Int8KMinKernels(cols);
    case WeightType::kInt4K:
      return Int4KKernels(cols);
  }
  return F32Kernels(cols);
}

size_t PreparedStride(InputForm form, size_t cols) {
  switch (form) {
    case InputForm::kF32:
      return 0;
    case InputForm::kBF16:
      return RoundUp(cols * 2, kInputAlign);
    case InputForm::kInt8:
      return PackedInputBytes(cols);
  }
  return 0;
}

// How one task is cut and computed.
struct Plan {
  const MatMulTask* task = nullptr;
  MatMulKernels kernels;
  bool unpack = false;  // weights become floats, a few rows at a time
  size_t block_rows = 0;
  size_t blocks = 0;
  size_t unpack_rows = 0;    // at a time
  size_t unpack_stride = 0;  // floats
};

struct Region {
  Rows<const float> x;
  std::array<Plan, kMaxTasks> plans;
  size_t num_plans = 0;
  size_t blocks = 0;        // of all plans
  size_t parts = 1;         // of the rows of x
  size_t span_bytes = 0;    // of scratch for the spans of a block
  size_t thread_bytes = 0;  // those, then unpacked rows
  MatMulKernels f32;
  // x in each form, once it is prepared.
  std::array<const std::byte*, kInputForms> prepared = {};
  std::array<size_t, kInputForms> stride = {};
};

size_t BlockRows(size_t bytes, size_t row_bytes) {
  const size_t rows = std::clamp(RoundUp(bytes / std::max<size_t>(1, row_bytes), kBlockRowStep),
                                 kBlockRowStep, kMaxBlockRows);
  return rows > kLongBlockRowStep ? rows / kLongBlockRowStep * kLongBlockRowStep : rows;
}

Region MakeRegion(Rows<const float> x, std::span<const MatMulTask> tasks, Compute compute,
                  size_t threads) {
  Region region;
  region.x = x;
  region.f32 = F32Kernels(x.cols);
  const bool once = x.rows <= kStreamRows;

  size_t total_bytes = 0;
  for (const MatMulTask& task : tasks) {
    Plan& plan = region.plans[region.num_plans++];
    plan.task = &task;
    plan.kernels = KernelsFor(task.w.type, x.cols);
    plan.unpack = plan.kernels.run == nullptr ||
                  (compute == Compute::kExact && plan.kernels.input != InputForm::kF32);
    total_bytes += DivCeil(task.w.rows, plan.kernels.group_rows) * plan.kernels.group_bytes;
  }

  const size_t stream_bytes =
      std::clamp(total_bytes / (threads * kStreamsPerThread), kMinBlockBytes, kMaxStreamBytes);
  for (size_t i = 0; i < region.num_plans; ++i) {
    Plan& plan = region.plans[i];
    const MatMulKernels& kernels = plan.kernels;
    const size_t float_bytes = std::max<size_t>(1, x.cols) * sizeof(float);
    if (once) {
      plan.block_rows = BlockRows(stream_bytes, kernels.group_bytes / kernels.group_rows);
    } else {
      plan.block_rows = BlockRows(kMaxBlockBytes, plan.unpack ? float_bytes : kernels.span_bytes);
    }
    plan.blocks = DivCeil(plan.task->w.rows, plan.block_rows);
    region.blocks += plan.blocks;
    if (plan.unpack) {
      plan.unpack_rows =
          once ? std::clamp(RoundUp(kUnpackOnceBytes / float_bytes, kernels.group_rows),
                            kernels.group_rows, plan.block_rows)
               : plan.block_rows;
      plan.unpack_stride = RoundUp(x.cols, kInputAlign / sizeof(float));
    }
  }

  if (!once && region.blocks != 0) {
    region.parts = std::clamp<size_t>(DivCeil(threads * kBlocksPerThread, region.blocks), 1,
                                      std::max<size_t>(1, x.rows / kMinPartRows));
    // Few rows of x, or threads beyond number: then smaller blocks.
    while (region.blocks * region.parts < 4 * threads) {
      size_t blocks = 0;
      for (size_t i = 0; i < region.num_plans; ++i) {
        Plan& plan = region.plans[i];
        plan.block_rows = RoundUp(DivCeil(plan.block_rows, 2), kBlockRowStep);
        plan.blocks = DivCeil(plan.task->w.rows, plan.block_rows);
        blocks += plan.blocks;
      }
      if (blocks == region.blocks) break;
      region.blocks = blocks;
    }
  }

  size_t unpack_bytes = 0;
  for (size_t i = 0; i < region.num_plans; ++i) {
    const Plan& plan = region.plans[i];
    const MatMulKernels& runs = plan.unpack ? region.f32 : plan.kernels;
    if (!once && runs.copies_span) {
      region.span_bytes = std::max(region.span_bytes, plan.block_rows * runs.span_bytes);
    }
    unpack_bytes = std::max(unpack_bytes, plan.unpack_rows * plan.unpack_stride * sizeof(float));
  }
  region.thread_bytes = region.span_bytes + unpack_bytes;
  return region;
}

// Which forms of x the plans need: bytes of all together.
size_t PreparedBytes(Region& region) {
  size_t bytes = 0;
  for (size_t i = 0; i < region.num_plans; ++i) {
    const Plan& plan = region.plans[i];
    if (plan.unpack || plan.kernels.input == InputForm::kF32) continue;
    size_t& stride = region.stride[static_cast<size_t>(plan.kernels.input)];
    if (stride != 0) continue;
    stride = PreparedStride(plan.kernels.input, region.x.cols);
    bytes += stride * region.x.rows;
  }
  return bytes;
}

void Prepare(Region& region, std::byte* memory, ThreadPool& pool) {
  const Rows<const float>& x = region.x;
  region.prepared[0] = reinterpret_cast<const std::byte*>(x.data);
  region.stride[0] = x.stride * sizeof(float);
  for (size_t i = 0; i < region.num_plans; ++i) {
    const Plan& plan = region.plans[i];
    const size_t form = static_cast<size_t>(plan.kernels.input);
    if (plan.unpack || region.prepared[form] != nullptr) continue;
    const size_t stride = region.stride[form];
    std::byte* to = memory;
    memory += stride * x.rows;
    pool.ParallelFor(DivCeil(x.rows, kPrepareRows), [&](size_t unit, size_t) {
      const size_t end = std::min(x.rows, (unit + 1) * kPrepareRows);
      for (size_t r = unit * kPrepareRows; r < end; ++r) {
        plan.kernels.prepare(x.row(r), x.cols, to + r * stride);
      }
    });
    region.prepared[form] = to;
  }
}

// Block number `index` of the region. scratch: thread_bytes.
void RunBlock(const Region& region, size_t index, std::byte* scratch) {
  const size_t part = index / region.blocks;
  index %= region.blocks;
  const Plan* plan = region.plans.data();
  while (index >= plan->blocks) index -= (plan++)->blocks;

  const MatMulTask& task = *plan->task;
  const MatMulKernels& kernels = plan->kernels;
  const size_t w_begin = index * plan->block_rows;
  const size_t w_end = std::min(task.w.rows, w_begin + plan->block_rows);
  const size_t x_begin = region.x.rows * part / region.parts;
  const size_t x_end = region.x.rows * (part + 1) / region.parts;
  const size_t form = plan->unpack ? 0 : static_cast<size_t>(kernels.input);

  MatMulBlock block;
  block.x_stride = region.stride[form];
  block.x = region.prepared[form] + x_begin * block.x_stride;
  block.x_rows = x_end - x_begin;
  block.cols = region.x.cols;
  block.out_stride = task.out.stride;
  const auto set_rows = [&](size_t begin, size_t end) {
    block.w_rows = end - begin;
    block.bias = task.bias ? task.bias + begin : nullptr;
    block.out = task.out.row(x_begin) + begin;
  };
  if (!plan->unpack) {
    set_rows(w_begin, w_end);
    block.w = static_cast<const std::byte*>(task.w.data) +
              w_begin / kernels.group_rows * kernels.group_bytes;
    block.w_stride = kernels.group_bytes;
    kernels.run(block, scratch);
    return;
  }
  std::byte* floats = scratch + region.span_bytes;
  block.w = floats;
  block.w_stride = plan->unpack_stride * sizeof(float);
  for (size_t begin = w_begin; begin < w_end; begin += plan->unpack_rows) {
    const size_t end = std::min(w_end, begin + plan->unpack_rows);
    kernels.unpack(task.w, begin, end - begin, reinterpret_cast<float*>(floats),
                   plan->unpack_stride);
    set_rows(begin, end);
    region.f32.run(block, scratch);
  }
}

}  // namespace

void MatMul(Rows<const float> x, std::span<const MatMulTask> tasks, Compute compute,
            ThreadPool& pool) {
  if (x.rows == 0) return;
  while (!tasks.empty()) {
    const size_t count = std::min(tasks.size(), kMaxTasks);
    Region region = MakeRegion(x, tasks.first(count), compute, pool.num_threads());
    tasks = tasks.subspan(count);

    // Thread 0's scratch holds x for all threads, then its own part.
    const size_t prepared_bytes = PreparedBytes(region);
    const std::span<std::byte> shared = pool.Scratch(0, prepared_bytes + region.thread_bytes);
    Prepare(region, shared.data(), pool);
    pool.ParallelFor(region.blocks * region.parts, [&](size_t index, size_t thread) {
      std::byte* scratch = thread == 0 ? shared.data() + prepared_bytes
                                       : pool.Scratch(thread, region.thread_bytes).data();
      RunBlock(region, index, scratch);
    });
  }
}

void UnpackRow(const MatrixView& w, size_t row, float* out) {
  KernelsFor(w.type, w.cols).unpack(w, row, 1, out, w.cols);
}

}  // namespace gemma3
