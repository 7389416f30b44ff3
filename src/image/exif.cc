// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/image/exif.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "src/image/byte_reader.h"

namespace gemma3 {

int ReadExifOrientation(std::span<const uint8_t> exif) {
  static constexpr uint8_t kPrefix[] = {'E', 'x', 'i', 'f', 0, 0};
  if (exif.size() >= sizeof(kPrefix) && std::memcmp(exif.data(), kPrefix, sizeof(kPrefix)) == 0) {
    exif = exif.subspan(sizeof(kPrefix));
  }
  ByteReader reader(exif);
  const uint16_t order = reader.Be16();
  const bool little = order == 0x4949;
  if (!little && order != 0x4D4D) return 1;
  const auto u16 = [little](ByteReader& r) { return little ? r.Le16() : r.Be16(); };
  const auto u32 = [little](ByteReader& r) { return little ? r.Le32() : r.Be32(); };
  if (u16(reader) != 42) return 1;
  const uint32_t directory = u32(reader);
  if (directory > exif.size()) return 1;

  ByteReader entries(exif.subspan(directory));
  const uint16_t num_entries = u16(entries);
  for (uint16_t i = 0; i < num_entries && entries.ok(); ++i) {
    const uint16_t tag = u16(entries);
    const uint16_t type = u16(entries);
    const uint32_t count = u32(entries);
    const uint16_t value = u16(entries);
    entries.Skip(2);
    constexpr uint16_t kOrientation = 0x0112;
    constexpr uint16_t kShort = 3;
    if (!entries.ok() || tag != kOrientation) continue;
    return type == kShort && count == 1 && value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

Image ApplyOrientation(Image image, int orientation) {
  if (orientation < 2 || orientation > 8) return image;
  const auto w = static_cast<ptrdiff_t>(image.width);
  const auto h = static_cast<ptrdiff_t>(image.height);
  // Where the source pixel of the upright picture's (0, 0) lies, and how far the source moves, in
  // pixels, for one step right and one step down.
  const ptrdiff_t top_left = 0;
  const ptrdiff_t top_right = w - 1;
  const ptrdiff_t bottom_left = (h - 1) * w;
  const ptrdiff_t bottom_right = h * w - 1;
  struct Walk {
    ptrdiff_t origin, right, down;
  };
  const Walk walks[9] = {
      {},
      {top_left, 1, w},
      {top_right, -1, w},      // mirrored
      {bottom_right, -1, -w},  // half a turn
      {bottom_left, 1, -w},    // upside down, mirrored
      {top_left, w, 1},        // transposed
      {bottom_left, -w, 1},    // needs a quarter turn clockwise
      {bottom_right, -w, -1},  // transposed on the other diagonal
      {top_right, w, -1},      // needs a quarter turn counterclockwise
  };
  const Walk walk = walks[orientation];

  Image upright;
  upright.width = orientation >= 5 ? image.height : image.width;
  upright.height = orientation >= 5 ? image.width : image.height;
  upright.pixels.resize(image.pixels.size());
  uint8_t* out = upright.pixels.data();
  for (size_t y = 0; y < upright.height; ++y) {
    ptrdiff_t from = walk.origin + static_cast<ptrdiff_t>(y) * walk.down;
    for (size_t x = 0; x < upright.width; ++x, from += walk.right, out += 3) {
      std::copy_n(image.pixels.data() + 3 * from, 3, out);
    }
  }
  return upright;
}

}  // namespace gemma3
