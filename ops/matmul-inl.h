// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The kernel for float weights: dot products of rows of x with rows of W, in register tiles.
//
// Order of summation, the same for every tile shape and hence for any number of rows of x: inputs
// are cut into spans, by their number alone. For each span there is one vector accumulator per
// element of the result; step i adds the products of the i-th vector of both rows, the last step
// fills up with zeros; ReduceFour adds the lanes in a fixed tree. The sums of the spans are then
// added in order, and the bias last.

#include <cstddef>

#include "hwy/highway.h"
#include "ops/bf16_dot-inl.h"
#include "ops/matmul_kernels.h"
#include "ops/unpack-inl.h"

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

// Inputs of a span, at most: kTileRows rows of it, used over and over while W streams past, stay in
// a first-level cache of 32 KiB.
template <class T>
inline constexpr size_t kMaxSpanInputs = 24 * 1024 / (5 * sizeof(T)) / 64 * 64;

// How far ahead of a few rows of x the weights are requested, and how much at a time: measured, a
// burst is a tenth faster than a request beside each load.
inline constexpr size_t kPrefetchBytes = 4096;
inline constexpr size_t kPrefetchBurst = 1024;

using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;
using D4 = hn::CappedTag<float, 4>;

// How elements are multiplied. T: what both operands of a product are, D: a vector of them. Stored:
// what W holds, from which Load and LoadN make vectors. MulAcc: acc + the products of a vector.
struct DotF32 {
  using T = float;
  using D = DF;
  using Stored = float;
  static HWY_INLINE VF Load(const Stored* p) { return hn::LoadU(DF(), p); }
  static HWY_INLINE VF LoadN(const Stored* p, size_t n) { return hn::LoadN(DF(), p, n); }
  static HWY_INLINE VF MulAcc(VF x, VF w, VF acc) { return hn::MulAdd(x, w, acc); }
};

// 16-bit floats that become f32, exactly: with many rows of x when a span is copied, with few as
// they are read.
template <class Half>
struct DotWidened {
  using T = float;
  using D = DF;
  using Stored = Half;
  static HWY_INLINE VF Load(const Stored* p) {
    return hn::PromoteTo(DF(), hn::LoadU(hn::Rebind<Half, DF>(), p));
  }
  static HWY_INLINE VF LoadN(const Stored* p, size_t n) {
    return hn::PromoteTo(DF(), hn::LoadN(hn::Rebind<Half, DF>(), p, n));
  }
  static HWY_INLINE VF MulAcc(VF x, VF w, VF acc) { return hn::MulAdd(x, w, acc); }
};

#if GEMMA3_BF16_DOT
// Lane i of the accumulator takes the products 2i and 2i+1.
struct DotBF16 {
  using T = hwy::bfloat16_t;
  using D = hn::Repartition<hwy::bfloat16_t, DF>;
  using Stored = hwy::bfloat16_t;
  static HWY_INLINE hn::Vec<D> Load(const Stored* p) { return hn::LoadU(D(), p); }
  static HWY_INLINE hn::Vec<D> LoadN(const Stored* p, size_t n) { return hn::LoadN(D(), p, n); }
  static HWY_INLINE VF MulAcc(hn::Vec<D> x, hn::Vec<D> w, VF acc) {
    VF unused = hn::Zero(DF());  // the native instruction has one accumulator only
    return hn::ReorderWidenMulAccumulate(DF(), x, w, acc, unused);
  }
};
#endif

// Spans of a row of `cols` inputs. All but the last consist of full vectors.
struct Spans {
  template <class Dot>
  static Spans Of(Dot, size_t cols) {
    const size_t lanes = hn::Lanes(typename Dot::D());
    const size_t steps = hwy::DivCeil(cols, lanes);
    const size_t max_steps = HWY_MAX(size_t{1}, kMaxSpanInputs<typename Dot::T> / lanes);
    return {HWY_MAX(size_t{1}, hwy::DivCeil(steps, max_steps)), steps, lanes};
  }
  size_t Begin(size_t i) const { return steps * i / count * lanes; }

  size_t count;
  size_t steps;  // of all, the last one perhaps in part
  size_t lanes;
};

