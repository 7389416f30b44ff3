// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Which instructions the kernels use on this CPU; chosen once at run time. Any thread may ask.
//
// A target is one of Highway's, or one of them with an instruction beside it that Highway does not
// use there, for which the integer products are compiled once more (ops/matmul_dot.cc):
//   AVX2_VNNI  AVX2 with the dot product of AVX-VNNI (Intel since 2021, AMD Zen 5)
//   AVX3_VNNI  AVX-512 with its own dot product and little else (Intel Cascade Lake)
//   NEON_DOT   NEON with the dot product of ARMv8.2 (Apple M1, Raspberry Pi 5, Graviton 2)
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ops/prefetch.h"

namespace gemma3 {

// The name of the target in use, e.g. "AVX3_ZEN4" (AVX-512 with BF16 and VNNI).
std::string_view SimdTargetName();

// All in this binary that the CPU can run, best first, whichever is used.
std::vector<std::string> SimdTargetNames();

// Uses this target, one of SimdTargetNames(), and what is no better than it; "" for the best again.
// False for any other name, and nothing has changed then. Not while kernels run: to be called when
// a program starts, or by tests.
bool UseSimdTarget(std::string_view name);

// The kernels multiply pairs of bf16 and add them to f32 in one instruction. Not wherever the CPU
// has it: on Intel it runs at half the rate of f32 arithmetic, which is then used in its place.
bool HasNativeBf16Dot();

// The CPU multiplies groups of four int8 and adds them to int32 in one instruction (VNNI, dot).
bool HasInt8Dot();

// The target in use is one with an instruction beside Highway's.
bool UsesDotVariant();

// By the maker of the CPU.
StreamHint BestStreamHint();

}  // namespace gemma3
