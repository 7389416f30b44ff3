// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A rectangle of a picture, without a copy of its pixels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gemma3/error.h"
#include "gemma3/image.h"

namespace gemma3 {

// In pixels, right and bottom exclusive.
struct CropBox {
  size_t left = 0;
  size_t top = 0;
  size_t right = 0;
  size_t bottom = 0;

  size_t width() const { return right - left; }
  size_t height() const { return bottom - top; }
  bool operator==(const CropBox&) const = default;
};

// Borrowed pixels: pixel (x, y) has its RGB bytes at pixels + y * row_bytes + 3 * x.
struct ImageView {
  const uint8_t* pixels = nullptr;
  size_t width = 0;
  size_t height = 0;
  size_t row_bytes = 0;
};

// Whether the picture has pixels, as many as its size says, and sides that can be resized. Pictures
// come from applications as well as from DecodeImage. Errors: kBadImage.
Status CheckImage(const Image& image);

// The picture, or the part of it in `box`. The picture must have passed CheckImage and outlive the
// view; the box must lie within it and not be empty.
ImageView ViewOf(const Image& image);
ImageView ViewOf(const Image& image, const CropBox& box);

}  // namespace gemma3
