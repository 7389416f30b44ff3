// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The kernel for packed integer weights (ops/packed.h): activations become int8 blocks, products
// are summed in i32 within a block of 32 inputs and in f32, block after block, across blocks (half
// blocks, where scales belong to those):
//
//   out += float(sum of q_w * q_x) * (scale_w * scale_x)
//   out += min_w * (scale_x * float(sum of q_x))      where weights have a min
//
// where each += is one fused multiply-add, rounded once, and every other operation is rounded on
// its own. Hence results are the same bits on every CPU, and for any number of rows and threads.
//
// Outputs lie across the lanes. A vector of N lanes takes a `unit` of N of a group's 16 rows; on
// targets with fewer than 16 lanes a group is several units.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "ops/fused-inl.h"
#include "ops/isa.h"
#include "ops/matmul_kernels.h"
#include "ops/packed.h"
#include "ops/packed_input-inl.h"
#include "ops/quad_products-inl.h"

#if defined(GEMMA3_OPS_MATMUL_PACKED_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GEMMA3_OPS_MATMUL_PACKED_INL_H_
#undef GEMMA3_OPS_MATMUL_PACKED_INL_H_
#else
#define GEMMA3_OPS_MATMUL_PACKED_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
inline namespace GEMMA3_ISA {
namespace hn = hwy::HWY_NAMESPACE;

// Registers for integer sums: with 32, those of a tile for a few rows of x (8 by 2 units), or of
// one for many beside as many float sums; what has no register, as with 16, are the float sums,
// touched once a block.
#if HWY_TARGET <= HWY_AVX3
inline constexpr size_t kPackedSumVectors = 16;
inline constexpr size_t kPackedTileRows = 6;  // of x, in a tile
#elif HWY_TARGET_IS_NEON
inline constexpr size_t kPackedSumVectors = 12;
inline constexpr size_t kPackedTileRows = 6;  // of x, in a tile
#elif defined(GEMMA3_AVX_VNNI)
inline constexpr size_t kPackedSumVectors = 10;
inline constexpr size_t kPackedTileRows = 5;
#else
inline constexpr size_t kPackedSumVectors = 8;
inline constexpr size_t kPackedTileRows = 4;
#endif
inline constexpr size_t kPackedTileUnits = 2;  // of W, in a tile

// The part of kPackedTileRows rows of x that is used over and over while W streams past, in inputs:
// 27 KiB of records, for a first-level cache of 32 KiB or more.
inline constexpr size_t kPackedSpanInputs = 18 * 1024 / kPackedTileRows;

// The rows of x that are used over and over while W streams past a tile at a time, in bytes: they
// stay in the second-level cache, of 512 KiB or more.
inline constexpr size_t kPackedWholeBytes = 384 * 1024;

// With fewer rows of x the processor follows the stream of weights by itself, and requests only
// cost: a seventh of the speed with one row (ops/EXPERIMENTS.md).
inline constexpr size_t kFewestRequestingRows = 2;

// How far ahead of a few rows of x the weights are requested, and how much at a time: bursts are
// faster than a request beside each load, up to about this length.
inline constexpr size_t kPrefetchBytes = 4096;
inline constexpr size_t kPrefetchBurst = 1152;

// The requests of a tile of kUnits groups that are read side by side: each ahead of itself, and
// from its end on in the groups of the next tile.
template <WeightType kType, size_t kUnits>
class AheadOfGroups {
 public:
  // w: of the tile's first group. chunks: of a group.
  AheadOfGroups(const std::byte* w, size_t w_stride, size_t chunks, StreamHint hint)
      : w_(w), w_stride_(w_stride), chunks_(chunks), hint_(hint) {}

  // Before part `part` of a chunk is used.
  HWY_INLINE void Request(size_t chunk, size_t part) const {
    if (part % kPartsPerBurst != 0) return;
    const size_t burst = part / kPartsPerBurst;
    const size_t ahead = chunk + hwy::DivCeil(kPrefetchBytes, kChunk);
    const std::byte* from =
        w_ + (ahead < chunks_ ? ahead * kChunk : kUnits * w_stride_ + (ahead - chunks_) * kChunk);
    if constexpr (kBursts == 1) {
      GEMMA3_UNROLL for (size_t u = 0; u < kUnits; ++u) {
        PrefetchStream(from + u * w_stride_, kChunk, hint_);
      }
    } else {
      constexpr size_t kOfUnit = kBursts / kUnits;
      constexpr size_t kBytes = hwy::RoundUpTo(hwy::DivCeil(kChunk, kOfUnit), size_t{64});
      PrefetchStream(from + burst / kOfUnit * w_stride_ + burst % kOfUnit * kBytes, kBytes, hint_);
    }
  }

 private:
  static constexpr size_t kChunk = PackedChunkBytes(kType);
  static constexpr size_t kParts = PackedChunkInputs(kType) / PackedFormatOf(kType).scale_inputs;
  // Powers of two: 1, or some for each group.
  static constexpr size_t Bursts() {
    size_t bursts = 1;
    while (bursts < kParts && kUnits * kChunk > bursts * (kPrefetchBurst + kPrefetchBurst / 2)) {
      bursts *= 2;
    }
    return bursts;
  }
  static constexpr size_t kBursts = Bursts();
  static constexpr size_t kPartsPerBurst = kParts / kBursts;

  const std::byte* w_;
  size_t w_stride_;
  size_t chunks_;
  StreamHint hint_;
};

// Row r of a group, one value at a time.
template <WeightType kType>
class PackedRow {
 public:
  static constexpr PackedFormat kFormat = PackedFormatOf(kType);

  PackedRow(const std::byte* group, size_t r) : group_(group), r_(r) {}

  // Of the inputs from `first` on, a multiple of scale_inputs. What Min returns is subtracted.
  float Scale(size_t first) const {
    const std::byte* p = Scales(first);
    if constexpr (!kFormat.super) return Half(p + 2 * r_);
    float d = Half(Chunk(first) + 2 * r_);
    if constexpr (kFormat.table) d *= LoadAs<float>(Chunk(first) + PackedFactorOffset(kType));
    return d * static_cast<float>(LoadAs<int8_t>(p + r_));
  }
  float Min(size_t first) const {
    if constexpr (!kFormat.min) return 0.0f;
    const std::byte* p = Scales(first) + kPackedGroupRows * (kFormat.super ? 1 : 2);
    if constexpr (!kFormat.super) return -Half(p + 2 * r_);
    return Half(Chunk(first) + 2 * (kPackedGroupRows + r_)) *
           static_cast<float>(LoadAs<uint8_t>(p + r_));
  }
  int Quant(size_t input) const {
    constexpr int kZero = kFormat.zero_shift >= 0 ? 1 << kFormat.zero_shift : 0;
    const size_t quad = input % PackedChunkInputs(kType) / 4;
    const size_t step = kFormat.nibbles ? quad / 2 : quad;
    int stored =
        LoadAs<uint8_t>(Chunk(input) + PackedValueOffset(kType) + step * 64 + 4 * r_ + input % 4);
    if constexpr (kFormat.nibbles) stored = quad % 2 == 0 ? stored & 15 : stored >> 4;
    if constexpr (kFormat.table) {
      stored = LoadAs<uint8_t>(Chunk(input) + PackedTableOffset(kType) + stored);
    }
    return stored - kZero;
  }

 private:
  static float Half(const std::byte* p) {
    return hwy::ConvertScalarTo<float>(LoadAs<hwy::float16_t>(p));
  }
  const std::byte* Chunk(size_t input) const {
    return group_ + input / PackedChunkInputs(kType) * PackedChunkBytes(kType);
  }
  const std::byte* Scales(size_t first) const {
    return Chunk(first) + PackedScaleOffset(kType) +
           first % PackedChunkInputs(kType) / kFormat.scale_inputs * PackedScaleStep(kType);
  }

  const std::byte* group_;
  size_t r_;
};

// Rows [begin, begin + count) of w as floats. For exact products and single rows only. The order of
// operations is that of the formats' definitions.
template <WeightType kType>
void UnpackPacked(const MatrixView& w, size_t begin, size_t count, float* out, size_t stride) {
  constexpr PackedFormat kFormat = PackedFormatOf(kType);
  for (size_t n = begin; n < begin + count; ++n, out += stride) {
    const std::byte* group = static_cast<const std::byte*>(w.data) +
                             n / kPackedGroupRows * PackedGroupBytes(kType, w.cols);
    const PackedRow<kType> row(group, n % kPackedGroupRows);
    for (size_t first = 0; first < w.cols; first += kFormat.scale_inputs) {
      const float scale = row.Scale(first);
      const float min = row.Min(first);
      for (size_t k = first; k < HWY_MIN(w.cols, first + kFormat.scale_inputs); ++k) {
        const float value = scale * static_cast<float>(row.Quant(k));
        out[k] = kFormat.min ? value - min : value;
      }
    }
  }
}

#if HWY_TARGET == HWY_SCALAR

// MatMulKernels::run for packed weights, one product at a time.
template <WeightType kType>
void RunPackedBlock(const MatMulBlock& b, std::byte* /*scratch*/) {
  constexpr PackedFormat kFormat = PackedFormatOf(kType);
  for (size_t n = 0; n < b.w_rows; ++n) {
    const std::byte* group = b.w + n / kPackedGroupRows * b.w_stride;
    const PackedRow<kType> row(group, n % kPackedGroupRows);
    for (size_t r = 0; r < b.x_rows; ++r) {
      const std::byte* x = b.x + r * b.x_stride;
      float total = 0.0f;
      for (size_t first = 0; first < b.cols; first += kFormat.scale_inputs) {
        const PackedInput<kType> in(x, b.cols, first / kFormat.scale_inputs);
        int sum = 0;
        for (size_t k = 0; k < kFormat.scale_inputs; ++k) {
          sum += row.Quant(first + k) * LoadAs<int8_t>(in.quants + k);
        }
        const float scale = row.Scale(first) * LoadAs<float>(in.scale);
        total = std::fma(static_cast<float>(sum), scale, total);
        if constexpr (kFormat.min) {
          total = std::fma(-row.Min(first), LoadAs<float>(in.total), total);
        }
      }
      b.out[r * b.out_stride + n] = b.bias ? total + b.bias[n] : total;
    }
  }
}

#else  // HWY_TARGET != HWY_SCALAR

HWY_INLINE hn::Vec<PF> LoadHalves(const std::byte* p) {
  const hn::Rebind<hwy::float16_t, PF> d16;
  return hn::PromoteTo(PF(), hn::Load(d16, reinterpret_cast<const hwy::float16_t*>(p)));
}

template <class T>
HWY_INLINE hn::Vec<PF> LoadBytes(const std::byte* p) {
  const hn::Rebind<T, PI> d8;
  return hn::ConvertTo(PF(), hn::PromoteTo(PI(), hn::Load(d8, reinterpret_cast<const T*>(p))));
}

// The scales of part `part` of a chunk: a block, or, where scales belong to 16 inputs, half a
// block; and what is added for each input, if anything. `lane` is the first of the group's rows.
template <WeightType kType>
struct PackedScales {
  static constexpr PackedFormat kFormat = PackedFormatOf(kType);

  HWY_INLINE PackedScales(const std::byte* HWY_RESTRICT chunk, size_t lane, size_t part) {
    const std::byte* p = chunk + PackedScaleOffset(kType) + part * PackedScaleStep(kType);
    if constexpr (kFormat.super) {
      const std::byte* d = chunk + lane * 2;
      scale = LoadHalves(d);
      if constexpr (kFormat.table) {
        scale = hn::Mul(scale, hn::Set(PF(), LoadAs<float>(chunk + PackedFactorOffset(kType))));
      }
      scale = hn::Mul(scale, LoadBytes<int8_t>(p + lane));
      if constexpr (kFormat.min) {
        min = hn::Neg(hn::Mul(LoadHalves(d + kPackedGroupRows * 2),
                              LoadBytes<uint8_t>(p + kPackedGroupRows + lane)));
      }
    } else {
      scale = LoadHalves(p + lane * 2);
      if constexpr (kFormat.min) min = LoadHalves(p + kPackedGroupRows * 2 + lane * 2);
    }
  }

  hn::Vec<PF> scale;
  hn::Vec<PF> min = hn::Zero(PF());
};

// Takes apart 64 bytes of 16 rows (here: a unit's part of them), which hold one or two quads.
template <bool kNibbles>
HWY_INLINE void Quads(VU8 stored, VU8* HWY_RESTRICT quads) {
  if constexpr (kNibbles) {
    quads[0] = hn::And(stored, hn::Set(PU8(), uint8_t{15}));
    quads[1] = hn::ShiftRight<4>(stored);
  } else {
    quads[0] = stored;
  }
}

// Chunks [begin, end) of the inputs. Sums start from zero in the first span and receive the bias in
// the last.
struct PackedSpan {
  size_t begin;
  size_t end;
  bool first, last;
  Ahead ahead = {};
};

// Makes the compiler load again what it has loaded by this before, where it would store it for want
// of registers.
template <class T>
HWY_INLINE void Unrelated([[maybe_unused]] T& place) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  asm volatile("" : "+r"(place));
#endif
}

