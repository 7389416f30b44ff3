// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a picture is known by in the cache of encoded pictures.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>

#include "gemma3/image.h"

namespace gemma3 {

struct ImageHash {
  uint64_t low = 0;
  uint64_t high = 0;
  auto operator<=>(const ImageHash&) const = default;
};

// Hashes pictures by size and pixels with SipHash-2-4, 128 bits, under a key that each hasher draws
// at random. By chance two of n pictures share a hash with probability n^2 / 2^129, and whoever
// does not know the key cannot make two that do, so the cache need not keep pixels to compare.
// About one byte a cycle: some 25 ms for 12 megapixels, against seconds for an encode. Hashes of
// different hashers, and so of different processes, do not compare.
//
// Immutable after construction: any number of threads may use one.
class ImageHasher {
 public:
  using Key = std::array<uint64_t, 2>;

  ImageHasher();
  explicit ImageHasher(const Key& key) : key_(key) {}

  ImageHash operator()(const Image& image) const;

 private:
  Key key_;
};

// J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", 2012, with the 128-bit output
// of its reference code.
ImageHash SipHash128(const ImageHasher::Key& key, std::span<const uint8_t> bytes);

}  // namespace gemma3
