// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/aligned_buffer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

namespace gemma3 {
namespace {

uintptr_t AddressOf(const void* p) { return reinterpret_cast<uintptr_t>(p); }

TEST(AlignedBuffer, BeginsAtACacheLineOrALargePage) {
  for (const size_t bytes : {size_t{1}, size_t{100}, kLargePage - 1}) {
    const AlignedBuffer<std::byte> buffer(bytes);
    EXPECT_EQ(buffer.size(), bytes);
    EXPECT_EQ(AddressOf(buffer.data()) % kCacheLine, 0u);
  }
  for (const size_t bytes : {kLargePage, kLargePage + 1, 3 * kLargePage - 5}) {
    const AlignedBuffer<std::byte> buffer(bytes);
    EXPECT_EQ(AddressOf(buffer.data()) % kLargePage, 0u);
    std::memset(buffer.data(), 1, bytes);
  }
}

TEST(AlignedBuffer, EmptyAndImpossibleSizes) {
  const AlignedBuffer<float> none(0);
  EXPECT_EQ(none.data(), nullptr);
  EXPECT_THROW(AlignedBuffer<float>(SIZE_MAX / 2), std::bad_alloc);
  EXPECT_THROW(AlignedBuffer<std::byte>(SIZE_MAX / 2), std::bad_alloc);
}

TEST(AlignedBuffers, KeepWhatTheyGave) {
  AlignedBuffers buffers;
  std::byte* first = buffers.Add(10);
  std::memset(first, 7, 10);
  std::byte* zeroed = buffers.AddZeroed(5000);
  EXPECT_EQ(AddressOf(zeroed) % kCacheLine, 0u);
  for (size_t i = 0; i < 5000; ++i) ASSERT_EQ(zeroed[i], std::byte{0});
  buffers.Add(kLargePage);
  EXPECT_EQ(first[9], std::byte{7});
  EXPECT_EQ(buffers.bytes(), 10 + 5000 + kLargePage);
}

}  // namespace
}  // namespace gemma3