// Where a tile's operands lie.
template <size_t kUnits>
struct PackedTileAt {
  const std::byte* x;               // its first row
  const std::byte* chunks[kUnits];  // of each unit
  size_t lanes[kUnits];             // the first in the group
};

// Adds one part of a chunk (see PackedScales) to `total`, for kRows of the tile's rows of x from r0
// on by kUnits of its units of W from u0 on. part: within the chunk; x_part: among all of x.
template <WeightType kType, size_t kRows, size_t kUnits, size_t kTileRows, size_t kTileUnits>
HWY_INLINE void PackedSums(const MatMulBlock& b, const PackedTileAt<kTileUnits>& at, size_t r0,
                           size_t u0, size_t part, size_t x_part,
                           hn::Vec<PF> (&total)[kTileRows][kTileUnits]) {
  constexpr PackedFormat kFormat = PackedFormatOf(kType);
  constexpr size_t kStepQuads = kFormat.nibbles ? 2 : 1;
  constexpr size_t kParts = kPackedBlock / kFormat.scale_inputs;  // of a block
  using Products = QuadProducts<kType>;
  const PF df;
  const PI di;
  const PU8 du8;
  const PI8 di8;

  VU8 table = hn::Zero(du8);
  if constexpr (kFormat.table) {
    const std::byte* p = at.chunks[0] + PackedTableOffset(kType);
    table = hn::LoadDup128(du8, reinterpret_cast<const uint8_t*>(p));
  }
  typename Products::Sum sum[kRows][kUnits];
  const PackedInput<kType> in(at.x + r0 * b.x_stride, b.cols, x_part);
  const auto start_of = [&](size_t r) HWY_ATTR {
    if constexpr (!Products::kNeedsStart) return hn::Zero(di);
    return hn::Set(di, LoadAs<int32_t>(in.start + r * b.x_stride));
  };
  GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
    const VI start = Products::kStartFirst ? start_of(r) : hn::Zero(di);
    GEMMA3_UNROLL for (size_t u = 0; u < kUnits; ++u) sum[r][u].Begin(start);
  }

  GEMMA3_UNROLL for (size_t pass = 0; pass < Products::kPasses; ++pass) {
    size_t values = PackedValueOffset(kType) + part * (PackedBlockBytes(kType) / kParts);
    if constexpr (Products::kPasses != 1) Unrelated(values);
    const std::byte* quants[kRows];
    GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
      quants[r] = in.quants + r * b.x_stride;
      if constexpr (Products::kPasses != 1) Unrelated(quants[r]);
    }
    GEMMA3_UNROLL for (size_t step = 0; step < kFormat.scale_inputs / 4 / kStepQuads; ++step) {
      typename Products::Weights w[kUnits][kStepQuads];
      GEMMA3_UNROLL for (size_t u = 0; u < kUnits; ++u) {
        const std::byte* p = at.chunks[u0 + u] + values + at.lanes[u0 + u] * 4 + step * 64;
        VU8 quads[kStepQuads];
        Quads<kFormat.nibbles>(hn::Load(du8, reinterpret_cast<const uint8_t*>(p)), quads);
        GEMMA3_UNROLL for (size_t q = 0; q < kStepQuads; ++q) {
          if constexpr (kFormat.table) quads[q] = hn::TableLookupBytes(table, quads[q]);
          w[u][q] = Products::Ready(quads[q], pass);
        }
      }
      GEMMA3_UNROLL for (size_t q = 0; q < kStepQuads; ++q) {
        const size_t quad = step * kStepQuads + q;
        GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
          const auto bits = LoadAs<int32_t>(quants[r] + quad * 4);
          const VI8 xv = hn::BitCast(di8, hn::Set(di, bits));
          GEMMA3_UNROLL for (size_t u = 0; u < kUnits; ++u) sum[r][u].Add(quad, w[u][q], xv);
        }
      }
    }
    GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
      GEMMA3_UNROLL for (size_t u = 0; u < kUnits; ++u) sum[r][u].EndPass(pass);
    }
  }

  GEMMA3_UNROLL for (size_t u = 0; u < kUnits; ++u) {
    const PackedScales<kType> scales(at.chunks[u0 + u], at.lanes[u0 + u], part);
    GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
      hn::Vec<PF>& to = total[r0 + r][u0 + u];
      const auto x_scale = hn::Set(df, LoadAs<float>(in.scale + r * b.x_stride));
      const VI products = sum[r][u].Total(Products::kStartFirst ? hn::Zero(di) : start_of(r));
      to = FusedMulAdd(df, hn::ConvertTo(df, products), hn::Mul(scales.scale, x_scale), to);
      if constexpr (kFormat.min) {
        const auto x_total = hn::Set(df, LoadAs<float>(in.total + r * b.x_stride));
        to = FusedMulAdd(df, scales.min, x_total, to);
      }
    }
  }
}

