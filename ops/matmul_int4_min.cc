// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Matrix multiplication with 4-bit weights, a scale and a minimum for each block (ops/packed.h).

#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/matmul_int4_min.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "ops/matmul_packed-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {

MatMulKernels GetInt4MinKernels(size_t cols) { return PackedKernels<WeightType::kInt4Min>(cols); }

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3 {

HWY_EXPORT(GetInt4MinKernels);
MatMulKernels Int4MinKernels(size_t cols) { return HWY_DYNAMIC_DISPATCH(GetInt4MinKernels)(cols); }

}  // namespace gemma3
#endif  // HWY_ONCE
