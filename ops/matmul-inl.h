// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The kernel for float weights: dot products of rows of x with rows of W, in register tiles.
//
// Order of summation, the same for every tile shape and hence for any number of rows of x: one
// vector accumulator per element of the result; step i adds the products of the i-th vector of
// both rows, the last step fills up with zeros; ReduceFour then adds the lanes in a fixed tree.
// Cutting the inputs into cache-sized spans saves and restores the accumulators as they are.

#include <cstddef>

#include "hwy/highway.h"
#include "ops/matmul_kernels.h"

#if defined(GEMMA3_OPS_MATMUL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GEMMA3_OPS_MATMUL_INL_H_
#undef GEMMA3_OPS_MATMUL_INL_H_
#else
#define GEMMA3_OPS_MATMUL_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Rows of W in a tile: as many as ReduceFour takes.
inline constexpr size_t kTileCols = 4;

// Rows of x in a tile, when they are many. The accumulators, a vector of each row of x and one of W
// must fit in the registers. 32 registers: 5 * 4 + 5 + 1 = 26; 6 rows would fit but measured 5 %
// slower (Sapphire Rapids, K = 1152 and 2560). 16 registers: 3 * 4 + 3 + 1 = 16.
#if HWY_TARGET <= HWY_AVX3 || HWY_TARGET_IS_NEON
inline constexpr size_t kTileRows = 5;
#else
inline constexpr size_t kTileRows = 3;
#endif

// The part of kTileRows rows of x that is used over and over while W streams past: 30 KiB, to stay
// in a first-level cache of 32 to 48 KiB.
inline constexpr size_t kSpanBytes = 30 * 1024;

// How far ahead of a few rows of x the weights are requested, into the second-level cache. The
// hardware alone reaches about 90 % of what it reaches with this hint.
inline constexpr size_t kPrefetchBytes = 4096;

HWY_INLINE void PrefetchFar(const void* p) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  __builtin_prefetch(p, /*read*/ 0, /*second level*/ 2);
#else
  (void)p;
#endif
}

using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;
using D4 = hn::CappedTag<float, 4>;
static_assert(HWY_TARGET == HWY_SCALAR ||
              kTileRows * kTileCols * HWY_MAX_BYTES <= kCarryBytesPerRow * kTileCols);

// How elements are multiplied: the type of both operands, and acc + the products of a vector.
struct DotF32 {
  using T = float;
  using D = DF;
  static HWY_INLINE VF MulAcc(VF x, VF w, VF acc) { return hn::MulAdd(x, w, acc); }
};

#if HWY_NATIVE_DOT_BF16
// Lane i of the accumulator takes the products 2i and 2i+1.
struct DotBF16 {
  using T = hwy::bfloat16_t;
  using D = hn::Repartition<hwy::bfloat16_t, DF>;
  static HWY_INLINE VF MulAcc(hn::Vec<D> x, hn::Vec<D> w, VF acc) {
    VF unused = hn::Zero(DF());  // the native instruction has one accumulator only
    return hn::ReorderWidenMulAccumulate(DF(), x, w, acc, unused);
  }
};
#endif

