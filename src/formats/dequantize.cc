// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Layouts: ggml-org/ggml, src/ggml-common.h. Each function below gives the values of one block from
// its bytes `p`; scales are halves in little-endian order at no particular alignment.
#include "src/formats/dequantize.h"

#include <cstdint>

#include "src/base/half.h"

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

void F32(const std::byte* p, float* out) { *out = LoadLittle<float>(p); }
void F16(const std::byte* p, float* out) { *out = Half(p); }
void Bf16(const std::byte* p, float* out) { *out = FloatFromBf16(LoadLittle<uint16_t>(p)); }

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
    default:
      return nullptr;
  }
}

}  // namespace

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
