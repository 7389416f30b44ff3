// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Requests for a line of memory that will be read soon. They never fault, so they may lie beyond
// the end of what they run ahead of.
#pragma once

#include <cstddef>

#include "hwy/base.h"

namespace gemma3 {

// To be read once: it need not replace anything in the caches.
inline void PrefetchOnce([[maybe_unused]] const void* p) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  __builtin_prefetch(p, /*read*/ 0, /*locality*/ 0);
#endif
}

// To be read many times, or later: into the second-level cache.
inline void PrefetchForLater([[maybe_unused]] const void* p) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  __builtin_prefetch(p, /*read*/ 0, /*locality*/ 2);
#endif
}

}  // namespace gemma3