// ReduceFour writes the sums of the lanes of v[0, 4), plus bias, to out[0, count).
#if HWY_TARGET == HWY_SCALAR
HWY_INLINE void ReduceFour(const VF* HWY_RESTRICT v, const float* HWY_RESTRICT bias, size_t count,
                           float* HWY_RESTRICT out) {
  for (size_t i = 0; i < count; ++i) out[i] = hn::GetLane(v[i]) + (bias ? bias[i] : 0.0f);
}
#else
HWY_INLINE hn::Vec<D4> AddBlocks(hn::Vec128<float> v) { return v; }
template <class V>
HWY_INLINE hn::Vec<D4> AddBlocks(V v) {
  const hn::Half<hn::DFromV<V> > half;
  return AddBlocks(hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
}

HWY_INLINE void ReduceFour(const VF* HWY_RESTRICT v, const float* HWY_RESTRICT bias, size_t count,
                           float* HWY_RESTRICT out) {
  const DF df;
  const hn::RepartitionToWide<DF> dd;
  const D4 d4;
  // Per block of four lanes: [a0+a2, b0+b2, a1+a3, b1+b3], likewise c and d.
  const VF ab = hn::Add(hn::InterleaveLower(df, v[0], v[1]), hn::InterleaveUpper(df, v[0], v[1]));
  const VF cd = hn::Add(hn::InterleaveLower(df, v[2], v[3]), hn::InterleaveUpper(df, v[2], v[3]));
  const auto ab2 = hn::BitCast(dd, ab);
  const auto cd2 = hn::BitCast(dd, cd);
  // Per block: [a, b, c, d]; then the blocks, upper half to lower half.
  const VF sums = hn::Add(hn::BitCast(df, hn::InterleaveLower(dd, ab2, cd2)),
                          hn::BitCast(df, hn::InterleaveUpper(dd, ab2, cd2)));
  hn::Vec<D4> result = AddBlocks(sums);
  if (bias) result = hn::Add(result, hn::LoadN(d4, bias, count));
  if (count == kTileCols) {
    hn::StoreU(result, d4, out);
  } else {
    hn::StoreN(result, d4, out, count);
  }
}
#endif

// A span [begin, begin + steps full vectors + tail elements) of the inputs.
struct Span {
  size_t begin;  // element
  size_t steps;
  size_t tail;
  bool first, last;
};

// One tile. w_stride (bytes) is 0 where fewer than kTileCols rows remain: then all columns are one
// row and count is 1.
template <class Dot, size_t kRows>
HWY_INLINE void Tile(const MatMulBlock& b, const typename Dot::T* HWY_RESTRICT x,
                     const typename Dot::T* HWY_RESTRICT w, size_t w_stride, const Span& span,
                     float* HWY_RESTRICT carry, const float* bias, size_t count,
                     float* HWY_RESTRICT out) {
  const DF df;
  const typename Dot::D d;
  const size_t lanes = hn::Lanes(d);
  const size_t xs = b.x_stride / sizeof(typename Dot::T);
  const size_t ws = w_stride / sizeof(typename Dot::T);

  VF acc[kRows][kTileCols];
  GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
    GEMMA3_UNROLL for (size_t c = 0; c < kTileCols; ++c) {
      acc[r][c] =
          span.first ? hn::Zero(df) : hn::Load(df, carry + (r * kTileCols + c) * hn::Lanes(df));
    }
  }
  for (size_t s = 0; s < span.steps; ++s) {
    hn::Vec<typename Dot::D> xv[kRows];
    GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) xv[r] = hn::LoadU(d, x + r * xs);
    GEMMA3_UNROLL for (size_t c = 0; c < kTileCols; ++c) {
      const auto wv = hn::LoadU(d, w + c * ws);
      GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
        acc[r][c] = Dot::MulAcc(xv[r], wv, acc[r][c]);
      }
    }
    x += lanes;
    w += lanes;
  }
  if (span.tail != 0) {
    GEMMA3_UNROLL for (size_t c = 0; c < kTileCols; ++c) {
      const auto wv = hn::LoadN(d, w + c * ws, span.tail);
      GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
        acc[r][c] = Dot::MulAcc(hn::LoadN(d, x + r * xs, span.tail), wv, acc[r][c]);
      }
    }
  }
  if (span.last) {
    GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
      ReduceFour(acc[r], bias, count, out + r * b.out_stride);
    }
    return;
  }
  GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
    GEMMA3_UNROLL for (size_t c = 0; c < kTileCols; ++c) {
      hn::Store(acc[r][c], df, carry + (r * kTileCols + c) * hn::Lanes(df));
    }
  }
}

// kRows rows of x from `row` on, against all rows of W in the block, over one span.
template <class Dot, size_t kRows>
HWY_NOINLINE void Panel(const MatMulBlock& b, size_t row, const Span& span, std::byte* carry) {
  using T = typename Dot::T;
  const T* x = reinterpret_cast<const T*>(b.x + row * b.x_stride) + span.begin;
  float* out = b.out + row * b.out_stride;
  float* sums = reinterpret_cast<float*>(carry);
  for (size_t n = 0; n < b.w_rows;) {
    const T* w = reinterpret_cast<const T*>(b.w + n * b.w_stride) + span.begin;
    const bool full = n + kTileCols <= b.w_rows;
    Tile<Dot, kRows>(b, x, w, full ? b.w_stride : 0, span, sums, b.bias ? b.bias + n : nullptr,
                     full ? kTileCols : 1, out + n);
    n += full ? kTileCols : 1;
    sums += kRows * kTileCols * hn::Lanes(DF());
  }
}

