// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "ops/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "hwy/base.h"
#include "ops/matmul.h"
#include "ops/packed.h"

namespace gemma3 {
namespace {

constexpr size_t kQuads = kPackedBlock / 4;

// One row's block on its way into a group: four weights in a word, as the layout has them.
struct Block {
  uint16_t scale_bits;
  uint32_t words[kQuads];  // kInt8: a quad each; kInt4: a pair of quads each, four of them
};

uint16_t HalfBits(float value) {
  return hwy::BitCastScalar<uint16_t>(hwy::ConvertScalarTo<hwy::float16_t>(value));
}

uint32_t PackBytes(const uint8_t* b) {
  uint32_t word;
  std::memcpy(&word, b, 4);
  return word;
}

Block QuantizeInt8(const float* w) {
  float largest = 0;
  for (size_t i = 0; i < kPackedBlock; ++i) largest = std::max(largest, std::abs(w[i]));
  const float scale = largest / 127.0f;
  const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  uint8_t stored[kPackedBlock];
  for (size_t i = 0; i < kPackedBlock; ++i) {
    // Written so that not even NaN reaches the conversion, for which it is undefined.
    const float v = w[i] * inverse;
    const float clamped = v > -127.0f ? std::min(v, 127.0f) : -127.0f;
    const int truncated = static_cast<int>(clamped);
    const float rest = clamped - static_cast<float>(truncated);
    const int q = truncated + (rest >= 0.5f) - (rest <= -0.5f);
    stored[i] = static_cast<uint8_t>(q + static_cast<int>(kInt8Zero));
  }
  Block block;
  block.scale_bits = HalfBits(scale);
  for (size_t q = 0; q < kQuads; ++q) block.words[q] = PackBytes(stored + 4 * q);
  return block;
}

Block QuantizeInt4(const float* w) {
  float largest = 0;
  float extreme = 0;
  for (size_t i = 0; i < kPackedBlock; ++i) {
    if (std::abs(w[i]) > largest) {
      largest = std::abs(w[i]);
      extreme = w[i];
    }
  }
  const float scale = extreme / -8.0f;
  const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  uint8_t stored[kPackedBlock];
  for (size_t i = 0; i < kPackedBlock; ++i) {
    const float v = w[i] * inverse + 8.5f;
    stored[i] = static_cast<uint8_t>(v > 0.0f ? std::min(v, 15.0f) : 0.0f);
  }
  Block block;
  block.scale_bits = HalfBits(scale);
  for (size_t p = 0; p < kQuads / 2; ++p) {
    block.words[p] = PackBytes(stored + 8 * p) | PackBytes(stored + 8 * p + 4) << 4;
  }
  return block;
}

uint32_t LoadWord(const std::byte* p) {
  uint32_t word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

Block BlockFromQ8_0(const std::byte* from) {
  Block block;
  std::memcpy(&block.scale_bits, from, 2);
  // Flipping the top bit adds 128.
  for (size_t q = 0; q < kQuads; ++q) block.words[q] = LoadWord(from + 2 + 4 * q) ^ 0x80808080u;
  return block;
}

Block BlockFromQ4_0(const std::byte* from) {
  Block block;
  std::memcpy(&block.scale_bits, from, 2);
  for (size_t p = 0; p < 2; ++p) {
    const uint32_t even = LoadWord(from + 2 + 8 * p);
    const uint32_t odd = LoadWord(from + 2 + 8 * p + 4);
    block.words[p] = (even & 0x0F0F0F0Fu) | (odd & 0x0F0F0F0Fu) << 4;
    block.words[p + 2] = (even >> 4 & 0x0F0F0F0Fu) | (odd & 0xF0F0F0F0u);
  }
  return block;
}

// Writes block `b` of row `r` of a group.
void Put(const Block& block, WeightType type, size_t cols, size_t b, size_t r, std::byte* group) {
  std::memcpy(group + 2 * (b * kPackedGroupRows + r), &block.scale_bits, 2);
  std::byte* values = group + PackedScaleBytes(cols) + b * PackedBlockBytes(type) + 4 * r;
  for (size_t i = 0; i < PackedBlockBytes(type) / 64; ++i) {
    std::memcpy(values + 64 * i, &block.words[i], 4);
  }
}

// Calls fill_row(row, r, group) for every row of the matrix. Rows that are not there, and padding,
// are zero bytes: a scale of zero makes the values irrelevant.
template <class FillRow>
void FillGroups(WeightType type, size_t rows, size_t cols, std::byte* out, ThreadPool& pool,
                const FillRow& fill_row) {
  const size_t group_bytes = PackedGroupBytes(type, cols);
  pool.ParallelFor((rows + kPackedGroupRows - 1) / kPackedGroupRows, [&](size_t g, size_t thread) {
    std::byte* group = out + g * group_bytes;
    const size_t begin = g * kPackedGroupRows;
    const size_t count = std::min(kPackedGroupRows, rows - begin);
    const size_t scales = cols / kPackedBlock * kPackedGroupRows * 2;
    std::memset(group + scales, 0, PackedScaleBytes(cols) - scales);
    if (count < kPackedGroupRows) std::memset(group, 0, group_bytes);
    for (size_t r = 0; r < count; ++r) fill_row(begin + r, r, group, thread);
  });
}

}  // namespace

void Quantize(const MatrixView& from, WeightType type, std::byte* out, ThreadPool& pool) {
  FillGroups(type, from.rows, from.cols, out, pool,
             [&](size_t row, size_t r, std::byte* group, size_t thread) {
               auto* floats =
                   reinterpret_cast<float*>(pool.Scratch(thread, from.cols * sizeof(float)).data());
               UnpackRow(from, row, floats);
               for (size_t b = 0; b < from.cols / kPackedBlock; ++b) {
                 const float* w = floats + b * kPackedBlock;
                 const Block block = type == WeightType::kInt8 ? QuantizeInt8(w) : QuantizeInt4(w);
                 Put(block, type, from.cols, b, r, group);
               }
             });
}

void Repack(const std::byte* blocks, BlockFormat format, size_t rows, size_t cols, std::byte* out,
            ThreadPool& pool) {
  const WeightType type = PackedTypeOf(format);
  const size_t bytes = format == BlockFormat::kQ8_0 ? 34 : 18;
  const size_t row_blocks = cols / kPackedBlock;
  FillGroups(type, rows, cols, out, pool, [&](size_t row, size_t r, std::byte* group, size_t) {
    const std::byte* from = blocks + row * row_blocks * bytes;
    for (size_t b = 0; b < row_blocks; ++b, from += bytes) {
      const Block block = format == BlockFormat::kQ8_0 ? BlockFromQ8_0(from) : BlockFromQ4_0(from);
      Put(block, type, cols, b, r, group);
    }
  });
}

}  // namespace gemma3
