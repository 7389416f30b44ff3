// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The kernels of attention over one tile of keys: products in register tiles, online softmax, and
// the cache's tile format (KvLayout in ops/attention.h).
//
// Lanes run across keys for q.K and across components for P.V, and the left operand is broadcast.
// So both products are the same kernel, every lane is a result of its own, and a result is summed
// in the order of steps whatever the shape of the register tile. That, and the fact that every
// decision is taken for one row by itself, makes a row independent of its neighbours.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "hwy/highway.h"
#include "ops/attention.h"
#include "ops/bf16_dot-inl.h"
#include "ops/exp2-inl.h"
#include "ops/prefetch.h"

#if defined(GEMMA3_OPS_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GEMMA3_OPS_ATTENTION_INL_H_
#undef GEMMA3_OPS_ATTENTION_INL_H_
#else
#define GEMMA3_OPS_ATTENTION_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace gemma3::attention {  // its own names: other ops share the namespaces of the targets
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::CappedTag<float, KvLayout::kColumnMultiple>;
using DU = hn::RebindToUnsigned<DF>;
using DI = hn::RebindToSigned<DF>;
using DHalf = hn::Rebind<hwy::bfloat16_t, DF>;  // bf16, as many lanes as DF
using DF16 = hn::Rebind<hwy::float16_t, DF>;
using VF = hn::Vec<DF>;
using VU = hn::Vec<DU>;

// Register tile: kTileRows rows of the left operand by at most kTileVectors vectors. With 32
// registers, 6 * 4 sums + 4 vectors + 1 broadcast = 29; with 16, 6 * 2 + 2 + 1 = 15. Six rows hide
// the latency of the multiply-add even beside a single vector.
inline constexpr size_t kTileRows = 6;
#if HWY_TARGET <= HWY_AVX3 || HWY_TARGET_IS_NEON
inline constexpr size_t kTileVectors = 4;
#else
inline constexpr size_t kTileVectors = 2;
#endif

// How far ahead a tile with few rows, which waits for memory, requests the cache: into the
// second-level cache.
inline constexpr size_t kPrefetchBytes = 4096;

// ------------------------------------------------------------------ multiply-add of units
//
// Each of these says how the left operand (q, P) is stored, and how one step of it is multiplied
// with a vector of units. Left: element type of the left operand; kLeft: elements a step.

struct UnitF32 {
  using Left = float;
  static constexpr size_t kLeft = 1;
  using Unit = float;

  template <size_t R, size_t C>
  static HWY_INLINE void Step(const float* HWY_RESTRICT left, size_t stride,
                              const float* HWY_RESTRICT units, VF (&sum)[R][C]) {
    const DF df;
    VF u[C];
    HWY_UNROLL(8)
    for (size_t c = 0; c < C; ++c) u[c] = hn::Load(df, units + c * hn::Lanes(df));
    HWY_UNROLL(8)
    for (size_t r = 0; r < R; ++r) {
      const VF l = hn::Set(df, left[r * stride]);
      HWY_UNROLL(8)
      for (size_t c = 0; c < C; ++c) sum[r][c] = hn::MulAdd(l, u[c], sum[r][c]);
    }
  }

  static HWY_INLINE void StoreLeft(VF v, float* to) { hn::StoreU(v, DF(), to); }
};

// Of UnitF32, but for the units, which become floats as they are read.
struct UnitF16 : UnitF32 {
  using Unit = hwy::float16_t;

  template <size_t R, size_t C>
  static HWY_INLINE void Step(const float* HWY_RESTRICT left, size_t stride,
                              const hwy::float16_t* HWY_RESTRICT units, VF (&sum)[R][C]) {
    const DF df;
    VF u[C];
    HWY_UNROLL(8)
    for (size_t c = 0; c < C; ++c) {
      u[c] = hn::PromoteTo(df, hn::LoadU(DF16(), units + c * hn::Lanes(df)));
    }
    HWY_UNROLL(8)
    for (size_t r = 0; r < R; ++r) {
      const VF l = hn::Set(df, left[r * stride]);
      HWY_UNROLL(8)
      for (size_t c = 0; c < C; ++c) sum[r][c] = hn::MulAdd(l, u[c], sum[r][c]);
    }
  }
};

#if GEMMA3_BF16_DOT

// The left operand is bf16, and a step of it the pair that goes with a unit.
struct UnitBF16 {
  using Left = hwy::bfloat16_t;
  static constexpr size_t kLeft = 2;
  using Unit = uint32_t;

