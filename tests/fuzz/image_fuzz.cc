// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Fuzzes picture decoding, all formats. Checks what every caller relies on: a picture within the
// limits whose pixels fit its size, or an error with a message; the same each time.
#include <cstddef>
#include <cstdint>
#include <span>

#include "gemma3/image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Small, so that time goes into the files' structure and not into pixels.
  gemma3::ImageOptions limits = {.max_pixels = 1 << 16, .max_bytes = 1 << 20};
  if (size % 2 != 0) limits.alpha = gemma3::Alpha::kWhite;
  const auto decode = [&] { return gemma3::DecodeImage(std::span(data, size), limits); };
  const auto image = decode();
  if (!image) {
    if (image.error().code != gemma3::ErrorCode::kBadImage) __builtin_trap();
    if (image.error().message.empty()) __builtin_trap();
    return 0;
  }
  if (image->width == 0 || image->height == 0) __builtin_trap();
  if (image->width * image->height > limits.max_pixels) __builtin_trap();
  if (image->pixels.size() != 3 * image->width * image->height) __builtin_trap();
  const auto again = decode();
  if (!again || again->pixels != image->pixels) __builtin_trap();
  return 0;
}
