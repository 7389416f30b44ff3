// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Reads integers from untrusted bytes without ever leaving them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gemma3 {

// A position in bytes that it does not own. Reading past the end gives 0 and makes ok() false for
// good, so that a parser may read a whole header and check once.
class ByteReader {
 public:
  explicit ByteReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  bool at_end() const { return position_ == bytes_.size(); }
  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }

  uint8_t U8() {
    const auto byte = Take(1);
    return byte.empty() ? 0 : byte[0];
  }
  uint16_t Be16() { return static_cast<uint16_t>(Big(2)); }
  uint32_t Be32() { return Big(4); }
  uint16_t Le16() { return static_cast<uint16_t>(Little(2)); }
  uint32_t Le32() { return Little(4); }

  // The next n bytes, or none (and ok() false) where fewer are left.
  std::span<const uint8_t> Take(size_t n) {
    if (n > left()) {
      ok_ = false;
      position_ = bytes_.size();
      return {};
    }
    const auto taken = bytes_.subspan(position_, n);
    position_ += n;
    return taken;
  }
  void Skip(size_t n) { Take(n); }

 private:
  uint32_t Big(size_t n) {
    uint32_t value = 0;
    for (uint8_t byte : Take(n)) value = value << 8 | byte;
    return value;
  }
  uint32_t Little(size_t n) {
    uint32_t value = 0;
    const auto taken = Take(n);
    for (size_t i = taken.size(); i-- > 0;) value = value << 8 | taken[i];
    return value;
  }

  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace gemma3
