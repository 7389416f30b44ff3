// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Requests for a line of memory that will be read soon. They never fault, so they may lie beyond
// the end of what they run ahead of.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hwy/base.h"

namespace gemma3 {

// To be read once: it need not replace anything in the caches.
HWY_INLINE void PrefetchOnce([[maybe_unused]] const void* p) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  __builtin_prefetch(p, /*read*/ 0, /*locality*/ 0);
#endif
}

// To be read many times, or later: into the second-level cache.
HWY_INLINE void PrefetchForLater([[maybe_unused]] const void* p) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  __builtin_prefetch(p, /*read*/ 0, /*locality*/ 2);
#endif
}

// How a long stream of weights is requested best, by the kind of processor (targets.h).
enum class StreamHint : uint8_t {
  kOnce,   // AMD: to the first-level cache, and then forgotten
  kLater,  // Intel: to the second level. The other hint occupies one of few buffers for as long as
           // the memory takes, and streams run at a third of the speed.
  kSoon,   // as for any data: other makers, and what is used too late for kOnce
};

// Always inlined, and nothing is called: GCC takes a function that only requests memory for one
// without effects, and leaves calls of it out.
HWY_INLINE void PrefetchStream([[maybe_unused]] const void* from, [[maybe_unused]] size_t bytes,
                               [[maybe_unused]] StreamHint hint) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  const char* p = static_cast<const char*>(from);
  if (hint == StreamHint::kOnce) {
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i, 0, 0);
  } else if (hint == StreamHint::kLater) {
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i, 0, 2);
  } else {
    for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i, 0, 3);
  }
#endif
}

}  // namespace gemma3
