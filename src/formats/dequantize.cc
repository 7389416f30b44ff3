// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Layouts: ggml-org/ggml, src/ggml-common.h. Each function below gives the values of one block from
// its bytes `p`; scales are halves in little-endian order at no particular alignment.
#include "src/formats/dequantize.h"

#include <bit>
#include <cmath>
#include <cstdint>

#include "src/base/half.h"
#include "src/formats/iq_grids.h"

namespace gemma3 {
namespace {

float Half(const std::byte* p) { return FloatFromHalf(LoadLittle<uint16_t>(p)); }
int Byte(const std::byte* p, size_t i) { return std::to_integer<int>(p[i]); }
int Signed(const std::byte* p, size_t i) { return static_cast<int8_t>(Byte(p, i)); }
int Bit(const std::byte* p, size_t i, size_t bit) { return (Byte(p, i) >> bit) & 1; }

// The values of 4-bit codes in IQ4_NL and IQ4_XS.
constexpr int kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                1,    13,   25,  38,  53,  69,  89,  113};

// 4-bit code e of 32: low halves of the 16 bytes first, then the high halves.
int Nibble(const std::byte* p, size_t e) { return e < 16 ? Byte(p, e) & 15 : Byte(p, e - 16) >> 4; }

// --- Blocks of 32 ---

void Q4_0(const std::byte* p, float* out) {
  const float d = Half(p);
  for (size_t e = 0; e < 32; ++e) out[e] = static_cast<float>(Nibble(p + 2, e) - 8) * d;
}

void Q4_1(const std::byte* p, float* out) {
  const float d = Half(p), m = Half(p + 2);
  for (size_t e = 0; e < 32; ++e) out[e] = static_cast<float>(Nibble(p + 4, e)) * d + m;
}

void Q5_0(const std::byte* p, float* out) {
  const float d = Half(p);
  for (size_t e = 0; e < 32; ++e) {
    const int q = Nibble(p + 6, e) | Bit(p + 2, e / 8, e % 8) << 4;
    out[e] = static_cast<float>(q - 16) * d;
  }
}

void Q5_1(const std::byte* p, float* out) {
  const float d = Half(p), m = Half(p + 2);
  for (size_t e = 0; e < 32; ++e) {
    const int q = Nibble(p + 8, e) | Bit(p + 4, e / 8, e % 8) << 4;
    out[e] = static_cast<float>(q) * d + m;
  }
}

void Q8_0(const std::byte* p, float* out) {
  const float d = Half(p);
  for (size_t e = 0; e < 32; ++e) out[e] = static_cast<float>(Signed(p, 2 + e)) * d;
}

void Iq4Nl(const std::byte* p, float* out) {
  const float d = Half(p);
  for (size_t e = 0; e < 32; ++e) {
    out[e] = d * static_cast<float>(kIq4Values[Nibble(p + 2, e)]);
  }
}

// --- Blocks of 256: element e is in half n = e / 128, of which s is the quarter of 32, l the place
// in it, and g = e / 32 counts the quarters through. Scale times d comes first, as in the
// reference, so that the rounding is the same. ---

void Q2_K(const std::byte* p, float* out) {
  const std::byte *scales = p, *qs = p + 16;
  const float d = Half(p + 80), dmin = Half(p + 82);
  for (size_t e = 0; e < 256; ++e) {
    const size_t n = e / 128, s = e % 128 / 32, l = e % 32;
    const int q = (Byte(qs, 32 * n + l) >> (2 * s)) & 3;
    const int c = Byte(scales, e / 16);
    const float scale = d * static_cast<float>(c & 15), min = dmin * static_cast<float>(c >> 4);
    out[e] = scale * static_cast<float>(q) - min;
  }
}

void Q3_K(const std::byte* p, float* out) {
  const std::byte *hmask = p, *qs = p + 32, *scales = p + 96;
  const float d = Half(p + 108);
  for (size_t e = 0; e < 256; ++e) {
    const size_t n = e / 128, s = e % 128 / 32, l = e % 32, g = e / 32, j = e / 16;
    const int q = ((Byte(qs, 32 * n + l) >> (2 * s)) & 3) - (Bit(hmask, l, g) ? 0 : 4);
    const int low = j < 8 ? Byte(scales, j) & 15 : Byte(scales, j - 8) >> 4;
    const int high = (Byte(scales, 8 + j % 4) >> (2 * (j / 4))) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    out[e] = scale * static_cast<float>(q);
  }
}

// The 6-bit scale and minimum of group g, packed into 12 bytes (Q4_K, Q5_K).
struct ScaleMin {
  int scale, min;
};
ScaleMin PackedScale(const std::byte* p, size_t g) {
  if (g < 4) return {Byte(p, g) & 63, Byte(p, g + 4) & 63};
  return {(Byte(p, g + 4) & 15) | (Byte(p, g - 4) >> 6) << 4,
          (Byte(p, g + 4) >> 4) | (Byte(p, g) >> 6) << 4};
}

// 4-bit code e of a Q4_K or Q5_K block: two groups of 32 share 32 bytes.
int GroupNibble(const std::byte* qs, size_t g, size_t l) {
  const int b = Byte(qs, 32 * (g / 2) + l);
  return g % 2 == 0 ? b & 15 : b >> 4;
}

void Q4_K(const std::byte* p, float* out) {
  const float d = Half(p), dmin = Half(p + 2);
  for (size_t e = 0; e < 256; ++e) {
    const size_t g = e / 32, l = e % 32;
    const ScaleMin packed = PackedScale(p + 4, g);
    const float scale = d * static_cast<float>(packed.scale);
    const float min = dmin * static_cast<float>(packed.min);
    out[e] = scale * static_cast<float>(GroupNibble(p + 16, g, l)) - min;
  }
}

void Q5_K(const std::byte* p, float* out) {
  const float d = Half(p), dmin = Half(p + 2);
  for (size_t e = 0; e < 256; ++e) {
    const size_t g = e / 32, l = e % 32;
    const ScaleMin packed = PackedScale(p + 4, g);
    const float scale = d * static_cast<float>(packed.scale);
    const float min = dmin * static_cast<float>(packed.min);
    const int q = GroupNibble(p + 48, g, l) + 16 * Bit(p + 16, l, g);
    out[e] = scale * static_cast<float>(q) - min;
  }
}

void Q6_K(const std::byte* p, float* out) {
  const std::byte *ql = p, *qh = p + 128, *scales = p + 192;
  const float d = Half(p + 208);
  for (size_t e = 0; e < 256; ++e) {
    const size_t n = e / 128, s = e % 128 / 32, l = e % 32;
    const int b = Byte(ql, 64 * n + 32 * (s & 1) + l);
    const int low = s < 2 ? b & 15 : b >> 4;
    const int high = (Byte(qh, 32 * n + l) >> (2 * s)) & 3;
    const float scale = d * static_cast<float>(Signed(scales, e / 16));
    out[e] = scale * static_cast<float>((low | high << 4) - 32);
  }
}

void Iq4Xs(const std::byte* p, float* out) {
  const float d = Half(p);
  const int scales_high = LoadLittle<uint16_t>(p + 2);
  const std::byte *scales_low = p + 4, *qs = p + 8;
  for (size_t e = 0; e < 256; ++e) {
    const size_t g = e / 32, l = e % 32;
    const int b = Byte(qs, 16 * g + l % 16);
    const int low = (Byte(scales_low, g / 2) >> (4 * (g % 2))) & 15;
    const int high = (scales_high >> (2 * g)) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    out[e] = scale * static_cast<float>(kIq4Values[l < 16 ? b & 15 : b >> 4]);
  }
}

// --- The IQ types, 256 values: group g = e / 32 holds four entries of 8 elements, l = e % 32 / 8
// counts them; k is the place in an entry. Signs: 1 is minus. ---

// The seven stored signs of an entry of 8, and the eighth, which makes their number even.
int SignsOf(uint32_t seven) {
  return static_cast<int>(seven | (std::popcount(seven) % 2 != 0 ? 0x80u : 0u));
}

float Signed(float value, int signs, size_t k) { return (signs >> k) & 1 ? -value : value; }

void Iq2Xxs(const std::byte* p, float* out) {
  const float d = Half(p);
  for (size_t e = 0; e < 256; ++e) {
    const std::byte* group = p + 2 + e / 32 * 8;  // four indices, then signs and a scale
    const size_t l = e % 32 / 8, k = e % 8;
    const auto word = LoadLittle<uint32_t>(group + 4);
    const float scale = d * (0.5f + static_cast<float>(word >> 28)) * 0.25f;
    const int value = kIq2Values[Digit8(kIq2XxsGrid[Byte(group, l)], k)];
    out[e] = Signed(scale * static_cast<float>(value), SignsOf(word >> 7 * l & 127), k);
  }
}

// The scale of IQ2_XS and IQ2_S: four bits for 16 elements.
float Iq2Scale(float d, const std::byte* scales, size_t e) {
  const int code = (Byte(scales, e / 32) >> (4 * (e % 32 / 16))) & 15;
  return d * (0.5f + static_cast<float>(code)) * 0.25f;
}

void Iq2Xs(const std::byte* p, float* out) {
  const float d = Half(p);
  for (size_t e = 0; e < 256; ++e) {
    const uint32_t word = LoadLittle<uint16_t>(p + 2 + e / 8 * 2);
    const int value = kIq2Values[Digit8(kIq2XsGrid[word & 511], e % 8)];
    out[e] = Signed(Iq2Scale(d, p + 66, e) * static_cast<float>(value), SignsOf(word >> 9), e % 8);
  }
}

void Iq2S(const std::byte* p, float* out) {
  const std::byte *qs = p + 2, *signs = p + 34, *qh = p + 66;
  const float d = Half(p);
  for (size_t e = 0; e < 256; ++e) {
    const int high = (Byte(qh, e / 32) >> (2 * (e % 32 / 8))) & 3;
    const int value = kIq2Values[Digit8(kIq2SGrid[Byte(qs, e / 8) | high << 8], e % 8)];
    out[e] = Signed(Iq2Scale(d, p + 74, e) * static_cast<float>(value), Byte(signs, e / 8), e % 8);
  }
}

void Iq3Xxs(const std::byte* p, float* out) {
  const float d = Half(p);
  for (size_t e = 0; e < 256; ++e) {
    const auto word = LoadLittle<uint32_t>(p + 66 + e / 32 * 4);
    const float scale = d * (0.5f + static_cast<float>(word >> 28)) * 0.5f;
    const int value = kIq3XxsValues[Digit4(kIq3XxsGrid[Byte(p + 2, e / 4)], e % 4)];
    out[e] =
        Signed(scale * static_cast<float>(value), SignsOf(word >> 7 * (e % 32 / 8) & 127), e % 8);
  }
}

void Iq3S(const std::byte* p, float* out) {
  const std::byte *qs = p + 2, *qh = p + 66, *signs = p + 74, *scales = p + 106;
  const float d = Half(p);
  for (size_t e = 0; e < 256; ++e) {
    const size_t g = e / 32;
    const int index = Byte(qs, e / 4) | Bit(qh, g, e % 32 / 4) << 8;
    const int code = (Byte(scales, g / 2) >> (4 * (g % 2))) & 15;
    const float scale = d * static_cast<float>(1 + 2 * code);
    const int value = kIq3SValues[Digit4(kIq3SGrid[index], e % 4)];
    out[e] = Signed(scale * static_cast<float>(value), Byte(signs, e / 8), e % 8);
  }
}

// An element of IQ1_S and IQ1_M: the codebook's, moved up or down by an eighth.
float Iq1(float scale, int index, size_t k, bool down) {
  const auto value = static_cast<float>(kIq1Values[Digit8(kIq1Grid[index], k)]);
  return scale * (value + (down ? -0.125f : 0.125f));
}

void Iq1S(const std::byte* p, float* out) {
  const float d = Half(p);
  for (size_t e = 0; e < 256; ++e) {
    const int word = LoadLittle<uint16_t>(p + 34 + e / 32 * 2);
    const float scale = d * static_cast<float>(2 * ((word >> 12) & 7) + 1);
    const int high = (word >> (3 * (e % 32 / 8))) & 7;
    out[e] = Iq1(scale, Byte(p + 2, e / 8) | high << 8, e % 8, (word >> 15) != 0);
  }
}

void Iq1M(const std::byte* p, float* out) {
  const std::byte *qs = p, *qh = p + 32, *scales = p + 48;
  const float d = FloatFromHalf(Iq1MScale(p));
  for (size_t e = 0; e < 256; ++e) {
    const size_t t = e / 16;  // scales belong to 16 elements
    const int code = (LoadLittle<uint16_t>(scales + t / 4 * 2) >> (3 * (t % 4))) & 7;
    const int high = (Byte(qh, t) >> (4 * (e / 8 % 2))) & 15;
    out[e] = Iq1(d * static_cast<float>(2 * code + 1), Byte(qs, e / 8) | (high & 7) << 8, e % 8,
                 (high & 8) != 0);
  }
}

// A block of 32: 4-bit floats (sign, two bits of exponent, one of mantissa) and a power of two.
void Mxfp4(const std::byte* p, float* out) {
  static constexpr float kMagnitudes[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  const int exponent = Byte(p, 0) - 127;
  for (size_t e = 0; e < 32; ++e) {
    const int code = Nibble(p + 1, e);
    const float value = std::ldexp(kMagnitudes[code & 7], exponent);
    out[e] = code > 8 ? -value : value;  // 8 is zero without a sign
  }
}

void F32(const std::byte* p, float* out) { *out = LoadLittle<float>(p); }
void F16(const std::byte* p, float* out) { *out = Half(p); }
void Bf16(const std::byte* p, float* out) { *out = FloatFromBf16(LoadLittle<uint16_t>(p)); }

// Where a block has its scale and minimum in f16; -1: nowhere.
struct ScalePlaces {
  int d = -1, m = -1;
};

ScalePlaces ScalePlacesOf(TensorType type) {
  switch (type) {
    case TensorType::kQ8_0:
    case TensorType::kQ4_0:
    case TensorType::kQ5_0:
    case TensorType::kIQ4_NL:
    case TensorType::kIQ4_XS:
    case TensorType::kIQ1_S:
    case TensorType::kIQ2_XXS:
    case TensorType::kIQ2_XS:
    case TensorType::kIQ2_S:
    case TensorType::kIQ3_XXS:
    case TensorType::kIQ3_S:
      return {0, -1};
    case TensorType::kQ4_1:
    case TensorType::kQ5_1:
    case TensorType::kQ4_K:
    case TensorType::kQ5_K:
      return {0, 2};
    case TensorType::kQ2_K:
      return {80, 82};
    case TensorType::kQ3_K:
      return {108, -1};
    case TensorType::kQ6_K:
      return {208, -1};
    default:
      return {};
  }
}

using BlockFunction = void (*)(const std::byte*, float*);

BlockFunction FunctionOf(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return F32;
    case TensorType::kF16:
      return F16;
    case TensorType::kBF16:
      return Bf16;
    case TensorType::kQ8_0:
      return Q8_0;
    case TensorType::kQ4_0:
      return Q4_0;
    case TensorType::kQ4_1:
      return Q4_1;
    case TensorType::kQ5_0:
      return Q5_0;
    case TensorType::kQ5_1:
      return Q5_1;
    case TensorType::kQ2_K:
      return Q2_K;
    case TensorType::kQ3_K:
      return Q3_K;
    case TensorType::kQ4_K:
      return Q4_K;
    case TensorType::kQ5_K:
      return Q5_K;
    case TensorType::kQ6_K:
      return Q6_K;
    case TensorType::kIQ4_NL:
      return Iq4Nl;
    case TensorType::kIQ4_XS:
      return Iq4Xs;
    case TensorType::kIQ1_S:
      return Iq1S;
    case TensorType::kIQ1_M:
      return Iq1M;
    case TensorType::kIQ2_XXS:
      return Iq2Xxs;
    case TensorType::kIQ2_XS:
      return Iq2Xs;
    case TensorType::kIQ2_S:
      return Iq2S;
    case TensorType::kIQ3_XXS:
      return Iq3Xxs;
    case TensorType::kIQ3_S:
      return Iq3S;
    case TensorType::kMXFP4:
      return Mxfp4;
    default:
      return nullptr;
  }
}

}  // namespace

