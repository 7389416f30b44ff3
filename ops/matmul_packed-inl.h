// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The kernel for packed integer weights (ops/packed.h): activations become int8 blocks, products
// are summed in i32 within a block of 32 inputs and in f32, block after block, across blocks (half
// blocks, where scales belong to those):
//
//   out += float(sum of q_w * q_x) * (scale_w * scale_x)
//   out += min_w * (scale_x * float(sum of q_x))      where weights have a min
//
// with every operation rounded on its own, never fused. Hence results are the same bits on every
// CPU, and for any number of rows and threads.
//
// Outputs lie across the lanes. A vector of N lanes takes a `unit` of N of a group's 16 rows; on
// targets with fewer than 16 lanes a group is several units.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "ops/matmul_kernels.h"
#include "ops/packed.h"

#if defined(GEMMA3_OPS_MATMUL_PACKED_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GEMMA3_OPS_MATMUL_PACKED_INL_H_
#undef GEMMA3_OPS_MATMUL_PACKED_INL_H_
#else
#define GEMMA3_OPS_MATMUL_PACKED_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// At most a group's 16 lanes.
using PF = hn::CappedTag<float, kPackedGroupRows>;
using PI = hn::RebindToSigned<PF>;

// Most rows of x (a power of two) and units of W in a tile: an integer accumulator for each pair,
// and besides them a vector of each unit and one of x. 32 registers: 8 * 3 + 3 + 1 = 28, and eight
// rows of x read W once; 16 registers, of which the products need some: 4 * 2 + 2 + 1 = 11.
#if HWY_TARGET <= HWY_AVX3 || HWY_TARGET_IS_NEON
inline constexpr size_t kPackedTileRows = 8;
inline constexpr size_t kPackedTileUnits = 3;
#else
inline constexpr size_t kPackedTileRows = 4;
inline constexpr size_t kPackedTileUnits = 2;
#endif

// How far ahead of a few rows of x the weights are requested, into the second-level cache.
inline constexpr size_t kPackedPrefetchBytes = 4096;

HWY_INLINE void PrefetchPacked(const void* p) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  __builtin_prefetch(p, /*read*/ 0, /*second level*/ 2);
#else
  (void)p;
#endif
}

// Where a matrix keeps what; the same for all tiles of a block.
struct PackedShape {
  PackedShape(WeightType type, size_t cols)
      : blocks(cols / kPackedBlock),
        scales(PackedScaleOffset(type, cols)),
        values(PackedValueOffset(type, cols)),
        x_sums(PackedInputSums(cols)),
        x_half_sums(PackedInputHalfSums(cols)),
        x_quants(PackedInputQuants(cols)) {}
  size_t blocks, scales, values, x_sums, x_half_sums, x_quants;
};

// Where a unit's part of a group begins: of the first and second part of the header, the values.
struct PackedUnit {
  const std::byte* supers;
  const std::byte* scales;
  const std::byte* values;
};

