// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/image/hash.h"

#include <array>
#include <bit>
#include <chrono>
#include <cstring>
#include <exception>
#include <random>

namespace gemma3 {
namespace {

struct SipState {
  uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void Absorb(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
  uint64_t Finish() {
    for (int i = 0; i < 4; ++i) Round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

uint64_t LittleEndian64(const uint8_t* bytes) {
  uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return std::endian::native == std::endian::little ? word : __builtin_bswap64(word);
}

ImageHasher::Key RandomKey() {
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
  const ImageHash pixels = SipHash128(key_, image.pixels);
  const uint64_t words[] = {image.width, image.height, pixels.low, pixels.high};
  std::array<uint8_t, sizeof(words)> bytes;
  std::memcpy(bytes.data(), words, sizeof(words));
  return SipHash128(key_, bytes);
}

ImageHash SipHash128(const ImageHasher::Key& key, std::span<const uint8_t> bytes) {
  SipState state = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                    key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
  state.v1 ^= 0xee;  // marks the 128-bit variant, as the other constants below do
  const size_t whole = bytes.size() / 8 * 8;
  for (size_t i = 0; i < whole; i += 8) state.Absorb(LittleEndian64(bytes.data() + i));
  uint64_t last = static_cast<uint64_t>(bytes.size()) << 56;
  for (size_t i = whole; i < bytes.size(); ++i) last |= uint64_t{bytes[i]} << (8 * (i - whole));
  state.Absorb(last);
  ImageHash hash;
  state.v2 ^= 0xee;
  hash.low = state.Finish();
  state.v1 ^= 0xdd;
  hash.high = state.Finish();
  return hash;
}

}  // namespace gemma3