uint16_t Iq1MScale(const std::byte* block) {
  unsigned bits = 0;
  for (size_t i = 0; i < 4; ++i) {
    bits |= (LoadLittle<uint16_t>(block + 48 + 2 * i) >> 12 & 15u) << 4 * i;
  }
  return static_cast<uint16_t>(bits);
}

bool BlocksHaveFiniteScales(TensorType type, const std::byte* blocks, size_t count) {
  const TensorTypeInfo& info = InfoOf(type);
  const ScalePlaces places = ScalePlacesOf(type);
  if (places.d < 0 && type != TensorType::kIQ1_M && type != TensorType::kMXFP4) return true;
  const auto finite = [](uint16_t half) { return (half & 0x7c00u) != 0x7c00u; };
  bool all = true;
  for (const std::byte* end = blocks + count * info.block_bytes; blocks != end;
       blocks += info.block_bytes) {
    if (places.d >= 0) all &= finite(LoadLittle<uint16_t>(blocks + places.d));
    if (places.m >= 0) all &= finite(LoadLittle<uint16_t>(blocks + places.m));
    if (type == TensorType::kIQ1_M) all &= finite(Iq1MScale(blocks));
    if (type == TensorType::kMXFP4) all &= blocks[0] != std::byte{0xff};  // NaN in OCP's definition
  }
  return all;
}

bool Dequantize(TensorType type, const std::byte* blocks, size_t count, float* out) {
  const BlockFunction block = FunctionOf(type);
  const TensorTypeInfo& info = InfoOf(type);
  if (block == nullptr || count % info.block_elems != 0) return false;
  for (size_t i = 0; i < count / info.block_elems; ++i) {
    block(blocks + i * info.block_bytes, out + i * info.block_elems);
  }
  return true;
}

}  // namespace gemma3
