// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The layout of packed integer weights, and of the activations they are multiplied with. It is part
// of the format of cache files: changing it means a new format number there.
//
// A packed matrix is a sequence of groups of 16 rows (outputs); the last group is filled up with
// rows of zeros. The inputs fall into blocks of 32, each with one scale per row. All values are
// little-endian. One group, with B = cols / 32:
//
//   scales   B x 16 x f16            scale of block b and row r at 2 * (16 * b + r)
//   padding  to a multiple of 64 bytes
//   values   B blocks, each either
//     kInt8  8 quads x 16 rows x 4 bytes: weight q of row r, input 4 * quad + i, stored as
//            u8 q + 128 at 64 * quad + 4 * r + i;         value = scale * q, q in [-128, 127]
//     kInt4  4 pairs of quads x 16 rows x 4 bytes: byte 64 * pair + 4 * r + i holds q + 8 of
//            quad 2 * pair in its low and of quad 2 * pair + 1 in its high half;
//                                                         value = scale * q, q in [-8, 7]
//
// So one load of 64 bytes brings four inputs of 16 outputs: the operand of an integer dot product
// of unsigned by signed bytes, with outputs across the lanes and no sum across lanes at the end.
// Q8_0 and Q4_0 blocks of GGUF files are carried without any loss.
//
// Activations of one row: f32 scale[B]; i32 minus_sum[B], minus the sum of the block's quants (the
// dot product's correction for the + 128 and + 8); i8 quants[32 * B]; zeros to a multiple of 64
// bytes. scale = max|x| / 127, quant = x * (127 / max|x|) rounded to nearest even.
#pragma once

#include <cstddef>

#include "ops/matmul.h"

namespace gemma3 {

inline constexpr size_t kPackedGroupRows = 16;
inline constexpr size_t kPackedBlock = 32;  // inputs with a common scale
inline constexpr size_t kPackedAlign = 64;  // of the matrix in memory, and of every group's parts
inline constexpr size_t kInt8Zero = 128;    // what is added to make weights unsigned
inline constexpr size_t kInt4Zero = 8;

// Whether a [rows, cols] matrix can be packed as `type`; if not, keep it as it is.
constexpr bool CanPack(WeightType type, size_t rows, size_t cols) {
  return (type == WeightType::kInt8 || type == WeightType::kInt4) && rows != 0 && cols != 0 &&
         cols % kPackedBlock == 0;
}

// Offset of the values within a group.
constexpr size_t PackedScaleBytes(size_t cols) {
  const size_t bytes = cols / kPackedBlock * kPackedGroupRows * 2;
  return (bytes + kPackedAlign - 1) / kPackedAlign * kPackedAlign;
}

// Bytes of 16 rows' values of one block.
constexpr size_t PackedBlockBytes(WeightType type) {
  return kPackedBlock * kPackedGroupRows / (type == WeightType::kInt4 ? 2 : 1);
}

constexpr size_t PackedGroupBytes(WeightType type, size_t cols) {
  return PackedScaleBytes(cols) + cols / kPackedBlock * PackedBlockBytes(type);
}

// Bytes of the whole matrix, always a multiple of kPackedAlign. No overflow for matrices whose
// floats fit in memory.
constexpr size_t PackedBytes(WeightType type, size_t rows, size_t cols) {
  return (rows + kPackedGroupRows - 1) / kPackedGroupRows * PackedGroupBytes(type, cols);
}

// Offsets within a prepared row of activations.
constexpr size_t PackedInputSums(size_t cols) { return cols / kPackedBlock * 4; }
constexpr size_t PackedInputQuants(size_t cols) { return cols / kPackedBlock * 8; }
constexpr size_t PackedInputBytes(size_t cols) {
  return (PackedInputQuants(cols) + cols + kPackedAlign - 1) / kPackedAlign * kPackedAlign;
}

}  // namespace gemma3
