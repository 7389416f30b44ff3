// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/large_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace gemma3 {
namespace {

size_t WholePages(size_t bytes) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

}  // namespace

void AdviseLargePages([[maybe_unused]] void* begin, [[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
  const size_t whole = bytes / kLargePage * kLargePage;
  const int kept = errno;
  if (whole != 0) ::madvise(begin, whole, MADV_HUGEPAGE);
  errno = kept;
#endif
}

void* ReserveLargePages(size_t bytes) {
  if (bytes > SIZE_MAX / 2) {
    errno = ENOMEM;
    return nullptr;
  }
  // With room to align; what is left over goes back.
  const size_t whole = WholePages(bytes);
  void* reserved = ::mmap(nullptr, whole + kLargePage, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return nullptr;
  auto* begin = static_cast<std::byte*>(reserved);
  const size_t skip = (kLargePage - reinterpret_cast<uintptr_t>(begin) % kLargePage) % kLargePage;
  if (skip != 0) ::munmap(begin, skip);
  ::munmap(begin + skip + whole, kLargePage - skip);
  return begin + skip;
}

void* AllocateLargePages(size_t bytes) {
  void* begin = ReserveLargePages(bytes);
  if (!begin) return nullptr;
  // Mapped anew rather than made accessible, so that the system counts it as memory to be used.
  void* memory = ::mmap(begin, WholePages(bytes), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (memory == MAP_FAILED) {
    const int kept = errno;
    FreeLargePages(begin, bytes);
    errno = kept;
    return nullptr;
  }
  AdviseLargePages(memory, bytes);
  return memory;
}

void FreeLargePages(void* begin, size_t bytes) { ::munmap(begin, WholePages(bytes)); }

}  // namespace gemma3