// ReduceFour writes the sums of the lanes of v[0, 4), added to what out[0, count) holds unless it
// is the first span, plus bias.
#if HWY_TARGET == HWY_SCALAR
HWY_INLINE void ReduceFour(const VF* HWY_RESTRICT v, bool first, const float* HWY_RESTRICT bias,
                           size_t count, float* HWY_RESTRICT out) {
  for (size_t i = 0; i < count; ++i) {
    const float sum = first ? hn::GetLane(v[i]) : out[i] + hn::GetLane(v[i]);
    out[i] = bias ? sum + bias[i] : sum;
  }
}
#else
HWY_INLINE hn::Vec<D4> AddBlocks(hn::Vec128<float> v) { return v; }
template <class V>
HWY_INLINE hn::Vec<D4> AddBlocks(V v) {
  const hn::Half<hn::DFromV<V> > half;
  return AddBlocks(hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
}

HWY_INLINE void ReduceFour(const VF* HWY_RESTRICT v, bool first, const float* HWY_RESTRICT bias,
                           size_t count, float* HWY_RESTRICT out) {
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
  if (!first) result = hn::Add(hn::LoadN(d4, out, count), result);
  if (bias) result = hn::Add(result, hn::LoadN(d4, bias, count));
  if (count == kTileCols) {
    hn::StoreU(result, d4, out);
  } else {
    hn::StoreN(result, d4, out, count);
  }
}
#endif

// Copies one span of the block's rows of W to where tiles read them: in fours of rows, and in these
// a vector of each row in turn. One stream then, whatever the distance of the rows; and no tile
// meets the end of a row, as vectors are filled up with zeros, or that of the block, as fours are
// filled up with rows of zeros.
template <class Dot>
HWY_NOINLINE void CopySpan(const MatMulBlock& b, size_t begin, size_t end,
                           typename Dot::T* HWY_RESTRICT to) {
  const typename Dot::D d;
  const size_t lanes = hn::Lanes(d);
  const size_t steps = hwy::DivCeil(end - begin, lanes);
  for (size_t n = 0; n < b.w_rows; n += kTileCols, to += steps * kTileCols * lanes) {
    for (size_t c = 0; c < kTileCols; ++c) {
      const bool exists = n + c < b.w_rows;
      const auto* row = reinterpret_cast<const typename Dot::Stored*>(b.w + (n + c) * b.w_stride);
      for (size_t s = 0; s < steps; ++s) {
        const size_t at = begin + s * lanes;
        const auto v = !exists             ? hn::Zero(d)
                       : at + lanes <= end ? Dot::Load(row + at)
                                           : Dot::LoadN(row + at, end - at);
        hn::Store(v, d, to + (s * kTileCols + c) * lanes);
      }
    }
  }
}

// Rows of x from `row` on and the fours of W that CopySpan wrote, over the inputs of one span.
struct Panel {
  size_t row;
  size_t begin, end;  // inputs
  bool first, last;   // of the spans
  Ahead ahead;        // of what CopySpan reads next
};

template <class Dot, size_t kRows>
HWY_NOINLINE void RunPanel(const MatMulBlock& b, const Panel& panel,
                           const typename Dot::T* HWY_RESTRICT w) {
  using T = typename Dot::T;
  const DF df;
  const typename Dot::D d;
  const size_t lanes = hn::Lanes(d);
  const size_t x_stride = b.x_stride / sizeof(T);
  const size_t steps = (panel.end - panel.begin) / lanes;
  const size_t tail = (panel.end - panel.begin) % lanes;
  const T* HWY_RESTRICT x_span =
      reinterpret_cast<const T*>(b.x + panel.row * b.x_stride) + panel.begin;
  float* HWY_RESTRICT out = b.out + panel.row * b.out_stride;
  const float* bias = panel.last ? b.bias : nullptr;

  for (size_t n = 0; n < b.w_rows; n += kTileCols) {
    const T* HWY_RESTRICT x = x_span;
    VF acc[kRows][kTileCols];
    GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
      GEMMA3_UNROLL for (size_t c = 0; c < kTileCols; ++c) acc[r][c] = hn::Zero(df);
    }
    for (size_t s = 0; s < steps; ++s) {
      hn::Vec<typename Dot::D> xv[kRows];
      GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) xv[r] = hn::LoadU(d, x + r * x_stride);
      GEMMA3_UNROLL for (size_t c = 0; c < kTileCols; ++c) {
        const auto wv = hn::Load(d, w + c * lanes);
        GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
          acc[r][c] = Dot::MulAcc(xv[r], wv, acc[r][c]);
        }
      }
      x += lanes;
      w += kTileCols * lanes;
    }
    if (tail != 0) {
      GEMMA3_UNROLL for (size_t c = 0; c < kTileCols; ++c) {
        const auto wv = hn::Load(d, w + c * lanes);
        GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
          acc[r][c] = Dot::MulAcc(hn::LoadN(d, x + r * x_stride, tail), wv, acc[r][c]);
        }
      }
      w += kTileCols * lanes;
    }
    const size_t count = HWY_MIN(kTileCols, b.w_rows - n);
    for (size_t c = 0; c < count; ++c) {
      panel.ahead.Request(b.w + (n + c) * b.w_stride + panel.begin * sizeof(typename Dot::Stored));
    }
    GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
      ReduceFour(acc[r], panel.first, bias ? bias + n : nullptr, count, out + r * b.out_stride + n);
    }
  }
}

