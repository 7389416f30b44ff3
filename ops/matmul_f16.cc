// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Matrix multiplication with F16 weights: they become floats, exactly, as they are read. (No
// instruction that the targets share multiplies halves and sums in f32.)

#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/matmul_f16.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "ops/matmul-inl.h"
#include "ops/matmul_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {

MatMulKernels GetF16Kernels(size_t cols) { return WidenedKernels<hwy::float16_t>(cols); }

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3 {

HWY_EXPORT(GetF16Kernels);
MatMulKernels F16Kernels(size_t cols) { return HWY_DYNAMIC_DISPATCH(GetF16Kernels)(cols); }

}  // namespace gemma3
#endif  // HWY_ONCE
