// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// PNG (ISO/IEC 15948). The chunks are checked here; stb_image inflates and unfilters. It is given
// only what it needs: header, palette (filled up to 256 entries, since it would look an index past
// the end up in unset memory), image data, end. Transparency is left out because alpha is dropped.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "src/base/status.h"
#include "src/image/byte_reader.h"
#include "src/image/codecs.h"
#include "src/image/exif.h"
#include "src/image/stb_image.h"

namespace gemma3 {
namespace {

constexpr size_t kSignatureBytes = 8;
constexpr size_t kHeaderChunkBytes = 25;  // length, type, 13 bytes of data, checksum
constexpr size_t kMaxPaletteBytes = 3 * 256;
// stb_image counts image data in an int that it doubles.
constexpr size_t kMaxImageDataBytes = size_t{1} << 29;

enum ColorType : uint8_t { kGray = 0, kRgb = 2, kPalette = 3, kGrayAlpha = 4, kRgba = 6 };

bool ValidDepth(uint8_t color, uint8_t depth) {
  switch (color) {
    case kGray:
      return depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
    case kPalette:
      return depth == 1 || depth == 2 || depth == 4 || depth == 8;
    case kRgb:
    case kGrayAlpha:
    case kRgba:
      return depth == 8 || depth == 16;
    default:
      return false;
  }
}

constexpr std::array<uint32_t, 256> MakeCrcTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t n = 0; n < 256; ++n) {
    uint32_t c = n;
    for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
    table[n] = c;
  }
  return table;
}

// CRC-32 of ISO/IEC 15948, annex D.
uint32_t Crc32(std::span<const uint8_t> bytes) {
  static constexpr auto kTable = MakeCrcTable();
  uint32_t crc = 0xFFFFFFFFu;
  for (uint8_t byte : bytes) crc = kTable[(crc ^ byte) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

// Chunk types are letters; anything else is shown as '?'.
std::string TypeName(std::span<const uint8_t> type) {
  std::string name;
  for (uint8_t c : type) {
    const uint8_t lower = c | 0x20;
    name += lower >= 'a' && lower <= 'z' ? static_cast<char>(c) : '?';
  }
  return name;
}

struct PngParts {
  ImageHeader header;
  std::span<const uint8_t> start;    // signature and IHDR
  std::span<const uint8_t> palette;  // RGB triples
  std::span<const uint8_t> data;     // the IDAT chunks, from the first's length to the last's CRC
};

Result<PngParts> ParsePng(std::span<const uint8_t> bytes, bool check_crc) {
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
  check_crc = false;  // mutated files would never get past it
#endif
  PngParts parts;
  ByteReader reader(bytes);
  reader.Skip(kSignatureBytes);
  uint8_t color = 0;
  size_t data_begin = 0;
  size_t data_end = 0;
  size_t data_bytes = 0;
  bool has_header = false;
  for (;;) {
    const size_t chunk_begin = reader.position();
    const uint32_t length = reader.Be32();
    const auto type = reader.Take(4);
    const auto data = reader.Take(length);
    const uint32_t crc = reader.Be32();
    if (!reader.ok()) {
      return Fail(ErrorCode::kBadImage, "PNG is cut off: the chunk at byte ", chunk_begin,
                  " does not end within the file's ", bytes.size(), " bytes");
    }
    const auto is = [type](const char* name) { return std::memcmp(type.data(), name, 4) == 0; };
    if (check_crc && crc != Crc32(bytes.subspan(chunk_begin + 4, 4 + size_t{length}))) {
      return Fail(ErrorCode::kBadImage, "PNG chunk ", TypeName(type), " at byte ", chunk_begin,
                  " has a wrong checksum: the file is damaged");
    }

    if (!has_header) {
      if (is("CgBI")) {
        return Fail(ErrorCode::kBadImage,
                    "PNG is in Apple's private variant (CgBI); convert it to a standard PNG");
      }
      if (!is("IHDR") || length != 13) {
        return Fail(ErrorCode::kBadImage, "PNG does not start with a 13-byte IHDR chunk but with ",
                    TypeName(type), " of ", length, " bytes");
      }
      ByteReader fields(data);
      parts.header.width = fields.Be32();
      parts.header.height = fields.Be32();
      const uint8_t depth = fields.U8();
      color = fields.U8();
      if (!ValidDepth(color, depth)) {
        return Fail(ErrorCode::kBadImage, "PNG has colour type ", int{color}, " with ", int{depth},
                    " bits, which the format does not know");
      }
      parts.start = bytes.first(kSignatureBytes + kHeaderChunkBytes);
      has_header = true;
    } else if (is("IHDR")) {
      return Fail(ErrorCode::kBadImage, "PNG has a second IHDR chunk at byte ", chunk_begin);
    } else if (is("PLTE")) {
      if (length == 0 || length % 3 != 0 || length > kMaxPaletteBytes || data_end != 0) {
        return Fail(ErrorCode::kBadImage, "PNG palette at byte ", chunk_begin, " has ", length,
                    " bytes, or follows the image data; 3 to 768 in threes before it are valid");
      }
      parts.palette = data;
    } else if (is("IDAT")) {
      if (data_end == 0) data_begin = chunk_begin;
      if (data_end != 0 && data_end != chunk_begin) {
        return Fail(ErrorCode::kBadImage,
                    "PNG image data is not in one run: another IDAT chunk is at", " byte ",
                    chunk_begin);
      }
      data_end = reader.position();
      data_bytes += length;
      if (data_bytes > kMaxImageDataBytes) {
        return Fail(ErrorCode::kBadImage, "PNG has more than ", kMaxImageDataBytes,
                    " bytes of image data");
      }
    } else if (is("eXIf")) {
      parts.header.orientation = ReadExifOrientation(data);
    } else if (is("IEND")) {
      break;
    } else if ((type[0] & 0x20) == 0) {
      return Fail(ErrorCode::kBadImage, "PNG has an unknown chunk ", TypeName(type), " at byte ",
                  chunk_begin, " that a reader must understand");
    }
  }
  if (data_end == 0) return Fail(ErrorCode::kBadImage, "PNG has no image data (no IDAT chunk)");
  if (color == kPalette && parts.palette.empty()) {
    return Fail(ErrorCode::kBadImage, "PNG uses a palette but has none (no PLTE chunk)");
  }
  parts.data = bytes.subspan(data_begin, data_end - data_begin);
  return parts;
}

}  // namespace

Result<ImageHeader> ReadPngHeader(std::span<const uint8_t> bytes) {
  GEMMA3_TRY(const PngParts parts, ParsePng(bytes, /*check_crc=*/false));
  return parts.header;
}

Result<Image> DecodePng(std::span<const uint8_t> bytes, const ImageHeader& header) {
  GEMMA3_TRY(const PngParts parts, ParsePng(bytes, /*check_crc=*/true));
  // The checksums of the chunks made here stay 0: they are not read.
  std::array<uint8_t, 12 + kMaxPaletteBytes> palette = {
      0, 0, kMaxPaletteBytes >> 8, kMaxPaletteBytes & 0xFF, 'P', 'L', 'T', 'E'};
  std::ranges::copy(parts.palette, palette.begin() + 8);
  static constexpr std::array<uint8_t, 12> kEnd = {0, 0, 0, 0, 'I', 'E', 'N', 'D'};
  const std::span<const uint8_t> pieces[] = {
      parts.start,
      parts.palette.empty() ? std::span<const uint8_t>() : std::span<const uint8_t>(palette),
      parts.data, kEnd};
  return DecodeWithStb("PNG", pieces, header.width, header.height);
}

}  // namespace gemma3