  template <size_t R, size_t C>
  static HWY_INLINE void Step(const hwy::bfloat16_t* HWY_RESTRICT left, size_t stride,
                              const uint32_t* HWY_RESTRICT units, VF (&sum)[R][C]) {
    const DF df;
    const DU du;
    const hn::Repartition<hwy::bfloat16_t, DF> dbf;
    hn::Vec<decltype(dbf)> u[C];
    HWY_UNROLL(8)
    for (size_t c = 0; c < C; ++c) {
      u[c] = hn::BitCast(dbf, hn::Load(du, units + c * hn::Lanes(du)));
    }
    HWY_UNROLL(8)
    for (size_t r = 0; r < R; ++r) {
      uint32_t pair;
      std::memcpy(&pair, left + r * stride, sizeof(pair));
      const auto l = hn::BitCast(dbf, hn::Set(du, pair));
      HWY_UNROLL(8)
      for (size_t c = 0; c < C; ++c) {
        VF unused = hn::Zero(df);  // the native instruction adds both products to one lane
        sum[r][c] = hn::ReorderWidenMulAccumulate(df, l, u[c], sum[r][c], unused);
      }
    }
  }

  static HWY_INLINE void StoreLeft(VF v, hwy::bfloat16_t* to) {
    hn::StoreU(hn::DemoteTo(DHalf(), v), DHalf(), to);
  }
};

#else

// The left operand stays f32, which saves the effort of splitting pairs of it as well. First all
// lower halves of the units, then all upper ones: fewer vectors alive.
struct UnitBF16 {
  using Left = float;
  static constexpr size_t kLeft = 2;
  using Unit = uint32_t;

  template <size_t R, size_t C>
  static HWY_INLINE void Step(const float* HWY_RESTRICT left, size_t stride,
                              const uint32_t* HWY_RESTRICT units, VF (&sum)[R][C]) {
    const DF df;
    const DU du;
    VF u[C];
    HWY_UNROLL(8)
    for (size_t c = 0; c < C; ++c) {
      u[c] = hn::BitCast(df, hn::ShiftLeft<16>(hn::Load(du, units + c * hn::Lanes(du))));
    }
    HWY_UNROLL(8)
    for (size_t r = 0; r < R; ++r) {
      const VF l = hn::Set(df, left[r * stride]);
      HWY_UNROLL(8)
      for (size_t c = 0; c < C; ++c) sum[r][c] = hn::MulAdd(l, u[c], sum[r][c]);
    }
    const VU upper = hn::Set(du, 0xFFFF0000u);
    HWY_UNROLL(8)
    for (size_t c = 0; c < C; ++c) {
      u[c] = hn::BitCast(df, hn::And(hn::Load(du, units + c * hn::Lanes(du)), upper));
    }
    HWY_UNROLL(8)
    for (size_t r = 0; r < R; ++r) {
      const VF l = hn::Set(df, left[r * stride + 1]);
      HWY_UNROLL(8)
      for (size_t c = 0; c < C; ++c) sum[r][c] = hn::MulAdd(l, u[c], sum[r][c]);
    }
  }

  static HWY_INLINE void StoreLeft(VF v, float* to) { hn::StoreU(v, DF(), to); }
};

#endif  // GEMMA3_BF16_DOT

// sum[r][c] (+)= left[r] . units[.][c]. left: [rows, steps * U::kLeft]; units: [steps, columns];
// sum: [rows, columns]. Strides in elements.
template <class U>
struct Product {
  const typename U::Left* left;
  size_t left_stride;
  const typename U::Unit* units;
  size_t unit_stride;
  size_t steps;
  float* sum;
  size_t sum_stride;
  bool add;  // to what sum holds; else it is overwritten
};

template <class U, size_t R, size_t C>
HWY_INLINE void MultiplyTile(const Product<U>& p, size_t row, size_t col) {
  const DF df;
  const size_t lanes = hn::Lanes(df);
  float* HWY_RESTRICT out = p.sum + row * p.sum_stride + col;
  VF sum[R][C];
  HWY_UNROLL(8)
  for (size_t r = 0; r < R; ++r) {
    HWY_UNROLL(8)
    for (size_t c = 0; c < C; ++c) {
      sum[r][c] = p.add ? hn::Load(df, out + r * p.sum_stride + c * lanes) : hn::Zero(df);
    }
  }
  const typename U::Left* HWY_RESTRICT left = p.left + row * p.left_stride;
  const typename U::Unit* HWY_RESTRICT units = p.units + col;
  for (size_t s = 0; s < p.steps; ++s) {
    if constexpr (R < kTileRows) {
      for (size_t c = 0; c < C * lanes; c += 64 / sizeof(*units)) {
        PrefetchForLater(units + c + kPrefetchBytes / sizeof(*units));
      }
    }
    U::template Step<R, C>(left, p.left_stride, units, sum);
    left += U::kLeft;
    units += p.unit_stride;
  }
  HWY_UNROLL(8)
  for (size_t r = 0; r < R; ++r) {
    HWY_UNROLL(8)
    for (size_t c = 0; c < C; ++c) {
      hn::Store(sum[r][c], df, out + r * p.sum_stride + c * lanes);
    }
  }
}

