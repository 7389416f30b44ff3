// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The kernel for packed integer weights (ops/packed.h): activations become int8 blocks, products
// are summed in i32 within a block of 32 inputs and in f32, block after block, across blocks:
//
//   out += float(sum of q_w * q_x) * (scale_w * scale_x)
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
using PU8 = hn::Repartition<uint8_t, PI>;
using PI8 = hn::Repartition<int8_t, PI>;

// Rows of x and units of W in a tile: an integer accumulator for each pair, and besides them a
// vector of each unit and one of x. 32 registers: 8 * 3 + 3 + 1 = 28, and eight rows of x read W
// once; 16 registers, of which the products need some: 3 * 2 + 2 + 1 = 9.
#if HWY_TARGET <= HWY_AVX3 || HWY_TARGET_IS_NEON
inline constexpr size_t kPackedTileRows = 8;
inline constexpr size_t kPackedTileUnits = 3;
#else
inline constexpr size_t kPackedTileRows = 3;
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
  explicit PackedShape(size_t cols)
      : blocks(cols / kPackedBlock),
        values(PackedScaleBytes(cols)),
        x_sums(PackedInputSums(cols)),
        x_quants(PackedInputQuants(cols)) {}
  size_t blocks, values, x_sums, x_quants;
};

// How values are stored: 64 bytes of 16 rows hold kStepQuads quads, which Quads takes apart. The
// weights come out 2^kZeroShift too large.
struct Int8Format {
  static constexpr WeightType kType = WeightType::kInt8;
  static constexpr int kZeroShift = 7;
  static constexpr size_t kStepQuads = 1;  // quads in 64 bytes
  static HWY_INLINE void Quads(hn::Vec<PU8> stored, hn::Vec<PU8>* HWY_RESTRICT quads) {
    quads[0] = stored;
  }
};

struct Int4Format {
  static constexpr WeightType kType = WeightType::kInt4;
  static constexpr int kZeroShift = 3;
  static constexpr size_t kStepQuads = 2;
  static HWY_INLINE void Quads(hn::Vec<PU8> stored, hn::Vec<PU8>* HWY_RESTRICT quads) {
    quads[0] = hn::And(stored, hn::Set(PU8(), uint8_t{15}));
    quads[1] = hn::ShiftRight<4>(stored);
  }
};
static_assert(size_t{1} << Int8Format::kZeroShift == kInt8Zero);
static_assert(size_t{1} << Int4Format::kZeroShift == kInt4Zero);

