// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The layouts of packed integer weights, and of the activations they are multiplied with. They are
// part of the format of cache files: changing one means a new format number there.
//
// A packed matrix is a sequence of groups of 16 rows (outputs); the last group is filled up with
// rows of zeros. The inputs fall into blocks of 32, and blocks into chunks: of two blocks, or of
// eight where scales have two levels. A group is its chunks in order, a chunk is
//
//   header   the scales of its blocks, see below
//   padding  to a multiple of 64 bytes
//   values   its blocks, each either
//     8 bits  8 quads x 16 rows x 4 bytes: weight q of row r, input 4 * quad + i, is stored as
//             u8 q + zero at 64 * quad + 4 * r + i
//     4 bits  4 pairs of quads x 16 rows x 4 bytes: byte 64 * pair + 4 * r + i holds q + zero of
//             quad 2 * pair in its low, of quad 2 * pair + 1 in its high half
//
// So one load of 64 bytes brings four inputs of 16 outputs: the operand of an integer dot product
// of unsigned by signed bytes, with outputs across the lanes and no sum across lanes at the end.
// And a product with one row of inputs reads a matrix from its first byte to its last, in order:
// scales in a place of their own would be a second stream, which memory serves at two thirds of the
// speed. A last block without a partner stands in a whole chunk, beside zeros; and where the inputs
// are no whole blocks (kInt8 and kInt4), zeros fill the last one, here and in the activations.
//
//   type        bits zero  value               carries without loss    bits a weight
//   kInt8       8    128   scale q             Q8_0, Q5_0, IQ4_NL      8.5
//   kInt4       4    8     scale q             Q4_0                    4.5
//   kInt8Min    8    128   scale q + min       Q5_1                    9
//   kInt4Min    4    0     scale q + min       Q4_1                    5
//   kInt8K      8    128   (d s) q             Q6_K, Q3_K              8.63
//   kInt8KMin   8    128   (d s) q - (e m)     Q5_K, Q2_K              9.13
//   kInt4K      4    0     (d s) q - (e m)     Q4_K                    4.63
//   kInt4Table  4    128   (d f s) T[q]        IQ4_XS, IQ1_*, IQ2_*,   4.63
//                                              IQ3_*
//
// The table T of kInt4Table holds 16 numbers of 8 bits, and f is a power of two. Both are the same
// in the whole matrix. Values are q then, and T[q] + zero stands in the header. (Weights of the IQ
// types are signed multiples of 1, 3 or 8 numbers; f carries the eighth in their definitions, which
// d, often subnormal in f16, could not.)
//
// Headers, with 16 rows (r) in each array:
//   kInt8, kInt4        per block: f16 scale[16]
//   kInt8Min, kInt4Min  per block: f16 scale[16], f16 min[16]
//   kInt8K*, kInt4K     f16 d[16], then f16 e[16] if there is a min; then per block (kInt4K) or
//                       half block of 16 inputs (the others): i8 s[16], then u8 m[16] if there is a
//                       min
//   kInt4Table          as kInt8K; then u8 T[16] + zero, f32 f
//
// Activations of one row: for each block a record of 48 bytes,
//
//   f32 scale       max|x| / 127
//   f32 total       scale times the sum of the quants: is multiplied with mins
//   i32 start8      -128 times that sum, and
//   i32 start4      -8 times: where sums of products begin, correcting for zeros
//   i8  quants[32]  x * (127 / max|x|) rounded to nearest even
//
// then for each block f32 total[2], i32 start8[2] of its halves, then zeros to a multiple of 64
// bytes.
#pragma once

#include <cstddef>

#include "ops/matmul.h"

