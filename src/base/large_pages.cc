// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/large_pages.h"

#include <sys/mman.h>

#include <cerrno>

namespace gemma3 {

void AdviseLargePages([[maybe_unused]] void* begin, [[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
  const size_t whole = bytes / kLargePage * kLargePage;
  const int kept = errno;
  if (whole != 0) ::madvise(begin, whole, MADV_HUGEPAGE);
  errno = kept;
#endif
}

}  // namespace gemma3
