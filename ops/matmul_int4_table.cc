// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Matrix multiplication with 4-bit weights that stand for the numbers of a table (ops/packed.h).

#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/matmul_int4_table.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "ops/matmul_packed-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {

MatMulKernels GetInt4TableKernels(size_t cols) {
  return PackedKernels<WeightType::kInt4Table>(cols);
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3 {

HWY_EXPORT(GetInt4TableKernels);
MatMulKernels Int4TableKernels(size_t cols) {
  return HWY_DYNAMIC_DISPATCH(GetInt4TableKernels)(cols);
}

}  // namespace gemma3
#endif  // HWY_ONCE
