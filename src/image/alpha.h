// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Pixels with alpha to pixels without.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gemma3/image.h"

namespace gemma3 {

// `level` laid with `opacity` (255: opaque) on the ground that `alpha` names, rounded to nearest.
inline uint8_t Over(uint8_t level, uint8_t opacity, Alpha alpha) {
  if (alpha == Alpha::kDrop) return level;
  const unsigned ground = alpha == Alpha::kWhite ? 255 : 0;
  return static_cast<uint8_t>((level * opacity + ground * (255u - opacity) + 127) / 255);
}

// RGBA pixels, 4 bytes each, to RGB ones.
inline std::vector<uint8_t> Flatten(const uint8_t* rgba, size_t num_pixels, Alpha alpha) {
  std::vector<uint8_t> rgb(3 * num_pixels);
  for (size_t i = 0; i < num_pixels; ++i) {
    for (size_t c = 0; c < 3; ++c) rgb[3 * i + c] = Over(rgba[4 * i + c], rgba[4 * i + 3], alpha);
  }
  return rgb;
}

}  // namespace gemma3
