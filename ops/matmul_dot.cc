// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The kernels of all packed types once more, for processors whose integer dot product Highway does
// not use in the target that they run: AVX-VNNI beside AVX2, dot products beside NEON. Highway's
// operations are inlined here, which is allowed because the instructions of their target are among
// those of this one. Compiler flags for this file would not do: inline functions that other files
// have too would be compiled with them, and the linker may keep those.

// Before everything, as ops/isa.h says.
#if defined(__x86_64__) || defined(__i386__)
#define GEMMA3_ISA avx_vnni
#define GEMMA3_VARIANT_TARGET HWY_AVX2
#else
#define GEMMA3_ISA neon_dot
#define GEMMA3_VARIANT_TARGET HWY_NEON
#endif

#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/matmul_dot.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "ops/matmul_kernels.h"

// A baseline that has the instruction needs no string for it, and GCC would refuse one.
#if HWY_TARGET == GEMMA3_VARIANT_TARGET
#if HWY_ARCH_X86
#define GEMMA3_AVX_VNNI
#pragma push_macro("HWY_TARGET_STR")
#undef HWY_TARGET_STR
#define HWY_TARGET_STR HWY_TARGET_STR_AVX2 ",avxvnni"
#define GEMMA3_COMPILE_VARIANT
#elif HWY_ARCH_ARM_A64
#if !defined(__ARM_FEATURE_DOTPROD)
#pragma push_macro("HWY_TARGET_STR")
#undef HWY_TARGET_STR
#if HWY_COMPILER_CLANG
#define HWY_TARGET_STR "+dotprod" HWY_TARGET_STR_NEON
#else
#define HWY_TARGET_STR "arch=armv8.2-a+dotprod" HWY_TARGET_STR_NEON
#endif
#endif
// Clang before 17 does not declare the intrinsic without a flag.
#if defined(__ARM_FEATURE_DOTPROD) || !HWY_COMPILER_CLANG || HWY_COMPILER_CLANG >= 1700
#define GEMMA3_ARM_DOT
#define GEMMA3_COMPILE_VARIANT
#endif
#endif
#endif  // HWY_TARGET == GEMMA3_VARIANT_TARGET

// For every target, or their guards would lose count.
#include "ops/matmul_packed-inl.h"
#include "ops/peak-inl.h"

#if defined(GEMMA3_COMPILE_VARIANT)
#undef GEMMA3_COMPILE_VARIANT
#define GEMMA3_HAVE_VARIANT

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
inline namespace GEMMA3_ISA {

MatMulKernels GetDotVariantKernels(WeightType type, size_t cols) {
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

double RunInt8DotVariant(size_t rounds, int factor, double* ops) {
  return RunInt8Chains(rounds, factor, ops);
}

}  // namespace GEMMA3_ISA
}  // namespace HWY_NAMESPACE

namespace dot_variant {
MatMulKernels Kernels(WeightType type, size_t cols) {
  return HWY_NAMESPACE::GetDotVariantKernels(type, cols);
}
double RunInt8(size_t rounds, int factor, double* ops) {
  return HWY_NAMESPACE::RunInt8DotVariant(rounds, factor, ops);
}
}  // namespace dot_variant
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#undef GEMMA3_AVX_VNNI
#undef GEMMA3_ARM_DOT
#if HWY_ARCH_X86 || !defined(__ARM_FEATURE_DOTPROD)
#pragma pop_macro("HWY_TARGET_STR")
#endif
#endif  // GEMMA3_COMPILE_VARIANT

#if HWY_ONCE
namespace gemma3 {
#if defined(GEMMA3_HAVE_VARIANT)
bool HasDotVariant() { return true; }
MatMulKernels DotVariantKernels(WeightType type, size_t cols) {
  return dot_variant::Kernels(type, cols);
}
double RunInt8DotVariant(size_t rounds, int factor, double* ops) {
  return dot_variant::RunInt8(rounds, factor, ops);
}
#else
bool HasDotVariant() { return false; }
MatMulKernels DotVariantKernels(WeightType, size_t) { return {}; }
double RunInt8DotVariant(size_t, int, double*) { return 0; }
#endif
}  // namespace gemma3
#endif  // HWY_ONCE
