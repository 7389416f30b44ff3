// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// One reader for each picture format. Each comes as a pair: Read<Format>Header checks the structure
// of the file as far as it can without decoding, allocates nothing that grows with the picture, and
// says how large the picture is; the caller checks that against its limits; then Decode<Format>,
// which is given the same bytes again, decodes.
//
// Errors of all: kBadImage, with a message that starts with the name of the format. Any thread may
// call them at any time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "gemma3/error.h"
#include "gemma3/image.h"

namespace gemma3 {

struct ImageHeader {
  size_t width = 0;  // pixels as stored, before the orientation is applied
  size_t height = 0;
  int orientation = 1;  // as in orientation.h
};

// ISO/IEC 15948. All colour types and depths, interlaced or not; checksums are checked.
Result<ImageHeader> ReadPngHeader(std::span<const uint8_t> bytes);
Result<Image> DecodePng(std::span<const uint8_t> bytes, const ImageHeader& header, Alpha alpha);

// ITU-T T.81, 8 bits, Huffman-coded, sequential or progressive; grey, YCbCr, RGB, and CMYK and
// YCCK, inverted as Adobe has them.
Result<ImageHeader> ReadJpegHeader(std::span<const uint8_t> bytes);
Result<Image> DecodeJpeg(std::span<const uint8_t> bytes, const ImageHeader& header, Alpha alpha);

// Windows and OS/2 bitmaps: 1, 4, 8 (palette), 16, 24 and 32 bits, and run-length-coded 4 and 8.
Result<ImageHeader> ReadBmpHeader(std::span<const uint8_t> bytes);
Result<Image> DecodeBmp(std::span<const uint8_t> bytes, const ImageHeader& header, Alpha alpha);

// GIF87a and GIF89a, the first frame.
Result<ImageHeader> ReadGifHeader(std::span<const uint8_t> bytes);
Result<Image> DecodeGif(std::span<const uint8_t> bytes, const ImageHeader& header, Alpha alpha);

// PBM, PGM and PPM, plain and raw (P1 to P6), any maximum.
Result<ImageHeader> ReadPnmHeader(std::span<const uint8_t> bytes);
Result<Image> DecodePnm(std::span<const uint8_t> bytes, const ImageHeader& header, Alpha alpha);

// WebP, lossy and lossless, the first frame of an animation. Builds without libwebp say so.
Result<ImageHeader> ReadWebpHeader(std::span<const uint8_t> bytes);
Result<Image> DecodeWebp(std::span<const uint8_t> bytes, const ImageHeader& header, Alpha alpha);

}  // namespace gemma3
