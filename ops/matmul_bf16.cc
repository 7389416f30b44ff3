// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Matrix multiplication with BF16 weights. Where the BF16 dot product is the faster arithmetic
// (bf16_dot-inl.h) x is rounded to bf16; elsewhere, and for exact products, weights become floats.

#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/matmul_bf16.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "ops/matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {

#if GEMMA3_BF16_DOT
// The input form kBF16: bf16[cols], then zeros up to a multiple of kInputAlign bytes.
void PrepareBF16(const float* HWY_RESTRICT x, Range inputs, size_t /*cols*/,
                 std::byte* HWY_RESTRICT out) {
  const DF df;
  const hn::Repartition<hwy::bfloat16_t, DF> db;
  const size_t half = hn::Lanes(df);
  hwy::bfloat16_t* HWY_RESTRICT to = reinterpret_cast<hwy::bfloat16_t*>(out) + inputs.begin;
  const size_t count = inputs.count();
  size_t k = 0;
  for (; k + 2 * half <= count; k += 2 * half) {
    const VF lower = hn::LoadU(df, x + k);
    const VF upper = hn::LoadU(df, x + k + half);
    hn::Store(hn::OrderedDemote2To(db, lower, upper), db, to + k);
  }
  // Only at the end of the row is there something to fill up.
  const size_t padded = hwy::RoundUpTo(count, kInputAlign / sizeof(hwy::bfloat16_t));
  for (; k < padded; k += 2 * half) {
    const size_t left = k < count ? count - k : 0;
    const VF lower = hn::LoadN(df, x + k, left);
    const VF upper = left > half ? hn::LoadN(df, x + k + half, left - half) : hn::Zero(df);
    hn::Store(hn::OrderedDemote2To(db, lower, upper), db, to + k);
  }
}
#endif  // GEMMA3_BF16_DOT

MatMulKernels GetWidenedBF16Kernels(size_t cols) { return WidenedKernels<hwy::bfloat16_t>(cols); }

MatMulKernels GetBF16Kernels(size_t cols) {
#if GEMMA3_BF16_DOT
  return {.group_bytes = cols * sizeof(hwy::bfloat16_t),
          .input = InputForm::kBF16,
          .span_bytes = SpanBytes<DotBF16>(cols),
          .copies_span = true,
          .run = RunBlock<DotBF16>,
          .unpack = UnpackRows<hwy::bfloat16_t>,
          .prepare = PrepareBF16};
#else
  return GetWidenedBF16Kernels(cols);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3 {

HWY_EXPORT(GetBF16Kernels);
HWY_EXPORT(GetWidenedBF16Kernels);
MatMulKernels BF16Kernels(size_t cols) { return HWY_DYNAMIC_DISPATCH(GetBF16Kernels)(cols); }
MatMulKernels WidenedBF16Kernels(size_t cols) {
  return HWY_DYNAMIC_DISPATCH(GetWidenedBF16Kernels)(cols);
}

}  // namespace gemma3
#endif  // HWY_ONCE
