// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/image/hash.h"

#include <array>
#include <chrono>
#include <cstring>
#include <exception>
#include <random>

namespace gemma3 {
namespace {

HashKey RandomKey() {
  try {
    std::random_device random;
    const auto word = [&random] { return uint64_t{random()} << 32 | random(); };
    return {word(), word()};
  } catch (const std::exception&) {
    // No entropy source: distinct pictures still get distinct hashes, except against an attacker
    // who guesses the time.
    return {static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()),
            static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count())};
  }
}

}  // namespace

ImageHasher::ImageHasher() : key_(RandomKey()) {}

ImageHash ImageHasher::operator()(const Image& image) const {
  const Hash128 pixels = SipHash128(key_, image.pixels);
  const uint64_t words[] = {image.width, image.height, pixels.low, pixels.high};
  std::array<uint8_t, sizeof(words)> bytes;
  std::memcpy(bytes.data(), words, sizeof(words));
  return SipHash128(key_, bytes);
}

}  // namespace gemma3