// C vectors of columns from `col`, all rows.
template <class U, size_t C>
HWY_NOINLINE void MultiplyColumns(const Product<U>& p, size_t rows, size_t col) {
  size_t r = 0;
  for (; r + kTileRows <= rows; r += kTileRows) MultiplyTile<U, kTileRows, C>(p, r, col);
  if (r + 4 <= rows) {
    MultiplyTile<U, 4, C>(p, r, col);
    r += 4;
  }
  if (r + 2 <= rows) {
    MultiplyTile<U, 2, C>(p, r, col);
    r += 2;
  }
  if (r < rows) MultiplyTile<U, 1, C>(p, r, col);
}

// columns: a multiple of KvLayout::kColumnMultiple.
template <class U>
void Multiply(const Product<U>& p, size_t rows, size_t columns) {
  const size_t lanes = hn::Lanes(DF());
  const size_t vectors = columns / lanes;
  const size_t groups = (vectors + kTileVectors - 1) / kTileVectors;
  for (size_t g = 0; g < groups; ++g) {  // of nearly equal width
    const size_t begin = vectors * g / groups;
    const size_t col = begin * lanes;
    switch (vectors * (g + 1) / groups - begin) {
      case 1:
        MultiplyColumns<U, 1>(p, rows, col);
        break;
      case 2:
        MultiplyColumns<U, 2>(p, rows, col);
        break;
      case 3:
        if constexpr (kTileVectors >= 3) MultiplyColumns<U, 3>(p, rows, col);
        break;
      default:
        if constexpr (kTileVectors >= 4) MultiplyColumns<U, 4>(p, rows, col);
        break;
    }
  }
}

// ------------------------------------------------------------------ softmax

// Of the vectors of this file, and of one number in the same way.
HWY_INLINE VF Exp2(VF e) { return math::HWY_NAMESPACE::Exp2(DF(), e); }
HWY_INLINE float Exp2(float e) { return hn::GetLane(Exp2(hn::Set(DF(), e))); }

// Where a row stands after some of its keys: the sum of 2^(score - max) and of 2^(score - max) * V,
// for scores in units of ln 2.
struct SoftmaxRows {
  static constexpr size_t kSumLanes = KvLayout::kColumnMultiple;

  // Rows of values, then of sums, then maxima; aligned to 64 bytes if `memory` is.
  SoftmaxRows(float* memory, size_t rows, size_t v_cols)
      : v_cols(v_cols),
        values(memory),
        sums(memory + rows * v_cols),
        max(memory + rows * (v_cols + kSumLanes)) {}

  static size_t Floats(size_t rows, size_t v_cols) {
    return rows * (v_cols + kSumLanes) + (rows + 15) / 16 * 16;
  }

  float* row_values(size_t row) const { return values + row * v_cols; }
  float* row_sums(size_t row) const { return sums + row * kSumLanes; }

  size_t v_cols;
  float* values;  // [rows, v_cols]
  float* sums;    // [rows, kSumLanes]: each lane sums some of the keys
  float* max;     // [rows]; -infinity: no key yet
};

inline constexpr float kNoKey = -std::numeric_limits<float>::infinity();

inline void ClearRows(const SoftmaxRows& state, size_t rows) {
  std::memset(state.values, 0, rows * state.v_cols * sizeof(float));
  std::memset(state.sums, 0, rows * SoftmaxRows::kSumLanes * sizeof(float));
  for (size_t r = 0; r < rows; ++r) state.max[r] = kNoKey;
}

HWY_INLINE void ScaleRow(float* HWY_RESTRICT x, size_t n, float factor) {
  const DF df;
  const VF f = hn::Set(df, factor);
  for (size_t i = 0; i < n; i += hn::Lanes(df))
    hn::Store(hn::Mul(hn::Load(df, x + i), f), df, x + i);
}

