// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A vector as a JSON array.
#pragma once

#include <array>
#include <charconv>
#include <span>
#include <string>

namespace gemma3::cli {

// Each number in as few digits as give the same float again.
inline std::string VectorJson(std::span<const float> vector) {
  std::string text = "[";
  for (const float value : vector) {
    if (text.size() > 1) text += ',';
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    text.append(digits.data(), end);
  }
  return text + "]";
}

}  // namespace gemma3::cli
