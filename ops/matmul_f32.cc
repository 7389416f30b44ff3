// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Matrix multiplication with F32 weights; also the second half of every exact product, after the
// weights were unpacked to floats.

#include <cstddef>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/matmul_f32.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "ops/matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {

void UnpackF32(const MatrixView& w, size_t begin, size_t count, float* out, size_t stride) {
  const std::byte* from = static_cast<const std::byte*>(w.data) + begin * w.cols * sizeof(float);
  for (size_t r = 0; r < count; ++r) {
    std::memcpy(out + r * stride, from + r * w.cols * sizeof(float), w.cols * sizeof(float));
  }
}

MatMulKernels GetF32Kernels(size_t cols) {
  return {.group_bytes = cols * sizeof(float),
          .input = InputForm::kF32,
          .span_bytes = SpanBytes<DotF32>(cols),
          .copies_span = true,
          .run = RunBlock<DotF32>,
          .unpack = UnpackF32};
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3 {

HWY_EXPORT(GetF32Kernels);
MatMulKernels F32Kernels(size_t cols) { return HWY_DYNAMIC_DISPATCH(GetF32Kernels)(cols); }

}  // namespace gemma3
#endif  // HWY_ONCE
