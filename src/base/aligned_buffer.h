// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Cache-line aligned memory; buffers of 2 MiB or more come in large pages of their own.
// Pages of a large buffer cost nothing until they are touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "src/base/large_pages.h"

namespace gemma3 {

inline constexpr size_t kCacheLine = 64;

struct FreeDeleter {
  void operator()(void* p) const { std::free(p); }
};

// Uninitialized. Throws std::bad_alloc, which the API border turns into kOutOfMemory.
template <class T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t count) : count_(count) {
    if (count == 0) return;
    if (count > (SIZE_MAX - kCacheLine) / sizeof(T)) throw std::bad_alloc();
    const size_t bytes = (count * sizeof(T) + kCacheLine - 1) / kCacheLine * kCacheLine;
    const bool large = bytes >= kLargePage;
    void* memory = large ? AllocateLargePages(bytes) : std::aligned_alloc(kCacheLine, bytes);
    if (!memory) throw std::bad_alloc();
    data_ = std::unique_ptr<T, Deleter>(static_cast<T*>(memory), Deleter{large ? bytes : 0});
  }

  T* data() const { return data_.get(); }
  size_t size() const { return count_; }
  std::span<T> span() const { return {data(), count_}; }

 private:
  struct Deleter {
    size_t large_bytes = 0;  // 0: from the allocator
    void operator()(void* p) const {
      if (large_bytes != 0) {
        FreeLargePages(p, large_bytes);
      } else {
        std::free(p);
      }
    }
  };
  std::unique_ptr<T, Deleter> data_;
  size_t count_ = 0;
};

// Buffers that live and die together.
class AlignedBuffers {
 public:
  // Uninitialized.
  std::byte* Add(size_t bytes) {
    AlignedBuffer<std::byte> buffer(bytes);
    std::byte* data = buffer.data();
    buffers_.push_back(std::move(buffer));
    bytes_ += bytes;
    return data;
  }

  // Zeroed, and still untouched: calloc takes large blocks as fresh pages from the system. Not in
  // large pages: these are for caches, which fill bit by bit, and whole pages would be touched.
  std::byte* AddZeroed(size_t bytes) {
    if (bytes > SIZE_MAX - kCacheLine) throw std::bad_alloc();
    std::unique_ptr<std::byte, FreeDeleter> block(
        static_cast<std::byte*>(std::calloc(1, bytes + kCacheLine)));
    if (!block) throw std::bad_alloc();
    std::byte* const begin = block.get();
    zeroed_.push_back(std::move(block));
    bytes_ += bytes;
    const auto address = reinterpret_cast<uintptr_t>(begin);
    return begin + (kCacheLine - address % kCacheLine) % kCacheLine;
  }
  size_t bytes() const { return bytes_; }

 private:
  std::vector<AlignedBuffer<std::byte>> buffers_;
  std::vector<std::unique_ptr<std::byte, FreeDeleter>> zeroed_;
  size_t bytes_ = 0;
};

}  // namespace gemma3
