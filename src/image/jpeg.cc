// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// JPEG (ITU-T T.81). The marker segments of the whole file are checked here; stb_image decodes.
//
// What is checked protects it: releases before 2.28 write a Huffman table with more than 256 codes
// past the end of its memory, and all fill a file that is cut off with grey. Both walk the markers
// alike, so that it sees no segment that was not checked: in entropy-coded data only FF followed by
// neither 00, FF nor a restart marker ends the data, and elsewhere bytes are skipped up to an FF.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "src/base/status.h"
#include "src/image/byte_reader.h"
#include "src/image/codecs.h"
#include "src/image/exif.h"
#include "src/image/stb_image.h"

namespace gemma3 {
namespace {

enum Marker : uint8_t {
  kSof0 = 0xC0,  // baseline
  kSof1 = 0xC1,  // extended sequential
  kSof2 = 0xC2,  // progressive
  kDht = 0xC4,
  kDac = 0xCC,
  kRst0 = 0xD0,
  kRst7 = 0xD7,
  kEoi = 0xD9,
  kSos = 0xDA,
  kApp1 = 0xE1,
  kApp14 = 0xEE,
};

// Every scan visits all blocks of the picture however few bytes it has, so a small file with many
// scans is a bomb: 100 empty ones over 100 megapixels take one or two seconds. Encoders write about
// ten.
constexpr int kMaxScans = 100;

// Skips to the marker that ends entropy-coded data; the reader then stands at its FF.
void SkipEntropyCodedData(std::span<const uint8_t> bytes, ByteReader& reader) {
  size_t at = reader.position();
  while (at < bytes.size()) {
    const void* found = std::memchr(bytes.data() + at, 0xFF, bytes.size() - at);
    if (found == nullptr) break;
    at = static_cast<size_t>(static_cast<const uint8_t*>(found) - bytes.data());
    size_t code = at + 1;
    while (code < bytes.size() && bytes[code] == 0xFF) ++code;
    if (code == bytes.size()) break;
    const uint8_t marker = bytes[code];
    if (marker != 0 && (marker < kRst0 || marker > kRst7)) {
      reader.Skip(at - reader.position());
      return;
    }
    at = code + 1;
  }
  reader.Skip(reader.left());
}

// Checks the tables of a DHT segment: 16 counts and their sum of values each (T.81 B.2.4.2).
Status CheckHuffmanTables(std::span<const uint8_t> segment, size_t at) {
  ByteReader reader(segment);
  while (reader.ok() && !reader.at_end()) {
    reader.Skip(1);
    size_t codes = 0;
    for (uint8_t count : reader.Take(16)) codes += count;
    if (codes > 256) {
      return Fail(ErrorCode::kBadImage, "JPEG Huffman table at byte ", at, " has ", codes,
                  " codes; 256 is the most");
    }
    reader.Skip(codes);
  }
  if (!reader.ok()) {
    return Fail(ErrorCode::kBadImage, "JPEG Huffman table at byte ", at, " is cut off");
  }
  return {};
}

// T.81 B.2.2.
Result<ImageHeader> ReadFrame(uint8_t marker, std::span<const uint8_t> segment) {
  if (marker > kSof2) {
    const char* kind = marker >= 0xC9   ? "arithmetic-coded"
                       : marker == 0xC3 ? "lossless"
                                        : "hierarchical";
    return Fail(ErrorCode::kBadImage, "JPEG is ", kind,
                ", which is not supported; convert it to a baseline JPEG or PNG");
  }
  ByteReader reader(segment);
  const uint8_t bits = reader.U8();
  ImageHeader header;
  header.height = reader.Be16();
  header.width = reader.Be16();
  const uint8_t components = reader.U8();
  if (!reader.ok() || reader.left() != 3 * size_t{components}) {
    return Fail(ErrorCode::kBadImage, "JPEG frame header has ", segment.size(),
                " bytes, which does not fit its ", int{components}, " components");
  }
  if (bits != 8) {
    return Fail(ErrorCode::kBadImage, "JPEG has ", int{bits},
                " bits a sample; only 8 are supported; convert it to an 8-bit JPEG or PNG");
  }
  if (components != 1 && components != 3 && components != 4) {
    return Fail(ErrorCode::kBadImage, "JPEG has ", int{components},
                " components; 1 (grey), 3 (colour) and 4 (CMYK) are supported");
  }
  return header;
}

}  // namespace

Result<ImageHeader> ReadJpegHeader(std::span<const uint8_t> bytes) {
  ByteReader reader(bytes);
  reader.Skip(2);  // SOI
  ImageHeader header;
  bool has_frame = false;
  bool has_adobe = false;
  bool has_orientation = false;
  int components = 0;
  int orientation = 1;
  int scans = 0;
  for (;;) {
    while (reader.ok() && reader.U8() != 0xFF) {
    }
    const size_t at = reader.position() - 1;
    uint8_t marker = reader.U8();
    while (reader.ok() && marker == 0xFF) marker = reader.U8();
    if (!reader.ok()) {
      return Fail(ErrorCode::kBadImage, "JPEG is cut off: its ", bytes.size(),
                  " bytes hold no end-of-image marker");
    }
    if (marker == kEoi) break;
    if (marker < kSof0 || (marker >= kRst0 && marker <= kRst7)) {
      return Fail(ErrorCode::kBadImage, "JPEG has a marker ", int{marker}, " at byte ", at,
                  " that does not belong there");
    }

    const uint16_t length = reader.Be16();
    const auto segment = reader.Take(length < 2 ? 0 : length - 2);
    if (!reader.ok() || length < 2) {
      return Fail(ErrorCode::kBadImage, "JPEG segment at byte ", at, " is ",
                  length < 2 ? "shorter than its own length field"
                             : "cut off: it does not end within the file");
    }
    if (marker == kDht) {
      GEMMA3_CHECK_OK(CheckHuffmanTables(segment, at));
    } else if (marker >= 0xC0 && marker <= 0xCF && marker != 0xC8 && marker != kDac) {
      if (has_frame) {
        return Fail(ErrorCode::kBadImage, "JPEG has a second frame header at byte ", at);
      }
      GEMMA3_TRY(header, ReadFrame(marker, segment));
      components = segment[5];
      has_frame = true;
    } else if (marker == kSos) {
      if (!has_frame) {
        return Fail(ErrorCode::kBadImage, "JPEG has a scan at byte ", at,
                    " before its frame header");
      }
      if (++scans > kMaxScans) {
        return Fail(ErrorCode::kBadImage, "JPEG has more than ", kMaxScans, " scans");
      }
      SkipEntropyCodedData(bytes, reader);
    } else if (marker == kApp1 && !has_orientation && segment.size() > 6 &&
               std::memcmp(segment.data(), "Exif\0\0", 6) == 0) {
      orientation = ReadExifOrientation(segment);
      has_orientation = true;
    } else if (marker == kApp14 && segment.size() >= 12 &&
               std::memcmp(segment.data(), "Adobe\0", 6) == 0) {
      has_adobe = true;
    }
  }
  if (scans == 0) return Fail(ErrorCode::kBadImage, "JPEG ends without image data");
  if (components == 4 && !has_adobe) {
    return Fail(
        ErrorCode::kBadImage,
        "JPEG has four components and no Adobe marker that says how they stand for colours; "
        "convert it to RGB");
  }
  header.orientation = orientation;
  return header;
}

Result<Image> DecodeJpeg(std::span<const uint8_t> bytes, const ImageHeader& header) {
  return DecodeWithStb("JPEG", std::span(&bytes, 1), header.width, header.height);
}

}  // namespace gemma3
