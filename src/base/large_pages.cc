// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/large_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <new>
#include <string>
#include <vector>

#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include "src/base/number_list.h"

namespace gemma3 {
namespace {

#if defined(__linux__) && defined(SYS_mbind)
// The nodes that have memory, as bits: several on machines with several sockets, and on some with
// one.
const std::vector<unsigned long>& MemoryNodes() {
  static const std::vector<unsigned long> nodes = []() -> std::vector<unsigned long> {
    try {
      std::string line;
      std::ifstream file("/sys/devices/system/node/has_memory");
      std::getline(file, line);
      const std::vector<size_t> numbers = ParseNumberList(line);
      if (numbers.size() < 2) return {};
      constexpr size_t kBits = 8 * sizeof(unsigned long);
      std::vector<unsigned long> bits(numbers.back() / kBits + 1);
      for (const size_t node : numbers) bits[node / kBits] |= 1UL << node % kBits;
      return bits;
    } catch (const std::bad_alloc&) {
      return {};
    }
  }();
  return nodes;
}

// Pages of weights, caches and scratch lie on all nodes in turn: every thread reads all of them,
// and where one thread has filled them they would all lie on its node. A wish; a refusal is no
// error.
void SpreadOverNodes(void* begin, size_t bytes) {
  constexpr int kInterleave = 3;  // MPOL_INTERLEAVE; its header is not everywhere
  const std::vector<unsigned long>& nodes = MemoryNodes();
  if (nodes.empty()) return;
  const int kept = errno;
  ::syscall(SYS_mbind, begin, bytes, kInterleave, nodes.data(),
            nodes.size() * 8 * sizeof(unsigned long) + 1, 0);
  errno = kept;
}
#else
void SpreadOverNodes(void*, size_t) {}
#endif

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
  void* begin = Map(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  if (begin != nullptr) SpreadOverNodes(begin, bytes);
  return begin;
}

void FreeLargePages(void* begin, size_t bytes) { ::munmap(begin, WholePages(bytes)); }

}  // namespace gemma3