// Few rows of x: every row of W is read once, as one long stream, which memory serves faster than
// several at a time. But where vectors are short, the sums of one row of W by one or two of x wait
// for each other longer than for memory: then four rows of W side by side.
constexpr size_t StreamCols(size_t rows) {
  if (HWY_MAX_LANES_D(DF) >= 16) return 1;
  return rows <= 2 ? 4 : 1;
}

// kCols rows of W from row n on.
template <class Dot, size_t kRows, size_t kCols>
HWY_INLINE void StreamRows(const MatMulBlock& b, const Spans& spans, size_t n) {
  using T = typename Dot::T;
  using Stored = typename Dot::Stored;
  const DF df;
  const typename Dot::D d;
  const size_t lanes = hn::Lanes(d);
  const T* HWY_RESTRICT x = reinterpret_cast<const T*>(b.x);
  const size_t xs = b.x_stride / sizeof(T);
  const size_t ws = b.w_stride / sizeof(Stored);
  const Stored* HWY_RESTRICT w = reinterpret_cast<const Stored*>(b.w + n * b.w_stride);
  constexpr size_t kFours = hwy::DivCeil(kRows * kCols, size_t{4});
  constexpr size_t kAhead = kPrefetchBytes / sizeof(Stored) / (kCols == 1 ? 1 : kCols / 2);
  constexpr size_t kBurst = kPrefetchBurst / sizeof(Stored) / kCols;
  float sums[kFours * 4];
  for (size_t i = 0; i < spans.count; ++i) {
    VF acc[kFours * 4];
    GEMMA3_UNROLL for (size_t r = 0; r < kFours * 4; ++r) acc[r] = hn::Zero(df);
    const size_t end = HWY_MIN(b.cols, spans.Begin(i + 1));
    size_t k = spans.Begin(i);
    while (k + lanes <= end) {
      const size_t full = k + HWY_MIN(end - k, kBurst) / lanes * lanes;
      // Behind a row's end comes the next one in one stream, else the one kCols rows on.
      const size_t next = k + kAhead >= b.cols ? (kCols - 1) * ws : 0;
      GEMMA3_UNROLL for (size_t c = 0; c < kCols; ++c) {
        PrefetchStream(w + c * ws + next + k + kAhead, (full - k) * sizeof(Stored), b.stream_hint);
      }
      for (; k < full; k += lanes) {
        GEMMA3_UNROLL for (size_t c = 0; c < kCols; ++c) {
          const auto wv = Dot::Load(w + c * ws + k);
          GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
            acc[c * kRows + r] = Dot::MulAcc(hn::LoadU(d, x + r * xs + k), wv, acc[c * kRows + r]);
          }
        }
      }
    }
    if (k != end) {
      GEMMA3_UNROLL for (size_t c = 0; c < kCols; ++c) {
        const auto wv = Dot::LoadN(w + c * ws + k, end - k);
        GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
          acc[c * kRows + r] =
              Dot::MulAcc(hn::LoadN(d, x + r * xs + k, end - k), wv, acc[c * kRows + r]);
        }
      }
    }
    GEMMA3_UNROLL for (size_t f = 0; f < kFours; ++f) {
      ReduceFour(acc + 4 * f, i == 0, nullptr, 4, sums + 4 * f);
    }
  }
  GEMMA3_UNROLL for (size_t c = 0; c < kCols; ++c) {
    GEMMA3_UNROLL for (size_t r = 0; r < kRows; ++r) {
      const float sum = sums[c * kRows + r];
      b.out[r * b.out_stride + n + c] = b.bias ? sum + b.bias[n + c] : sum;
    }
  }
}

