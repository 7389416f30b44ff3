// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Between the doors (matmul.h, mlp.h) and the kernels: chooses kernels, brings x into the form they
// take, and cuts the work into blocks for the threads. No arithmetic happens here. Internal to ops.
//
// A block is a run of rows of one W against all rows of x, or a part of them. For a few rows of x
// the blocks only share out one long read of all weights. For more, a span of the inputs of a block
// of W stays in the second-level cache while the rows of x pass, and W is read from memory once for
// each part.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "ops/lora.h"
#include "ops/matmul.h"
#include "ops/matmul_kernels.h"

namespace gemma3 {

inline constexpr size_t kMaxTasks = 8;  // in one region

// The kernels for matrices of this type, on this CPU. exact: those that round nothing, where the
// type has such.
MatMulKernels KernelsFor(WeightType type, size_t cols, bool exact = false);

// How one task is cut and computed.
struct Plan {
  const MatMulTask* task = nullptr;
  std::span<const LoraRun> runs = {};  // added to what it computes, block by block
  MatMulKernels kernels;
  bool unpack = false;  // weights become floats, a few rows at a time
  size_t block_rows = 0;
  size_t blocks = 0;
  size_t unpack_rows = 0;    // at a time
  size_t unpack_stride = 0;  // floats

  InputForm form() const { return unpack ? InputForm::kF32 : kernels.input; }
  Range Block(size_t index) const;
  // Where a row (the first of a group) of W lies.
  const std::byte* At(size_t row) const;
};

// Tasks that run on the same x.
struct Region {
  Rows<const float> x;
  std::array<Plan, kMaxTasks> plans;
  size_t num_plans = 0;
  size_t blocks = 0;        // of all plans; of each, if cut together
  size_t parts = 1;         // of the rows of x
  size_t span_bytes = 0;    // of scratch for the spans of a block
  size_t thread_bytes = 0;  // those, then unpacked rows
  MatMulKernels f32;
  // x in each form, once it is there: row 0, and bytes from one row to the next.
  std::array<const std::byte*, kInputForms> prepared = {};
  std::array<size_t, kInputForms> stride = {};

  std::span<const Plan> Plans() const { return {plans.data(), num_plans}; }
  Range Part(size_t index) const { return Range{0, x.rows}.Piece(index, parts); }
  void SetInput(InputForm form, const std::byte* row0, size_t row_stride) {
    prepared[static_cast<size_t>(form)] = row0;
    stride[static_cast<size_t>(form)] = row_stride;
  }
};

enum class Cut {
  kApart,     // a block belongs to one task
  kTogether,  // blocks are the same rows of all tasks, which have equally many; whole blocks of
              // packed inputs
};

// tasks: at most kMaxTasks; must outlive the region. Those from exact_from on are computed as by
// Compute::kExact.
Region MakeRegion(Rows<const float> x, std::span<const MatMulTask> tasks, Compute compute,
                  size_t threads, Cut cut, size_t exact_from = kMaxTasks);

// Bytes from one row to the next where a form is stored.
size_t PreparedStride(InputForm form, size_t cols);

// Bytes that PrepareInput needs.
size_t PreparedBytes(const Region& region);

// Brings x into the forms that the plans take. memory: PreparedBytes(region), aligned to
// kInputAlign, for as long as the region runs.
void PrepareInput(Region& region, std::byte* memory, ThreadPool& pool);

// Rows `w` of a plan's matrix, in one of its blocks, against rows `x`, on the calling thread.
// out: [x.count(), w.count()]. scratch: thread_bytes, aligned to 64. next: where the weights lie
// that this thread most likely uses next. The plan's runs are added.
void RunPart(const Region& region, const Plan& plan, Range w, Range x, Rows<float> out,
             std::byte* scratch, const std::byte* next);

// All blocks of a region whose tasks were cut apart. scratch0: thread_bytes for thread 0.
void RunRegion(const Region& region, std::byte* scratch0, ThreadPool& pool);

}  // namespace gemma3
