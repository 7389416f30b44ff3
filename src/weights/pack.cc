// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/weights/pack.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "ops/packed.h"
#include "ops/quantize.h"
#include "src/base/half.h"
#include "src/formats/dequantize.h"
#include "src/formats/grouped_codes.h"
#include "src/weights/pack_codes.h"
#include "src/weights/pack_iq.h"

namespace gemma3 {
namespace {

using PackedPair = std::pair<WeightType, TensorType>;
constexpr std::array<PackedPair, 8> kPackedTypes = {{
    {WeightType::kInt8, TensorType::kPackedInt8},
    {WeightType::kInt4, TensorType::kPackedInt4},
    {WeightType::kInt8Min, TensorType::kPackedInt8Min},
    {WeightType::kInt4Min, TensorType::kPackedInt4Min},
    {WeightType::kInt8K, TensorType::kPackedInt8K},
    {WeightType::kInt8KMin, TensorType::kPackedInt8KMin},
    {WeightType::kInt4K, TensorType::kPackedInt4K},
    {WeightType::kInt4Table, TensorType::kPackedInt4Table},
}};

using FormatPair = std::pair<TensorType, BlockFormat>;
constexpr std::array<FormatPair, 12> kBlockFormats = {{
    {TensorType::kQ8_0, BlockFormat::kQ8_0},
    {TensorType::kQ4_0, BlockFormat::kQ4_0},
    {TensorType::kQ4_1, BlockFormat::kQ4_1},
    {TensorType::kQ5_0, BlockFormat::kQ5_0},
    {TensorType::kQ5_1, BlockFormat::kQ5_1},
    {TensorType::kQ2_K, BlockFormat::kQ2_K},
    {TensorType::kQ3_K, BlockFormat::kQ3_K},
    {TensorType::kQ4_K, BlockFormat::kQ4_K},
    {TensorType::kQ5_K, BlockFormat::kQ5_K},
    {TensorType::kQ6_K, BlockFormat::kQ6_K},
    {TensorType::kIQ4_NL, BlockFormat::kIQ4_NL},
    {TensorType::kIQ4_XS, BlockFormat::kIQ4_XS},
}};

std::optional<BlockFormat> BlockFormatOf(TensorType type) {
  const auto it = std::ranges::find(kBlockFormats, type, &FormatPair::first);
  return it == kBlockFormats.end() ? std::nullopt : std::optional(it->second);
}

// The packed type that carries a block type without loss; none for others.
std::optional<WeightType> LosslessForm(TensorType stored) {
  if (IsIqGrid(stored)) return WeightType::kInt4Table;
  if (stored == TensorType::kMXFP4) return WeightType::kInt8;
  const std::optional<BlockFormat> format = BlockFormatOf(stored);
  return format ? std::optional(PackedTypeOf(*format)) : std::nullopt;
}

bool IsFloat(WeightType type) {
  return type == WeightType::kF32 || type == WeightType::kF16 || type == WeightType::kBF16;
}

// Dequantizes rows in parallel.
void RowsToFloats(const TensorView& stored, size_t first, size_t count, size_t cols, float* out,
                  ThreadPool& pool) {
  pool.ParallelFor(count,
                   [&](size_t r, size_t) { DequantizeRow(stored, first + r, out + r * cols); });
}

// What the values of a stored type become where they are not packed.
WeightType FloatForm(TensorType stored) {
  if (stored == TensorType::kF32) return WeightType::kF32;
  if (stored == TensorType::kF16) return WeightType::kF16;
  return WeightType::kBF16;
}

}  // namespace

WeightType FormOf(const TensorView& stored, size_t rows, size_t cols, MatrixRole role,
                  WeightFormat wanted) {
  if (IsPacked(stored.type)) return PackedWeightType(stored.type);
  const std::optional<WeightType> lossless =
      stored.grouped ? LikelyFormOf(stored) : LosslessForm(stored.type);
  const WeightType floats = FloatForm(stored.type);
  if (role == MatrixRole::kDense) return WeightType::kF32;
  if (role == MatrixRole::kTable) return lossless ? WeightType::kF32 : floats;

  WeightType packed = floats;
  if (wanted == WeightFormat::kAsStored && lossless) packed = *lossless;
  if (wanted == WeightFormat::kAsStored && stored.grouped) return packed;
  if (wanted == WeightFormat::kInt8) packed = WeightType::kInt8;
  if (wanted == WeightFormat::kInt4) {
    packed = role == MatrixRole::kEmbedding ? WeightType::kInt8 : WeightType::kInt4;
  }
  return CanPack(packed, rows, cols) ? packed : floats;
}

void DequantizeRow(const TensorView& stored, size_t row, float* out) {
  if (stored.grouped) return DequantizeCodesRow(stored, row, out);
  size_t cols = 1;
  for (size_t i = 1; i < stored.shape.size(); ++i) cols *= stored.shape[i];
  const TensorTypeInfo& info = InfoOf(stored.type);
  const size_t row_bytes = cols / info.block_elems * info.block_bytes;
  Dequantize(stored.type, stored.data + row * row_bytes, cols, out);
}

bool IsInPlace(TensorType stored, WeightType form) {
  if (IsPacked(stored)) return form == PackedWeightType(stored);
  if (stored == TensorType::kGroupedCodes) return false;
  return !LosslessForm(stored) && form == FloatForm(stored);
}

bool HalvesFitBf16(const TensorView& matrix, ThreadPool& pool) {
  const size_t rows = matrix.shape[0];
  const size_t row_halves = matrix.bytes / sizeof(uint16_t) / rows;
  std::atomic<bool> fit = true;
  pool.ParallelFor(rows, [&](size_t r, size_t) {
    if (!fit.load(std::memory_order_relaxed)) return;
    const std::byte* row = matrix.data + r * row_halves * sizeof(uint16_t);
    bool row_fits = true;
    for (size_t i = 0; i < row_halves; ++i) {
      row_fits &= HalfIsBf16(LoadLittle<uint16_t>(row + i * sizeof(uint16_t)));
    }
    if (!row_fits) fit.store(false, std::memory_order_relaxed);
  });
  return fit;
}

bool FloatsAreFinite(const TensorView& matrix, ThreadPool& pool) {
  const size_t rows = matrix.shape[0];
  const size_t row_bytes = matrix.bytes / rows;
  std::atomic<bool> finite = true;
  const auto check = [&]<class Bits>(Bits exponent) {
    pool.ParallelFor(rows, [&](size_t r, size_t) {
      const std::byte* row = matrix.data + r * row_bytes;
      bool row_finite = true;
      for (size_t i = 0; i < row_bytes; i += sizeof(Bits)) {
        row_finite &= (LoadLittle<Bits>(row + i) & exponent) != exponent;
      }
      if (!row_finite) finite.store(false, std::memory_order_relaxed);
    });
  };
  if (matrix.type == TensorType::kF32) check(uint32_t{0x7f800000});
  if (matrix.type == TensorType::kF16) check(uint16_t{0x7c00});
  if (matrix.type == TensorType::kBF16) check(uint16_t{0x7f80});
  return finite;
}

bool HasFiniteScales(const TensorView& matrix, ThreadPool& pool) {
  if (IsPacked(matrix.type) || matrix.grouped) return true;
  const size_t rows = matrix.shape[0];
  const size_t row_blocks = matrix.bytes / InfoOf(matrix.type).block_bytes / rows;
  std::atomic<bool> finite = true;
  pool.ParallelFor(rows, [&](size_t r, size_t) {
    const std::byte* row = matrix.data + matrix.bytes / rows * r;
    if (finite && !BlocksHaveFiniteScales(matrix.type, row, row_blocks)) finite = false;
  });
  return finite;
}

TensorType PackedTensorType(WeightType packed) {
  return std::ranges::find(kPackedTypes, packed, &PackedPair::first)->second;
}

WeightType PackedWeightType(TensorType packed) {
  return std::ranges::find(kPackedTypes, packed, &PackedPair::second)->first;
}

TensorView AsTensor(const MatrixView& rewritten, const TensorView& stored) {
  TensorView tensor;
  switch (rewritten.type) {
    case WeightType::kF32:
      tensor.type = TensorType::kF32;
      break;
    case WeightType::kF16:
      tensor.type = TensorType::kF16;
      break;
    case WeightType::kBF16:
      tensor.type = TensorType::kBF16;
      break;
    default:
      tensor.type = PackedTensorType(rewritten.type);
      break;
  }
  tensor.shape = stored.shape;
  tensor.data = static_cast<const std::byte*>(rewritten.data);
  tensor.bytes = FormBytes(rewritten.type, rewritten.rows, rewritten.cols);
  tensor.file = stored.file;
  return tensor;
}

size_t FormBytes(WeightType form, size_t rows, size_t cols) {
  if (form == WeightType::kF32) return rows * cols * 4;
  if (IsFloat(form)) return rows * cols * 2;
  return PackedBytes(form, rows, cols);
}

void PackMatrix(const TensorView& stored, size_t rows, size_t cols, WeightType form, std::byte* out,
                ThreadPool& pool) {
  if (IsInPlace(stored.type, form)) {
    std::memcpy(out, stored.data, stored.bytes);
    return;
  }
  if (const auto format = BlockFormatOf(stored.type); format && form == PackedTypeOf(*format)) {
    return Repack(stored.data, *format, rows, cols, out, pool);
  }
  if (IsIqGrid(stored.type) && form == WeightType::kInt4Table) {
    return PackIq(stored, rows, cols, out, pool);
  }
  if (stored.type == TensorType::kMXFP4 && form == WeightType::kInt8 &&
      Mxfp4FitsPacked(stored, pool)) {
    return PackMxfp4(stored, rows, cols, out, pool);
  }
  // Through floats, a piece at a time; pieces begin at whole groups of packed rows.
  constexpr size_t kPieceElems = 1 << 20;
  const size_t piece_rows =
      std::max<size_t>(1, kPieceElems / cols / kPackedGroupRows) * kPackedGroupRows;
  std::vector<float> floats(std::min(piece_rows, rows) * cols);
  for (size_t first = 0; first < rows; first += piece_rows) {
    const size_t count = std::min(piece_rows, rows - first);
    RowsToFloats(stored, first, count, cols, floats.data(), pool);
    std::byte* to = out + FormBytes(form, first, cols);
    if (!IsFloat(form)) {
      Quantize({WeightType::kF32, count, cols, floats.data()}, form, to, pool);
    } else if (form == WeightType::kBF16) {
      auto* bits = reinterpret_cast<uint16_t*>(to);
      pool.ParallelFor(count, [&](size_t r, size_t) {
        for (size_t i = r * cols; i < (r + 1) * cols; ++i) bits[i] = Bf16FromFloat(floats[i]);
      });
    } else {  // kF32; f16 is never chosen for a type that is not stored so
      std::memcpy(to, floats.data(), count * cols * sizeof(float));
    }
  }
}

}  // namespace gemma3
