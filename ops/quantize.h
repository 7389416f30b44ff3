// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Making packed integer weights (ops/packed.h): from floats, from the blocks of GGUF files without
// loss, and from any other source of codes.
//
// All functions write PackedBytes(type, rows, cols) bytes to `out`, aligned to kPackedAlign, need
// CanPack(type, rows, cols), and work group by group of 16 rows in parallel, without memory beyond
// `out`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "ops/matmul.h"
#include "ops/packed.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// A block of one row: kPackedSuper inputs of the types with two levels of scales, else
// kPackedBlock. The terms are those of the table in ops/packed.h; what a type does not have is not
// read.
struct PackedCodes {
  uint8_t stored[kPackedSuper];      // q + zero; with a table, q
  uint16_t d;                        // bits of f16: scale, or d
  uint16_t e;                        // bits of f16: min, or e
  int8_t scales[kPackedSuper / 16];  // s, for each scale_inputs inputs
  uint8_t mins[kPackedSuper / 16];   // m, likewise
  // The same in all blocks of a matrix; a source may set them each time.
  std::array<uint8_t, kPackedTable> table;  // T + zero
  float factor;                             // f
};

// Writes a block of a row to `codes`; called once for each block, by several threads.
using PackedSource = std::function<void(size_t row, size_t block, PackedCodes& codes)>;

// Packs what `read` gives.
void Pack(WeightType type, size_t rows, size_t cols, const PackedSource& read, std::byte* out,
          ThreadPool& pool);

// Quantises F32, F16 or BF16 weights to kInt8 or kInt4 with the formulas of GGUF, so that packing
// here and packing a file made by another program's plain Q8_0 or Q4_0 give the same bytes. In
// blocks of 32 inputs:
//   kInt8  scale = max|w| / 127; q = w / scale rounded to nearest, halves away from zero
//   kInt4  scale = v / -8, v the signed weight of largest magnitude;
//          q + 8 = min(15, trunc(w / scale + 8.5))
// q is computed with the scale in f32, which is then stored rounded to f16.
void Quantize(const MatrixView& from, WeightType type, std::byte* out, ThreadPool& pool);

// The block formats of GGUF files. Their bytes are described where they are read, in quantize.cc.
enum class BlockFormat {
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
  kIQ4_XS,
};

// The packed type that carries a format exactly: UnpackRow gives the very floats of its definition.
constexpr WeightType PackedTypeOf(BlockFormat format) {
  switch (format) {
    case BlockFormat::kQ8_0:
    case BlockFormat::kQ5_0:
    case BlockFormat::kIQ4_NL:
      break;
    case BlockFormat::kQ4_0:
      return WeightType::kInt4;
    case BlockFormat::kQ4_1:
      return WeightType::kInt4Min;
    case BlockFormat::kQ5_1:
      return WeightType::kInt8Min;
    case BlockFormat::kQ3_K:
    case BlockFormat::kQ6_K:
      return WeightType::kInt8K;
    case BlockFormat::kQ2_K:
    case BlockFormat::kQ5_K:
      return WeightType::kInt8KMin;
    case BlockFormat::kQ4_K:
      return WeightType::kInt4K;
    case BlockFormat::kIQ4_XS:
      return WeightType::kInt4Table;
  }
  return WeightType::kInt8;
}

// Repacks the rows of a matrix, as consecutive blocks at any alignment, as PackedTypeOf(format).
void Repack(const std::byte* blocks, BlockFormat format, size_t rows, size_t cols, std::byte* out,
            ThreadPool& pool);

}  // namespace gemma3
