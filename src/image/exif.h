// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// EXIF orientation: how a camera was held, and turning the picture upright.
#pragma once

#include <cstdint>
#include <span>

#include "gemma3/image.h"

namespace gemma3 {

// The orientation, 1..8, that a TIFF structure (the payload of an EXIF block, with or without its
// "Exif\0\0" in front) gives. 1 where it gives none or is damaged: the pixels are good all the
// same. Format: CIPA DC-008 (Exif 2.3), 4.5 and 4.6.4, tag 0x0112.
int ReadExifOrientation(std::span<const uint8_t> exif);

// The picture turned and mirrored so that orientation becomes 1. Orientations 5 to 8 swap width and
// height. Anything outside 1..8 counts as 1.
Image ApplyOrientation(Image image, int orientation);

}  // namespace gemma3
