// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The exponential function of softmax and of activations.

#include "hwy/highway.h"

#if defined(GEMMA3_OPS_EXP2_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GEMMA3_OPS_EXP2_INL_H_
#undef GEMMA3_OPS_EXP2_INL_H_
#else
#define GEMMA3_OPS_EXP2_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace math {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// 2^e for e <= 128, where it is infinite; zero for e < -126 (so -infinity is fine) and NaN. 1 for
// e = 0. Relative error below 2^-22: a polynomial of degree 5 that is minimax on [-1/2, 1/2] among
// those with p(0) = 1 (error 1.54 * 2^-24), and its rounding (together 2.81 * 2^-24 with fused
// multiply-adds).
template <class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF Exp2(DF df, VF e) {
  const hn::RebindToSigned<DF> di;
  // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
  const VF magic = hn::Set(df, 12582912.0f);
  const VF shifted = hn::Add(e, magic);
  const VF f = hn::Sub(e, hn::Sub(shifted, magic));
  VF p = hn::Set(df, 0.001326472731307149f);
  p = hn::MulAdd(p, f, hn::Set(df, 0.009671512991189957f));
  p = hn::MulAdd(p, f, hn::Set(df, 0.05550733581185341f));
  p = hn::MulAdd(p, f, hn::Set(df, 0.24022242426872253f));
  p = hn::MulAdd(p, f, hn::Set(df, 0.6931470036506653f));
  p = hn::MulAdd(p, f, hn::Set(df, 1.0f));
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(di, shifted));
  p = hn::BitCast(df, hn::Add(hn::BitCast(di, p), exponent));
  return hn::IfThenElseZero(hn::Ge(e, hn::Set(df, -126.0f)), p);
}

}  // namespace HWY_NAMESPACE
}  // namespace math
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#endif  // GEMMA3_OPS_EXP2_INL_H_