template <class T>
HWY_INLINE T LoadAs(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

// kRows rows of x by kUnits units of W. values, scales: where each unit has those of block 0. out:
// [kRows, kUnits] vectors; in memory, as the registers are needed for the integer sums.
template <class Format, size_t kRows, size_t kUnits, bool kPrefetch>
HWY_INLINE void PackedTile(const PackedShape& shape, const std::byte* HWY_RESTRICT x,
                           size_t x_stride, const std::byte* const* HWY_RESTRICT values,
                           const std::byte* const* HWY_RESTRICT scales, float* HWY_RESTRICT out) {
  const PF df;
  const PI di;
  const PU8 du8;
  const PI8 di8;
  const hn::Rebind<hwy::float16_t, PF> df16;
  const size_t lanes = hn::Lanes(df);
  constexpr size_t kSteps = kPackedBlock / 4 / Format::kStepQuads;

  for (size_t i = 0; i < kRows * kUnits; ++i) hn::Store(hn::Zero(df), df, out + i * lanes);
  for (size_t b = 0; b < shape.blocks; ++b) {
    hn::Vec<PI> sum[kRows][kUnits];
    HWY_UNROLL(8) for (size_t r = 0; r < kRows; ++r) {
      const auto minus_sum = LoadAs<int32_t>(x + r * x_stride + shape.x_sums + 4 * b);
      const auto start = hn::ShiftLeft<Format::kZeroShift>(hn::Set(di, minus_sum));
      HWY_UNROLL(8) for (size_t u = 0; u < kUnits; ++u) sum[r][u] = start;
    }
    const std::byte* HWY_RESTRICT xq = x + shape.x_quants + b * kPackedBlock;
    const size_t at = b * PackedBlockBytes(Format::kType);
    HWY_UNROLL(8) for (size_t step = 0; step < kSteps; ++step) {
      hn::Vec<PU8> w[kUnits][Format::kStepQuads];
      HWY_UNROLL(8) for (size_t u = 0; u < kUnits; ++u) {
        const std::byte* p = values[u] + at + step * 64;
        if (kPrefetch) PrefetchPacked(p + kPackedPrefetchBytes);
        Format::Quads(hn::Load(du8, reinterpret_cast<const uint8_t*>(p)), w[u]);
      }
      HWY_UNROLL(8) for (size_t q = 0; q < Format::kStepQuads; ++q) {
        HWY_UNROLL(8) for (size_t r = 0; r < kRows; ++r) {
          const auto quad =
              LoadAs<int32_t>(xq + r * x_stride + (step * Format::kStepQuads + q) * 4);
          const auto xv = hn::BitCast(di8, hn::Set(di, quad));
          HWY_UNROLL(8) for (size_t u = 0; u < kUnits; ++u) {
            sum[r][u] = hn::SumOfMulQuadAccumulate(di, w[u][q], xv, sum[r][u]);
          }
        }
      }
    }
    hn::Vec<PF> scale[kUnits];
    HWY_UNROLL(8) for (size_t u = 0; u < kUnits; ++u) {
      const auto* p = reinterpret_cast<const hwy::float16_t*>(scales[u] + b * kPackedGroupRows * 2);
      scale[u] = hn::PromoteTo(df, hn::Load(df16, p));
    }
    HWY_UNROLL(8) for (size_t r = 0; r < kRows; ++r) {
      const auto x_scale = hn::Set(df, LoadAs<float>(x + r * x_stride + 4 * b));
      HWY_UNROLL(8) for (size_t u = 0; u < kUnits; ++u) {
        const auto product = hn::Mul(hn::ConvertTo(df, sum[r][u]), hn::Mul(scale[u], x_scale));
        float* HWY_RESTRICT to = out + (r * kUnits + u) * lanes;
        hn::Store(hn::Add(hn::Load(df, to), product), df, to);
      }
    }
  }
}

// kRows rows of x from `row` on, by the kUnits units of W from `unit` on.
template <class Format, size_t kRows, size_t kUnits>
HWY_NOINLINE void PackedTileAt(const MatMulBlock& b, const PackedShape& shape, size_t row,
                               size_t unit) {
  const PF df;
  const size_t lanes = hn::Lanes(df);
  const std::byte* values[kUnits];
  const std::byte* scales[kUnits];
  for (size_t u = 0; u < kUnits; ++u) {
    const size_t output = (unit + u) * lanes;
    const std::byte* group = b.w + output / kPackedGroupRows * b.w_stride;
    scales[u] = group + output % kPackedGroupRows * 2;
    values[u] = group + shape.values + output % kPackedGroupRows * 4;
  }
  HWY_ALIGN float sums[kRows * kUnits * HWY_MAX_LANES_D(PF)];
  PackedTile<Format, kRows, kUnits, kRows == 1>(shape, b.x + row * b.x_stride, b.x_stride, values,
                                                scales, sums);
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

template <class Format, size_t kUnits, size_t kRows = kPackedTileRows>
HWY_INLINE void PackedTileOf(size_t rows, const MatMulBlock& b, const PackedShape& shape,
                             size_t row, size_t unit) {
  if (rows == kRows) return PackedTileAt<Format, kRows, kUnits>(b, shape, row, unit);
  if constexpr (kRows > 1) PackedTileOf<Format, kUnits, kRows - 1>(rows, b, shape, row, unit);
}

// The input form kInt8.
inline void PreparePacked(const float* HWY_RESTRICT x, size_t cols, std::byte* HWY_RESTRICT out) {
  const PF df;
  const PI di;
  const hn::Rebind<int8_t, PF> di8;
  const size_t lanes = hn::Lanes(df);
  float* HWY_RESTRICT scales = reinterpret_cast<float*>(out);
  int32_t* HWY_RESTRICT minus_sums = reinterpret_cast<int32_t*>(out + PackedInputSums(cols));
  int8_t* HWY_RESTRICT quants = reinterpret_cast<int8_t*>(out + PackedInputQuants(cols));
  for (size_t b = 0; b < cols / kPackedBlock; ++b, x += kPackedBlock, quants += kPackedBlock) {
    auto max = hn::Zero(df);
    for (size_t i = 0; i < kPackedBlock; i += lanes) {
      max = hn::Max(max, hn::Abs(hn::LoadU(df, x + i)));
    }
    const float largest = hn::ReduceMax(df, max);
    // Where the inverse would overflow, the block counts as zero.
    const float inverse = largest > 1e-36f ? 127.0f / largest : 0.0f;
    auto sum = hn::Zero(di);
    for (size_t i = 0; i < kPackedBlock; i += lanes) {
      const auto q = hn::NearestInt(hn::Mul(hn::LoadU(df, x + i), hn::Set(df, inverse)));
      sum = hn::Add(sum, q);
      hn::StoreU(hn::DemoteTo(di8, q), di8, quants + i);
    }
    scales[b] = inverse == 0.0f ? 0.0f : largest / 127.0f;
    minus_sums[b] = -hn::ReduceSum(di, sum);
  }
}

// Rows [begin, begin + count) of w as floats. For exact products and single rows only: one value at
// a time.
template <class Format>
void UnpackPacked(const MatrixView& w, size_t begin, size_t count, float* out, size_t stride) {
  const std::byte* base = static_cast<const std::byte*>(w.data);
  for (size_t n = begin; n < begin + count; ++n, out += stride) {
    const size_t r = n % kPackedGroupRows;
    const std::byte* group = base + n / kPackedGroupRows * PackedGroupBytes(w.type, w.cols);
    for (size_t b = 0; b < w.cols / kPackedBlock; ++b) {
      const auto scale = LoadAs<hwy::float16_t>(group + 2 * (b * kPackedGroupRows + r));
      const std::byte* block =
          group + PackedScaleBytes(w.cols) + b * PackedBlockBytes(Format::kType);
      for (size_t k = 0; k < kPackedBlock; ++k) {
        const size_t quad = k / 4;
        const std::byte stored = block[quad / Format::kStepQuads * 64 + r * 4 + k % 4];
        int value = std::to_integer<int>(stored);
        if constexpr (Format::kStepQuads == 2) value = quad % 2 == 0 ? value & 15 : value >> 4;
        out[b * kPackedBlock + k] = hwy::ConvertScalarTo<float>(scale) *
                                    static_cast<float>(value - (1 << Format::kZeroShift));
      }
    }
  }
}

// MatMulKernels::run for packed weights. Needs no carry: a tile's inputs stay in the caches for
// any number of columns, as they are a quarter of what floats are.
template <class Format>
void RunPackedBlock(const MatMulBlock& b, std::byte* /*carry*/) {
  const PackedShape shape(b.cols);
  const size_t units = hwy::RoundUpTo(b.w_rows, kPackedGroupRows) / hn::Lanes(PF());
  const size_t panels = hwy::DivCeil(b.x_rows, kPackedTileRows);
  const auto tiles = [&](size_t panel, size_t unit) HWY_ATTR {
    const size_t row = b.x_rows * panel / panels;
    const size_t rows = b.x_rows * (panel + 1) / panels - row;
    if (unit + kPackedTileUnits <= units) {
      return PackedTileOf<Format, kPackedTileUnits>(rows, b, shape, row, unit);
    }
    for (; unit < units; ++unit) PackedTileOf<Format, 1>(rows, b, shape, row, unit);
  };
  if (b.x_rows == 1) {
    // One group at a time as one long stream, where that is one unit.
    constexpr size_t kUnits = HWY_MAX_LANES_D(PF) == kPackedGroupRows ? 1 : 2;
    for (size_t unit = 0; unit < units; unit += kUnits) {
      PackedTileAt<Format, 1, kUnits>(b, shape, 0, unit);
    }
  } else if (b.x_rows <= kStreamRows) {
    for (size_t unit = 0; unit < units; unit += kPackedTileUnits) {
      for (size_t panel = 0; panel < panels; ++panel) tiles(panel, unit);
    }
  } else {
    for (size_t panel = 0; panel < panels; ++panel) {
      for (size_t unit = 0; unit < units; unit += kPackedTileUnits) tiles(panel, unit);
    }
  }
}

template <class Format>
MatMulKernels PackedKernels(size_t cols) {
  return {.group_rows = kPackedGroupRows,
          .group_bytes = PackedGroupBytes(Format::kType, cols),
          .input = InputForm::kInt8,
          .run = RunPackedBlock<Format>,
          .unpack = UnpackPacked<Format>,
          .prepare = PreparePacked};
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#endif  // GEMMA3_OPS_MATMUL_PACKED_INL_H_
