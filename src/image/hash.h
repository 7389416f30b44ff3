// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a picture is known by in the cache of encoded pictures.
#pragma once

#include "gemma3/image.h"
#include "src/base/hash.h"

namespace gemma3 {

using ImageHash = Hash128;

// Hashes pictures by size and pixels under a key that each hasher draws at random, so that nobody
// can make two pictures that share a hash, and the cache need not keep pixels to compare. Some 25
// ms for 12 megapixels, against seconds for an encode. Hashes of different hashers, and so of
// different processes, do not compare.
//
// Immutable after construction: any number of threads may use one.
class ImageHasher {
 public:
  ImageHasher();
  explicit ImageHasher(const HashKey& key) : key_(key) {}

  ImageHash operator()(const Image& image) const;

 private:
  HashKey key_;
};

}  // namespace gemma3
