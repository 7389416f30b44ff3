// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/image/orientation.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include "src/image/byte_reader.h"

namespace gemma3 {
namespace {

using namespace std::string_view_literals;  // NOLINT: both prefixes hold zeros

constexpr std::string_view kExifPrefix = "Exif\0\0"sv;
constexpr std::string_view kXmpPrefix = "http://ns.adobe.com/xap/1.0/\0"sv;

std::string_view TextOf(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool IsXmlSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace

int ReadExifOrientation(std::span<const uint8_t> exif) {
  while (TextOf(exif).starts_with(kExifPrefix)) exif = exif.subspan(kExifPrefix.size());
  ByteReader reader(exif);
  const uint16_t order = reader.Be16();
  const bool little = order == 0x4949;
  if (!little && order != 0x4D4D) return 0;
  const auto u16 = [little](ByteReader& r) { return little ? r.Le16() : r.Be16(); };
  const auto u32 = [little](ByteReader& r) { return little ? r.Le32() : r.Be32(); };
  if (u16(reader) != 42) return 0;
  const uint32_t directory = u32(reader);
  if (directory > exif.size()) return 0;

  ByteReader entries(exif.subspan(directory));
  const uint16_t num_entries = u16(entries);
  for (uint16_t i = 0; i < num_entries && entries.ok(); ++i) {
    const uint16_t tag = u16(entries);
    const uint16_t type = u16(entries);
    const uint32_t count = u32(entries);
    const auto field = entries.Take(4);
    constexpr uint16_t kOrientation = 0x0112;
    if (!entries.ok() || tag != kOrientation) continue;
    // The value stands at the beginning of the field in either byte order. Negative values of the
    // signed types come out as large ones, which mean as little.
    enum Type : uint16_t { kByte = 1, kShort = 3, kLong = 4, kSByte = 6, kSShort = 8, kSLong = 9 };
    ByteReader value_reader(field);
    uint32_t value = 0;
    if (type == kByte || type == kSByte) value = value_reader.U8();
    if (type == kShort || type == kSShort) value = u16(value_reader);
    if (type == kLong || type == kSLong) value = u32(value_reader);
    return count == 1 && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 0;
}

int ReadXmpOrientation(std::span<const uint8_t> xmp) {
  // The name, then ="N" or ='N' or >N<. Nothing else that the packet holds matters here, so this is
  // no XML parser.
  constexpr std::string_view kName = "tiff:Orientation";
  std::string_view text = TextOf(xmp);
  for (size_t at; (at = text.find(kName)) != text.npos;) {
    text.remove_prefix(at + kName.size());
    std::string_view rest = text;
    const auto skip_spaces = [&rest] {
      while (!rest.empty() && IsXmlSpace(rest.front())) rest.remove_prefix(1);
    };
    const auto take = [&rest](std::string_view one_of) {
      const bool there = !rest.empty() && one_of.find(rest.front()) != one_of.npos;
      if (there) rest.remove_prefix(1);
      return there;
    };
    skip_spaces();
    bool has_value = take(">");
    if (!has_value && take("=")) {
      skip_spaces();
      has_value = take("\"'");
    }
    skip_spaces();
    if (!has_value || rest.empty() || rest.front() < '0' || rest.front() > '9') continue;
    const int value = rest.front() - '0';
    rest.remove_prefix(1);
    const bool single = rest.empty() || rest.front() < '0' || rest.front() > '9';
    return single && value >= 1 && value <= 8 ? value : 1;
  }
  return 0;
}

void Orientation::AddExif(std::span<const uint8_t> block) {
  if (!exif_) exif_ = ReadExifOrientation(block);
}

void Orientation::AddProfile(std::span<const uint8_t> exif) {
  profile_ = ReadExifOrientation(exif);
}

void Orientation::AddXmp(std::span<const uint8_t> packet) { xmp_ = ReadXmpOrientation(packet); }

void Orientation::AddApp1(std::span<const uint8_t> segment, bool in_profile) {
  if (TextOf(segment).starts_with(kExifPrefix)) {
    in_profile ? AddProfile(segment) : AddExif(segment);
  } else if (TextOf(segment).starts_with(kXmpPrefix)) {
    AddXmp(segment.subspan(kXmpPrefix.size()));
  }
}

int Orientation::value() const {
  const int exif = exif_ ? *exif_ : profile_.value_or(0);
  if (exif != 0) return exif;
  return xmp_ != 0 ? xmp_ : 1;
}

Image ApplyOrientation(Image image, int orientation) {
  if (orientation < 2 || orientation > 8) return image;
  const auto w = static_cast<ptrdiff_t>(image.width);
  const auto h = static_cast<ptrdiff_t>(image.height);
  // Where the source pixel of the upright picture's (0, 0) lies, and how far the source moves, in
  // pixels, for one step right and one step down.
  const ptrdiff_t top_left = 0;
  const ptrdiff_t top_right = w - 1;
  const ptrdiff_t bottom_left = (h - 1) * w;
  const ptrdiff_t bottom_right = h * w - 1;
  struct Walk {
    ptrdiff_t origin, right, down;
  };
  const Walk walks[9] = {
      {},
      {top_left, 1, w},
      {top_right, -1, w},      // mirrored
      {bottom_right, -1, -w},  // half a turn
      {bottom_left, 1, -w},    // upside down, mirrored
      {top_left, w, 1},        // transposed
      {bottom_left, -w, 1},    // needs a quarter turn clockwise
      {bottom_right, -w, -1},  // transposed on the other diagonal
      {top_right, w, -1},      // needs a quarter turn counterclockwise
  };
  const Walk walk = walks[orientation];

  Image upright;
  upright.width = orientation >= 5 ? image.height : image.width;
  upright.height = orientation >= 5 ? image.width : image.height;
  upright.pixels.resize(image.pixels.size());
  uint8_t* out = upright.pixels.data();
  for (size_t y = 0; y < upright.height; ++y) {
    ptrdiff_t from = walk.origin + static_cast<ptrdiff_t>(y) * walk.down;
    for (size_t x = 0; x < upright.width; ++x, from += walk.right, out += 3) {
      std::copy_n(image.pixels.data() + 3 * from, 3, out);
    }
  }
  return upright;
}

}  // namespace gemma3