// The same for the whole tile, a number of rows and units at a time whose integer sums fit in the
// registers. W then comes from the first-level cache again.
template <WeightType kType, size_t kTileRows, size_t kTileUnits>
HWY_INLINE void PackedPart(const MatMulBlock& b, const PackedTileAt<kTileUnits>& at, size_t part,
                           size_t x_part, hn::Vec<PF> (&total)[kTileRows][kTileUnits]) {
  constexpr size_t kSums = kPackedSumVectors / QuadProducts<kType>::kSumVectors;
  constexpr size_t kUnits = HWY_MIN(kTileUnits, HWY_MAX(size_t{1}, kSums / kPackedTileRows));
  constexpr size_t kMostRows = HWY_MAX(size_t{1}, kSums / kUnits);
  constexpr size_t kPieces = hwy::DivCeil(kTileRows, kMostRows);
  constexpr size_t kRows = hwy::DivCeil(kTileRows, kPieces);
  constexpr size_t kRest = kTileRows % kRows;
  GEMMA3_UNROLL for (size_t u = 0; u < kTileUnits; u += kUnits) {
    GEMMA3_UNROLL for (size_t r = 0; r + kRows <= kTileRows; r += kRows) {
      PackedSums<kType, kRows, kUnits>(b, at, r, u, part, x_part, total);
    }
    if constexpr (kRest != 0) {
      PackedSums<kType, kRest, kUnits>(b, at, kTileRows - kRest, u, part, x_part, total);
    }
  }
}

