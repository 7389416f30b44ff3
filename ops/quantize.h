// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Making packed integer weights (ops/packed.h) from floats, and from the blocks of GGUF files
// without loss.
//
// All functions write PackedBytes(type, rows, cols) bytes to `out`, aligned to kPackedAlign, need
// CanPack(type, rows, cols), and work group by group of 16 rows in parallel: memory beyond `out` is
// one row of floats a thread.
#pragma once

#include <cstddef>

#include "ops/matmul.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// Quantises F32, F16 or BF16 weights with the formulas of GGUF, so that packing here and packing a
// file made by another program's plain Q8_0 or Q4_0 give the same bytes. In blocks of 32 inputs:
//   kInt8  scale = max|w| / 127; q = w / scale rounded to nearest, halves away from zero
//   kInt4  scale = v / -8, v the signed weight of largest magnitude; q + 8 = min(15, trunc(w /
//   scale
//          + 8.5))
// q is computed with the scale in f32, which is then stored rounded to f16.
void Quantize(const MatrixView& from, WeightType type, std::byte* out, ThreadPool& pool);

// The block formats of GGUF files that a packed type carries exactly. Bytes of a block of 32:
//   Q8_0  f16 scale, i8 q[32]                                              34, to kInt8
//   Q4_0  f16 scale, u8 n[16]: q + 8 of input i in the low half of n[i],
//         of input 16 + i in the high half                                 18, to kInt4
enum class BlockFormat { kQ8_0, kQ4_0 };

constexpr WeightType PackedTypeOf(BlockFormat format) {
  return format == BlockFormat::kQ8_0 ? WeightType::kInt8 : WeightType::kInt4;
}

// Repacks rows x cols / 32 consecutive blocks, at any alignment.
void Repack(const std::byte* blocks, BlockFormat format, size_t rows, size_t cols, std::byte* out,
            ThreadPool& pool);

}  // namespace gemma3
