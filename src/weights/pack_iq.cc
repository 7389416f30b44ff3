// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Block layouts are those of src/formats/dequantize.cc; here whole entries are taken at once.
#include "src/weights/pack_iq.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "ops/packed.h"
#include "ops/quantize.h"
#include "src/base/half.h"
#include "src/formats/dequantize.h"
#include "src/formats/iq_grids.h"

namespace gemma3 {
namespace {

uint8_t Byte(const std::byte* p, size_t i) { return std::to_integer<uint8_t>(p[i]); }

// --- Eight numbers at once, a byte each, the first in the lowest byte. ---

// The digits of an entry of 8, of 2 bits.
uint64_t Spread8(uint64_t entry) {
  entry = (entry | entry << 24) & 0x000000ff000000ff;
  entry = (entry | entry << 12) & 0x000f000f000f000f;
  return (entry | entry << 6) & 0x0303030303030303;
}

// The digits of two entries of 4, of 3 bits.
uint64_t Spread4(uint64_t first, uint64_t second) {
  const uint64_t both = first | second << 32;
  return (both & 0x00000007'00000007) | (both & 0x00000038'00000038) << 5 |
         (both & 0x000001c0'000001c0) << 10 | (both & 0x00000e00'00000e00) << 15;
}

// `value` where bit i of `bits` is set.
uint64_t SpreadBits(uint64_t bits, uint64_t value) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  const uint64_t one_each = (bits * kOnes) & 0x8040201008040201;
  return ((one_each + kOnes * 0x7f) >> 7 & kOnes) * value;
}

// Seven stored signs and the one that makes their number even.
uint64_t SignsOf(uint32_t seven) { return seven | (std::popcount(seven) & 1u) << 7; }

// The numbers of digits, and their negatives behind: `bits` of a digit.
template <size_t kValues>
std::array<uint8_t, kPackedTable> SignedTable(const std::array<int8_t, kValues>& values, int bits) {
  std::array<uint8_t, kPackedTable> table;
  table.fill(128);
  for (size_t digit = 0; digit < kValues; ++digit) {
    table[digit] = static_cast<uint8_t>(128 + values[digit]);
    table[digit + (size_t{1} << bits)] = static_cast<uint8_t>(128 - values[digit]);
  }
  return table;
}

void SetScale(PackedCodes& codes, size_t sixteenth, unsigned code) {
  codes.scales[sixteenth] = static_cast<int8_t>(2 * code + 1);
}

void SetScales(PackedCodes& codes, size_t group, unsigned code) {
  SetScale(codes, 2 * group, code);
  SetScale(codes, 2 * group + 1, code);
}

// Elements [8 h, 8 h + 8).
void SetEight(PackedCodes& codes, size_t h, uint64_t stored) {
  std::memcpy(codes.stored + 8 * h, &stored, sizeof stored);
}

// --- Blocks of 256 ---

void ReadIq2(PackedCodes& codes, const std::byte* p) {
  static const auto kTable = SignedTable(kIq2Values, 2);
  codes.table = kTable;
  codes.factor = 0.125f;
  codes.d = LoadLittle<uint16_t>(p);
}

void ReadIq2Xxs(const std::byte* p, PackedCodes& codes) {
  ReadIq2(codes, p);
  for (size_t g = 0; g < 8; ++g) {
    const std::byte* group = p + 2 + 8 * g;
    const auto word = LoadLittle<uint32_t>(group + 4);
    SetScales(codes, g, word >> 28);
    for (size_t l = 0; l < 4; ++l) {
      SetEight(codes, 4 * g + l,
               Spread8(kIq2XxsGrid[Byte(group, l)]) | SpreadBits(SignsOf(word >> 7 * l & 127), 4));
    }
  }
}

void ReadIq2Scales(const std::byte* scales, PackedCodes& codes) {
  for (size_t g = 0; g < 8; ++g) {
    SetScale(codes, 2 * g, Byte(scales, g) & 15);
    SetScale(codes, 2 * g + 1, Byte(scales, g) >> 4);
  }
}

void ReadIq2Xs(const std::byte* p, PackedCodes& codes) {
  ReadIq2(codes, p);
  ReadIq2Scales(p + 66, codes);
  for (size_t h = 0; h < 32; ++h) {
    const uint32_t word = LoadLittle<uint16_t>(p + 2 + 2 * h);
    SetEight(codes, h, Spread8(kIq2XsGrid[word & 511]) | SpreadBits(SignsOf(word >> 9), 4));
  }
}

void ReadIq2S(const std::byte* p, PackedCodes& codes) {
  ReadIq2(codes, p);
  ReadIq2Scales(p + 74, codes);
  for (size_t h = 0; h < 32; ++h) {
    const size_t high = Byte(p + 66, h / 4) >> 2 * (h % 4) & 3;
    SetEight(codes, h,
             Spread8(kIq2SGrid[Byte(p + 2, h) | high << 8]) | SpreadBits(Byte(p + 34, h), 4));
  }
}

void ReadIq3Xxs(const std::byte* p, PackedCodes& codes) {
  static const auto kTable = SignedTable(kIq3XxsValues, 3);
  codes.table = kTable;
  codes.factor = 0.25f;
  codes.d = LoadLittle<uint16_t>(p);
  for (size_t g = 0; g < 8; ++g) {
    const auto word = LoadLittle<uint32_t>(p + 66 + 4 * g);
    SetScales(codes, g, word >> 28);
    for (size_t l = 0; l < 4; ++l) {
      const size_t h = 4 * g + l;
      SetEight(codes, h,
               Spread4(kIq3XxsGrid[Byte(p + 2, 2 * h)], kIq3XxsGrid[Byte(p + 2, 2 * h + 1)]) |
                   SpreadBits(SignsOf(word >> 7 * l & 127), 8));
    }
  }
}

void ReadIq3S(const std::byte* p, PackedCodes& codes) {
  static const auto kTable = SignedTable(kIq3SValues, 3);
  codes.table = kTable;
  codes.factor = 1;
  codes.d = LoadLittle<uint16_t>(p);
  for (size_t g = 0; g < 8; ++g) {
    SetScales(codes, g, Byte(p + 106, g / 2) >> 4 * (g % 2) & 15);
    const size_t high = Byte(p + 66, g);  // bit 8 of the group's eight indices
    for (size_t l = 0; l < 4; ++l) {
      const size_t h = 4 * g + l;
      const size_t first = Byte(p + 2, 2 * h) | (high >> 2 * l & 1) << 8;
      const size_t second = Byte(p + 2, 2 * h + 1) | (high >> (2 * l + 1) & 1) << 8;
      SetEight(codes, h,
               Spread4(kIq3SGrid[first], kIq3SGrid[second]) | SpreadBits(Byte(p + 74, h), 8));
    }
  }
}

// Eight times the codebook's -1, 0 and 1, and 1 more or, from 4 on, 1 less.
std::array<uint8_t, kPackedTable> Iq1Table() {
  std::array<uint8_t, kPackedTable> table;
  table.fill(128);
  for (size_t digit = 0; digit < kIq1Values.size(); ++digit) {
    table[digit] = static_cast<uint8_t>(128 + 8 * kIq1Values[digit] + 1);
    table[digit + 4] = static_cast<uint8_t>(128 + 8 * kIq1Values[digit] - 1);
  }
  return table;
}

void SetIq1(PackedCodes& codes, size_t h, size_t index, bool down) {
  SetEight(codes, h, Spread8(kIq1Grid[index]) | (down ? 0x0404040404040404 : 0));
}

void ReadIq1S(const std::byte* p, PackedCodes& codes) {
  static const auto kTable = Iq1Table();
  codes.table = kTable;
  codes.factor = 0.125f;
  codes.d = LoadLittle<uint16_t>(p);
  for (size_t g = 0; g < 8; ++g) {
    const unsigned word = LoadLittle<uint16_t>(p + 34 + 2 * g);
    SetScales(codes, g, word >> 12 & 7);
    for (size_t l = 0; l < 4; ++l) {
      SetIq1(codes, 4 * g + l, Byte(p + 2, 4 * g + l) | (word >> 3 * l & 7) << 8, word >> 15 != 0);
    }
  }
}

void ReadIq1M(const std::byte* p, PackedCodes& codes) {
  static const auto kTable = Iq1Table();
  codes.table = kTable;
  codes.factor = 0.125f;
  codes.d = Iq1MScale(p);
  for (size_t t = 0; t < 16; ++t) {
    SetScale(codes, t, LoadLittle<uint16_t>(p + 48 + 2 * (t / 4)) >> 3 * (t % 4) & 7);
    for (size_t i = 0; i < 2; ++i) {
      const unsigned high = Byte(p + 32, t) >> 4 * i & 15;
      SetIq1(codes, 2 * t + i, Byte(p, 2 * t + i) | (high & 7) << 8, (high & 8) != 0);
    }
  }
}

using BlockReader = void (*)(const std::byte* block, PackedCodes& codes);

BlockReader ReaderOf(TensorType type) {
  switch (type) {
    case TensorType::kIQ1_S:
      return ReadIq1S;
    case TensorType::kIQ1_M:
      return ReadIq1M;
    case TensorType::kIQ2_XXS:
      return ReadIq2Xxs;
    case TensorType::kIQ2_XS:
      return ReadIq2Xs;
    case TensorType::kIQ2_S:
      return ReadIq2S;
    case TensorType::kIQ3_XXS:
      return ReadIq3Xxs;
    default:
      return ReadIq3S;
  }
}

// --- MXFP4: an exponent and 16 bytes of codes. ---

// Code 8 is zero with a sign, which ggml drops.
constexpr int kTwiceMxfp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
constexpr size_t kMxfp4Bytes = 17;

bool IsZero(const std::byte* block) {
  return std::all_of(block + 1, block + kMxfp4Bytes,
                     [](std::byte b) { return (b & std::byte{0x77}) == std::byte{0}; });
}

float HalfScaleOf(const std::byte* block) { return std::ldexp(1.0f, Byte(block, 0) - 128); }

}  // namespace

