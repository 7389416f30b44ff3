// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Quantising follows the formulas of GGUF byte for byte; packing puts codes where the layout wants
// them, and does not depend on threads or on what lay in memory before.

#include "ops/quantize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "hwy/aligned_allocator.h"
#include "hwy/base.h"
#include "ops/matmul.h"
#include "ops/packed.h"
#include "ops/reference/matmul.h"

namespace gemma3 {
namespace {

std::vector<std::byte> FromHex(const std::string& hex) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

struct Packed {
  Packed(WeightType type, size_t rows, size_t cols)
      : view{type, rows, cols, nullptr},
        bytes(PackedBytes(type, rows, cols)),
        memory(hwy::AllocateAligned<std::byte>(bytes)) {
    std::memset(memory.get(), 0xCC, bytes);
    view.data = memory.get();
  }
  std::vector<std::byte> Bytes() const { return {memory.get(), memory.get() + bytes}; }
  std::vector<float> Row(size_t r) const {
    std::vector<float> row(view.cols);
    UnpackRow(view, r, row.data());
    return row;
  }

  MatrixView view;
  size_t bytes;
  hwy::AlignedFreeUniquePtr<std::byte[]> memory;
};

struct Format {
  BlockFormat format;
  const char* quantised;  // what the GGUF reference makes of Example()
};

// The printed names of parameters.
void PrintTo(const Format& f, std::ostream* out) {
  *out << (f.format == BlockFormat::kQ8_0 ? "Q8_0" : "Q4_0");
}

std::vector<float> Example() {
  std::vector<float> x(32);
  for (int j = 0; j < 32; ++j) x[j] = 0.125f * static_cast<float>((7 * j) % 32 - 13);
  return x;
}

class Quantization : public testing::TestWithParam<Format> {};

TEST_P(Quantization, MakesTheBytesOfTheGgufReference) {
  const std::vector<float> x = Example();
  const std::vector<std::byte> blocks = FromHex(GetParam().quantised);
  const WeightType type = PackedTypeOf(GetParam().format);
  ThreadPool pool(1);
  Packed ours(type, 1, 32), theirs(type, 1, 32);
  Quantize({WeightType::kF32, 1, 32, x.data()}, type, ours.memory.get(), pool);
  Repack(blocks.data(), GetParam().format, 1, 32, theirs.memory.get(), pool);
  EXPECT_EQ(ours.Bytes(), theirs.Bytes());
}

// Block bytes (37 i + 11) mod 256 with scale 0.5: sums over all values as the reference has them.
TEST_P(Quantization, RepackedBlocksHaveTheValuesOfTheGgufReference) {
  const bool q8 = GetParam().format == BlockFormat::kQ8_0;
  std::vector<std::byte> block(q8 ? 34 : 18);
  for (size_t i = 0; i < block.size(); ++i) block[i] = static_cast<std::byte>(37 * i + 11);
  block[0] = std::byte{0x00};
  block[1] = std::byte{0x38};
  ThreadPool pool(1);
  Packed packed(PackedTypeOf(GetParam().format), 1, 32);
  Repack(block.data(), GetParam().format, 1, 32, packed.memory.get(), pool);
  double sum = 0, squares = 0;
  const std::vector<float> row = packed.Row(0);
  for (float v : row) {
    sum += v;
    squares += double{v} * v;
  }
  EXPECT_EQ(sum, q8 ? -88 : -10.5);
  EXPECT_EQ(squares, q8 ? 47564 : 161.25);
  EXPECT_EQ(row[0], q8 ? 42.5f : -1.5f);
  EXPECT_EQ(row[1], q8 ? 61.0f : 1.0f);
  EXPECT_EQ(row[15], q8 ? -64.0f : -4.0f);
  EXPECT_EQ(row[16], q8 ? -45.5f : -1.5f);
  EXPECT_EQ(row[31], q8 ? -24.0f : 0.0f);
}

// int8: half a step of max / 127. int4: half a step, except at the end without a code for + 8,
// where it is a whole one. Both plus the rounding of the scale to f16, 2^-11 of the value.
TEST_P(Quantization, ErrsByAtMostAStep) {
  const WeightType type = PackedTypeOf(GetParam().format);
  const size_t rows = 35, cols = 96;
  std::vector<float> w(rows * cols);
  for (size_t i = 0; i < w.size(); ++i) w[i] = std::sin(static_cast<float>(i * i % 1009));
  for (size_t i = 0; i < 32; ++i) w[i] = 0.0f;
  ThreadPool one(1), three(3);
  Packed packed(type, rows, cols), again(type, rows, cols);
  Quantize({WeightType::kF32, rows, cols, w.data()}, type, packed.memory.get(), one);
  Quantize({WeightType::kF32, rows, cols, w.data()}, type, again.memory.get(), three);
  EXPECT_EQ(packed.Bytes(), again.Bytes());
  for (size_t r = 0; r < rows; ++r) {
    const std::vector<float> row = packed.Row(r);
    for (size_t b = 0; b < cols / 32; ++b) {
      const float* from = &w[r * cols + 32 * b];
      float largest = 0;
      for (size_t k = 0; k < 32; ++k) largest = std::max(largest, std::abs(from[k]));
      for (size_t k = 0; k < 32; ++k) {
        const float step = type == WeightType::kInt8 ? largest / 127 / 2 : largest / 8;
        EXPECT_NEAR(row[32 * b + k], from[k], step + largest / 1024) << r << " " << b << " " << k;
      }
    }
  }
}

// The sanitizer judges the conversions; the other blocks must not notice.
TEST_P(Quantization, ValuesThatAreNotNumbersSpoilTheirBlockOnly) {
  const WeightType type = PackedTypeOf(GetParam().format);
  std::vector<float> w(128, 1.0f);
  w[3] = std::numeric_limits<float>::quiet_NaN();
  w[40] = std::numeric_limits<float>::infinity();
  w[70] = -std::numeric_limits<float>::infinity();
  ThreadPool pool(1);
  Packed packed(type, 1, 128);
  Quantize({WeightType::kF32, 1, 128, w.data()}, type, packed.memory.get(), pool);
  const std::vector<float> row = packed.Row(0);
  for (size_t i = 96; i < 128; ++i) EXPECT_NEAR(row[i], 1.0f, 1.0f / 1024);
}

INSTANTIATE_TEST_SUITE_P(
    , Quantization,
    testing::Values(Format{BlockFormat::kQ8_0,
                           "8924a4d607386ab9eb1c4e7fcf003163b2e4154778c8f92a5cabdd0e4071c0f22355"},
                    Format{BlockFormat::kQ4_0, "80b47e4b08c4815c29d6a3704b18c5926d3a"}),
    [](const auto& info) {
      return info.param.format == BlockFormat::kQ8_0 ? std::string("Q8_0") : std::string("Q4_0");
    });

constexpr WeightType kPackedTypes[] = {
    WeightType::kInt8,  WeightType::kInt4,     WeightType::kInt8Min, WeightType::kInt4Min,
    WeightType::kInt8K, WeightType::kInt8KMin, WeightType::kInt4K,   WeightType::kInt4Table};

// Codes that depend on the place alone, with scales and mins that f16 holds.
void MakeCodes(const PackedFormat& format, size_t row, size_t block, PackedCodes& codes) {
  std::mt19937 rng(static_cast<uint32_t>(1000 * row + block));
  const auto half = [&] {
    return hwy::BitCastScalar<uint16_t>(
        hwy::ConvertScalarTo<hwy::float16_t>(static_cast<float>(rng() % 512) / 256 - 1));
  };
  for (uint8_t& stored : codes.stored) stored = rng() % (format.nibbles ? 16 : 256);
  codes.d = half();
  codes.e = half();
  for (int8_t& scale : codes.scales) scale = static_cast<int8_t>(rng() % 64);
  for (uint8_t& min : codes.mins) min = rng() % 64;
  for (size_t i = 0; i < codes.table.size(); ++i) codes.table[i] = static_cast<uint8_t>(37 * i + 5);
  codes.factor = 0.25f;
}

float FromHalf(uint16_t bits) {
  return hwy::ConvertScalarTo<float>(hwy::BitCastScalar<hwy::float16_t>(bits));
}

TEST(Packing, CodesStandWhereTheLayoutSays) {
  const size_t rows = 35, cols = 768;  // rows that fill no group
  ThreadPool one(1), three(3);
  for (const WeightType type : kPackedTypes) {
    SCOPED_TRACE(static_cast<int>(type));
    const PackedFormat format = PackedFormatOf(type);
    const auto read = [&](size_t row, size_t block, PackedCodes& codes) {
      MakeCodes(format, row, block, codes);
    };
    Packed packed(type, rows, cols), again(type, rows, cols);
    Pack(type, rows, cols, read, packed.memory.get(), one);
    Pack(type, rows, cols, read, again.memory.get(), three);
    EXPECT_EQ(packed.Bytes(), again.Bytes());

    const reference::BlockWeights got = reference::ReadPacked(packed.view);
    const size_t inputs = format.super ? kPackedSuper : kPackedBlock;  // of a block
    const int zero = format.zero_shift < 0 ? 0 : 1 << format.zero_shift;
    PackedCodes codes;
    for (size_t at = 0; at < rows * cols; ++at) {
      const size_t row = at / cols, block = at % cols / inputs, i = at % inputs;
      if (i == 0) MakeCodes(format, row, block, codes);
      const int stored = format.table ? codes.table[codes.stored[i]] : codes.stored[i];
      ASSERT_EQ(got.quants[at], stored - zero) << row << " " << at % cols;
      if (i % format.scale_inputs != 0) continue;
      const size_t scale = i / format.scale_inputs;
      const float s = (format.super ? codes.scales[scale] : 1) * (format.table ? codes.factor : 1);
      const float m = format.super ? -static_cast<float>(codes.mins[scale]) : 1;
      ASSERT_EQ(got.scales[at / format.scale_inputs], FromHalf(codes.d) * s);
      if (format.min) {
        ASSERT_EQ(got.mins[at / format.scale_inputs], FromHalf(codes.e) * m);
      }
    }
  }
}

// A last block alone in its chunk, and rows that are not there, have zeros beside them.
TEST(Packing, WhatIsNotThereIsZero) {
  ThreadPool pool(1);
  for (const WeightType type : kPackedTypes) {
    if (!CanPack(type, 1, 96)) continue;
    const auto read = [&](size_t, size_t, PackedCodes& codes) {
      MakeCodes(PackedFormatOf(type), 0, 0, codes);
    };
    // The same matrix again, in a wider one whose further codes are zeros.
    const auto read_wide = [&](size_t row, size_t block, PackedCodes& codes) {
      codes = {};
      if (row < 3 && block < 3) read(row, block, codes);
    };
    Packed packed(type, 3, 96), wide(type, 16, 128);
    Pack(type, 3, 96, read, packed.memory.get(), pool);
    Pack(type, 16, 128, read_wide, wide.memory.get(), pool);
    EXPECT_EQ(packed.Bytes(), wide.Bytes()) << static_cast<int>(type);
  }
}

TEST(Packing, Int8KeepsWhatBf16WeightsHoldExactly) {
  // Multiples of the scale survive: 127 steps of 2^-7, in F16 and BF16 alike.
  std::vector<hwy::bfloat16_t> bf16(64);
  std::vector<hwy::float16_t> f16(64);
  std::vector<float> values(64);
  for (int i = 0; i < 64; ++i) {
    values[i] = static_cast<float>(i % 32 == 0 ? 127 : 2 * i - 64) / 128.0f;
    bf16[i] = hwy::ConvertScalarTo<hwy::bfloat16_t>(values[i]);
    f16[i] = hwy::ConvertScalarTo<hwy::float16_t>(values[i]);
  }
  ThreadPool pool(1);
  Packed a(WeightType::kInt8, 1, 64), b(WeightType::kInt8, 1, 64);
  Quantize({WeightType::kBF16, 1, 64, bf16.data()}, WeightType::kInt8, a.memory.get(), pool);
  Quantize({WeightType::kF16, 1, 64, f16.data()}, WeightType::kInt8, b.memory.get(), pool);
  EXPECT_EQ(a.Row(0), values);
  EXPECT_EQ(b.Row(0), values);
}

TEST(Packing, WhatCanBePacked) {
  EXPECT_TRUE(CanPack(WeightType::kInt8, 1, 32));
  EXPECT_TRUE(CanPack(WeightType::kInt4, 1000, 1152));
  // Blocks of files are whole; what is quantised here is filled up.
  EXPECT_TRUE(CanPack(WeightType::kInt8, 1, 48));
  EXPECT_TRUE(CanPack(WeightType::kInt4, 1, 1));
  EXPECT_FALSE(CanPack(WeightType::kInt8Min, 1, 48));
  EXPECT_FALSE(CanPack(WeightType::kInt8K, 1, 32));
  EXPECT_FALSE(CanPack(WeightType::kInt8, 0, 32));
  EXPECT_FALSE(CanPack(WeightType::kBF16, 1, 32));
}

}  // namespace
}  // namespace gemma3