template <class T>
HWY_INLINE T LoadAs(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

// The input form kInt8.
inline void PreparePacked(const float* HWY_RESTRICT x, size_t cols, std::byte* HWY_RESTRICT out) {
  const PF df;
  const PI di;
  const hn::Rebind<int8_t, PF> di8;
  const size_t lanes = hn::Lanes(df);
  float* HWY_RESTRICT scales = reinterpret_cast<float*>(out);
  int32_t* HWY_RESTRICT minus_sums = reinterpret_cast<int32_t*>(out + PackedInputSums(cols));
  int32_t* HWY_RESTRICT minus_half_sums =
      reinterpret_cast<int32_t*>(out + PackedInputHalfSums(cols));
  int8_t* HWY_RESTRICT quants = reinterpret_cast<int8_t*>(out + PackedInputQuants(cols));
  for (size_t b = 0; b < cols / kPackedBlock; ++b, x += kPackedBlock, quants += kPackedBlock) {
    auto max = hn::Zero(df);
    for (size_t i = 0; i < kPackedBlock; i += lanes) {
      max = hn::Max(max, hn::Abs(hn::LoadU(df, x + i)));
    }
    const float largest = hn::ReduceMax(df, max);
    // Where the inverse would overflow, the block counts as zero.
    const float inverse = largest > 1e-36f ? 127.0f / largest : 0.0f;
    int32_t half_sums[2];
    for (size_t half = 0; half < 2; ++half) {
      auto sum = hn::Zero(di);
      for (size_t i = half * 16; i < half * 16 + 16; i += lanes) {
        const auto q = hn::NearestInt(hn::Mul(hn::LoadU(df, x + i), hn::Set(df, inverse)));
        sum = hn::Add(sum, q);
        hn::StoreU(hn::DemoteTo(di8, q), di8, quants + i);
      }
      half_sums[half] = hn::ReduceSum(di, sum);
      minus_half_sums[2 * b + half] = -half_sums[half];
    }
    scales[b] = inverse == 0.0f ? 0.0f : largest / 127.0f;
    minus_sums[b] = -(half_sums[0] + half_sums[1]);
  }
}

// One row of a packed matrix, a value at a time.
template <WeightType kType>
class PackedRow {
 public:
  static constexpr PackedFormat kFormat = PackedFormatOf(kType);

  // group: the row's group; r: the row's place in it.
  PackedRow(const std::byte* group, size_t cols, size_t r)
      : supers_(group + 2 * r),
        scales_(group + PackedScaleOffset(kType, cols)),
        values_(group + PackedValueOffset(kType, cols) + 4 * r),
        r_(r) {}

  // Of the inputs from `first` on, a multiple of scale_inputs.
  float Scale(size_t first) const {
    const std::byte* p = scales_ + first / kFormat.scale_inputs * PackedScaleStep(kType);
    if constexpr (!kFormat.super) return Half(p + 2 * r_);
    return Half(Super(first)) * static_cast<float>(LoadAs<int8_t>(p + r_));
  }
  // What is subtracted from scale * quant.
  float Min(size_t first) const {
    if constexpr (!kFormat.min) return 0.0f;
    const std::byte* p = scales_ + first / kFormat.scale_inputs * PackedScaleStep(kType);
    if constexpr (!kFormat.super) return -Half(p + 2 * (kPackedGroupRows + r_));
    return Half(Super(first) + 2 * kPackedGroupRows) *
           static_cast<float>(LoadAs<uint8_t>(p + kPackedGroupRows + r_));
  }
  int Quant(size_t input) const {
    constexpr int kZero = kFormat.zero_shift >= 0 ? 1 << kFormat.zero_shift : 0;
    const size_t quad = input / 4;
    const size_t step = kFormat.nibbles ? quad / 2 : quad;
    int stored = LoadAs<uint8_t>(values_ + step * 64 + input % 4);
    if constexpr (kFormat.nibbles) stored = quad % 2 == 0 ? stored & 15 : stored >> 4;
    return stored - kZero;
  }

 private:
  static float Half(const std::byte* p) {
    return hwy::ConvertScalarTo<float>(LoadAs<hwy::float16_t>(p));
  }
  const std::byte* Super(size_t first) const {
    return supers_ + first / kPackedSuper * kPackedGroupRows * (kFormat.min ? 4 : 2);
  }

  const std::byte* supers_;
  const std::byte* scales_;
  const std::byte* values_;
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
    const PackedRow<kType> row(group, w.cols, n % kPackedGroupRows);
    for (size_t first = 0; first < w.cols; first += kFormat.scale_inputs) {
      const float scale = row.Scale(first);
      const float min = row.Min(first);
      for (size_t k = first; k < first + kFormat.scale_inputs; ++k) {
        const float value = scale * static_cast<float>(row.Quant(k));
        out[k] = kFormat.min ? value - min : value;
      }
    }
  }
}

#if HWY_TARGET == HWY_SCALAR

