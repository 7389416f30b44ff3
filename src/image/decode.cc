// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Encoded bytes or a file to upright RGB: finds the format, checks the limits, decodes.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "gemma3/image.h"
#include "src/base/file_map.h"
#include "src/base/guard.h"
#include "src/base/status.h"
#include "src/image/codecs.h"
#include "src/image/limits.h"
#include "src/image/orientation.h"

namespace gemma3 {
namespace {

bool HasAt(std::span<const uint8_t> bytes, size_t at, std::string_view magic) {
  return bytes.size() >= at + magic.size() &&
         std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
}

using namespace std::string_view_literals;  // NOLINT: magic numbers hold zeros

struct Codec {
  bool (*matches)(std::span<const uint8_t>);
  Result<ImageHeader> (*read_header)(std::span<const uint8_t>);
  Result<Image> (*decode)(std::span<const uint8_t>, const ImageHeader&, Alpha);
};

constexpr Codec kCodecs[] = {
    {[](std::span<const uint8_t> b) { return HasAt(b, 0, "\x89PNG\r\n\x1A\n"); }, ReadPngHeader,
     DecodePng},
    {[](std::span<const uint8_t> b) { return HasAt(b, 0, "\xFF\xD8\xFF"); }, ReadJpegHeader,
     DecodeJpeg},
    {[](std::span<const uint8_t> b) { return HasAt(b, 0, "GIF87a") || HasAt(b, 0, "GIF89a"); },
     ReadGifHeader, DecodeGif},
    {[](std::span<const uint8_t> b) { return HasAt(b, 0, "RIFF") && HasAt(b, 8, "WEBP"); },
     ReadWebpHeader, DecodeWebp},
    {[](std::span<const uint8_t> b) {
       return b.size() >= 3 && b[0] == 'P' && b[1] >= '1' && b[1] <= '6' &&
              (b[2] == '#' || b[2] == ' ' || (b[2] >= '\t' && b[2] <= '\r'));
     },
     ReadPnmHeader, DecodePnm},
    {[](std::span<const uint8_t> b) { return HasAt(b, 0, "BM"); }, ReadBmpHeader, DecodeBmp},
};

// Formats that people have and this library does not read, for a message that helps.
struct ForeignFormat {
  const char* name;
  size_t at;
  std::string_view magic;
};

constexpr ForeignFormat kForeignFormats[] = {
    {"AVIF", 4, "ftypavif"sv},
    {"AVIF", 4, "ftypavis"sv},
    {"HEIC", 4, "ftypheic"sv},
    {"HEIC", 4, "ftypheix"sv},
    {"HEIC", 4, "ftyphevc"sv},
    {"HEIC", 4, "ftypheim"sv},
    {"HEIF", 4, "ftypmif1"sv},
    {"HEIF", 4, "ftypmsf1"sv},
    {"TIFF", 0, "II*\0"sv},
    {"TIFF", 0, "MM\0*"sv},
    {"BigTIFF", 0, "II+\0"sv},
    {"PDF", 0, "%PDF"sv},
    {"JPEG XL", 0, "\xFF\x0A"sv},
    {"JPEG XL", 0, "\0\0\0\x0CJXL "sv},
    {"JPEG 2000", 0, "\0\0\0\x0CjP  "sv},
    {"JPEG 2000", 0, "\xFF\x4F\xFF\x51"sv},
    {"ICO", 0, "\0\0\x01\0"sv},
    {"PSD", 0, "8BPS"sv},
    {"OpenEXR", 0, "\x76\x2F\x31\x01"sv},
    {"QOI", 0, "qoif"sv},
    {"DDS", 0, "DDS "sv},
    {"PAM", 0, "P7\n"sv},
};

// "" where the format is unknown.
const char* ForeignFormatName(std::span<const uint8_t> bytes) {
  for (const ForeignFormat& format : kForeignFormats) {
    if (HasAt(bytes, format.at, format.magic)) return format.name;
  }
  // An SVG is text, and may have an XML declaration and comments in front.
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                              std::min<size_t>(bytes.size(), 1024));
  const size_t first = text.find_first_not_of("\xEF\xBB\xBF \t\r\n");
  if (first != std::string_view::npos && text[first] == '<' &&
      text.find("<svg") != std::string_view::npos) {
    return "SVG";
  }
  return "";
}

std::unexpected<Error> UnknownFormat(std::span<const uint8_t> bytes) {
  if (const char* name = ForeignFormatName(bytes); *name != '\0') {
    return Fail(ErrorCode::kBadImage, name,
                " pictures are not supported; convert it to PNG or JPEG");
  }
  std::string head;
  for (size_t i = 0; i < std::min<size_t>(bytes.size(), 4); ++i) {
    char hex[4];
    std::snprintf(hex, sizeof(hex), "%s%02X", i == 0 ? "" : " ", bytes[i]);
    head += hex;
  }
  return Fail(ErrorCode::kBadImage, "not a picture in a known format (it starts with the bytes ",
              head, "); PNG, JPEG, GIF, BMP, PNM and WebP are read");
}

Status CheckLimits(const ImageHeader& header, const ImageOptions& options) {
  const size_t w = header.width;
  const size_t h = header.height;
  if (w == 0 || h == 0) {
    return Fail(ErrorCode::kBadImage, "picture is empty: its size is ", w, " x ", h);
  }
  if (w > kMaxImageSide || h > kMaxImageSide) {
    return Fail(ErrorCode::kBadImage, "picture is too large: ", w, " x ", h,
                " pixels, and no side may have more than ", kMaxImageSide);
  }
  const size_t max_pixels = std::min(options.max_pixels, kMaxImagePixels);
  if (w * h > max_pixels) {
    return Fail(ErrorCode::kBadImage, "picture is too large: ", w, " x ", h, " = ", w * h,
                " pixels, and the limit is ", max_pixels, "; make it smaller, or raise the limit");
  }
  return {};
}

Result<Image> Decode(std::span<const uint8_t> bytes, const ImageOptions& options) {
  if (bytes.empty()) return Fail(ErrorCode::kBadImage, "picture is empty: it has no bytes");
  const size_t max_bytes = std::min(options.max_bytes, kMaxImageBytes);
  if (bytes.size() > max_bytes) {
    return Fail(ErrorCode::kBadImage, "picture file is too large: ", bytes.size(),
                " bytes, and the limit is ", max_bytes);
  }
  const auto* codec =
      std::ranges::find_if(kCodecs, [bytes](const Codec& codec) { return codec.matches(bytes); });
  if (codec == std::end(kCodecs)) return UnknownFormat(bytes);
  GEMMA3_TRY(const ImageHeader header, codec->read_header(bytes));
  GEMMA3_CHECK_OK(CheckLimits(header, options));
  GEMMA3_TRY(Image image, codec->decode(bytes, header, options.alpha));
  return ApplyOrientation(std::move(image), header.orientation);
}

}  // namespace

Result<Image> DecodeImage(std::span<const uint8_t> bytes, const ImageOptions& options) {
  return Guarded("decode the picture", "", [&] { return Decode(bytes, options); });
}

Result<Image> LoadImage(const std::string& path, const ImageOptions& options) {
  // Read, not mapped: the bytes must not change between being checked and being decoded.
  const auto file = Guarded(
      "read ", path, [&] { return ReadFile(path, std::min(options.max_bytes, kMaxImageBytes)); });
  if (!file) {
    const bool too_large = file.error().code == ErrorCode::kBadModel;
    return Fail(too_large ? ErrorCode::kBadImage : file.error().code, file.error().message);
  }
  auto image = DecodeImage({reinterpret_cast<const uint8_t*>(file->data()), file->size()}, options);
  if (!image) return Fail(image.error().code, path, ": ", image.error().message);
  return image;
}

}  // namespace gemma3
