// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Twelve chains of dependent operations in registers: more than latency times throughput of any
// multiply-add unit (4 to 6 cycles, two a cycle), and few enough for 16 vector registers. And the
// chains of integer products, which are compiled for variants of targets too.

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "ops/isa.h"
#include "ops/quad_products-inl.h"

#if defined(GEMMA3_OPS_PEAK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GEMMA3_OPS_PEAK_INL_H_
#undef GEMMA3_OPS_PEAK_INL_H_
#else
#define GEMMA3_OPS_PEAK_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
inline namespace GEMMA3_ISA {
namespace hn = hwy::HWY_NAMESPACE;

// Operands in the first-level cache, of which every step takes others: where an operation is
// several instructions, the compiler would take those that do not depend on the sum out of the
// loop.
template <class D>
struct Operands {
  using T = hn::TFromD<D>;
  static constexpr size_t kRounds = 4;
  HWY_ALIGN_MAX T values[kRounds * 12 * HWY_MAX_LANES_D(D)];

  explicit Operands(T value) {
    for (T& v : values) v = value;
  }
  const T* Round(size_t i) const { return values + i % kRounds * 12 * HWY_MAX_LANES_D(D); }
};

// Calls step(sum, place of an operand) on twelve sums, `rounds` times. Different first values keep
// the compiler from merging the chains.
template <class D, class DX, class Ops, class Step>
HWY_INLINE hn::TFromD<D> TwelveChains(D d, DX dx, const Ops& operands, size_t rounds,
                                      const Step& step) {
  using T = hn::TFromD<D>;
  using V = hn::Vec<D>;
  V c0 = hn::Set(d, T(0)), c1 = hn::Set(d, T(1)), c2 = hn::Set(d, T(2)), c3 = hn::Set(d, T(3));
  V c4 = hn::Set(d, T(4)), c5 = hn::Set(d, T(5)), c6 = hn::Set(d, T(6)), c7 = hn::Set(d, T(7));
  V c8 = hn::Set(d, T(8)), c9 = hn::Set(d, T(9)), c10 = hn::Set(d, T(10)), c11 = hn::Set(d, T(11));
  const size_t n = hn::Lanes(dx);
  for (size_t i = 0; i < rounds; ++i) {
    const auto* at = operands.Round(i);
    c0 = step(c0, at), c1 = step(c1, at + n), c2 = step(c2, at + 2 * n);
    c3 = step(c3, at + 3 * n), c4 = step(c4, at + 4 * n), c5 = step(c5, at + 5 * n);
    c6 = step(c6, at + 6 * n), c7 = step(c7, at + 7 * n), c8 = step(c8, at + 8 * n);
    c9 = step(c9, at + 9 * n), c10 = step(c10, at + 10 * n), c11 = step(c11, at + 11 * n);
  }
  const V a = hn::Add(hn::Add(c0, c1), hn::Add(c2, c3));
  const V b = hn::Add(hn::Add(c4, c5), hn::Add(c6, c7));
  const V c = hn::Add(hn::Add(c8, c9), hn::Add(c10, c11));
  return hn::ReduceSum(d, hn::Add(a, hn::Add(b, c)));
}

#if HWY_TARGET != HWY_SCALAR

// factor is 1 but unknown to the compiler.
inline double RunInt8Chains(size_t rounds, int factor, double* ops) {
  const hn::ScalableTag<int32_t> d;
  const hn::Repartition<uint8_t, decltype(d)> du8;
  const hn::Repartition<int8_t, decltype(d)> di8;
  using V = hn::Vec<decltype(d)>;
  const auto w = hn::Set(du8, static_cast<uint8_t>(factor));
  const Operands<decltype(di8)> operands(static_cast<int8_t>(factor));
  *ops += 2.0 * 12.0 * static_cast<double>(rounds) * static_cast<double>(hn::Lanes(di8));
  return TwelveChains(d, di8, operands, rounds, [=](V sum, const int8_t* at) HWY_ATTR {
#if defined(GEMMA3_QUADS_DOT)  // one instruction: its operands may stay in registers
    (void)at;
    V next = AddQuads(w, hn::BitCast(di8, w), sum);
    asm("" : "+v"(next.raw));  // GCC would keep copies of all sums
    return next;
#elif defined(GEMMA3_QUADS_SIGNED_DOT)
    (void)at;
    const auto x = hn::BitCast(di8, w);
    return V(vdotq_s32(sum.raw, x.raw, x.raw));
#elif defined(GEMMA3_QUADS_BYTES)
    const hn::Repartition<int16_t, decltype(d)> d16;
    const auto pairs = hn::SatWidenMulPairwiseAdd(d16, w, hn::Load(di8, at));
    return hn::Add(sum, hn::WidenMulPairwiseAdd(d, pairs, hn::Set(d16, int16_t{1})));
#elif defined(GEMMA3_QUADS_LONG)
    const int8x16_t x = hn::Load(di8, at).raw;
    const int8x16_t ws = hn::BitCast(di8, w).raw;
    const int32x4_t low = vpadalq_s16(sum.raw, vmull_s8(vget_low_s8(ws), vget_low_s8(x)));
    return V(vpadalq_s16(low, vmull_high_s8(ws, x)));
#else
    return AddQuads(w, hn::Load(di8, at), sum);
#endif
  });
}

#endif  // HWY_TARGET != HWY_SCALAR

}  // namespace GEMMA3_ISA
}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#endif  // GEMMA3_OPS_PEAK_INL_H_