// kRows rows of x from `row` on, by the kUnits units of W from `unit` on, over one span. Sums that
// are not complete wait in b.out. kStream: W comes from memory, not from a cache.
template <WeightType kType, size_t kRows, size_t kUnits, bool kStream>
HWY_NOINLINE void PackedTile(const MatMulBlock& b, const PackedSpan& span, size_t row,
                             size_t unit) {
  const PF df;
  const size_t width = hn::Lanes(df);
  constexpr size_t kChunkParts = PackedChunkInputs(kType) / PackedFormatOf(kType).scale_inputs;
  float* HWY_RESTRICT out = b.out + row * b.out_stride + unit * width;

  PackedTileAt<kUnits> at;
  at.x = b.x + row * b.x_stride;
  size_t counts[kUnits];  // of outputs that exist
  GEMMA3_UNROLL for (size_t u = 0; u < kUnits; ++u) {
    const size_t output = (unit + u) * width;
    at.chunks[u] =
        b.w + output / kPackedGroupRows * b.w_stride + span.begin * PackedChunkBytes(kType);
    at.lanes[u] = output % kPackedGroupRows;
    counts[u] = output < b.w_rows ? HWY_MIN(width, b.w_rows - output) : 0;
  }

  hn::Vec<PF> total[kRows][kUnits];
  GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
    GEMMA3_UNROLL for (size_t u = 0; u < kUnits; ++u) {
      total[r][u] =
          span.first ? hn::Zero(df) : hn::LoadN(df, out + r * b.out_stride + u * width, counts[u]);
    }
  }
  GEMMA3_UNROLL for (size_t u = 0; u < kUnits; ++u) {
    if (at.lanes[u] == 0) span.ahead.Request(at.chunks[u]);
  }
  constexpr bool kRequests = kStream && kRows >= kFewestRequestingRows;
  constexpr bool kSideBySide = kUnits * HWY_MAX_LANES_D(PF) > kPackedGroupRows;
  [[maybe_unused]] const AheadOfGroups<kType, kUnits> ahead(b.w + unit * b.w_stride, b.w_stride,
                                                            span.end, b.stream_hint);
  const size_t parts = hwy::DivCeil(b.cols, PackedFormatOf(kType).scale_inputs);
  for (size_t chunk = span.begin; chunk < span.end; ++chunk) {
    if constexpr (kRequests && !kSideBySide) {
      PrefetchStream(at.chunks[0] + kPrefetchBytes, PackedChunkBytes(kType), b.stream_hint);
    }
    const size_t first = chunk * kChunkParts;
    const size_t count = HWY_MIN(kChunkParts, parts - first);
    for (size_t part = 0; part < count; ++part) {
      if constexpr (kRequests && kSideBySide) ahead.Request(chunk, part);
      PackedPart<kType>(b, at, part, first + part, total);
    }
    GEMMA3_UNROLL for (size_t u = 0; u < kUnits; ++u) at.chunks[u] += PackedChunkBytes(kType);
  }

  const bool add_bias = span.last && b.bias != nullptr;
  GEMMA3_UNROLL for (size_t u = 0; u < kUnits; ++u) {
    const auto bias =
        add_bias ? hn::LoadN(df, b.bias + (unit + u) * width, counts[u]) : hn::Zero(df);
    GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
      const auto result = add_bias ? hn::Add(total[r][u], bias) : total[r][u];
      hn::StoreN(result, df, out + r * b.out_stride + u * width, counts[u]);
    }
  }
}