// MatMulKernels::run for packed weights, one product at a time.
template <WeightType kType>
void RunPackedBlock(const MatMulBlock& b, std::byte* /*carry*/) {
  constexpr PackedFormat kFormat = PackedFormatOf(kType);
  const PackedShape shape(kType, b.cols);
  for (size_t n = 0; n < b.w_rows; ++n) {
    const std::byte* group = b.w + n / kPackedGroupRows * b.w_stride;
    const PackedRow<kType> row(group, b.cols, n % kPackedGroupRows);
    for (size_t r = 0; r < b.x_rows; ++r) {
      const std::byte* x = b.x + r * b.x_stride;
      float total = 0.0f;
      for (size_t first = 0; first < b.cols; first += kFormat.scale_inputs) {
        int sum = 0;
        int x_sum = 0;
        for (size_t k = first; k < first + kFormat.scale_inputs; ++k) {
          const int quant = LoadAs<int8_t>(x + shape.x_quants + k);
          sum += row.Quant(k) * quant;
          x_sum += quant;
        }
        const float x_scale = LoadAs<float>(x + 4 * (first / kPackedBlock));
        const float scale = row.Scale(first) * x_scale;
        const float product = static_cast<float>(sum) * scale;
        total = total + product;
        if constexpr (kFormat.min) {
          const float x_total = x_scale * static_cast<float>(x_sum);
          const float term = row.Min(first) * x_total;
          total = total - term;
        }
      }
      b.out[r * b.out_stride + n] = b.bias ? total + b.bias[n] : total;
    }
  }
}

#else  // HWY_TARGET != HWY_SCALAR

using PU8 = hn::Repartition<uint8_t, PI>;
using PI8 = hn::Repartition<int8_t, PI>;

HWY_INLINE hn::Vec<PF> LoadHalves(const std::byte* p) {
  const hn::Rebind<hwy::float16_t, PF> d16;
  return hn::PromoteTo(PF(), hn::Load(d16, reinterpret_cast<const hwy::float16_t*>(p)));
}

template <class T>
HWY_INLINE hn::Vec<PF> LoadBytes(const std::byte* p) {
  const hn::Rebind<T, PI> d8;
  return hn::ConvertTo(PF(), hn::PromoteTo(PI(), hn::Load(d8, reinterpret_cast<const T*>(p))));
}

// The scales and mins of block `b`, or, where scales belong to 16 inputs, of half block `b`.
template <WeightType kType>
struct PackedScales {
  static constexpr PackedFormat kFormat = PackedFormatOf(kType);
  static constexpr bool kMinIsSubtracted = kFormat.super;

  HWY_INLINE PackedScales(const PackedUnit& unit, size_t b) {
    const std::byte* p = unit.scales + b * PackedScaleStep(kType);
    if constexpr (kFormat.super) {
      const size_t super = b / (kPackedSuper / kFormat.scale_inputs);
      const std::byte* d = unit.supers + super * kPackedGroupRows * (kFormat.min ? 4 : 2);
      scale = hn::Mul(LoadHalves(d), LoadBytes<int8_t>(p));
      if constexpr (kFormat.min) {
        min =
            hn::Mul(LoadHalves(d + kPackedGroupRows * 2), LoadBytes<uint8_t>(p + kPackedGroupRows));
      }
    } else {
      scale = LoadHalves(p);
      if constexpr (kFormat.min) min = LoadHalves(p + kPackedGroupRows * 2);
    }
  }

  hn::Vec<PF> scale;
  hn::Vec<PF> min = hn::Zero(PF());
};

// Takes apart 64 bytes of 16 rows (here: a unit's part of them), which hold one or two quads.
template <bool kNibbles>
HWY_INLINE void Quads(hn::Vec<PU8> stored, hn::Vec<PU8>* HWY_RESTRICT quads) {
  if constexpr (kNibbles) {
    quads[0] = hn::And(stored, hn::Set(PU8(), uint8_t{15}));
    quads[1] = hn::ShiftRight<4>(stored);
  } else {
    quads[0] = stored;
  }
}

