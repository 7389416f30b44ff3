// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A multiply-add that is rounded once on every target: the same bits as std::fma, also where the
// instruction set has none (x86 before AVX2).

#include <cstdint>

#include "hwy/highway.h"
#include "ops/isa.h"

#if defined(GEMMA3_OPS_FUSED_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GEMMA3_OPS_FUSED_INL_H_
#undef GEMMA3_OPS_FUSED_INL_H_
#else
#define GEMMA3_OPS_FUSED_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
inline namespace GEMMA3_ISA {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR

#if !HWY_NATIVE_FMA

// a * b + c in f64, rounded to odd: the product is exact, and where the sum is not, its last bit is
// one. Rounding that to f32 gives what one rounding gives, because f64 has more than two bits more
// (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
template <class D64, class V64 = hn::Vec<D64>>
HWY_INLINE V64 MulAddToOdd(D64 d, V64 a, V64 b, V64 c) {
  const hn::RebindToSigned<D64> di;
  const V64 product = hn::Mul(a, b);
  const V64 sum = hn::Add(product, c);
  // What rounding took away: Knuth's two-sum. NaN where the sum is not finite.
  const V64 part = hn::Sub(sum, product);
  const V64 error = hn::Add(hn::Sub(product, hn::Sub(sum, part)), hn::Sub(c, part));
  const V64 zero = hn::Zero(d);
  const auto inexact = hn::Or(hn::Gt(error, zero), hn::Lt(error, zero));
  // An even sum moves to its odd neighbour in the direction of the error: away from zero if their
  // signs are equal.
  const auto bits = hn::BitCast(di, sum);
  const auto one = hn::Set(di, int64_t{1});
  const auto signs = hn::BroadcastSignBit(hn::Xor(bits, hn::BitCast(di, error)));  // 0 or -1
  const auto step = hn::AndNot(bits, one);                                         // 1 where even
  // (step ^ signs) - signs is step with the sign.
  const auto moved = hn::Add(bits, hn::Sub(hn::Xor(step, signs), signs));
  return hn::IfThenElse(inexact, hn::BitCast(d, moved), sum);
}

#endif  // !HWY_NATIVE_FMA

// a * b + c.
template <class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF FusedMulAdd([[maybe_unused]] DF df, VF a, VF b, VF c) {
#if HWY_NATIVE_FMA
  return hn::MulAdd(a, b, c);
#else
  const hn::Repartition<double, DF> d64;
  const hn::Half<DF> dh;
  const auto low = MulAddToOdd(d64, hn::PromoteLowerTo(d64, a), hn::PromoteLowerTo(d64, b),
                               hn::PromoteLowerTo(d64, c));
  const auto high = MulAddToOdd(d64, hn::PromoteUpperTo(d64, a), hn::PromoteUpperTo(d64, b),
                                hn::PromoteUpperTo(d64, c));
  return hn::Combine(df, hn::DemoteTo(dh, high), hn::DemoteTo(dh, low));
#endif
}

#endif  // HWY_TARGET != HWY_SCALAR

}  // namespace GEMMA3_ISA
}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#endif  // GEMMA3_OPS_FUSED_INL_H_
