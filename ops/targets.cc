// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/targets.h"

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/targets.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {

const char* NameOfTarget() { return hwy::TargetName(HWY_TARGET); }

bool TargetHasBf16Dot() { return HWY_NATIVE_DOT_BF16 != 0; }

bool TargetHasInt8Dot() {
  // The conditions under which Highway's SumOfMulQuadAccumulate is one instruction.
#if HWY_ARCH_X86
  return HWY_TARGET <= HWY_AVX3_DL;
#elif HWY_ARCH_ARM
  return HWY_TARGET == HWY_NEON_BF16 || HWY_TARGET_IS_SVE;
#else
  return false;
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3 {
HWY_EXPORT(NameOfTarget);
HWY_EXPORT(TargetHasBf16Dot);
HWY_EXPORT(TargetHasInt8Dot);

std::string_view SimdTargetName() { return HWY_DYNAMIC_DISPATCH(NameOfTarget)(); }
std::vector<std::string> SimdTargetNames() {
  std::vector<std::string> names;
  // A lower value is a better target.
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    names.push_back(hwy::TargetName(target));
  }
  return names;
}
bool HasNativeBf16Dot() { return HWY_DYNAMIC_DISPATCH(TargetHasBf16Dot)(); }
bool HasInt8Dot() { return HWY_DYNAMIC_DISPATCH(TargetHasInt8Dot)(); }

}  // namespace gemma3
#endif  // HWY_ONCE