// kRows rows of x by kUnits units of W. out: [kRows, kUnits] vectors; in memory, as the registers
// are needed for the integer sums.
template <WeightType kType, size_t kRows, size_t kUnits>
HWY_INLINE void PackedTile(const PackedShape& shape, const std::byte* HWY_RESTRICT x,
                           size_t x_stride, const PackedUnit* HWY_RESTRICT units,
                           float* HWY_RESTRICT out) {
  constexpr PackedFormat kFormat = PackedFormatOf(kType);
  constexpr size_t kStepQuads = kFormat.nibbles ? 2 : 1;
  constexpr size_t kSteps = kFormat.scale_inputs / 4 / kStepQuads;
  constexpr size_t kParts = kPackedBlock / kFormat.scale_inputs;  // of a block
  const PF df;
  const PI di;
  const PU8 du8;
  const PI8 di8;
  const size_t lanes = hn::Lanes(df);
  const std::byte* HWY_RESTRICT x_sums = x + (kParts == 2 ? shape.x_half_sums : shape.x_sums);

  for (size_t i = 0; i < kRows * kUnits; ++i) hn::Store(hn::Zero(df), df, out + i * lanes);
  for (size_t part = 0; part < shape.blocks * kParts; ++part) {
    hn::Vec<PI> sum[kRows][kUnits];
    GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
      hn::Vec<PI> start = hn::Zero(di);
      if constexpr (kFormat.zero_shift >= 0) {
        const auto minus_sum = LoadAs<int32_t>(x_sums + r * x_stride + 4 * part);
        start = hn::ShiftLeft<kFormat.zero_shift>(hn::Set(di, minus_sum));
      }
      GEMMA3_UNROLL for (size_t u = 0; u < kUnits; ++u) sum[r][u] = start;
    }
    const std::byte* HWY_RESTRICT xq = x + shape.x_quants + part * kFormat.scale_inputs;
    const size_t at = part * (PackedBlockBytes(kType) / kParts);
    GEMMA3_UNROLL for (size_t step = 0; step < kSteps; ++step) {
      hn::Vec<PU8> w[kUnits][kStepQuads];
      GEMMA3_UNROLL for (size_t u = 0; u < kUnits; ++u) {
        const std::byte* p = units[u].values + at + step * 64;
        if (kRows == 1) PrefetchPacked(p + kPackedPrefetchBytes);
        Quads<kFormat.nibbles>(hn::Load(du8, reinterpret_cast<const uint8_t*>(p)), w[u]);
      }
      GEMMA3_UNROLL for (size_t q = 0; q < kStepQuads; ++q) {
        GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
          const auto quad = LoadAs<int32_t>(xq + r * x_stride + (step * kStepQuads + q) * 4);
          const auto xv = hn::BitCast(di8, hn::Set(di, quad));
          GEMMA3_UNROLL for (size_t u = 0; u < kUnits; ++u) {
            sum[r][u] = hn::SumOfMulQuadAccumulate(di, w[u][q], xv, sum[r][u]);
          }
        }
      }
    }
    GEMMA3_UNROLL for (size_t u = 0; u < kUnits; ++u) {
      const PackedScales<kType> scales(units[u], part);
      GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
        const float x_scale = LoadAs<float>(x + r * x_stride + 4 * (part / kParts));
        float* HWY_RESTRICT to = out + (r * kUnits + u) * lanes;
        const auto product =
            hn::Mul(hn::ConvertTo(df, sum[r][u]), hn::Mul(scales.scale, hn::Set(df, x_scale)));
        auto total = hn::Add(hn::Load(df, to), product);
        if constexpr (kFormat.min) {
          const auto minus_sum = LoadAs<int32_t>(x_sums + r * x_stride + 4 * part);
          const auto x_sum = hn::Set(df, x_scale * static_cast<float>(-minus_sum));
          const auto term = hn::Mul(scales.min, x_sum);
          total = scales.kMinIsSubtracted ? hn::Sub(total, term) : hn::Add(total, term);
        }
        hn::Store(total, df, to);
      }
    }
  }
}