// Units of the tiles for a few rows of x. Memory serves one long stream faster than two, so they
// are those of one group. But with more rows the work is what takes time: then two groups, whose
// units share each load of x.
template <WeightType kType>
constexpr size_t PackedStreamUnits(size_t rows) {
  constexpr size_t kGroup = kPackedGroupRows / HWY_MAX_LANES_D(PF);
  return kGroup == 1 && rows >= kFewestRequestingRows ? 2 : kGroup;
}

// `rows` rows of x, at most kRows, from `row` on by all of W in the block, over one span.
template <WeightType kType, bool kStream, size_t kRows = kStream ? kStreamRows : kPackedTileRows>
HWY_INLINE void PackedPanel(const MatMulBlock& b, const PackedSpan& span, size_t row, size_t rows) {
  // Panels of even size have at least half as many rows as there may be.
  constexpr size_t kFewest = kStream ? 1 : kPackedTileRows / 2;
  if (rows < kRows) {
    if constexpr (kRows > kFewest) PackedPanel<kType, kStream, kRows - 1>(b, span, row, rows);
    return;
  }
  const size_t units = hwy::RoundUpTo(b.w_rows, kPackedGroupRows) / hn::Lanes(PF());
  constexpr size_t kUnits = kStream ? PackedStreamUnits<kType>(kRows) : kPackedTileUnits;
  constexpr size_t kGroup = kPackedGroupRows / HWY_MAX_LANES_D(PF);
  size_t unit = 0;
  for (; unit + kUnits <= units; unit += kUnits) {
    PackedTile<kType, kRows, kUnits, kStream>(b, span, row, unit);
  }
  if constexpr (kUnits != kGroup || !kStream) {
    for (; unit < units; ++unit) PackedTile<kType, kRows, 1, kStream>(b, span, row, unit);
  }
}

