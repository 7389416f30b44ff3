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

// mmap at a multiple of kLargePage, with the request for large pages. Null and errno if it fails.
void* Map(size_t bytes, int protection, int flags, int descriptor) {
  if (bytes > SIZE_MAX / 2) {
    errno = ENOMEM;
    return nullptr;
  }
  // Reserves addresses with room to align, gives back what is left over, and maps over the rest.
  const size_t whole = WholePages(bytes);
  void* reserved = ::mmap(nullptr, whole + kLargePage, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return nullptr;
  auto* begin = static_cast<std::byte*>(reserved);
  const size_t skip = (kLargePage - reinterpret_cast<uintptr_t>(begin) % kLargePage) % kLargePage;
  if (skip != 0) ::munmap(begin, skip);
  begin += skip;
  ::munmap(begin + whole, kLargePage - skip);
  if (::mmap(begin, bytes, protection, flags | MAP_FIXED, descriptor, 0) == MAP_FAILED) {
    const int kept = errno;
    ::munmap(begin, whole);
    errno = kept;
    return nullptr;
  }
#ifdef MADV_HUGEPAGE
  const int kept = errno;  // a refusal is no error
  ::madvise(begin, bytes / kLargePage * kLargePage, MADV_HUGEPAGE);
  errno = kept;
#endif
  return begin;
}

}  // namespace

void* MapFileInLargePages(int descriptor, size_t bytes) {
  return Map(bytes, PROT_READ, MAP_SHARED, descriptor);
}

void* AllocateLargePages(size_t bytes) {
  return Map(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

void FreeLargePages(void* begin, size_t bytes) { ::munmap(begin, WholePages(bytes)); }

}  // namespace gemma3
