// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Which instructions the kernels use on this CPU; chosen once at run time. Any thread may ask.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gemma3 {

// Highway's name of the instruction set in use, e.g. "AVX3_ZEN4" (AVX-512 with BF16 and VNNI).
std::string_view SimdTargetName();

// All in this binary that the CPU can run, best first.
std::vector<std::string> SimdTargetNames();

// The CPU multiplies pairs of bf16 and adds them to f32 in one instruction that the kernels use.
bool HasNativeBf16Dot();

// The CPU multiplies groups of four int8 and adds them to int32 in one instruction (VNNI, dot).
bool HasInt8Dot();

}  // namespace gemma3
