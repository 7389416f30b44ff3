// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Hashes tell pictures apart by pixels and by size.
#include "src/image/hash.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <vector>

namespace gemma3 {
namespace {

// The key 00 01 .. 0f and messages 00 01 .. of the reference code's test vectors.
TEST(SipHash128, EqualsThePublishedVectors) {
  const ImageHasher::Key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::vector<uint8_t> message;
  EXPECT_EQ(SipHash128(key, message), (ImageHash{0xe6a825ba047f81a3, 0x930255c71472f66d}));
  for (uint8_t i = 0; i < 15; ++i) message.push_back(i);
  EXPECT_EQ(SipHash128(key, message), (ImageHash{0x11a8b03399e99354, 0xd9c3cf970fec087e}));
}

TEST(ImageHasher, SizeAndEveryPixelCount) {
  const ImageHasher hasher;
  std::set<ImageHash> seen;
  Image image{6, 4, std::vector<uint8_t>(72)};
  EXPECT_TRUE(seen.insert(hasher(image)).second);
  for (uint8_t& byte : image.pixels) {
    byte = 1;
    EXPECT_TRUE(seen.insert(hasher(image)).second);
  }
  for (size_t width : {1, 2, 3, 4, 8, 12, 24}) {
    image.width = width;
    image.height = 24 / width;
    EXPECT_TRUE(seen.insert(hasher(image)).second) << width;
  }
  EXPECT_FALSE(seen.insert(hasher(image)).second) << "the same picture has the same hash";
}

TEST(ImageHasher, KeysDiffer) {
  const Image image{1, 1, {1, 2, 3}};
  EXPECT_NE(ImageHasher()(image), ImageHasher()(image));
}

}  // namespace
}  // namespace gemma3
