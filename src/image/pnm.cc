// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Netpbm's PBM, PGM and PPM (netpbm.sourceforge.net/doc, pbm, pgm and ppm), plain and raw. Read
// here rather than through stb_image because that reads only P5 and P6 and does not scale samples
// whose maximum is not 255.
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "src/base/status.h"
#include "src/image/byte_reader.h"
#include "src/image/codecs.h"

namespace gemma3 {
namespace {

struct PnmParts {
  ImageHeader header;
  bool plain = false;   // decimal numbers instead of bytes
  bool bitmap = false;  // P1 and P4: one bit a pixel, 1 is black
  size_t channels = 1;
  uint32_t max = 1;  // of a sample
  std::span<const uint8_t> samples;
};

bool IsSpace(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsDigit(uint8_t c) { return c >= '0' && c <= '9'; }

// The next decimal number after white space and comments (# to the end of the line); it takes the
// one character that follows it. At most max_digits digits are read, so that the bits of P1, which
// need no space between them, come one by one. Nothing where there is no number or it exceeds 2^31.
std::optional<uint32_t> NextNumber(ByteReader& reader, size_t max_digits) {
  uint8_t c = reader.U8();
  while (reader.ok() && (IsSpace(c) || c == '#')) {
    if (c == '#') {
      while (reader.ok() && c != '\n' && c != '\r') c = reader.U8();
    }
    c = reader.U8();
  }
  if (!reader.ok() || !IsDigit(c)) return std::nullopt;
  uint32_t value = c - '0';
  for (size_t digits = 1; digits < max_digits && !reader.at_end(); ++digits) {
    c = reader.U8();
    if (!IsDigit(c)) return IsSpace(c) || c == '#' ? std::optional(value) : std::nullopt;
    value = 10 * value + (c - '0');
    if (value > (1u << 31) / 10) return std::nullopt;
  }
  return value;
}

constexpr size_t kAnyDigits = 20;

Result<PnmParts> ParsePnm(std::span<const uint8_t> bytes) {
  PnmParts pnm;
  ByteReader reader(bytes);
  reader.Skip(1);
  const int kind = reader.U8() - '0';
  pnm.plain = kind <= 3;
  pnm.bitmap = kind == 1 || kind == 4;
  pnm.channels = kind == 3 || kind == 6 ? 3 : 1;
  const auto width = NextNumber(reader, kAnyDigits);
  const auto height = NextNumber(reader, kAnyDigits);
  const auto max = pnm.bitmap ? std::optional<uint32_t>(1) : NextNumber(reader, kAnyDigits);
  if (!width || !height || !max || *max < 1 || *max > 65535) {
    return Fail(
        ErrorCode::kBadImage,
        "PNM header is damaged or cut off; it needs width, height and a maximum of 1..65535");
  }
  pnm.header.width = *width;
  pnm.header.height = *height;
  pnm.max = *max;
  pnm.samples = reader.Take(reader.left());

  // What the samples take at least; below 2^28 * 2^28 * 6.
  const size_t row_samples = pnm.header.width * pnm.channels;
  const size_t row_bytes = pnm.plain       ? row_samples
                           : pnm.bitmap    ? (row_samples + 7) / 8
                           : pnm.max > 255 ? 2 * row_samples
                                           : row_samples;
  if (pnm.samples.size() < row_bytes * pnm.header.height) {
    return Fail(ErrorCode::kBadImage, "PNM is cut off: ", *width, " x ", *height,
                " pixels need at least ", row_bytes * pnm.header.height, " bytes, and only ",
                pnm.samples.size(), " are left");
  }
  return pnm;
}

// What 8-bit level each sample value stands for, rounded to even as Pillow does.
std::vector<uint8_t> Levels(const PnmParts& pnm) {
  if (pnm.bitmap) return {255, 0};
  std::vector<uint8_t> levels(pnm.max + 1);
  for (uint32_t v = 0; v <= pnm.max; ++v) {
    levels[v] = static_cast<uint8_t>(std::nearbyint(static_cast<double>(v) / pnm.max * 255));
  }
  return levels;
}

}  // namespace

Result<ImageHeader> ReadPnmHeader(std::span<const uint8_t> bytes) {
  GEMMA3_TRY(const PnmParts pnm, ParsePnm(bytes));
  return pnm.header;
}

Result<Image> DecodePnm(std::span<const uint8_t> bytes, const ImageHeader& header, Alpha) {
  GEMMA3_TRY(const PnmParts pnm, ParsePnm(bytes));
  const std::vector<uint8_t> levels = Levels(pnm);
  Image image{header.width, header.height, {}};
  image.pixels.resize(3 * image.width * image.height);
  ByteReader reader(pnm.samples);
  uint8_t* out = image.pixels.data();
  for (size_t y = 0; y < image.height; ++y) {
    uint8_t packed = 0;
    for (size_t i = 0; i < image.width * pnm.channels; ++i) {
      uint32_t sample = 0;
      if (pnm.plain) {
        const auto number = NextNumber(reader, pnm.bitmap ? 1 : kAnyDigits);
        if (!number) {
          return Fail(ErrorCode::kBadImage, "PNM is cut off or damaged in row ", y, " of ",
                      image.height);
        }
        sample = *number;
      } else if (pnm.bitmap) {
        if (i % 8 == 0) packed = reader.U8();
        sample = packed >> (7 - i % 8) & 1;
      } else {
        sample = pnm.max > 255 ? reader.Be16() : reader.U8();
      }
      if (sample > pnm.max) {
        return Fail(ErrorCode::kBadImage, "PNM has a sample ", sample, " in row ", y,
                    ", above its maximum ", pnm.max);
      }
      const size_t copies = 3 / pnm.channels;
      for (size_t c = 0; c < copies; ++c) *out++ = levels[sample];
    }
  }
  return image;
}

}  // namespace gemma3