// For as many rows of x as kPackedWholeBytes allows: each tile of W is requested while the first
// panel of x uses it, and the others find it in the cache. So reading W and computing overlap.
template <WeightType kType>
HWY_INLINE void RunPackedTiles(const MatMulBlock& b, const PackedSpan& all) {
  constexpr size_t kOutputs =
      HWY_MAX(PackedStreamUnits<kType>(kStreamRows) * HWY_MAX_LANES_D(PF), kPackedGroupRows);
  // The first panel, which waits for memory, takes what the others leave.
  const size_t others = hwy::DivCeil(b.x_rows - kStreamRows, kPackedTileRows);
  const size_t first = b.x_rows - others * kPackedTileRows;
  MatMulBlock tile = b;
  for (size_t output = 0; output < b.w_rows; output += kOutputs) {
    tile.w = b.w + output / kPackedGroupRows * b.w_stride;
    tile.w_rows = HWY_MIN(kOutputs, b.w_rows - output);
    tile.out = b.out + output;
    if (b.bias != nullptr) tile.bias = b.bias + output;
    PackedPanel<kType, true>(tile, all, 0, first);
    for (size_t row = first; row < b.x_rows; row += kPackedTileRows) {
      PackedPanel<kType, false>(tile, all, row, kPackedTileRows);
    }
  }
}

