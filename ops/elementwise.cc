// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Operations of one read and one write an element. Every element goes through the same instructions
// wherever it lies in its row, so the remainder of a row has the same bits as its body.
#include "ops/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/elementwise.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
//
#include "ops/exp2-inl.h"
#include "ops/parallel_rows.h"

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;

// 0.5 (1 + tanh(u)) = 1 / (1 + exp(-2u)), so gelu_tanh(x) = x / (1 + exp(t)) with
// t = -2 sqrt(2/pi) (x + 0.044715 x^3). Unlike the form with tanh nothing cancels for negative x.
HWY_INLINE VF GeluOf(DF d, VF x) {
  // exp(t) as 2^(t / ln 2).
  const VF linear = hn::Set(d, -2.302208198144325f);  // -2 sqrt(2/pi) / ln 2
  const VF cubic = hn::Set(d, -0.1029432395800235f);  // linear * 0.044715
  const VF t = hn::Mul(x, hn::MulAdd(hn::Mul(x, x), cubic, linear));
  const VF e =
      math::HWY_NAMESPACE::Exp2(d, hn::Min(t, hn::Set(d, 128.0f)));  // 2^128 is infinite in f32
  return hn::Div(x, hn::Add(hn::Set(d, 1.0f), e));
}

// x[i] = f(x[i]).
template <class F>
HWY_INLINE void Map(float* HWY_RESTRICT x, size_t n, const F& f) {
  const DF d;
  const size_t N = hn::Lanes(d);
  size_t i = 0;
  for (; i + N <= n; i += N) hn::StoreU(f(hn::LoadU(d, x + i)), d, x + i);
  if (i < n) hn::StoreN(f(hn::LoadN(d, x + i, n - i)), d, x + i, n - i);
}

// x[i] = f(x[i], y[i]).
template <class F>
HWY_INLINE void Map2(float* HWY_RESTRICT x, const float* HWY_RESTRICT y, size_t n, const F& f) {
  const DF d;
  const size_t N = hn::Lanes(d);
  size_t i = 0;
  for (; i + N <= n; i += N) {
    hn::StoreU(f(hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, x + i);
  }
  if (i < n) {
    hn::StoreN(f(hn::LoadN(d, x + i, n - i), hn::LoadN(d, y + i, n - i)), d, x + i, n - i);
  }
}

void GeluMulAll(Rows<float> gate, Rows<const float> up) {
  for (size_t r = 0; r < gate.rows; ++r) {
    Map2(gate.row(r), up.row(r), gate.cols,
         [](VF g, VF u) HWY_ATTR { return hn::Mul(GeluOf(DF(), g), u); });
  }
}

void GeluAll(Rows<float> x) {
  for (size_t r = 0; r < x.rows; ++r) {
    Map(x.row(r), x.cols, [](VF v) HWY_ATTR { return GeluOf(DF(), v); });
  }
}

void AddToAll(Rows<float> x, Rows<const float> y, ThreadPool& pool) {
  ParallelRows(x.rows, x.cols, pool, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t r = begin; r < end; ++r) {
      Map2(x.row(r), y.row(r), x.cols, [](VF a, VF b) HWY_ATTR { return hn::Add(a, b); });
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3 {
HWY_EXPORT(GeluMulAll);
HWY_EXPORT(GeluAll);
HWY_EXPORT(AddToAll);

void GeluMul(Rows<float> gate, Rows<const float> up) { HWY_DYNAMIC_DISPATCH(GeluMulAll)(gate, up); }
void Gelu(Rows<float> x) { HWY_DYNAMIC_DISPATCH(GeluAll)(x); }
void AddTo(Rows<float> x, Rows<const float> y, ThreadPool& pool) {
  HWY_DYNAMIC_DISPATCH(AddToAll)(x, y, pool);
}

}  // namespace gemma3
#endif  // HWY_ONCE
