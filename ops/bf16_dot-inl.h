// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// GEMMA3_BF16_DOT: whether this target multiplies bf16 by its dot product. Not where that is slower
// than widening to f32: Intel's cores (AVX3_SPR and later targets) take two cycles for one, at
// every width, in which they do four f32 multiply-adds; so f32 has twice the rate, and no rounding
// of the left operand. AMD's (AVX3_ZEN4) and ARM's run at twice the f32 rate. The rule goes by the
// target alone, so that equal processors give equal bits.
#include "hwy/highway.h"

#undef GEMMA3_BF16_DOT
#if HWY_NATIVE_DOT_BF16 && !(HWY_ARCH_X86 && HWY_TARGET < HWY_AVX3_ZEN4)
#define GEMMA3_BF16_DOT 1
#else
#define GEMMA3_BF16_DOT 0
#endif
