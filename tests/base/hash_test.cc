// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/hash.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace gemma3 {
namespace {

// The key 00 01 .. 0f and messages 00 01 .. of the reference code's test vectors.
TEST(SipHash128, EqualsThePublishedVectors) {
  const HashKey key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::vector<uint8_t> message;
  EXPECT_EQ(SipHash128(key, message), (Hash128{0xe6a825ba047f81a3, 0x930255c71472f66d}));
  for (uint8_t i = 0; i < 15; ++i) message.push_back(i);
  EXPECT_EQ(SipHash128(key, message), (Hash128{0x11a8b03399e99354, 0xd9c3cf970fec087e}));
}

}  // namespace
}  // namespace gemma3