// Takes the scores (raw dot products) of one row with the keys [lo, hi) of a tile into account:
// updates maximum and sums, rescales values, and writes the weights to `weights`, zero for other
// keys. factor: scale / ln 2. key_scale, value_scale: [kKvTile] of a kInt8 tile, else null.
template <class U>
HWY_INLINE void SoftmaxTile(float* HWY_RESTRICT scores, size_t lo, size_t hi, float factor,
                            const float* key_scale, const float* value_scale,
                            const SoftmaxRows& state, size_t row,
                            typename U::Left* HWY_RESTRICT weights) {
  const DF df;
  const size_t lanes = hn::Lanes(df);
  if (key_scale != nullptr) {
    for (size_t j = 0; j < kKvTile; j += lanes) {
      hn::Store(hn::Mul(hn::Load(df, scores + j), hn::Load(df, key_scale + j)), df, scores + j);
    }
  }
  if (lo != 0 || hi != kKvTile) {
    const VF begin = hn::Set(df, static_cast<float>(lo));
    const VF end = hn::Set(df, static_cast<float>(hi));
    for (size_t j = 0; j < kKvTile; j += lanes) {
      const VF key = hn::Iota(df, static_cast<float>(j));
      const auto visible = hn::And(hn::Ge(key, begin), hn::Lt(key, end));
      hn::Store(hn::IfThenElse(visible, hn::Load(df, scores + j), hn::Set(df, kNoKey)), df,
                scores + j);
    }
  }
  VF most = hn::Load(df, scores);
  for (size_t j = lanes; j < kKvTile; j += lanes) most = hn::Max(most, hn::Load(df, scores + j));
  const float tile_max = hn::ReduceMax(df, most) * factor;

  float* sums = state.row_sums(row);
  if (tile_max > state.max[row]) {
    if (state.max[row] != kNoKey) {
      const float rescale = Exp2(state.max[row] - tile_max);
      ScaleRow(sums, SoftmaxRows::kSumLanes, rescale);
      ScaleRow(state.row_values(row), state.v_cols, rescale);
    }
    state.max[row] = tile_max;
  }

  // score * factor - max by one fused operation: the rounding of max is common to all keys, so it
  // cancels in the quotient of the sums. The product may exceed the rounded max by its rounding;
  // Exp2 of that is above 1 by as little.
  const VF scale = hn::Set(df, factor);
  const VF max = hn::Set(df, state.max[row]);
  VF sum = hn::Load(df, sums);
  for (size_t j = 0; j < kKvTile; j += lanes) {
    VF w = Exp2(hn::MulSub(hn::Load(df, scores + j), scale, max));
    sum = hn::Add(sum, w);
    if (value_scale != nullptr) w = hn::Mul(w, hn::Load(df, value_scale + j));
    U::StoreLeft(w, weights + j);
  }
  hn::Store(sum, df, sums);
}

// Adds the keys of `chunk` to those of `total`, row by row. Rows without a key stay as they are.
inline void MergeRows(const SoftmaxRows& chunk, size_t rows, const SoftmaxRows& total) {
  const auto add = [](const float* HWY_RESTRICT from, float from_factor, float* HWY_RESTRICT to,
                      float to_factor, size_t n) HWY_ATTR {
    const DF df;
    const VF f = hn::Set(df, from_factor);
    const VF t = hn::Set(df, to_factor);
    for (size_t i = 0; i < n; i += hn::Lanes(df)) {
      const VF scaled = hn::Mul(hn::Load(df, to + i), t);
      hn::Store(hn::MulAdd(hn::Load(df, from + i), f, scaled), df, to + i);
    }
  };
  for (size_t r = 0; r < rows; ++r) {
    if (chunk.max[r] == kNoKey) continue;
    const float max = HWY_MAX(chunk.max[r], total.max[r]);
    const float chunk_factor = Exp2(chunk.max[r] - max);
    const float total_factor = Exp2(total.max[r] - max);
    add(chunk.row_sums(r), chunk_factor, total.row_sums(r), total_factor, SoftmaxRows::kSumLanes);
    add(chunk.row_values(r), chunk_factor, total.row_values(r), total_factor, total.v_cols);
    total.max[r] = max;
  }
}

