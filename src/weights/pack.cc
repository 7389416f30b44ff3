// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/weights/pack.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "ops/packed.h"
#include "ops/quantize.h"
#include "src/base/half.h"
#include "src/formats/dequantize.h"

namespace gemma3 {
namespace {

bool IsFloat(TensorType type) {
  return type == TensorType::kF32 || type == TensorType::kF16 || type == TensorType::kBF16;
}

size_t StoredBytes(TensorType type, size_t elems) {
  const TensorTypeInfo& info = InfoOf(type);
  return elems / info.block_elems * info.block_bytes;
}

// Dequantizes rows in parallel.
void RowsToFloats(const TensorView& stored, size_t first, size_t count, size_t cols, float* out,
                  ThreadPool& pool) {
  const size_t row_bytes = StoredBytes(stored.type, cols);
  pool.ParallelFor(count, [&](size_t r, size_t) {
    // The type and the width were checked when the form was chosen, so this cannot fail.
    Dequantize(stored.type, stored.data + (first + r) * row_bytes, cols, out + r * cols);
  });
}

}  // namespace

WeightType FormOf(TensorType stored, size_t rows, size_t cols, MatrixRole role,
                  WeightFormat wanted) {
  WeightType floats = WeightType::kBF16;  // what a block type is expanded to
  if (stored == TensorType::kF32) floats = WeightType::kF32;
  if (stored == TensorType::kF16) floats = WeightType::kF16;
  if (stored == TensorType::kPackedInt8) return WeightType::kInt8;
  if (stored == TensorType::kPackedInt4) return WeightType::kInt4;
  if (role == MatrixRole::kTable) return IsFloat(stored) ? floats : WeightType::kF32;

  WeightType packed = floats;
  switch (wanted) {
    case WeightFormat::kAsStored:
      if (!IsFloat(stored)) {
        packed = stored == TensorType::kQ4_0 ? WeightType::kInt4 : WeightType::kInt8;
      }
      break;
    case WeightFormat::kBF16:
      break;
    case WeightFormat::kInt8:
      packed = WeightType::kInt8;
      break;
    case WeightFormat::kInt4:
      packed = role == MatrixRole::kEmbedding ? WeightType::kInt8 : WeightType::kInt4;
      break;
  }
  return CanPack(packed, rows, cols) ? packed : floats;
}

bool IsInPlace(TensorType stored, WeightType form) {
  return (stored == TensorType::kF32 && form == WeightType::kF32) ||
         (stored == TensorType::kF16 && form == WeightType::kF16) ||
         (stored == TensorType::kBF16 && form == WeightType::kBF16) ||
         (stored == TensorType::kPackedInt8 && form == WeightType::kInt8) ||
         (stored == TensorType::kPackedInt4 && form == WeightType::kInt4);
}

size_t FormBytes(WeightType form, size_t rows, size_t cols) {
  switch (form) {
    case WeightType::kF32:
      return rows * cols * 4;
    case WeightType::kF16:
    case WeightType::kBF16:
      return rows * cols * 2;
    case WeightType::kInt8:
    case WeightType::kInt4:
      return PackedBytes(form, rows, cols);
  }
  return 0;
}

void PackMatrix(const TensorView& stored, size_t rows, size_t cols, WeightType form, std::byte* out,
                ThreadPool& pool) {
  if (IsInPlace(stored.type, form)) {
    std::memcpy(out, stored.data, stored.bytes);
    return;
  }
  if (stored.type == TensorType::kQ8_0 && form == WeightType::kInt8) {
    return Repack(stored.data, BlockFormat::kQ8_0, rows, cols, out, pool);
  }
  if (stored.type == TensorType::kQ4_0 && form == WeightType::kInt4) {
    return Repack(stored.data, BlockFormat::kQ4_0, rows, cols, out, pool);
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
    switch (form) {
      case WeightType::kInt8:
      case WeightType::kInt4:
        Quantize({WeightType::kF32, count, cols, floats.data()}, form, to, pool);
        break;
      case WeightType::kBF16: {
        auto* bits = reinterpret_cast<uint16_t*>(to);
        for (size_t i = 0; i < count * cols; ++i) bits[i] = Bf16FromFloat(floats[i]);
        break;
      }
      case WeightType::kF32:
      case WeightType::kF16:  // never chosen for a type that is not stored so
        std::memcpy(to, floats.data(), count * cols * sizeof(float));
        break;
    }
  }
}

}  // namespace gemma3
