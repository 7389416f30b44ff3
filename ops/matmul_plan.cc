// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/matmul_plan.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "hwy/base.h"
#include "ops/packed.h"
#include "ops/targets.h"

namespace gemma3 {
namespace {

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

size_t BlockRows(size_t bytes, size_t row_bytes) {
  const size_t rows =
      std::clamp(hwy::RoundUpTo(bytes / std::max<size_t>(1, row_bytes), kBlockRowStep),
                 kBlockRowStep, kMaxBlockRows);
  return rows > kLongBlockRowStep ? rows / kLongBlockRowStep * kLongBlockRowStep : rows;
}

// Makes the plans' rows whole tiles, and counts their blocks, and those of all.
size_t CutBlocks(std::span<Plan> plans, Cut cut) {
  if (cut == Cut::kTogether) {
    size_t rows = kMaxBlockRows;
    for (const Plan& plan : plans) rows = std::min(rows, plan.block_rows);
    rows = std::max(rows / kPackedBlock, size_t{1}) * kPackedBlock;
    for (Plan& plan : plans) plan.block_rows = rows;
  }
  size_t blocks = 0;
  for (Plan& plan : plans) {
    plan.block_rows = hwy::RoundUpTo(plan.block_rows, kBlockRowStep);
    plan.blocks = hwy::DivCeil(plan.task->w.rows, plan.block_rows);
    blocks += plan.blocks;
  }
  return cut == Cut::kTogether ? blocks / plans.size() : blocks;
}

}  // namespace

MatMulKernels KernelsFor(WeightType type, size_t cols, bool exact) {
  if (IsPacked(type) && UsesDotVariant()) return DotVariantKernels(type, cols);
  switch (type) {
    case WeightType::kF32:
      return F32Kernels(cols);
    case WeightType::kF16:
      return F16Kernels(cols);
    case WeightType::kBF16:
      return exact ? WidenedBF16Kernels(cols) : BF16Kernels(cols);
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
    case WeightType::kInt4Table:
      return Int4TableKernels(cols);
  }
  return F32Kernels(cols);
}

Range Plan::Block(size_t index) const {
  return {index * block_rows, std::min(task->w.rows, (index + 1) * block_rows)};
}

const std::byte* Plan::At(size_t row) const {
  return static_cast<const std::byte*>(task->w.data) +
         row / kernels.group_rows * kernels.group_bytes;
}

size_t PreparedStride(InputForm form, size_t cols) {
  switch (form) {
    case InputForm::kF32:
      return hwy::RoundUpTo(cols * sizeof(float), kInputAlign);
    case InputForm::kBF16:
      return hwy::RoundUpTo(cols * 2, kInputAlign);
    case InputForm::kInt8:
      return PackedInputBytes(cols);
  }
  return 0;
}

Region MakeRegion(Rows<const float> x, std::span<const MatMulTask> tasks, Compute compute,
                  size_t threads, Cut cut, size_t exact_from) {
  Region region;
  region.x = x;
  region.f32 = F32Kernels(x.cols);
  const bool once = x.rows <= kStreamRows;
  const size_t float_bytes = std::max<size_t>(1, x.cols) * sizeof(float);

  size_t total_bytes = 0;
  for (const MatMulTask& task : tasks) {
    Plan& plan = region.plans[region.num_plans++];
    plan.task = &task;
    const bool exact = compute == Compute::kExact || region.num_plans > exact_from;
    plan.kernels = KernelsFor(task.w.type, x.cols, exact);
    plan.unpack = exact && plan.kernels.input != InputForm::kF32;
    total_bytes += hwy::DivCeil(task.w.rows, plan.kernels.group_rows) * plan.kernels.group_bytes;
  }
  const std::span<Plan> plans(region.plans.data(), region.num_plans);

  const size_t stream_bytes =
      std::clamp(total_bytes / (threads * kStreamsPerThread), kMinBlockBytes, kMaxStreamBytes);
  for (Plan& plan : plans) {
    const MatMulKernels& kernels = plan.kernels;
    if (once) {
      plan.block_rows = BlockRows(stream_bytes, kernels.group_bytes / kernels.group_rows);
    } else {
      plan.block_rows = BlockRows(kMaxBlockBytes, plan.unpack ? float_bytes : kernels.span_bytes);
    }
  }
  region.blocks = CutBlocks(plans, cut);

  if (!once && region.blocks != 0) {
    region.parts = std::clamp<size_t>(hwy::DivCeil(threads * kBlocksPerThread, region.blocks), 1,
                                      std::max<size_t>(1, x.rows / kMinPartRows));
    // Few rows of x, or threads beyond number: then smaller blocks.
    while (region.blocks * region.parts < 4 * threads) {
      for (Plan& plan : plans) plan.block_rows = hwy::DivCeil(plan.block_rows, 2);
      const size_t before = region.blocks;
      region.blocks = CutBlocks(plans, cut);
      if (region.blocks == before) break;
    }
  }

  size_t unpack_bytes = 0;
  for (Plan& plan : plans) {
    const MatMulKernels& runs = plan.unpack ? region.f32 : plan.kernels;
    if (!once && runs.copies_span) {
      region.span_bytes = std::max(region.span_bytes, plan.block_rows * runs.span_bytes);
    }
    if (!plan.unpack) continue;
    const size_t group = plan.kernels.group_rows;
    plan.unpack_rows = once ? std::clamp(hwy::RoundUpTo(kUnpackOnceBytes / float_bytes, group),
                                         group, plan.block_rows)
                            : plan.block_rows;
    plan.unpack_stride = hwy::RoundUpTo(x.cols, kInputAlign / sizeof(float));
    unpack_bytes = std::max(unpack_bytes, plan.unpack_rows * plan.unpack_stride * sizeof(float));
  }
  region.thread_bytes = region.span_bytes + unpack_bytes;
  return region;
}

size_t PreparedBytes(const Region& region) {
  // kF32 is what the caller has.
  std::array<bool, kInputForms> needed = {};
  for (const Plan& plan : region.Plans()) needed[static_cast<size_t>(plan.form())] = true;
  size_t bytes = 0;
  for (const InputForm form : {InputForm::kBF16, InputForm::kInt8}) {
    if (needed[static_cast<size_t>(form)]) bytes += PreparedStride(form, region.x.cols);
  }
  return bytes * region.x.rows;
}

void PrepareInput(Region& region, std::byte* memory, ThreadPool& pool) {
  const Rows<const float>& x = region.x;
  region.SetInput(InputForm::kF32, reinterpret_cast<const std::byte*>(x.data),
                  x.stride * sizeof(float));
  for (const Plan& plan : region.Plans()) {
    if (region.prepared[static_cast<size_t>(plan.form())] != nullptr) continue;
    const size_t stride = PreparedStride(plan.form(), x.cols);
    std::byte* to = memory;
    memory += stride * x.rows;
    pool.ParallelFor(hwy::DivCeil(x.rows, kPrepareRows), [&](size_t unit, size_t) {
      const size_t end = std::min(x.rows, (unit + 1) * kPrepareRows);
      for (size_t r = unit * kPrepareRows; r < end; ++r) {
        plan.kernels.prepare(x.row(r), {0, x.cols}, x.cols, to + r * stride);
      }
    });
    region.SetInput(plan.form(), to, stride);
  }
}

void RunPart(const Region& region, const Plan& plan, Range w, Range x, Rows<float> out,
             std::byte* scratch, const std::byte* next) {
  const MatMulTask& task = *plan.task;
  const MatMulKernels& kernels = plan.kernels;
  const size_t form = static_cast<size_t>(plan.form());
  MatMulBlock block;
  block.x_stride = region.stride[form];
  block.x = region.prepared[form] + x.begin * block.x_stride;
  block.x_rows = x.count();
  block.cols = region.x.cols;
  block.out_stride = out.stride;
  block.stream_hint = BestStreamHint();
  const auto set_rows = [&](size_t begin, size_t end) {
    block.w_rows = end - begin;
    block.bias = task.bias ? task.bias + begin : nullptr;
    block.out = out.data + (begin - w.begin);
  };
  if (!plan.unpack) {
    set_rows(w.begin, w.end);
    block.w = plan.At(w.begin);
    block.w_stride = kernels.group_bytes;
    block.next = next;
    kernels.run(block, scratch);
    return AddLora(plan.runs, x.begin, w.begin, out);
  }
  std::byte* floats = scratch + region.span_bytes;
  block.w = floats;
  block.w_stride = plan.unpack_stride * sizeof(float);
  for (size_t begin = w.begin; begin < w.end; begin += plan.unpack_rows) {
    const size_t end = std::min(w.end, begin + plan.unpack_rows);
    kernels.unpack(task.w, begin, end - begin, reinterpret_cast<float*>(floats),
                   plan.unpack_stride);
    set_rows(begin, end);
    block.next = floats;
    region.f32.run(block, scratch);
  }
  AddLora(plan.runs, x.begin, w.begin, out);
}

void RunRegion(const Region& region, std::byte* scratch0, ThreadPool& pool) {
  pool.ParallelFor(region.blocks * region.parts, [&](size_t index, size_t thread) {
    std::byte* scratch = thread == 0 ? scratch0 : pool.Scratch(thread, region.thread_bytes).data();
    const Range x = region.Part(index / region.blocks);
    index %= region.blocks;
    const Plan* plan = region.plans.data();
    while (index >= plan->blocks) index -= (plan++)->blocks;
    const Range w = plan->Block(index);
    RunPart(region, *plan, w, x, plan->task->out.Slice(x.begin, x.count()).Cols(w.begin, w.count()),
            scratch, plan->At(w.end));
  });
}

}  // namespace gemma3
