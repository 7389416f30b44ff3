// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// PNG (ISO/IEC 15948). The chunks are checked here; stb_image inflates and unfilters. It is given
// only what it needs: header, palette (filled up to 256 entries, since it would look an index past
// the end up in unset memory), transparency unless alpha is dropped, image data, end.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/status.h"
#include "src/image/byte_reader.h"
#include "src/image/codecs.h"
#include "src/image/orientation.h"
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
  std::span<const uint8_t> alpha;    // of a tRNS chunk that fits the colour type
  std::span<const uint8_t> data;     // the IDAT chunks, from the first's length to the last's CRC
  bool has_end = false;
};

// How much of a text chunk is looked at: as much as Pillow expands. And how many of those that
// matter, because a small file of many that expand to this would be a bomb of time.
constexpr size_t kMaxTextBytes = size_t{1} << 20;
constexpr int kMaxTexts = 16;

// Up to the next zero, which is taken too.
std::string_view TakeString(ByteReader& reader) {
  const auto all = reader.Take(reader.left());
  const auto length = static_cast<size_t>(std::ranges::find(all, 0) - all.begin());
  reader = ByteReader(all.subspan(std::min(length + 1, all.size())));
  return {reinterpret_cast<const char*>(all.data()), length};
}

// The bytes of a profile that ImageMagick wrote as text: an empty line, the profile's name, the
// number of bytes, each on a line, then hexadecimal digits on many.
std::vector<uint8_t> ProfileBytes(std::span<const uint8_t> text) {
  std::vector<uint8_t> bytes;
  ByteReader reader(text);
  for (int lines = 0; lines < 3;) {
    if (reader.at_end()) return bytes;
    lines += reader.U8() == '\n';
  }
  for (int digits = 0, value = 0; !reader.at_end();) {
    const uint8_t c = reader.U8();
    const uint8_t lower = c | 0x20;
    const int digit = c >= '0' && c <= '9'           ? c - '0'
                      : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                     : -1;
    if (digit < 0) {
      if (c == '\n' || c == '\r' || c == ' ') continue;
      break;
    }
    value = value << 4 | digit;
    if (++digits % 2 == 0) {
      bytes.push_back(static_cast<uint8_t>(value));
      value = 0;
    }
  }
  return bytes;
}

// What a tEXt, zTXt or iTXt chunk says about the orientation: an XMP packet under its standard
// keyword, or a profile in hexadecimal digits. False: it is about something else.
bool ReadText(std::string_view type, std::span<const uint8_t> data, Orientation& orientation) {
  ByteReader reader(data);
  const std::string_view keyword = TakeString(reader);
  const bool is_xmp = keyword == "XML:com.adobe.xmp";
  const bool is_exif_profile = keyword == "Raw profile type exif";
  const bool is_app1_profile = keyword == "Raw profile type APP1";
  const bool is_xmp_profile = keyword == "Raw profile type xmp";
  if (!is_xmp && !is_exif_profile && !is_app1_profile && !is_xmp_profile) return false;
  bool compressed = type == "zTXt";
  if (type == "iTXt") compressed = reader.U8() != 0;
  if (type != "tEXt") reader.Skip(1);  // compression method: there is one
  if (type == "iTXt") {
    TakeString(reader);  // language
    TakeString(reader);  // keyword in it
  }
  std::span<const uint8_t> text = reader.Take(reader.left());
  std::vector<uint8_t> expanded;
  if (compressed) text = expanded = InflateWithStb(text, kMaxTextBytes);
  const std::vector<uint8_t> profile = is_xmp ? std::vector<uint8_t>() : ProfileBytes(text);
  if (is_xmp) orientation.AddXmp(text);
  if (is_exif_profile) orientation.AddProfile(profile);
  if (is_app1_profile) orientation.AddApp1(profile, /*in_profile=*/true);
  if (is_xmp_profile) orientation.AddXmp(profile);
  return true;
}

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
  Orientation orientation;
  int texts = 0;
  for (;;) {
    const size_t chunk_begin = reader.position();
    const uint32_t length = reader.Be32();
    const auto type = reader.Take(4);
    const auto data = reader.Take(length);
    const uint32_t crc = reader.Be32();
    if (!reader.ok()) {
      // What is missing behind image data need not be missed; whether they are whole shows when
      // they are decoded.
      if (data_end != 0) break;
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
    } else if (is("tRNS")) {
      const bool fits = color == kPalette ? length <= 256
                        : color == kGray  ? length == 2
                        : color == kRgb   ? length == 6
                                          : false;
      if (fits && data_end == 0) parts.alpha = data;
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
      orientation.AddExif(data);
    } else if (is("tEXt") || is("zTXt") || is("iTXt")) {
      const std::string_view name(reinterpret_cast<const char*>(type.data()), 4);
      if (texts < kMaxTexts) texts += ReadText(name, data, orientation);
    } else if (is("IEND")) {
      parts.has_end = true;
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
  parts.header.orientation = orientation.value();
  return parts;
}

}  // namespace

Result<ImageHeader> ReadPngHeader(std::span<const uint8_t> bytes) {
  GEMMA3_TRY(const PngParts parts, ParsePng(bytes, /*check_crc=*/false));
  return parts.header;
}

Result<Image> DecodePng(std::span<const uint8_t> bytes, const ImageHeader& header, Alpha alpha) {
  GEMMA3_TRY(const PngParts parts, ParsePng(bytes, /*check_crc=*/true));
  // The checksums of the chunks made here stay 0: they are not read.
  const auto chunk = [](const char* type, std::span<const uint8_t> data, size_t length) {
    std::vector<uint8_t> made(12 + length);
    made[2] = static_cast<uint8_t>(length >> 8);
    made[3] = static_cast<uint8_t>(length);
    std::memcpy(made.data() + 4, type, 4);
    std::ranges::copy(data, made.begin() + 8);
    return made;
  };
  std::vector<uint8_t> palette, transparency;
  if (!parts.palette.empty()) palette = chunk("PLTE", parts.palette, kMaxPaletteBytes);
  if (alpha != Alpha::kDrop && !parts.alpha.empty()) {
    transparency = chunk("tRNS", parts.alpha, parts.alpha.size());
  }
  const std::span<const uint8_t> pieces[] = {parts.start, palette, transparency, parts.data};
  const std::vector<uint8_t> end = chunk("IEND", {}, 0);
  if (parts.has_end) {
    const std::span<const uint8_t> all[] = {parts.start, palette, transparency, parts.data, end};
    return DecodeWithStb("PNG", all, header.width, header.height, alpha);
  }
  static constexpr std::array<uint8_t, 16> kZeros = {};
  std::array<uint8_t, 16> ones;
  ones.fill(0xFF);
  std::vector<uint8_t> endings[2] = {chunk("IDAT", kZeros, kZeros.size()),
                                     chunk("IDAT", ones, ones.size())};
  for (auto& ending : endings) ending.insert(ending.end(), end.begin(), end.end());
  return DecodeUnendedWithStb("PNG", pieces, {endings[0], endings[1]}, header.width, header.height,
                              alpha);
}

}  // namespace gemma3