void PackIq(const TensorView& matrix, size_t rows, size_t cols, std::byte* out, ThreadPool& pool) {
  const BlockReader read_block = ReaderOf(matrix.type);
  const size_t block_bytes = InfoOf(matrix.type).block_bytes;
  const size_t row_bytes = cols / kPackedSuper * block_bytes;
  const auto read = [&](size_t row, size_t block, PackedCodes& codes) {
    read_block(matrix.data + row * row_bytes + block * block_bytes, codes);
  };
  Pack(WeightType::kInt4Table, rows, cols, read, out, pool);
}

bool Mxfp4FitsPacked(const TensorView& matrix, ThreadPool& pool) {
  const size_t rows = matrix.shape[0];
  const size_t row_blocks = matrix.bytes / kMxfp4Bytes / rows;
  std::atomic<bool> fits = true;
  pool.ParallelFor(rows, [&](size_t row, size_t) {
    const std::byte* block = matrix.data + row * row_blocks * kMxfp4Bytes;
    for (size_t b = 0; b < row_blocks && fits; ++b, block += kMxfp4Bytes) {
      const float scale = HalfScaleOf(block);
      if (FloatFromHalf(HalfFromFloat(scale)) != scale && !IsZero(block)) fits = false;
    }
  });
  return fits;
}

void PackMxfp4(const TensorView& matrix, size_t rows, size_t cols, std::byte* out,
               ThreadPool& pool) {
  const size_t row_bytes = cols / kPackedBlock * kMxfp4Bytes;
  const auto read = [&](size_t row, size_t b, PackedCodes& codes) {
    const std::byte* block = matrix.data + row * row_bytes + b * kMxfp4Bytes;
    codes.d = IsZero(block) ? uint16_t{0} : HalfFromFloat(HalfScaleOf(block));
    for (size_t i = 0; i < 16; ++i) {
      const uint8_t pair = Byte(block, 1 + i);
      codes.stored[i] = static_cast<uint8_t>(128 + kTwiceMxfp4[pair & 15]);
      codes.stored[16 + i] = static_cast<uint8_t>(128 + kTwiceMxfp4[pair >> 4]);
    }
  };
  Pack(WeightType::kInt8, rows, cols, read, out, pool);
}

}  // namespace gemma3