// MatMulKernels::run for packed weights.
template <WeightType kType>
void RunPackedBlock(const MatMulBlock& b, std::byte* /*scratch*/) {
  const size_t chunks = PackedChunks(kType, b.cols);
  const PackedSpan all{.begin = 0, .end = chunks, .first = true, .last = true};
  if (b.x_rows <= kStreamRows) return PackedPanel<kType, true>(b, all, 0, b.x_rows);
  if (b.x_rows * b.x_stride <= kPackedWholeBytes) return RunPackedTiles<kType>(b, all);
  // Panels and spans of even size: 8 rows are 4 + 4 rather than 6 + 2.
  const size_t panels = hwy::DivCeil(b.x_rows, kPackedTileRows);
  const size_t spans = hwy::DivCeil(b.cols, kPackedSpanInputs);
  for (size_t i = 0; i < spans; ++i) {
    PackedSpan span{.begin = chunks * i / spans,
                    .end = chunks * (i + 1) / spans,
                    .first = i == 0,
                    .last = i + 1 == spans};
    const size_t bytes = (span.end - span.begin) * PackedChunkBytes(kType);
    const ptrdiff_t distance =
        span.last ? Ahead::Distance(b.w, b.next) -
                        static_cast<ptrdiff_t>(span.begin * PackedChunkBytes(kType))
                  : static_cast<ptrdiff_t>(bytes);
    for (size_t p = 0; p < panels; ++p) {
      const size_t row = b.x_rows * p / panels;
      span.ahead = Ahead::Of(distance, bytes, p, panels);
      PackedPanel<kType, false>(b, span, row, b.x_rows * (p + 1) / panels - row);
    }
  }
}

#endif  // HWY_TARGET != HWY_SCALAR

// MatMulKernels::span_bytes for packed weights.
inline size_t PackedSpanBytes(WeightType type, size_t cols) {
  const size_t spans = hwy::DivCeil(cols, kPackedSpanInputs);
  return hwy::DivCeil(PackedChunks(type, cols), spans) * PackedChunkBytes(type) / kPackedGroupRows;
}

template <WeightType kType>
MatMulKernels PackedKernels(size_t cols) {
  return {.group_rows = kPackedGroupRows,
          .group_bytes = PackedGroupBytes(kType, cols),
          .input = InputForm::kInt8,
          .span_bytes = PackedSpanBytes(kType, cols),
          .run = RunPackedBlock<kType>,
          .unpack = UnpackPacked<kType>,
          .prepare = PreparePacked};
}

}  // namespace GEMMA3_ISA
}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#endif  // GEMMA3_OPS_MATMUL_PACKED_INL_H_
