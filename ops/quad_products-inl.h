// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// How this target multiplies quads of integers: four stored weights (u8) of each output with four
// activations (i8, -127 to 127), summed in i32. Exact, hence the same on every target, in any
// order.
//
//   dot products     u8 x i8 in one instruction: x86 with VNNI
//   signed dots      i8 x i8: ARM. A zero of 128 is taken away from the weights by flipping a bit
//   byte products    x86 before VNNI: u8 x i8, two neighbours summed in i16. Stored values below 16
//                    let the eight quads of a block be summed there (2 * 8 * 15 * 127 = 30480); 8
//                    bits are two such halves. Two multiplications and two additions for 32
//                    products
//   long products    ARM without dot products: i8 x i8 to i16, of which two (8 bits) or eight
//                    (4 bits) are summed before they are widened
//   anything else    Highway's general operation

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "ops/isa.h"
#include "ops/matmul_kernels.h"
#include "ops/packed.h"
#include "ops/packed_input-inl.h"

#if defined(GEMMA3_OPS_QUAD_PRODUCTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GEMMA3_OPS_QUAD_PRODUCTS_INL_H_
#undef GEMMA3_OPS_QUAD_PRODUCTS_INL_H_
#else
#define GEMMA3_OPS_QUAD_PRODUCTS_INL_H_
#endif

