// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Orientation: how a camera was held, and turning the picture upright. A file may state it in
// several places; which one counts is as in Pillow's exif_transpose, that the published image
// processors call.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "gemma3/image.h"

namespace gemma3 {

// The orientation, 1..8, that a TIFF structure (the payload of an EXIF block, with or without its
// "Exif\0\0" in front) gives in an integer of any type; Pillow reads them all but BYTE. 1 where it
// gives a value that means nothing, 0 where it gives none or is damaged. Format: CIPA DC-008 (Exif
// 2.3), 4.5 and 4.6.4, tag 0x0112.
int ReadExifOrientation(std::span<const uint8_t> exif);

// The same from an XMP packet: the property tiff:Orientation, as attribute or element
// (Adobe, XMP Specification part 2, "TIFF schema").
int ReadXmpOrientation(std::span<const uint8_t> xmp);

// What a file says in its places. An EXIF block of the format's own counts, else one in a text
// profile; XMP where that has no orientation.
class Orientation {
 public:
  void AddExif(std::span<const uint8_t> block);    // the first one counts
  void AddProfile(std::span<const uint8_t> exif);  // as ImageMagick writes it into a PNG's texts
  void AddXmp(std::span<const uint8_t> packet);
  // A JPEG's APP1 segment, or such a one in a profile: EXIF, XMP or something else.
  void AddApp1(std::span<const uint8_t> segment, bool in_profile = false);

  int value() const;  // 1..8

 private:
  std::optional<int> exif_;
  std::optional<int> profile_;
  int xmp_ = 0;
};

// The picture turned and mirrored so that orientation becomes 1. Orientations 5 to 8 swap width and
// height. Anything outside 1..8 counts as 1.
Image ApplyOrientation(Image image, int orientation);

}  // namespace gemma3
