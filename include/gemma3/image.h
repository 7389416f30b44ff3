// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Pictures as the library takes them: 8-bit RGB pixels, or encoded bytes to decode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gemma3/error.h"

namespace gemma3 {

struct RestoredPicture;  // internal

// 8-bit RGB. pixels: [height, width, 3], no row padding. A picture must not change while a
// conversation holds it.
struct Image {
  size_t width = 0;
  size_t height = 0;
  std::vector<uint8_t> pixels;
  // Of a saved conversation: what the model saw of the picture, in place of pixels. Only models of
  // the same kind can go on from it.
  std::shared_ptr<const RestoredPicture> restored = {};
};

// What becomes of transparency. Gemma's own image processor drops it, so models have seen the
// colours that lie under transparent pixels, often black; a black drawing on a transparent ground
// is then black on black. On white it is what a person sees.
enum class Alpha {
  kDrop,   // the colours as stored
  kWhite,  // laid on a white ground
  kBlack,  // laid on a black ground
};

struct ImageOptions {
  size_t max_pixels = 100'000'000;  // width * height, checked before anything is allocated
  size_t max_bytes = 256 << 20;     // of the encoded file
  Alpha alpha = Alpha::kDrop;
};

// Decodes PNG, JPEG (baseline and progressive), BMP, GIF (first frame), PNM, and WebP (first frame)
// where the build found libwebp, to RGB: grey is repeated, palettes are looked up, 16-bit samples
// keep their high byte, and the orientation that EXIF or XMP data give is applied. A file whose end
// is missing is read if nothing of the picture is missing. Errors: kBadImage.
Result<Image> DecodeImage(std::span<const uint8_t> bytes, const ImageOptions& options = {});

// Reads and decodes a file. Errors: kIo where it cannot be read, kBadImage otherwise; both name it.
Result<Image> LoadImage(const std::string& path, const ImageOptions& options = {});

}  // namespace gemma3
