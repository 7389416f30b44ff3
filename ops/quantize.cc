// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "ops/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/base.h"
#include "ops/matmul.h"
#include "ops/packed.h"

namespace gemma3 {
namespace {

uint16_t HalfBits(float value) {
  return hwy::BitCastScalar<uint16_t>(hwy::ConvertScalarTo<hwy::float16_t>(value));
}

void QuantizeInt8(const float* w, PackedCodes& codes) {
  float largest = 0;
  for (size_t i = 0; i < kPackedBlock; ++i) largest = std::max(largest, std::abs(w[i]));
  const float scale = largest / 127.0f;
  const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  for (size_t i = 0; i < kPackedBlock; ++i) {
    // Written so that not even NaN reaches the conversion, for which it is undefined.
    const float v = w[i] * inverse;
    const float clamped = v > -127.0f ? std::min(v, 127.0f) : -127.0f;
    const int truncated = static_cast<int>(clamped);
    const float rest = clamped - static_cast<float>(truncated);
    const int q = truncated + (rest >= 0.5f) - (rest <= -0.5f);
    codes.stored[i] = static_cast<uint8_t>(q + 128);
  }
  codes.d = HalfBits(scale);
}

void QuantizeInt4(const float* w, PackedCodes& codes) {
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
  for (size_t i = 0; i < kPackedBlock; ++i) {
    const float v = w[i] * inverse + 8.5f;
    codes.stored[i] = static_cast<uint8_t>(v > 0.0f ? std::min(v, 15.0f) : 0.0f);
  }
  codes.d = HalfBits(scale);
}

// Reading GGUF blocks. Multi-byte values are little-endian and unaligned; f16 unless said
// otherwise. In blocks of 32, nibble e is the low half of qs[e] for e < 16, else the high half of
// qs[e - 16]. In blocks of 256, g = e / 32 and l = e mod 32. Layouts: ggml-org/ggml,
// src/ggml-common.h and src/ggml-quants.c.

uint8_t At(const std::byte* p, size_t i) { return std::to_integer<uint8_t>(p[i]); }

uint16_t Half(const std::byte* p) {
  uint16_t bits;
  std::memcpy(&bits, p, sizeof(bits));
  return bits;
}

uint32_t Word(const std::byte* p) {
  uint32_t word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

int Nibble(const std::byte* qs, size_t e) { return e < 16 ? At(qs, e) & 15 : At(qs, e - 16) >> 4; }

// The values of the codes of IQ4_NL and IQ4_XS.
constexpr int8_t kNonLinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};

uint8_t Signed(int q) { return static_cast<uint8_t>(q + 128); }

// d, i8 q[32].
void ReadQ8_0(const std::byte* from, PackedCodes& codes) {
  codes.d = Half(from);
  for (size_t e = 0; e < 32; ++e) codes.stored[e] = At(from, 2 + e) ^ 0x80;  // adds 128
}

// d, qs[16]; value d (n - 8).
void ReadQ4_0(const std::byte* from, PackedCodes& codes) {
  codes.d = Half(from);
  for (size_t e = 0; e < 32; ++e) codes.stored[e] = static_cast<uint8_t>(Nibble(from + 2, e));
}

// d, m, qs[16]; value d n + m.
void ReadQ4_1(const std::byte* from, PackedCodes& codes) {
  codes.d = Half(from);
  codes.e = Half(from + 2);
  for (size_t e = 0; e < 32; ++e) codes.stored[e] = static_cast<uint8_t>(Nibble(from + 4, e));
}

// d, u32 qh, qs[16]; bit e of qh is bit 4 of code e; value d (n - 16).
void ReadQ5_0(const std::byte* from, PackedCodes& codes) {
  codes.d = Half(from);
  const uint32_t high = Word(from + 2);
  for (size_t e = 0; e < 32; ++e) {
    const int bit = static_cast<int>(high >> e & 1);
    codes.stored[e] = Signed((Nibble(from + 6, e) | bit << 4) - 16);
  }
}

// d, m, u32 qh, qs[16]; value d n + m.
void ReadQ5_1(const std::byte* from, PackedCodes& codes) {
  codes.d = Half(from);
  codes.e = Half(from + 2);
  const uint32_t high = Word(from + 4);
  for (size_t e = 0; e < 32; ++e) {
    const int bit = static_cast<int>(high >> e & 1);
    codes.stored[e] = Signed(Nibble(from + 8, e) | bit << 4);
  }
}

// d, qs[16]; value d T[n].
void ReadIq4Nl(const std::byte* from, PackedCodes& codes) {
  codes.d = Half(from);
  for (size_t e = 0; e < 32; ++e) codes.stored[e] = Signed(kNonLinear[Nibble(from + 2, e)]);
}

// scales[16] (scale low, min high), qs[64], d, dmin; two bits of qs[32 (g / 4) + l].
void ReadQ2_K(const std::byte* from, PackedCodes& codes) {
  codes.d = Half(from + 80);
  codes.e = Half(from + 82);
  for (size_t i = 0; i < 16; ++i) {
    codes.scales[i] = static_cast<int8_t>(At(from, i) & 15);
    codes.mins[i] = At(from, i) >> 4;
  }
  for (size_t g = 0; g < 8; ++g) {
    for (size_t l = 0; l < 32; ++l) {
      codes.stored[32 * g + l] = Signed(At(from, 16 + 32 * (g / 4) + l) >> 2 * (g % 4) & 3);
    }
  }
}

// hmask[32], qs[64], scales[12] (16 of 6 bits), d; q is less by 4 where bit g of hmask[l] is 0.
void ReadQ3_K(const std::byte* from, PackedCodes& codes) {
  codes.d = Half(from + 108);
  const std::byte* p = from + 96;
  for (size_t j = 0; j < 16; ++j) {
    const int low = j < 8 ? At(p, j) & 15 : At(p, j - 8) >> 4;
    const int high = At(p, 8 + j % 4) >> 2 * (j / 4) & 3;
    codes.scales[j] = static_cast<int8_t>((low | high << 4) - 32);
  }
  for (size_t g = 0; g < 8; ++g) {
    for (size_t l = 0; l < 32; ++l) {
      const int low = At(from, 32 + 32 * (g / 4) + l) >> 2 * (g % 4) & 3;
      codes.stored[32 * g + l] = Signed(low - (At(from, l) >> g & 1 ? 0 : 4));
    }
  }
}

// The 8 scales and 8 mins of 6 bits in p[12] of Q4_K and Q5_K.
void ReadScalesK(const std::byte* p, uint8_t (&scales)[8], uint8_t (&mins)[8]) {
  for (size_t j = 0; j < 4; ++j) {
    scales[j] = At(p, j) & 63;
    mins[j] = At(p, j + 4) & 63;
    scales[j + 4] = static_cast<uint8_t>((At(p, j + 8) & 15) | At(p, j) >> 6 << 4);
    mins[j + 4] = static_cast<uint8_t>(At(p, j + 8) >> 4 | At(p, j + 4) >> 6 << 4);
  }
}

// d, dmin, scales[12], qs[128]; even g in the low, odd in the high halves of qs[32 (g / 2) + l].
void ReadQ4_K(const std::byte* from, PackedCodes& codes) {
  codes.d = Half(from);
  codes.e = Half(from + 2);
  uint8_t scales[8];
  uint8_t mins[8];
  ReadScalesK(from + 4, scales, mins);
  for (size_t g = 0; g < 8; ++g) {
    codes.scales[g] = static_cast<int8_t>(scales[g]);
    codes.mins[g] = mins[g];
    for (size_t l = 0; l < 32; ++l) {
      const uint8_t b = At(from, 16 + 32 * (g / 2) + l);
      codes.stored[32 * g + l] = g % 2 == 0 ? b & 15 : b >> 4;
    }
  }
}

// d, dmin, scales[12], qh[32], qs[128]; as Q4_K with bit g of qh[l] as bit 4.
void ReadQ5_K(const std::byte* from, PackedCodes& codes) {
  codes.d = Half(from);
  codes.e = Half(from + 2);
  uint8_t scales[8];
  uint8_t mins[8];
  ReadScalesK(from + 4, scales, mins);
  for (size_t g = 0; g < 8; ++g) {
    codes.scales[2 * g] = codes.scales[2 * g + 1] = static_cast<int8_t>(scales[g]);
    codes.mins[2 * g] = codes.mins[2 * g + 1] = mins[g];
    for (size_t l = 0; l < 32; ++l) {
      const uint8_t b = At(from, 48 + 32 * (g / 2) + l);
      const int low = g % 2 == 0 ? b & 15 : b >> 4;
      codes.stored[32 * g + l] = Signed(low | (At(from, 16 + l) >> g & 1) << 4);
    }
  }
}

// ql[128], qh[64], i8 scales[16], d; with n = g / 4 and s = g mod 4: four bits of ql[64 n + 32 (s
// mod 2) + l], low half for s < 2, and two of qh[32 n + l]; value d scale (q - 32).
void ReadQ6_K(const std::byte* from, PackedCodes& codes) {
  codes.d = Half(from + 208);
  std::memcpy(codes.scales, from + 192, 16);
  for (size_t g = 0; g < 8; ++g) {
    const size_t n = g / 4;
    const size_t s = g % 4;
    for (size_t l = 0; l < 32; ++l) {
      const uint8_t b = At(from, 64 * n + 32 * (s % 2) + l);
      const int low = s < 2 ? b & 15 : b >> 4;
      const int high = At(from, 128 + 32 * n + l) >> 2 * s & 3;
      codes.stored[32 * g + l] = Signed((low | high << 4) - 32);
    }
  }
}

// d, u16 scales_h, scales_l[4], qs[128]; value d (scale - 32) T[n], 16 bytes of qs a block of 32.
void ReadIq4Xs(const std::byte* from, PackedCodes& codes) {
  for (size_t i = 0; i < kPackedTable; ++i) codes.table[i] = Signed(kNonLinear[i]);
  codes.factor = 1;
  codes.d = Half(from);
  const int high = Half(from + 2);
  for (size_t g = 0; g < 8; ++g) {
    const int low = At(from, 4 + g / 2) >> 4 * (g % 2) & 15;
    const int scale = (low | (high >> 2 * g & 3) << 4) - 32;
    codes.scales[2 * g] = codes.scales[2 * g + 1] = static_cast<int8_t>(scale);
    for (size_t l = 0; l < 32; ++l) {
      codes.stored[32 * g + l] = static_cast<uint8_t>(Nibble(from + 8 + 16 * g, l));
    }
  }
}

struct BlockReader {
  void (*read)(const std::byte* from, PackedCodes& codes);
  size_t bytes;
};

BlockReader ReaderOf(BlockFormat format) {
  switch (format) {
    case BlockFormat::kQ8_0:
      break;
    case BlockFormat::kQ4_0:
      return {ReadQ4_0, 18};
    case BlockFormat::kQ4_1:
      return {ReadQ4_1, 20};
    case BlockFormat::kQ5_0:
      return {ReadQ5_0, 22};
    case BlockFormat::kQ5_1:
      return {ReadQ5_1, 24};
    case BlockFormat::kQ2_K:
      return {ReadQ2_K, 84};
    case BlockFormat::kQ3_K:
      return {ReadQ3_K, 110};
    case BlockFormat::kQ4_K:
      return {ReadQ4_K, 144};
    case BlockFormat::kQ5_K:
      return {ReadQ5_K, 176};
    case BlockFormat::kQ6_K:
      return {ReadQ6_K, 210};
    case BlockFormat::kIQ4_NL:
      return {ReadIq4Nl, 18};
    case BlockFormat::kIQ4_XS:
      return {ReadIq4Xs, 136};
  }
  return {ReadQ8_0, 34};
}

size_t BlockInputs(WeightType type) {
  return PackedFormatOf(type).super ? kPackedSuper : kPackedBlock;
}

// Writes block `b` (of BlockInputs inputs) of row `r` of a group.
void Put(const PackedCodes& codes, WeightType type, size_t b, size_t r, std::byte* group) {
  const PackedFormat format = PackedFormatOf(type);
  const size_t inputs = BlockInputs(type);
  const size_t in_chunk = b * inputs % PackedChunkInputs(type);
  std::byte* chunk = group + b * inputs / PackedChunkInputs(type) * PackedChunkBytes(type);
  const size_t halves = kPackedGroupRows * 2;  // bytes of 16 f16
  std::byte* d = chunk + 2 * r;
  if (!format.super) d += in_chunk / kPackedBlock * PackedScaleStep(type);
  std::memcpy(d, &codes.d, 2);
  if (format.min) std::memcpy(d + halves, &codes.e, 2);
  if (format.super) {
    std::byte* scale = chunk + PackedScaleOffset(type) + r;
    for (size_t i = 0; i < inputs / format.scale_inputs; ++i, scale += PackedScaleStep(type)) {
      *scale = static_cast<std::byte>(codes.scales[i]);
      if (format.min) scale[kPackedGroupRows] = static_cast<std::byte>(codes.mins[i]);
    }
  }
  if (format.table) {
    std::memcpy(chunk + PackedTableOffset(type), codes.table.data(), kPackedTable);
    std::memcpy(chunk + PackedFactorOffset(type), &codes.factor, sizeof(float));
  }
  std::byte* to =
      chunk + PackedValueOffset(type) + in_chunk / kPackedBlock * PackedBlockBytes(type) + 4 * r;
  const auto word = [&](size_t input) {
    uint32_t value;
    std::memcpy(&value, codes.stored + input, 4);
    return value;
  };
  for (size_t k = 0; k < inputs; k += format.nibbles ? 8 : 4, to += 64) {
    const uint32_t value = format.nibbles ? word(k) | word(k + 4) << 4 : word(k);
    std::memcpy(to, &value, 4);
  }
}

}  // namespace

void Pack(WeightType type, size_t rows, size_t cols, const PackedSource& read, std::byte* out,
          ThreadPool& pool) {
  const size_t group_bytes = PackedGroupBytes(type, cols);
  const size_t row_blocks = (cols + BlockInputs(type) - 1) / BlockInputs(type);
  pool.ParallelFor((rows + kPackedGroupRows - 1) / kPackedGroupRows, [&](size_t g, size_t) {
    std::byte* group = out + g * group_bytes;
    const size_t begin = g * kPackedGroupRows;
    const size_t count = std::min(kPackedGroupRows, rows - begin);
    // Rows and blocks that are not there, and padding, are zero bytes: a scale of zero makes the
    // values irrelevant.
    if (count < kPackedGroupRows || cols % PackedChunkInputs(type) != 0) {
      std::memset(group, 0, group_bytes);
    } else {
      for (size_t c = 0; c < PackedChunks(type, cols); ++c) {
        std::memset(group + c * PackedChunkBytes(type) + PackedHeaderBytes(type), 0,
                    PackedValueOffset(type) - PackedHeaderBytes(type));
      }
    }
    PackedCodes codes;
    for (size_t r = 0; r < count; ++r) {
      for (size_t b = 0; b < row_blocks; ++b) {
        read(begin + r, b, codes);
        Put(codes, type, b, r, group);
      }
    }
  });
}

void Quantize(const MatrixView& from, WeightType type, std::byte* out, ThreadPool& pool) {
  const auto quantize = type == WeightType::kInt8 ? QuantizeInt8 : QuantizeInt4;
  const size_t bytes = from.type == WeightType::kF32 ? 4 : 2;
  const auto read = [&](size_t row, size_t block, PackedCodes& codes) {
    const size_t begin = block * kPackedBlock;
    const size_t count = std::min(kPackedBlock, from.cols - begin);
    // A block, as a matrix of one row.
    const MatrixView part{
        from.type, 1, count,
        static_cast<const std::byte*>(from.data) + (row * from.cols + begin) * bytes};
    float floats[kPackedBlock] = {};
    UnpackRow(part, 0, floats);
    quantize(floats, codes);
  };
  Pack(type, from.rows, from.cols, read, out, pool);
}

void Repack(const std::byte* blocks, BlockFormat format, size_t rows, size_t cols, std::byte* out,
            ThreadPool& pool) {
  const WeightType type = PackedTypeOf(format);
  const BlockReader reader = ReaderOf(format);
  const size_t row_blocks = cols / BlockInputs(type);
  const auto read = [&](size_t row, size_t block, PackedCodes& codes) {
    reader.read(blocks + (row * row_blocks + block) * reader.bytes, codes);
  };
  Pack(type, rows, cols, read, out, pool);
}

}  // namespace gemma3
