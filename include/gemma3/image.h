// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Pictures as the library takes them: 8-bit RGB pixels, or encoded bytes to decode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gemma3/error.h"

namespace gemma3 {

// 8-bit RGB. pixels: [height, width, 3], no row padding.
struct Image {
  size_t width = 0;
  size_t height = 0;
  std::vector<uint8_t> pixels;
};

struct ImageLimits {
  size_t max_pixels = 100'000'000;  // width * height, checked before anything is allocated
  size_t max_bytes = 256 << 20;     // of the encoded file
};

// Decodes PNG, JPEG (baseline and progressive), BMP, GIF (first frame), PNM, and WebP where the
// build found libwebp, to RGB: grey is repeated, palettes are looked up, 16-bit samples keep their
// high byte, alpha is dropped, and EXIF orientation is applied. Errors: kBadImage.
Result<Image> DecodeImage(std::span<const uint8_t> bytes, const ImageLimits& limits = {});

// Reads and decodes a file. Errors: kIo where it cannot be read, kBadImage otherwise; both name it.
Result<Image> LoadImage(const std::string& path, const ImageLimits& limits = {});

}  // namespace gemma3
