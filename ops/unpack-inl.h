// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// 16-bit floats to f32, exactly.

#include <cstddef>

#include "hwy/highway.h"
#include "ops/matmul.h"

#if defined(GEMMA3_OPS_UNPACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GEMMA3_OPS_UNPACK_INL_H_
#undef GEMMA3_OPS_UNPACK_INL_H_
#else
#define GEMMA3_OPS_UNPACK_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Rows [begin, begin + count) of w, whose elements are T (hwy::float16_t or hwy::bfloat16_t), as
// floats, `stride` floats apart. MatMulKernels::unpack.
template <class T>
void UnpackRows(const MatrixView& w, size_t begin, size_t count, float* HWY_RESTRICT out,
                size_t stride) {
  const hn::ScalableTag<float> df;
  const hn::Rebind<T, decltype(df)> dt;
  const size_t lanes = hn::Lanes(df);
  const T* HWY_RESTRICT from = static_cast<const T*>(w.data) + begin * w.cols;
  for (size_t r = 0; r < count; ++r, from += w.cols, out += stride) {
    size_t k = 0;
    for (; k + lanes <= w.cols; k += lanes) {
      hn::StoreU(hn::PromoteTo(df, hn::LoadU(dt, from + k)), df, out + k);
    }
    if (k != w.cols) {
      const size_t tail = w.cols - k;
      hn::StoreN(hn::PromoteTo(df, hn::LoadN(dt, from + k, tail)), df, out + k, tail);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#endif  // GEMMA3_OPS_UNPACK_INL_H_
