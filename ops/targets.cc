// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/targets.h"

#include <atomic>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/targets.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
#include "ops/bf16_dot-inl.h"
#include "ops/matmul_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {

int64_t TargetInUse() { return HWY_TARGET; }

bool TargetHasBf16Dot() { return GEMMA3_BF16_DOT != 0; }

bool TargetHasInt8Dot() {
  // The conditions under which Highway's SumOfMulQuadAccumulate is one instruction.
#if HWY_ARCH_X86
  return HWY_TARGET <= HWY_AVX3_DL;
#elif HWY_ARCH_ARM
  return HWY_TARGET == HWY_NEON_BF16;
#else
  return false;
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3 {
HWY_EXPORT(TargetInUse);
HWY_EXPORT(TargetHasBf16Dot);
HWY_EXPORT(TargetHasInt8Dot);

namespace {

// The name of a target's variant; null where there is none.
const char* VariantName(int64_t target) {
#if HWY_ARCH_X86
  if (target == HWY_AVX2) return "AVX2_VNNI";
  if (target == HWY_AVX3) return "AVX3_VNNI";
#elif HWY_ARCH_ARM_A64
  if (target == HWY_NEON) return "NEON_DOT";
#endif
  (void)target;
  return nullptr;
}

// Those of whose variants the CPU has the instructions, if it has the target's.
int64_t TargetsWithVariantOnThisCpu() {
  int64_t targets = 0;
#if HWY_ARCH_X86
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return 0;
  if ((ecx >> 11 & 1) != 0) targets |= HWY_AVX3;
  if (eax < 1 || __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) == 0) return targets;
  if ((eax >> 4 & 1) != 0) targets |= HWY_AVX2;
#elif HWY_ARCH_ARM_A64 && defined(__linux__)
  constexpr unsigned long kAsimdDp = 1UL << 20;  // HWCAP_ASIMDDP, which old headers lack
  if ((getauxval(AT_HWCAP) & kAsimdDp) != 0) targets |= HWY_NEON;
#elif HWY_ARCH_ARM_A64 && defined(__APPLE__)
  int value = 0;
  size_t size = sizeof(value);
  if (sysctlbyname("hw.optional.arm.FEAT_DotProd", &value, &size, nullptr, 0) == 0 && value == 1) {
    targets |= HWY_NEON;
  }
#endif
  return targets;
}

std::atomic<bool> variant_allowed = true;  // by UseSimdTarget

// Best first: a lower value is a better target. Asked once: Highway detects the CPU again for each
// question, and for a moment uses what is disabled.
const std::vector<int64_t>& AllTargets() {
  static const std::vector<int64_t> targets = hwy::SupportedAndGeneratedTargets();
  return targets;
}

bool HasVariant(int64_t target) {
  static const int64_t targets = TargetsWithVariantOnThisCpu() & TargetsWithDotVariant();
  return (targets & target) != 0;
}

StreamHint HintOfThisCpu() {
#if HWY_ARCH_X86
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(0, &eax, &ebx, &ecx, &edx) == 0) return StreamHint::kSoon;
  char vendor[12];
  std::memcpy(vendor, &ebx, 4);
  std::memcpy(vendor + 4, &edx, 4);
  std::memcpy(vendor + 8, &ecx, 4);
  const std::string_view name(vendor, sizeof(vendor));
  if (name == "GenuineIntel") return StreamHint::kLater;
  if (name == "AuthenticAMD" || name == "HygonGenuine") return StreamHint::kOnce;
  return StreamHint::kSoon;
#else
  return StreamHint::kOnce;
#endif
}

}  // namespace

std::string_view SimdTargetName() {
  const int64_t target = HWY_DYNAMIC_DISPATCH(TargetInUse)();
  return UsesDotVariant() ? VariantName(target) : hwy::TargetName(target);
}

std::vector<std::string> SimdTargetNames() {
  std::vector<std::string> names;
  for (const int64_t target : AllTargets()) {
    if (HasVariant(target)) names.emplace_back(VariantName(target));
    names.emplace_back(hwy::TargetName(target));
  }
  return names;
}

bool UseSimdTarget(std::string_view name) {
  const auto use = [](int64_t best, bool variant) {
    variant_allowed = variant;
    hwy::DisableTargets(best - 1);
    (void)HWY_DYNAMIC_DISPATCH(TargetInUse)();  // now, rather than in the first threads to ask
  };
  const std::vector<int64_t>& targets = AllTargets();
  if (name.empty()) {
    use(targets.front(), true);
    return true;
  }
  for (const int64_t target : targets) {
    const bool variant = HasVariant(target) && name == VariantName(target);
    if (!variant && name != hwy::TargetName(target)) continue;
    use(target, variant);
    return true;
  }
  return false;
}

bool HasNativeBf16Dot() { return HWY_DYNAMIC_DISPATCH(TargetHasBf16Dot)(); }
bool HasInt8Dot() { return UsesDotVariant() || HWY_DYNAMIC_DISPATCH(TargetHasInt8Dot)(); }

bool UsesDotVariant() {
  return variant_allowed.load(std::memory_order_relaxed) &&
         HasVariant(HWY_DYNAMIC_DISPATCH(TargetInUse)());
}

StreamHint BestStreamHint() {
  static const StreamHint hint = HintOfThisCpu();
  return hint;
}

}  // namespace gemma3
#endif  // HWY_ONCE