// One of these, by the target. GEMMA3_AVX_VNNI, GEMMA3_AVX512_VNNI and GEMMA3_ARM_DOT are defined
// by ops/matmul_dot.cc.
#undef GEMMA3_QUADS_DOT
#undef GEMMA3_QUADS_SIGNED_DOT
#undef GEMMA3_QUADS_BYTES
#undef GEMMA3_QUADS_LONG
#if HWY_ARCH_X86
#if HWY_TARGET <= HWY_AVX3_DL || defined(GEMMA3_AVX_VNNI) || defined(GEMMA3_AVX512_VNNI)
#define GEMMA3_QUADS_DOT
#elif HWY_TARGET <= HWY_SSE4
#define GEMMA3_QUADS_BYTES
#endif
#elif HWY_ARCH_ARM_A64 && HWY_TARGET_IS_NEON
#if HWY_TARGET == HWY_NEON_BF16 || defined(GEMMA3_ARM_DOT)
#define GEMMA3_QUADS_SIGNED_DOT
#else
#define GEMMA3_QUADS_LONG
#endif
#endif

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
inline namespace GEMMA3_ISA {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR

using PU8 = hn::Repartition<uint8_t, PI>;
using PI8 = hn::Repartition<int8_t, PI>;
using PI16 = hn::Repartition<int16_t, PI>;
using PU16 = hn::Repartition<uint16_t, PI>;
using VI = hn::Vec<PI>;
using VU8 = hn::Vec<PU8>;
using VI8 = hn::Vec<PI8>;
using VI16 = hn::Vec<PI16>;

// Adds w's quads times x's to sum.
HWY_INLINE VI AddQuads(VU8 w, VI8 x, VI sum) {
#if defined(GEMMA3_AVX_VNNI)
  return VI{_mm256_dpbusd_avx_epi32(sum.raw, w.raw, x.raw)};
#elif defined(GEMMA3_AVX512_VNNI)
  return VI{_mm512_dpbusd_epi32(sum.raw, w.raw, x.raw)};
#else
  return hn::SumOfMulQuadAccumulate(PI(), w, x, sum);
#endif
}

#if defined(GEMMA3_QUADS_BYTES)
// Integer sums have no order of their own, so GCC makes all products of a block before it adds any,
// and stores them for want of registers. This makes it think that the sum is needed here.
HWY_INLINE void KeepOrder([[maybe_unused]] VI16& sum) {
#if HWY_COMPILER_GCC_ACTUAL
  asm("" : "+v"(sum.raw));
#endif
}
#endif

// kType's quads, a vector of outputs at a time:
//   kNeedsStart   sums include the correction for zeros in the activations' record
//   kStartFirst   it is what they begin with (then Total is not given one): no operation of its
//   own;
//                 elsewhere a register less while products are summed
//   kSumVectors   registers that a sum takes
//   kPasses       how often all quads of a part are gone through, each time with other Weights
//   Weights       a quad of stored values, made ready for all rows of x
//   Sum           Add takes the quads of a part (block or half block) in order, with their numbers,
//                 which are constants once loops are unrolled
template <WeightType kType>
struct QuadProducts {
  static constexpr PackedFormat kFormat = PackedFormatOf(kType);
  static constexpr bool kBelow16 = kFormat.nibbles && !kFormat.table;
  static constexpr bool kHasZero = kFormat.zero_shift >= 0;

#if defined(GEMMA3_QUADS_SIGNED_DOT) || defined(GEMMA3_QUADS_LONG)

  static constexpr bool kNeedsStart = kHasZero && kBelow16;
  using Weights = VI8;
  static HWY_INLINE Weights Ready(VU8 stored, size_t) {
    if constexpr (!kBelow16) stored = hn::Xor(stored, hn::Set(PU8(), uint8_t{128}));
    return hn::BitCast(PI8(), stored);
  }

#if defined(GEMMA3_QUADS_SIGNED_DOT)
  static constexpr bool kStartFirst = true;
  static constexpr size_t kSumVectors = 1;
  static constexpr size_t kPasses = 1;
  struct Sum {
    VI sum;
    HWY_INLINE Sum() {}  // GCC would make it for the baseline, into which vectors cannot be inlined
    HWY_INLINE void Begin(VI start) { sum = start; }
    HWY_INLINE void Add([[maybe_unused]] size_t quad, Weights w, VI8 x) {
      sum = VI(vdotq_s32(sum.raw, w.raw, x.raw));
    }
    HWY_INLINE void EndPass(size_t) {}
    HWY_INLINE VI Total(VI) const { return sum; }
  };
#else
  static constexpr bool kStartFirst = false;
  static constexpr size_t kSumVectors = 4;
  static constexpr size_t kPasses = 1;
  struct Sum {
    // Of 16-bit sums: outputs 0 and 1, 2 and 3, four inputs each; in 32 bits: two each.
    int16x8_t low, high;
    int32x4_t wide_low, wide_high;
    HWY_INLINE void Begin(VI) { wide_low = wide_high = vdupq_n_s32(0); }
    HWY_INLINE void Add([[maybe_unused]] size_t quad, Weights w, VI8 x) {
      constexpr size_t kRun = kBelow16 ? 8 : 2;  // quads that 16 bits hold
      constexpr size_t kLast = kFormat.scale_inputs / 4 - 1;
      if (quad % kRun == 0) {
        low = vmull_s8(vget_low_s8(w.raw), vget_low_s8(x.raw));
        high = vmull_high_s8(w.raw, x.raw);
      } else {
        low = vmlal_s8(low, vget_low_s8(w.raw), vget_low_s8(x.raw));
        high = vmlal_high_s8(high, w.raw, x.raw);
      }
      if (quad % kRun == kRun - 1 || quad == kLast) {
        wide_low = vpadalq_s16(wide_low, low);
        wide_high = vpadalq_s16(wide_high, high);
      }
    }
    HWY_INLINE void EndPass(size_t) {}
    HWY_INLINE VI Total(VI start) const {
      const VI total(vpaddq_s32(wide_low, wide_high));
      return kNeedsStart ? hn::Add(start, total) : total;
    }
  };
#endif

#elif defined(GEMMA3_QUADS_BYTES)

  static constexpr bool kNeedsStart = kHasZero;
  static constexpr bool kStartFirst = false;
  static constexpr size_t kSumVectors = 1;
  static constexpr size_t kPasses = kBelow16 ? 1 : 2;  // the lower half of 8 bits, then the upper
  using Weights = VU8;
  static HWY_INLINE Weights Ready(VU8 stored, size_t pass) {
    if constexpr (kBelow16) return stored;
    if (pass == 1) stored = hn::BitCast(PU8(), hn::ShiftRight<4>(hn::BitCast(PU16(), stored)));
    return hn::And(stored, hn::Set(PU8(), uint8_t{15}));
  }
  struct Sum {
    VI16 pairs;
    VI total;  // of the passes that are over
    HWY_INLINE void Begin(VI) {}
    HWY_INLINE void Add(size_t quad, Weights w, VI8 x) {
      const VI16 products = hn::SatWidenMulPairwiseAdd(PI16(), w, x);
      pairs = quad == 0 ? products : hn::Add(pairs, products);
      KeepOrder(pairs);
    }
    HWY_INLINE void EndPass(size_t pass) {
      const VI16 factor = hn::Set(PI16(), pass == 0 ? int16_t{1} : int16_t{16});
      const VI products = hn::WidenMulPairwiseAdd(PI(), pairs, factor);
      total = pass == 0 ? products : hn::Add(total, products);
    }
    HWY_INLINE VI Total(VI start) const { return kNeedsStart ? hn::Add(start, total) : total; }
  };

#else  // dot products, or the general operation

  static constexpr bool kNeedsStart = kHasZero;
  static constexpr bool kStartFirst = true;
  static constexpr size_t kSumVectors = 1;
  static constexpr size_t kPasses = 1;
  using Weights = VU8;
  static HWY_INLINE Weights Ready(VU8 stored, size_t) { return stored; }
  struct Sum {
    VI sum;
    HWY_INLINE void Begin(VI start) { sum = start; }
    HWY_INLINE void Add([[maybe_unused]] size_t quad, Weights w, VI8 x) {
      sum = AddQuads(w, x, sum);
    }
    HWY_INLINE void EndPass(size_t) {}
    HWY_INLINE VI Total(VI) const { return sum; }
  };

#endif
};

#endif  // HWY_TARGET != HWY_SCALAR

}  // namespace GEMMA3_ISA
}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#endif  // GEMMA3_OPS_QUAD_PRODUCTS_INL_H_