// out[0, n) = values / sum of a row. A row without keys is zero.
inline void FinishRow(const SoftmaxRows& state, size_t row, float* HWY_RESTRICT out, size_t n) {
  const DF df;
  const size_t lanes = hn::Lanes(df);
  VF sum = hn::Load(df, state.row_sums(row));
  for (size_t i = lanes; i < SoftmaxRows::kSumLanes; i += lanes) {
    sum = hn::Add(sum, hn::Load(df, state.row_sums(row) + i));
  }
  const float total = hn::ReduceSum(df, sum);
  const VF inverse = hn::Set(df, total > 0.0f ? 1.0f / total : 0.0f);
  const float* values = state.row_values(row);
  for (size_t i = 0; i < n; i += lanes) {
    hn::StoreN(hn::Mul(hn::Load(df, values + i), inverse), df, out + i, HWY_MIN(lanes, n - i));
  }
}

// ------------------------------------------------------------------ the cache's tiles

// Elements [i, i + lanes) of from[0, n) followed by zeros.
HWY_INLINE VF LoadPadded(const float* from, size_t i, size_t n) {
  return i < n ? hn::LoadN(DF(), from + i, HWY_MIN(hn::Lanes(DF()), n - i)) : hn::Zero(DF());
}

// StoreTile*: write one key and one value, of head_dim components each, as key j of a tile. `row`,
// `pairs` and `rounded` are scratch of v_cols elements.

// Units of one number of type T. row: [v_cols] of scratch.
template <class T, class Convert>
HWY_INLINE void StoreTileSingles(const KvLayout& layout, size_t head_dim,
                                 const float* HWY_RESTRICT k, const float* HWY_RESTRICT v, size_t j,
                                 std::byte* tile, T* HWY_RESTRICT row, const Convert& convert) {
  const DF df;
  const hn::Rebind<T, DF> dt;
  for (size_t c = 0; c < layout.v_cols; c += hn::Lanes(df)) {
    hn::StoreU(convert(LoadPadded(k, c, head_dim)), dt, row + c);
  }
  T* keys = reinterpret_cast<T*>(tile);
  for (size_t c = 0; c < head_dim; ++c) keys[c * kKvTile + j] = row[c];

  T* values = reinterpret_cast<T*>(tile + layout.v_offset);
  for (size_t p = 0; p < layout.num_panels(); ++p) {
    const size_t begin = layout.PanelBegin(p);
    const size_t width = layout.PanelBegin(p + 1) - begin;
    T* to = values + begin * layout.v_steps + j * width;
    for (size_t c = 0; c < width; c += hn::Lanes(df)) {
      hn::StoreU(convert(LoadPadded(v, begin + c, head_dim)), dt, to + c);
    }
  }
}

inline void StoreTileF32(const KvLayout& layout, size_t head_dim, const float* HWY_RESTRICT k,
                         const float* HWY_RESTRICT v, size_t j, std::byte* tile,
                         float* HWY_RESTRICT row) {
  StoreTileSingles(layout, head_dim, k, v, j, tile, row, [](VF x) HWY_ATTR { return x; });
}

inline void StoreTileF16(const KvLayout& layout, size_t head_dim, const float* HWY_RESTRICT k,
                         const float* HWY_RESTRICT v, size_t j, std::byte* tile,
                         hwy::float16_t* HWY_RESTRICT row) {
  const VF largest = hn::Set(DF(), 65504.0f);
  // What is no number or infinite stays so, and ends the call; the bounds would hide it.
  StoreTileSingles(layout, head_dim, k, v, j, tile, row, [largest](VF x) HWY_ATTR {
    const VF bounded = hn::Clamp(x, hn::Neg(largest), largest);
    return hn::DemoteTo(DF16(), hn::IfThenElse(hn::IsFinite(x), bounded, x));
  });
}

inline void StoreTileBF16(const KvLayout& layout, size_t head_dim, const float* HWY_RESTRICT k,
                          const float* HWY_RESTRICT v, size_t j, std::byte* tile,
                          hwy::bfloat16_t* HWY_RESTRICT pairs) {
  const DF df;
  const DU du;
  for (size_t c = 0; c < layout.v_cols; c += hn::Lanes(df)) {
    hn::StoreU(hn::DemoteTo(DHalf(), LoadPadded(k, c, head_dim)), DHalf(), pairs + c);
  }
  uint32_t* keys = reinterpret_cast<uint32_t*>(tile);
  for (size_t s = 0; s < layout.k_steps; ++s) {
    std::memcpy(keys + s * kKvTile + j, pairs + 2 * s, sizeof(uint32_t));
  }

  uint32_t* values = reinterpret_cast<uint32_t*>(tile + layout.v_offset);
  const bool upper = j % 2 != 0;
  const VU keep = hn::Set(du, upper ? 0x0000FFFFu : 0xFFFF0000u);
  for (size_t p = 0; p < layout.num_panels(); ++p) {
    const size_t begin = layout.PanelBegin(p);
    const size_t width = layout.PanelBegin(p + 1) - begin;
    uint32_t* to = values + begin * layout.v_steps + j / 2 * width;
    for (size_t c = 0; c < width; c += hn::Lanes(df)) {
      const auto half = hn::DemoteTo(DHalf(), LoadPadded(v, begin + c, head_dim));
      const hn::Rebind<uint16_t, DF> du16;
      VU bits = hn::PromoteTo(du, hn::BitCast(du16, half));
      if (upper) bits = hn::ShiftLeft<16>(bits);
      hn::Store(hn::Or(hn::And(hn::Load(du, to + c), keep), bits), du, to + c);
    }
  }
}