// kRows rows of x from `row` on, by the kUnits units of W from `unit` on.
template <WeightType kType, size_t kRows, size_t kUnits>
HWY_NOINLINE void PackedTileAt(const MatMulBlock& b, const PackedShape& shape, size_t row,
                               size_t unit) {
  const PF df;
  const size_t lanes = hn::Lanes(df);
  constexpr PackedFormat kFormat = PackedFormatOf(kType);
  PackedUnit units[kUnits];
  for (size_t u = 0; u < kUnits; ++u) {
    const size_t output = (unit + u) * lanes;
    const size_t lane = output % kPackedGroupRows;
    const std::byte* group = b.w + output / kPackedGroupRows * b.w_stride;
    units[u] = {group + lane * 2, group + shape.scales + lane * (kFormat.super ? 1 : 2),
                group + shape.values + lane * 4};
  }
  HWY_ALIGN float sums[kRows * kUnits * HWY_MAX_LANES_D(PF)];
  PackedTile<kType, kRows, kUnits>(shape, b.x + row * b.x_stride, b.x_stride, units, sums);
  for (size_t u = 0; u < kUnits; ++u) {
    const size_t output = (unit + u) * lanes;
    if (output >= b.w_rows) break;
    const size_t count = HWY_MIN(lanes, b.w_rows - output);
    for (size_t r = 0; r < kRows; ++r) {
      float* to = b.out + (row + r) * b.out_stride + output;
      auto result = hn::Load(df, sums + (r * kUnits + u) * lanes);
      if (b.bias) result = hn::Add(result, hn::LoadN(df, b.bias + output, count));
      hn::StoreN(result, df, to, count);
    }
  }
}

// `rows` rows of x from `row` on, in tiles of powers of two, by kUnits units of W.
template <WeightType kType, size_t kUnits, size_t kRows = kPackedTileRows>
HWY_INLINE void PackedTiles(const MatMulBlock& b, const PackedShape& shape, size_t row, size_t rows,
                            size_t unit) {
  for (; rows >= kRows; rows -= kRows, row += kRows) {
    PackedTileAt<kType, kRows, kUnits>(b, shape, row, unit);
  }
  if constexpr (kRows > 1) PackedTiles<kType, kUnits, kRows / 2>(b, shape, row, rows, unit);
}

// MatMulKernels::run for packed weights. Needs no carry: a tile's inputs stay in the caches for any
// number of columns, as they are a quarter of what floats are.
template <WeightType kType>
void RunPackedBlock(const MatMulBlock& b, std::byte* /*carry*/) {
  const PackedShape shape(kType, b.cols);
  const size_t units = hwy::RoundUpTo(b.w_rows, kPackedGroupRows) / hn::Lanes(PF());
  if (b.x_rows == 1) {
    // One group at a time as one long stream, where that is one unit.
    constexpr size_t kUnits = HWY_MAX_LANES_D(PF) == kPackedGroupRows ? 1 : 2;
    for (size_t unit = 0; unit < units; unit += kUnits) {
      PackedTileAt<kType, 1, kUnits>(b, shape, 0, unit);
    }
    return;
  }
  // A few rows of x are taken together, so that W is read once; of many, as many as stay in the
  // first-level cache while the block of W passes.
  const size_t panel_rows = b.x_rows <= kStreamRows ? b.x_rows : kPackedTileRows;
  for (size_t row = 0; row < b.x_rows; row += panel_rows) {
    const size_t rows = HWY_MIN(panel_rows, b.x_rows - row);
    size_t unit = 0;
    for (; unit + kPackedTileUnits <= units; unit += kPackedTileUnits) {
      PackedTiles<kType, kPackedTileUnits>(b, shape, row, rows, unit);
    }
    for (; unit < units; ++unit) PackedTiles<kType, 1>(b, shape, row, rows, unit);
  }
}

#endif  // HWY_TARGET != HWY_SCALAR

template <WeightType kType>
MatMulKernels PackedKernels(size_t cols) {
  return {.group_rows = kPackedGroupRows,
          .group_bytes = PackedGroupBytes(kType, cols),
          .input = InputForm::kInt8,
          .run = RunPackedBlock<kType>,
          .unpack = UnpackPacked<kType>,
          .prepare = PreparePacked};
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#endif  // GEMMA3_OPS_MATMUL_PACKED_INL_H_
