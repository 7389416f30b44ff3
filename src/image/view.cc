// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/image/view.h"

#include "src/base/status.h"
#include "src/image/limits.h"

namespace gemma3 {

Status CheckImage(const Image& image) {
  const size_t w = image.width;
  const size_t h = image.height;
  if (w == 0 || h == 0 || w > kMaxImageSide || h > kMaxImageSide || w * h > kMaxImagePixels) {
    return Fail(ErrorCode::kBadImage, "picture has a size of ", w, " x ", h,
                " pixels; sides of 1 to ", kMaxImageSide, " and at most ", kMaxImagePixels,
                " pixels are possible");
  }
  if (image.pixels.size() != 3 * w * h) {
    return Fail(ErrorCode::kBadImage, "picture of ", w, " x ", h, " pixels needs ", 3 * w * h,
                " bytes of RGB, but has ", image.pixels.size());
  }
  return {};
}

ImageView ViewOf(const Image& image) {
  return {image.pixels.data(), image.width, image.height, 3 * image.width};
}

ImageView ViewOf(const Image& image, const CropBox& box) {
  const size_t row_bytes = 3 * image.width;
  return {image.pixels.data() + box.top * row_bytes + 3 * box.left, box.width(), box.height(),
          row_bytes};
}

}  // namespace gemma3
