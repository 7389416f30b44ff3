// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Kernels are compiled once for each of Highway's targets, and some once more for a processor with
// an instruction beside the target (ops/matmul_dot.cc). Such a compilation defines GEMMA3_ISA
// before it includes anything: all that the -inl.h files define then lies in a namespace of its
// own, or the linker would keep one of two functions of the same name, for processors that lack it.
#pragma once

#ifndef GEMMA3_ISA
#define GEMMA3_ISA plain
#endif