// Few rows of x: every row of W is read once, one after the other, as one long stream, which memory
// serves faster than several at a time.
template <class Dot, size_t kRows>
HWY_NOINLINE void Stream(const MatMulBlock& b) {
  using T = typename Dot::T;
  const DF df;
  const typename Dot::D d;
  const size_t lanes = hn::Lanes(d);
  const T* HWY_RESTRICT x = reinterpret_cast<const T*>(b.x);
  const size_t xs = b.x_stride / sizeof(T);
  constexpr size_t kFours = hwy::DivCeil(kRows, size_t{4});
  for (size_t n = 0; n < b.w_rows; ++n) {
    const T* HWY_RESTRICT w = reinterpret_cast<const T*>(b.w + n * b.w_stride);
    VF acc[kFours * 4];
    GEMMA3_UNROLL for (size_t r = 0; r < kFours * 4; ++r) acc[r] = hn::Zero(df);
    size_t k = 0;
    for (; k + lanes <= b.cols; k += lanes) {
      PrefetchFar(w + k + kPrefetchBytes / sizeof(T));
      const auto wv = hn::LoadU(d, w + k);
      GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
        acc[r] = Dot::MulAcc(hn::LoadU(d, x + r * xs + k), wv, acc[r]);
      }
    }
    if (k != b.cols) {
      const size_t tail = b.cols - k;
      const auto wv = hn::LoadN(d, w + k, tail);
      GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
        acc[r] = Dot::MulAcc(hn::LoadN(d, x + r * xs + k, tail), wv, acc[r]);
      }
    }
    float sums[kFours * 4];
    GEMMA3_UNROLL for (size_t i = 0; i < kFours; ++i) {
      ReduceFour(acc + 4 * i, nullptr, 4, sums + 4 * i);
    }
    GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
      b.out[r * b.out_stride + n] = b.bias ? sums[r] + b.bias[n] : sums[r];
    }
  }
}

template <class Dot, size_t kRows = kStreamRows>
HWY_INLINE void StreamOf(const MatMulBlock& b) {
  if (b.x_rows == kRows) return Stream<Dot, kRows>(b);
  if constexpr (kRows > 1) StreamOf<Dot, kRows - 1>(b);
}

template <class Dot, size_t kRows = kTileRows>
HWY_INLINE void PanelOf(size_t rows, const MatMulBlock& b, size_t row, const Span& span,
                        std::byte* carry) {
  if (rows == kRows) return Panel<Dot, kRows>(b, row, span, carry);
  if constexpr (kRows > 1) PanelOf<Dot, kRows - 1>(rows, b, row, span, carry);
}

// MatMulKernels::run for float weights.
template <class Dot>
void RunBlock(const MatMulBlock& b, std::byte* carry) {
  if (b.x_rows <= kStreamRows) return StreamOf<Dot>(b);

  const size_t lanes = hn::Lanes(typename Dot::D());
  const size_t steps = b.cols / lanes;
  const size_t tail = b.cols % lanes;
  // Panels and spans of even size: 6 rows are 3 + 3 rather than 5 + 1.
  const size_t panels = hwy::DivCeil(b.x_rows, kTileRows);
  const size_t max_steps = kSpanBytes / (kTileRows * lanes * sizeof(typename Dot::T));
  const size_t spans = HWY_MAX(size_t{1}, hwy::DivCeil(steps, max_steps));
  for (size_t p = 0; p < panels; ++p) {
    const size_t row = b.x_rows * p / panels;
    const size_t rows = b.x_rows * (p + 1) / panels - row;
    for (size_t i = 0; i < spans; ++i) {
      const size_t begin = steps * i / spans;
      const size_t end = steps * (i + 1) / spans;
      const bool last = i + 1 == spans;
      const Span span{begin * lanes, end - begin, last ? tail : 0, i == 0, last};
      PanelOf<Dot>(rows, b, row, span, carry);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#endif  // GEMMA3_OPS_MATMUL_INL_H_
