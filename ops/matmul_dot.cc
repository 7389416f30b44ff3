// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The kernels of all packed types once more, for processors whose integer dot product Highway does
// not use in the target that they run: AVX-VNNI beside AVX2, AVX-512 VNNI beside AVX3 (Cascade
// Lake), dot products beside NEON. Highway's operations are inlined here, which is allowed because
// the instructions of their target are among those of this one. Compiler flags for this file would
// not do: inline functions that other files have too would be compiled with them, and the linker
// may keep those.

#define GEMMA3_ISA dot  // before everything, as ops/isa.h says

#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/matmul_dot.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "ops/matmul_kernels.h"

// Whether this target has a variant, and the instructions that it adds. A baseline that has them on
// ARM needs no string for them, and GCC would refuse one.
#undef GEMMA3_VARIANT_STR
#if HWY_TARGET == HWY_AVX2
#define GEMMA3_AVX_VNNI
#define GEMMA3_HAVE_AVX_VNNI
#define GEMMA3_VARIANT_STR HWY_TARGET_STR_AVX2 ",avxvnni"
#elif HWY_TARGET == HWY_AVX3
#define GEMMA3_AVX512_VNNI
#define GEMMA3_HAVE_AVX512_VNNI
#define GEMMA3_VARIANT_STR HWY_TARGET_STR_AVX3 ",avx512vnni"
#elif HWY_TARGET == HWY_NEON
// Clang before 17 does not declare the intrinsic without a flag.
#if defined(__ARM_FEATURE_DOTPROD) || !HWY_COMPILER_CLANG || HWY_COMPILER_CLANG >= 1700
#define GEMMA3_ARM_DOT
#define GEMMA3_HAVE_ARM_DOT
#endif
#if defined(GEMMA3_ARM_DOT) && !defined(__ARM_FEATURE_DOTPROD)
#if HWY_COMPILER_CLANG
#define GEMMA3_VARIANT_STR "+dotprod" HWY_TARGET_STR_NEON
#else
#define GEMMA3_VARIANT_STR "arch=armv8.2-a+dotprod" HWY_TARGET_STR_NEON
#endif
#endif
#endif

#if defined(GEMMA3_VARIANT_STR)
#pragma push_macro("HWY_TARGET_STR")
#undef HWY_TARGET_STR
#define HWY_TARGET_STR GEMMA3_VARIANT_STR
#endif

// For every target, or their guards would lose count.
#include "ops/matmul_packed-inl.h"
#include "ops/peak-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
inline namespace GEMMA3_ISA {

#if defined(GEMMA3_AVX_VNNI) || defined(GEMMA3_AVX512_VNNI) || defined(GEMMA3_ARM_DOT)

MatMulKernels GetVariantKernels(WeightType type, size_t cols) {
  switch (type) {
    case WeightType::kInt8:
      return PackedKernels<WeightType::kInt8>(cols);
    case WeightType::kInt4:
      return PackedKernels<WeightType::kInt4>(cols);
    case WeightType::kInt8Min:
      return PackedKernels<WeightType::kInt8Min>(cols);
    case WeightType::kInt4Min:
      return PackedKernels<WeightType::kInt4Min>(cols);
    case WeightType::kInt8K:
      return PackedKernels<WeightType::kInt8K>(cols);
    case WeightType::kInt8KMin:
      return PackedKernels<WeightType::kInt8KMin>(cols);
    case WeightType::kInt4K:
      return PackedKernels<WeightType::kInt4K>(cols);
    case WeightType::kInt4Table:
      return PackedKernels<WeightType::kInt4Table>(cols);
    case WeightType::kF32:
    case WeightType::kF16:
    case WeightType::kBF16:
      break;
  }
  return {};
}

double RunInt8OfVariant(size_t rounds, int factor, double* ops) {
  return RunInt8Chains(rounds, factor, ops);
}

#else  // never called

MatMulKernels GetVariantKernels(WeightType, size_t) { return {}; }
double RunInt8OfVariant(size_t, int, double*) { return 0; }

#endif

}  // namespace GEMMA3_ISA
}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#if defined(GEMMA3_VARIANT_STR)
#pragma pop_macro("HWY_TARGET_STR")
#endif
#undef GEMMA3_AVX_VNNI
#undef GEMMA3_AVX512_VNNI
#undef GEMMA3_ARM_DOT

#if HWY_ONCE
namespace gemma3 {
HWY_EXPORT(GetVariantKernels);
HWY_EXPORT(RunInt8OfVariant);

int64_t TargetsWithDotVariant() {
  int64_t targets = 0;
#if defined(GEMMA3_HAVE_AVX_VNNI)
  targets |= HWY_AVX2;
#endif
#if defined(GEMMA3_HAVE_AVX512_VNNI)
  targets |= HWY_AVX3;
#endif
#if defined(GEMMA3_HAVE_ARM_DOT)
  targets |= HWY_NEON;
#endif
  return targets;
}

MatMulKernels DotVariantKernels(WeightType type, size_t cols) {
  return HWY_DYNAMIC_DISPATCH(GetVariantKernels)(type, cols);
}
double RunInt8DotVariant(size_t rounds, int factor, double* ops) {
  return HWY_DYNAMIC_DISPATCH(RunInt8OfVariant)(rounds, factor, ops);
}
}  // namespace gemma3
#endif  // HWY_ONCE
