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
