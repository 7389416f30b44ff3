// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Windows and OS/2 bitmaps. The headers are checked here; stb_image unpacks the pixels, except for
// run-length-coded ones, which it does not read. It is given a header made anew, because it looks a
// palette index past the palette's end up in unset memory and takes offsets as they come. The new
// header is 14 bytes, then a BITMAPINFOHEADER and a palette of 256 entries, or a BITMAPV4HEADER,
// which has room for four channel masks; then pixels.
// Layout: Microsoft, BITMAPFILEHEADER, BITMAPCOREHEADER, BITMAPINFOHEADER, BITMAPV5HEADER, "Bitmap
// Compression".
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "src/base/status.h"
#include "src/image/byte_reader.h"
#include "src/image/codecs.h"
#include "src/image/stb_image.h"

namespace gemma3 {
namespace {

constexpr size_t kFileHeaderBytes = 14;
constexpr uint32_t kCoreHeaderBytes = 12;
constexpr uint32_t kInfoHeaderBytes = 40;
constexpr uint32_t kV3HeaderBytes = 56;  // the first that holds the mask of alpha
constexpr uint32_t kV4HeaderBytes = 108;
constexpr size_t kPaletteEntries = 256;

enum Compression : uint32_t { kRaw = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3, kAlphaBitFields = 6 };

struct BmpParts {
  ImageHeader header;
  bool top_down = false;
  uint16_t bits = 0;
  bool run_length_coded = false;
  bool has_masks = false;
  uint32_t masks[4] = {};            // red, green, blue, alpha
  size_t palette_entry_bytes = 4;    // blue, green, red[, unused]
  std::span<const uint8_t> palette;  // whole entries
  std::span<const uint8_t> pixels;   // rows padded to 4 bytes, or run-length codes
};

Result<BmpParts> ParseBmp(std::span<const uint8_t> bytes) {
  BmpParts bmp;
  ByteReader reader(bytes);
  reader.Skip(10);  // magic, file size (often wrong), reserved
  const uint32_t offset = reader.Le32();
  const uint32_t header_bytes = reader.Le32();
  uint32_t compression = kRaw;
  uint32_t colors_used = 0;
  int64_t width = 0;
  int64_t height = 0;
  uint16_t planes = 0;
  if (header_bytes == kCoreHeaderBytes) {
    width = reader.Le16();
    height = reader.Le16();
    planes = reader.Le16();
    bmp.bits = reader.Le16();
    bmp.palette_entry_bytes = 3;
  } else {
    width = static_cast<int32_t>(reader.Le32());
    height = static_cast<int32_t>(reader.Le32());
    planes = reader.Le16();
    bmp.bits = reader.Le16();
    compression = reader.Le32();
    reader.Skip(12);  // bytes of pixels, resolution
    colors_used = reader.Le32();
    reader.Skip(4);
  }
  if (header_bytes != kCoreHeaderBytes && header_bytes < kInfoHeaderBytes) {
    return Fail(ErrorCode::kBadImage, "BMP has an information header of ", header_bytes,
                " bytes, which is no kind that is known");
  }
  bmp.run_length_coded = compression == kRle8 || compression == kRle4;
  if (reader.ok() && compression != kRaw && !bmp.run_length_coded && compression != kBitFields &&
      compression != kAlphaBitFields) {
    return Fail(ErrorCode::kBadImage, "BMP has compression ", compression,
                ", which is not supported; convert it to PNG");
  }
  // Bit fields follow the 40 bytes, as part of a longer header or after it.
  bmp.has_masks = compression == kBitFields || compression == kAlphaBitFields;
  if (bmp.has_masks) {
    for (uint32_t& mask : std::span(bmp.masks).first(3)) mask = reader.Le32();
    if (compression == kAlphaBitFields || header_bytes >= kV3HeaderBytes) {
      bmp.masks[3] = reader.Le32();
    }
  }
  if (!reader.ok()) return Fail(ErrorCode::kBadImage, "BMP is cut off within its header");

  if (planes != 1 || (bmp.bits != 1 && bmp.bits != 4 && bmp.bits != 8 && bmp.bits != 16 &&
                      bmp.bits != 24 && bmp.bits != 32)) {
    return Fail(ErrorCode::kBadImage, "BMP has ", planes, " planes of ", bmp.bits,
                " bits; 1 of 1, 4, 8, 16, 24 or 32 is supported");
  }
  if (bmp.has_masks && bmp.bits != 16 && bmp.bits != 32) {
    return Fail(ErrorCode::kBadImage, "BMP has channel masks with ", bmp.bits,
                " bits a pixel; they need 16 or 32");
  }
  if (bmp.run_length_coded && bmp.bits != (compression == kRle8 ? 8 : 4)) {
    return Fail(ErrorCode::kBadImage, "BMP is run-length-coded for ", compression == kRle8 ? 8 : 4,
                " bits a pixel, but has ", bmp.bits);
  }
  if (width < 0) return Fail(ErrorCode::kBadImage, "BMP has a negative width, ", width);
  bmp.top_down = height < 0;
  bmp.header.width = static_cast<size_t>(width);
  bmp.header.height = static_cast<size_t>(bmp.top_down ? -height : height);

  if (bmp.bits <= 8) {
    const size_t begin = kFileHeaderBytes + size_t{header_bytes};
    const size_t named = colors_used != 0 ? colors_used : size_t{1} << bmp.bits;
    if (begin > bytes.size()) return Fail(ErrorCode::kBadImage, "BMP is cut off within its header");
    // Neither count is to be trusted: some files name more colours than stand before the pixels.
    const size_t room = (std::min<size_t>(std::max<size_t>(offset, begin), bytes.size()) - begin) /
                        bmp.palette_entry_bytes;
    const size_t entries = std::min({named, room, kPaletteEntries});
    if (entries == 0) return Fail(ErrorCode::kBadImage, "BMP uses a palette but has none");
    bmp.palette = bytes.subspan(begin, entries * bmp.palette_entry_bytes);
  }

  // At most 2^31 * 32 bits a row and 2^31 rows: the product may pass 64 bits, so divide instead.
  const size_t row_bytes = (bmp.header.width * bmp.bits + 31) / 32 * 4;
  if (offset < kFileHeaderBytes + size_t{header_bytes} || offset > bytes.size()) {
    return Fail(ErrorCode::kBadImage, "BMP has its pixels at byte ", offset,
                ", outside the file's ", bytes.size(), " bytes or within its header");
  }
  bmp.pixels = bytes.subspan(offset);
  if (bmp.run_length_coded) return bmp;
  if (row_bytes != 0 && bmp.pixels.size() / row_bytes < bmp.header.height) {
    return Fail(ErrorCode::kBadImage, "BMP is cut off: ", bmp.header.width, " x ",
                bmp.header.height, " pixels of ", bmp.bits, " bits need rows of ", row_bytes,
                " bytes, and only ", bmp.pixels.size(), " bytes are left");
  }
  return bmp;
}

// Codes in pairs of bytes (Microsoft, "Bitmap Compression"): a count and what is repeated, or 0 and
// an escape. Calls emit(x, y, index), in the order of the file, for pixels within the picture;
// those that are skipped have index 0. False where the codes end before the picture does.
template <class Emit>
bool DecodeRuns(std::span<const uint8_t> codes, bool four_bits, size_t width, size_t height,
                const Emit& emit) {
  enum Escape : uint8_t { kEndOfRow = 0, kEndOfPicture = 1, kMove = 2 };  // else: so many literals
  ByteReader reader(codes);
  size_t x = 0;
  size_t y = 0;
  // Codes that run over the end of a row stay in it, as in Pillow.
  const auto put = [&](uint8_t index) {
    if (x < width) emit(x++, y, index);
  };
  const auto nibble = [](uint8_t byte, size_t i) {
    return static_cast<uint8_t>(i % 2 == 0 ? byte >> 4 : byte & 15);
  };
  while (y < height) {
    // Some writers leave out the last codes, which say nothing more.
    if (reader.at_end()) return y + 1 == height && x == width;
    const uint8_t count = reader.U8();
    const uint8_t value = reader.U8();
    if (!reader.ok()) return false;
    if (count > 0) {
      for (size_t i = 0; i < count; ++i) put(four_bits ? nibble(value, i) : value);
    } else if (value == kEndOfRow) {
      x = 0;
      ++y;
    } else if (value == kEndOfPicture) {
      return true;
    } else if (value == kMove) {
      x += reader.U8();
      y += reader.U8();
      if (!reader.ok()) return false;
    } else {
      const size_t bytes = four_bits ? (value + 1) / 2 : value;
      const auto literals = reader.Take(bytes);
      if (!reader.ok()) return false;
      for (size_t i = 0; i < value; ++i) {
        put(four_bits ? nibble(literals[i / 2], i) : literals[i]);
      }
      if (bytes % 2 != 0 && !reader.at_end()) reader.Skip(1);
    }
  }
  return true;
}

Result<Image> DecodeRunLengthCoded(const BmpParts& bmp) {
  const size_t width = bmp.header.width;
  const size_t height = bmp.header.height;
  Image image{width, height, {}};
  image.pixels.resize(3 * width * height);
  const auto color = [&bmp](uint8_t index) -> std::array<uint8_t, 3> {
    const size_t at = index * bmp.palette_entry_bytes;
    if (at + 2 >= bmp.palette.size()) return {0, 0, 0};
    return {bmp.palette[at + 2], bmp.palette[at + 1], bmp.palette[at]};
  };
  if (const auto first = color(0); first != std::array<uint8_t, 3>{}) {
    for (size_t i = 0; i < image.pixels.size(); i += 3) {
      std::ranges::copy(first, image.pixels.begin() + static_cast<ptrdiff_t>(i));
    }
  }
  const bool whole =
      DecodeRuns(bmp.pixels, bmp.bits == 4, width, height, [&](size_t x, size_t y, uint8_t index) {
        const size_t row = bmp.top_down ? y : height - 1 - y;
        std::ranges::copy(color(index),
                          image.pixels.begin() + static_cast<ptrdiff_t>(3 * (row * width + x)));
      });
  if (!whole) {
    return Fail(ErrorCode::kBadImage, "BMP is cut off: its run-length codes end before its ", width,
                " x ", height, " pixels do");
  }
  return image;
}

void PutLe16(std::vector<uint8_t>& out, uint32_t value) {
  out.push_back(static_cast<uint8_t>(value));
  out.push_back(static_cast<uint8_t>(value >> 8));
}
void PutLe32(std::vector<uint8_t>& out, uint32_t value) {
  PutLe16(out, value);
  PutLe16(out, value >> 16);
}

}  // namespace

Result<ImageHeader> ReadBmpHeader(std::span<const uint8_t> bytes) {
  GEMMA3_TRY(const BmpParts bmp, ParseBmp(bytes));
  return bmp.header;
}

Result<Image> DecodeBmp(std::span<const uint8_t> bytes, const ImageHeader& header, Alpha alpha) {
  GEMMA3_TRY(const BmpParts bmp, ParseBmp(bytes));
  if (bmp.run_length_coded) return DecodeRunLengthCoded(bmp);
  const bool has_palette = bmp.bits <= 8;
  // Without a mask of its own the fourth channel is padding, whatever it holds.
  const bool has_alpha = alpha != Alpha::kDrop && bmp.masks[3] != 0;
  const uint32_t header_bytes = bmp.has_masks ? kV4HeaderBytes : kInfoHeaderBytes;
  const size_t palette_bytes = has_palette ? 4 * kPaletteEntries : 0;
  const auto height = static_cast<uint32_t>(header.height);
  std::vector<uint8_t> start = {'B', 'M'};
  PutLe32(start, 0);  // file size
  PutLe32(start, 0);  // reserved
  PutLe32(start, static_cast<uint32_t>(kFileHeaderBytes + header_bytes + palette_bytes));
  PutLe32(start, header_bytes);
  PutLe32(start, static_cast<uint32_t>(header.width));
  PutLe32(start, bmp.top_down ? 0 - height : height);
  PutLe16(start, 1);  // planes
  PutLe16(start, bmp.bits);
  PutLe32(start, bmp.has_masks ? kBitFields : kRaw);
  for (int i = 0; i < 5; ++i) PutLe32(start, 0);  // bytes of pixels, resolution, colours
  if (has_palette) {
    for (size_t i = 0; i < kPaletteEntries; ++i) {
      const size_t at = i * bmp.palette_entry_bytes;
      for (size_t c = 0; c < 3; ++c) {
        start.push_back(at + c < bmp.palette.size() ? bmp.palette[at + c] : 0);
      }
      start.push_back(0);
    }
  } else if (bmp.has_masks) {
    for (uint32_t mask : std::span(bmp.masks).first(3)) PutLe32(start, mask);
    PutLe32(start, has_alpha ? bmp.masks[3] : 0);
    start.resize(kFileHeaderBytes + header_bytes);  // colour space: not looked at
  }
  const std::span<const uint8_t> pieces[] = {start, bmp.pixels};
  return DecodeWithStb("BMP", pieces, header.width, header.height,
                       has_alpha ? alpha : Alpha::kDrop);
}

}  // namespace gemma3