// Largest magnitude over 127, and its inverse (zero if all are zero).
inline float Int8Scale(const float* HWY_RESTRICT x, size_t n, float* inverse) {
  const DF df;
  VF most = hn::Zero(df);
  for (size_t i = 0; i < n; i += hn::Lanes(df)) most = hn::Max(most, hn::Abs(LoadPadded(x, i, n)));
  const float max = hn::ReduceMax(df, most);
  *inverse = max > 0.0f ? 127.0f / max : 0.0f;
  return max / 127.0f;
}

inline void StoreTileInt8(const KvLayout& layout, size_t head_dim, const float* HWY_RESTRICT k,
                          const float* HWY_RESTRICT v, size_t j, std::byte* tile,
                          int32_t* HWY_RESTRICT rounded) {
  const DF df;
  const DI di;
  float* scales = reinterpret_cast<float*>(tile + layout.scale_offset);
  const auto quantise = [&](const float* x, float* scale) HWY_ATTR {
    float inverse;
    *scale = Int8Scale(x, head_dim, &inverse);
    const VF times = hn::Set(df, inverse);
    for (size_t c = 0; c < layout.v_cols; c += hn::Lanes(df)) {
      const VF scaled = hn::Mul(LoadPadded(x, c, head_dim), times);
      hn::StoreU(hn::NearestInt(scaled), di, rounded + c);
    }
  };

  quantise(k, scales + j);
  int8_t* keys = reinterpret_cast<int8_t*>(tile);
  for (size_t c = 0; c < 2 * layout.k_steps; ++c) {
    keys[(c / 2 * kKvTile + j) * 2 + c % 2] = static_cast<int8_t>(rounded[c]);
  }

  quantise(v, scales + kKvTile + j);
  int8_t* values = reinterpret_cast<int8_t*>(tile + layout.v_offset);
  for (size_t p = 0; p < layout.num_panels(); ++p) {
    const size_t begin = layout.PanelBegin(p);
    const size_t width = layout.PanelBegin(p + 1) - begin;
    int8_t* to = values + (begin * layout.v_steps + j / 2 * width) * 2 + j % 2;
    for (size_t c = 0; c < width; ++c) to[2 * c] = static_cast<int8_t>(rounded[begin + c]);
  }
}

// Pairs of int8 to pairs of bf16, which hold them exactly. n: a multiple of kColumnMultiple.
inline void ExpandInt8(const uint16_t* HWY_RESTRICT from, size_t n, uint32_t* HWY_RESTRICT to) {
  const DF df;
  const DI di;
  const DU du;
  const hn::Rebind<uint16_t, DF> du16;
  const VU upper_half = hn::Set(du, 0xFFFF0000u);
  for (size_t i = 0; i < n; i += hn::Lanes(df)) {
    PrefetchForLater(from + i + kPrefetchBytes / sizeof(uint16_t));
    const auto pair = hn::BitCast(di, hn::PromoteTo(du, hn::LoadU(du16, from + i)));
    const auto lower = hn::ShiftRight<24>(hn::ShiftLeft<24>(pair));
    const auto upper = hn::ShiftRight<24>(hn::ShiftLeft<16>(pair));
    const VU lower_bits = hn::BitCast(du, hn::ConvertTo(df, lower));
    const VU upper_bits = hn::BitCast(du, hn::ConvertTo(df, upper));
    hn::Store(hn::Or(hn::ShiftRight<16>(lower_bits), hn::And(upper_bits, upper_half)), du, to + i);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace gemma3::attention
HWY_AFTER_NAMESPACE();

#endif  // GEMMA3_OPS_ATTENTION_INL_H_
