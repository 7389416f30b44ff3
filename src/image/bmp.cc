// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Windows and OS/2 bitmaps. The headers are checked here; stb_image unpacks the pixels. It is given
// a header made anew, because it looks a palette index past the palette's end up in unset memory
// and takes offsets as they come. The new header is always 14 + 40 bytes, then channel masks or a
// palette of 256 entries, then pixels.
// Layout: Microsoft, BITMAPFILEHEADER, BITMAPCOREHEADER, BITMAPINFOHEADER, BITMAPV5HEADER.
#include <algorithm>
#include <cstdint>
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
constexpr size_t kPaletteEntries = 256;

enum Compression : uint32_t { kRaw = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3, kAlphaBitFields = 6 };

struct BmpParts {
  ImageHeader header;
  bool top_down = false;
  uint16_t bits = 0;
  bool has_masks = false;
  uint32_t masks[3] = {};            // red, green, blue
  size_t palette_entry_bytes = 4;    // blue, green, red[, unused]
  std::span<const uint8_t> palette;  // whole entries
  std::span<const uint8_t> pixels;   // rows padded to 4 bytes
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
  if (reader.ok() && (compression == kRle8 || compression == kRle4)) {
    return Fail(ErrorCode::kBadImage,
                "BMP is run-length-coded, which is not supported; convert it ", "to PNG");
  }
  if (reader.ok() && compression != kRaw && compression != kBitFields &&
      compression != kAlphaBitFields) {
    return Fail(ErrorCode::kBadImage, "BMP has compression ", compression,
                ", which is not supported; convert it to PNG");
  }
  // Bit fields follow the 40 bytes, as part of a longer header or after it.
  bmp.has_masks = compression != kRaw;
  if (bmp.has_masks) {
    for (uint32_t& mask : bmp.masks) mask = reader.Le32();
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
  if (row_bytes != 0 && bmp.pixels.size() / row_bytes < bmp.header.height) {
    return Fail(ErrorCode::kBadImage, "BMP is cut off: ", bmp.header.width, " x ",
                bmp.header.height, " pixels of ", bmp.bits, " bits need rows of ", row_bytes,
                " bytes, and only ", bmp.pixels.size(), " bytes are left");
  }
  return bmp;
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

Result<Image> DecodeBmp(std::span<const uint8_t> bytes, const ImageHeader& header) {
  GEMMA3_TRY(const BmpParts bmp, ParseBmp(bytes));
  const bool has_palette = bmp.bits <= 8;
  const size_t after_header = has_palette     ? 4 * kPaletteEntries
                              : bmp.has_masks ? sizeof(bmp.masks)
                                              : 0;
  const auto height = static_cast<uint32_t>(header.height);
  std::vector<uint8_t> start = {'B', 'M'};
  PutLe32(start, 0);  // file size
  PutLe32(start, 0);  // reserved
  PutLe32(start, static_cast<uint32_t>(kFileHeaderBytes + kInfoHeaderBytes + after_header));
  PutLe32(start, kInfoHeaderBytes);
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
    for (uint32_t mask : bmp.masks) PutLe32(start, mask);
  }
  const std::span<const uint8_t> pieces[] = {start, bmp.pixels};
  return DecodeWithStb("BMP", pieces, header.width, header.height);
}

}  // namespace gemma3
