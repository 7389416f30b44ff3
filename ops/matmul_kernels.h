// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What lies between the plans (matmul_plan.h: splits over threads) and the kernels (one file per
// weight type: arithmetic on one block, on one thread). Internal to ops/matmul*.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hwy/base.h"
#include "ops/matmul.h"
#include "ops/prefetch.h"

// Before loops over the rows and columns of a tile, whose accumulators must become registers. Not
// under sanitizers, whose checks multiply with the copies: minutes of compile time a file.
#if HWY_IS_SANITIZER
#define GEMMA3_UNROLL
#else
#define GEMMA3_UNROLL HWY_UNROLL(8)
#endif

namespace gemma3 {

// Rows or inputs [begin, end).
struct Range {
  size_t begin = 0;
  size_t end = 0;

  size_t count() const { return end - begin; }
  // Piece number i of `pieces` of nearly even size.
  Range Piece(size_t i, size_t pieces) const {
    return {begin + count() * i / pieces, begin + count() * (i + 1) / pieces};
  }
};

// The forms in which kernels take x. The door makes each form at most once per call.
enum class InputForm : uint8_t {
  kF32,   // the caller's rows
  kBF16,  // rounded to nearest even, rows padded with zeros to kInputAlign bytes
  kInt8,  // the blocks of ops/packed.h, rows padded likewise
};
inline constexpr size_t kInputForms = 3;
inline constexpr size_t kInputAlign = 64;

// out[0, x_rows)[0, w_rows) = x * w^T + bias, for a run of rows of one matrix.
struct MatMulBlock {
  const std::byte* x = nullptr;  // row 0 in the kernel's input form
  size_t x_stride = 0;           // bytes from one row to the next
  size_t x_rows = 0;
  size_t cols = 0;
  const std::byte* w = nullptr;  // first row (packed types: first group) of the block
  size_t w_stride = 0;           // bytes from one row (group) to the next
  size_t w_rows = 0;
  const std::byte* next = nullptr;  // the first row (group) of what the thread will use after it
  StreamHint stream_hint = StreamHint::kOnce;
  const float* bias = nullptr;  // of the block's first row, or none
  float* out = nullptr;         // row 0, column of the block's first row
  size_t out_stride = 0;        // elements
};

// Up to this many rows of x the time goes into reading W (8 rows at bf16: 16 operations a weight,
// or about what a core does while memory delivers one), and kernels stream W instead of reusing
// blocks.
inline constexpr size_t kStreamRows = 8;

// What will be needed of W after the span that is in use: the next span, or the first one of the
// block that is used next. It lies at one distance from the beginning of the span in every row
// (group), and the panels of x request it in equal parts.
struct Ahead {
  ptrdiff_t distance = 0;  // bytes
  size_t begin = 0;        // bytes [begin, end) there are this panel's part
  size_t end = 0;

  static Ahead Of(ptrdiff_t distance, size_t bytes, size_t panel, size_t panels) {
    return {distance, bytes * panel / panels / 64 * 64, bytes * (panel + 1) / panels / 64 * 64};
  }
  // Not by pointer arithmetic, as below: what is next may lie in another matrix.
  static ptrdiff_t Distance(const std::byte* from, const std::byte* to) {
    return static_cast<ptrdiff_t>(reinterpret_cast<uintptr_t>(to) -
                                  reinterpret_cast<uintptr_t>(from));
  }
  void Request(const std::byte* span) const {
    const uintptr_t there = reinterpret_cast<uintptr_t>(span) + static_cast<uintptr_t>(distance);
    for (size_t i = begin; i < end; i += 64) {
      PrefetchForLater(reinterpret_cast<const void*>(there + i));
    }
  }
};

struct MatMulKernels {
  size_t group_rows = 1;   // rows that are stored together
  size_t group_bytes = 0;  // bytes of such a group in a matrix with the given number of columns
  InputForm input = InputForm::kF32;

  // Bytes of a row of W that the kernel works on at a time, with many rows of x: the whole row or a
  // span of its inputs. A block should have as many rows as keep these in the second-level cache.
  size_t span_bytes = 0;
  // Whether `run` needs scratch for them: span_bytes for each row of the block, rounded up to 16.
  bool copies_span = false;

  // Computes a block. scratch: aligned to 64 bytes, may be null for up to kStreamRows rows of x.
  void (*run)(const MatMulBlock& block, std::byte* scratch) = nullptr;

  // Writes rows [begin, begin + count) of w as floats, `stride` floats apart.
  void (*unpack)(const MatrixView& w, size_t begin, size_t count, float* out,
                 size_t stride) = nullptr;

  // Writes `inputs` of a row of x, whose values stand at x, in the form `input`: `out` is where the
  // form of the whole row of `cols` inputs begins. Ranges begin at multiples of kPackedBlock, and
  // end at those or with the row. Null for kF32.
  void (*prepare)(const float* x, Range inputs, size_t cols, std::byte* out) = nullptr;
};

// The kernels for this CPU.
MatMulKernels F32Kernels(size_t cols);
MatMulKernels F16Kernels(size_t cols);
MatMulKernels BF16Kernels(size_t cols);
MatMulKernels WidenedBF16Kernels(size_t cols);  // exact
MatMulKernels Int8Kernels(size_t cols);
MatMulKernels Int4Kernels(size_t cols);
MatMulKernels Int8MinKernels(size_t cols);
MatMulKernels Int4MinKernels(size_t cols);
MatMulKernels Int8KKernels(size_t cols);
MatMulKernels Int8KMinKernels(size_t cols);
MatMulKernels Int4KKernels(size_t cols);
MatMulKernels Int4TableKernels(size_t cols);

// Highway's targets, bits of HWY_TARGETS, of which this build has a variant (targets.h).
int64_t TargetsWithDotVariant();
// Kernels of packed types for UsesDotVariant().
MatMulKernels DotVariantKernels(WeightType type, size_t cols);
// Of ops/peak.cc, likewise.
double RunInt8DotVariant(size_t rounds, int factor, double* ops);

}  // namespace gemma3
