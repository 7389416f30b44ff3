// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/weights/pack_mlx.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "ops/packed.h"
#include "ops/quantize.h"
#include "src/base/half.h"
#include "src/formats/mlx.h"

namespace gemma3 {
namespace {

static_assert(kMlxBlock == kPackedBlock);

// Of a block, as bits of f16.
struct Terms {
  uint16_t scale, min;
  bool exact;
};

bool IsCentred(TensorType type) { return type == TensorType::kMlx8; }

Terms TermsOf(TensorType type, MlxGroup group) {
  const double min = IsCentred(type) ? group.bias + 128.0 * group.scale : group.bias;
  const Terms terms{HalfFromFloat(group.scale), HalfFromFloat(static_cast<float>(min)), false};
  const bool exact = FloatFromHalf(terms.scale) == group.scale && FloatFromHalf(terms.min) == min;
  return {terms.scale, terms.min, exact};
}

// What the packed type adds to q'.
int ZeroOf(TensorType type) {
  const int shift = PackedFormatOf(MlxPackedType(type)).zero_shift;
  return shift < 0 ? 0 : 1 << shift;
}

void ReadBlock(const TensorView& matrix, size_t row, size_t b, PackedCodes& block) {
  const MlxGroup group = MlxGroupOf(matrix, row, b);
  const Terms terms = TermsOf(matrix.type, group);
  block.d = terms.scale;
  block.e = terms.min;
  const std::span<uint8_t> stored = std::span(block.stored).first(kMlxBlock);
  ReadMlxCodes(matrix, row, b, stored.data());
  // Equal weights need no scale. In blocks of zeros MLX leaves one that is too small for f16.
  const uint8_t code = stored[0];
  if (!terms.exact && std::ranges::count(stored, code) == kMlxBlock) {
    block.d = 0;
    block.e = HalfFromFloat(group.scale * static_cast<float>(code) + group.bias);
  }
  if (IsCentred(matrix.type)) return;  // q is q' + 128
  const int zero = ZeroOf(matrix.type);
  for (uint8_t& value : stored) value = static_cast<uint8_t>(value + zero);
}

bool AllTermsAreExact(const TensorView& matrix, ThreadPool& pool) {
  std::atomic<bool> exact = true;
  pool.ParallelFor(matrix.shape[0], [&](size_t row, size_t) {
    for (size_t b = 0; b < matrix.shape[1] / kPackedBlock && exact; ++b) {
      if (!TermsOf(matrix.type, MlxGroupOf(matrix, row, b)).exact) exact = false;
    }
  });
  return exact;
}

}  // namespace

bool MlxFitsPacked(const TensorView& matrix, ThreadPool& pool) {
  if (AllTermsAreExact(matrix, pool)) return true;
  const size_t rows = matrix.shape[0], cols = matrix.shape[1];
  const int zero = ZeroOf(matrix.type);
  // Row by row, so that the sums do not depend on the threads.
  std::vector<double> squares(rows), differences(rows);
  pool.ParallelFor(rows, [&](size_t row, size_t thread) {
    auto* weights = reinterpret_cast<float*>(pool.Scratch(thread, cols * sizeof(float)).data());
    DequantizeMlxRow(matrix, row, weights);
    PackedCodes block;
    for (size_t b = 0; b < cols / kPackedBlock; ++b) {
      ReadBlock(matrix, row, b, block);
      const float scale = FloatFromHalf(block.d), min = FloatFromHalf(block.e);
      for (const uint8_t stored : std::span(block.stored).first(kMlxBlock)) {
        const double weight = *weights++;
        const double difference = scale * static_cast<float>(stored - zero) + min - weight;
        squares[row] += weight * weight;
        differences[row] += difference * difference;
      }
    }
  });
  double square = 0, difference = 0;
  for (size_t row = 0; row < rows; ++row) {
    square += squares[row];
    difference += differences[row];
  }
  return difference <= 0x1p-18 * square;  // false for NaN
}

void PackMlx(const TensorView& matrix, std::byte* out, ThreadPool& pool) {
  const auto read = [&](size_t row, size_t block, PackedCodes& codes) {
    ReadBlock(matrix, row, block, codes);
  };
  Pack(MlxPackedType(matrix.type), matrix.shape[0], matrix.shape[1], read, out, pool);
}

}  // namespace gemma3