template <class Dot, size_t kRows>
HWY_NOINLINE void Stream(const MatMulBlock& b) {
  const Spans spans = Spans::Of(Dot(), b.cols);
  constexpr size_t kCols = StreamCols(kRows);
  size_t n = 0;
  for (; n + kCols <= b.w_rows; n += kCols) StreamRows<Dot, kRows, kCols>(b, spans, n);
  if constexpr (kCols != 1) {
    for (; n < b.w_rows; ++n) StreamRows<Dot, kRows, 1>(b, spans, n);
  }
}

template <class Dot, size_t kRows = kStreamRows>
HWY_INLINE void StreamOf(const MatMulBlock& b) {
  if (b.x_rows == kRows) return Stream<Dot, kRows>(b);
  if constexpr (kRows > 1) StreamOf<Dot, kRows - 1>(b);
}

template <class Dot, size_t kRows = kTileRows>
HWY_INLINE void PanelOf(size_t rows, const MatMulBlock& b, const Panel& panel,
                        const typename Dot::T* w) {
  if (rows == kRows) return RunPanel<Dot, kRows>(b, panel, w);
  if constexpr (kRows > 1) PanelOf<Dot, kRows - 1>(rows, b, panel, w);
}

// MatMulKernels::run for float weights. scratch: a span of the block's rows of W.
template <class Dot>
void RunBlock(const MatMulBlock& b, std::byte* scratch) {
  if (b.x_rows <= kStreamRows) return StreamOf<Dot>(b);

  auto* w = reinterpret_cast<typename Dot::T*>(scratch);
  const Spans spans = Spans::Of(Dot(), b.cols);
  // Panels of even size: 6 rows are 3 + 3 rather than 5 + 1.
  const size_t panels = hwy::DivCeil(b.x_rows, kTileRows);
  for (size_t i = 0; i < spans.count; ++i) {
    const size_t begin = spans.Begin(i);
    const size_t end = HWY_MIN(b.cols, spans.Begin(i + 1));
    const bool last = i + 1 == spans.count;
    CopySpan<Dot>(b, begin, end, w);
    using Stored = typename Dot::Stored;
    const size_t bytes = (end - begin) * sizeof(Stored);
    const ptrdiff_t distance =
        last ? Ahead::Distance(b.w, b.next) - static_cast<ptrdiff_t>(begin * sizeof(Stored))
             : static_cast<ptrdiff_t>(bytes);
    for (size_t p = 0; p < panels; ++p) {
      const size_t row = b.x_rows * p / panels;
      const Panel panel{.row = row,
                        .begin = begin,
                        .end = end,
                        .first = i == 0,
                        .last = last,
                        .ahead = Ahead::Of(distance, bytes, p, panels)};
      PanelOf<Dot>(b.x_rows * (p + 1) / panels - row, b, panel, w);
    }
  }
}

// MatMulKernels::span_bytes for float weights, of which the copies are Dot::T.
template <class Dot>
size_t SpanBytes(size_t cols) {
  const Spans spans = Spans::Of(Dot(), cols);
  return hwy::DivCeil(spans.steps, spans.count) * spans.lanes * sizeof(typename Dot::T);
}

// The kernels of 16-bit weights that become f32.
template <class Half>
MatMulKernels WidenedKernels(size_t cols) {
  using Dot = DotWidened<Half>;
  return {.group_bytes = cols * sizeof(Half),
          .input = InputForm::kF32,
          .span_bytes = SpanBytes<Dot>(cols),
          .copies_span = true,
          .run = RunBlock<Dot>,
          .unpack = UnpackRows<Half>};
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#endif  // GEMMA3_OPS_MATMUL_INL_H_