namespace gemma3 {

inline constexpr size_t kPackedGroupRows = 16;
inline constexpr size_t kPackedBlock = 32;   // inputs that are summed as integers, at most
inline constexpr size_t kPackedSuper = 256;  // inputs with common d and e
inline constexpr size_t kPackedAlign = 64;   // of the matrix in memory, and of every chunk's parts
inline constexpr size_t kPackedTable = 16;   // numbers in a table

// The table above, in code.
struct PackedFormat {
  bool packed = false;       // false for float types
  bool nibbles = false;      // 4 bits
  int zero_shift = 7;        // zero = 1 << zero_shift; -1 for none
  bool super = false;        // d and e over 256 inputs
  bool min = false;          // values have a second term
  size_t scale_inputs = 32;  // inputs with a common scale, 32 or 16
  bool table = false;        // codes are places in a table
};

constexpr PackedFormat PackedFormatOf(WeightType type) {
  switch (type) {
    case WeightType::kF32:
    case WeightType::kF16:
    case WeightType::kBF16:
      break;
    case WeightType::kInt8:
      return {.packed = true};
    case WeightType::kInt4:
      return {.packed = true, .nibbles = true, .zero_shift = 3};
    case WeightType::kInt8Min:
      return {.packed = true, .min = true};
    case WeightType::kInt4Min:
      return {.packed = true, .nibbles = true, .zero_shift = -1, .min = true};
    case WeightType::kInt8K:
      return {.packed = true, .super = true, .scale_inputs = 16};
    case WeightType::kInt8KMin:
      return {.packed = true, .super = true, .min = true, .scale_inputs = 16};
    case WeightType::kInt4K:
      return {.packed = true, .nibbles = true, .zero_shift = -1, .super = true, .min = true};
    case WeightType::kInt4Table:
      return {.packed = true, .nibbles = true, .super = true, .scale_inputs = 16, .table = true};
  }
  return {};
}

constexpr bool IsPacked(WeightType type) { return PackedFormatOf(type).packed; }

// Whether a [rows, cols] matrix can be packed as `type`; if not, keep it as it is.
constexpr bool CanPack(WeightType type, size_t rows, size_t cols) {
  const PackedFormat format = PackedFormatOf(type);
  if (!format.packed || rows == 0 || cols == 0) return false;
  if (type == WeightType::kInt8 || type == WeightType::kInt4) return true;
  return cols % (format.super ? kPackedSuper : kPackedBlock) == 0;
}

constexpr size_t PackedBlocks(size_t cols) { return (cols + kPackedBlock - 1) / kPackedBlock; }

// Inputs of a chunk.
constexpr size_t PackedChunkInputs(WeightType type) {
  return PackedFormatOf(type).super ? kPackedSuper : 2 * kPackedBlock;
}

// Offset in a chunk of its lower, or only, scales.
constexpr size_t PackedScaleOffset(WeightType type) {
  const PackedFormat format = PackedFormatOf(type);
  return format.super ? kPackedGroupRows * (format.min ? 4 : 2) : 0;
}

// Bytes of the scales (and mins) that belong together: of a block, or a half block.
constexpr size_t PackedScaleStep(WeightType type) {
  const PackedFormat format = PackedFormatOf(type);
  return kPackedGroupRows * (format.super ? 1 : 2) * (format.min ? 2 : 1);
}

// Offset in a chunk of its table, behind the scales, and of the factor behind that.
constexpr size_t PackedTableOffset(WeightType type) {
  const size_t scales = PackedChunkInputs(type) / PackedFormatOf(type).scale_inputs;
  return PackedScaleOffset(type) + scales * PackedScaleStep(type);
}
constexpr size_t PackedFactorOffset(WeightType type) {
  return PackedTableOffset(type) + kPackedTable;
}

// Bytes of a chunk's header without and with its padding. The latter is the offset of the values.
constexpr size_t PackedHeaderBytes(WeightType type) {
  return PackedFormatOf(type).table ? PackedFactorOffset(type) + sizeof(float)
                                    : PackedTableOffset(type);
}
constexpr size_t PackedValueOffset(WeightType type) {
  return (PackedHeaderBytes(type) + kPackedAlign - 1) / kPackedAlign * kPackedAlign;
}

// Bytes of 16 rows' values of one block.
constexpr size_t PackedBlockBytes(WeightType type) {
  return kPackedBlock * kPackedGroupRows / (PackedFormatOf(type).nibbles ? 2 : 1);
}

constexpr size_t PackedChunkBytes(WeightType type) {
  return PackedValueOffset(type) + PackedChunkInputs(type) / kPackedBlock * PackedBlockBytes(type);
}

constexpr size_t PackedChunks(WeightType type, size_t cols) {
  return (cols + PackedChunkInputs(type) - 1) / PackedChunkInputs(type);
}

constexpr size_t PackedGroupBytes(WeightType type, size_t cols) {
  return PackedChunks(type, cols) * PackedChunkBytes(type);
}

// Bytes of the whole matrix, always a multiple of kPackedAlign. No overflow for matrices whose
// floats fit in memory.
constexpr size_t PackedBytes(WeightType type, size_t rows, size_t cols) {
  return (rows + kPackedGroupRows - 1) / kPackedGroupRows * PackedGroupBytes(type, cols);
}

// Offsets within a prepared row of activations, and within its records.
inline constexpr size_t kPackedInputRecord = 48;
inline constexpr size_t kPackedInputHalves = 16;
inline constexpr size_t kInputScale = 0, kInputTotal = 4, kInputStart8 = 8, kInputStart4 = 12,
                        kInputQuants = 16;
inline constexpr size_t kHalfTotal = 0, kHalfStart8 = 8;

constexpr size_t PackedInputHalves(size_t cols) { return PackedBlocks(cols) * kPackedInputRecord; }
constexpr size_t PackedInputBytes(size_t cols) {
  const size_t bytes = PackedBlocks(cols) * (kPackedInputRecord + kPackedInputHalves);
  return (bytes + kPackedAlign - 1) / kPackedAlign * kPackedAlign;
}

}  // namespace gemma3
