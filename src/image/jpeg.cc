// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// JPEG (ITU-T T.81). The marker segments of the whole file are checked here; stb_image decodes.
//
// What is checked protects it: releases before 2.28 write a Huffman table with more than 256 codes
// past the end of its memory, and all fill a file that is cut off with grey. Both walk the markers
// alike, so that it sees no segment that was not checked: in entropy-coded data only FF followed by
// neither 00, FF nor a restart marker ends the data, and elsewhere bytes are skipped up to an FF.
//
// Four components are CMYK or YCCK with inverted levels, whether or not Adobe's marker says so: as
// in Pillow. stb_image takes them so with that marker alone, so it is given one.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "src/base/status.h"
#include "src/image/byte_reader.h"
#include "src/image/codecs.h"
#include "src/image/orientation.h"
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
  kDri = 0xDD,
  kApp1 = 0xE1,
  kApp14 = 0xEE,
};

// Every scan visits all blocks of the picture however few bytes it has, so a small file with many
// scans is a bomb: 100 empty ones over 100 megapixels take one or two seconds. Encoders write about
// ten.
constexpr int kMaxScans = 100;

struct Component {
  uint8_t id = 0;
  uint8_t across = 1;  // sampling factors
  uint8_t down = 1;
  uint64_t missing = ~uint64_t{0};  // coefficients that no scan has brought to full precision
};

struct JpegParts {
  ImageHeader header;
  std::vector<Component> components;
  size_t first_scan = 0;        // where its marker is
  int adobe_transform = -1;     // 0: RGB or CMYK, 1: YCbCr, 2: YCCK; -1: no Adobe marker
  bool has_end = false;         // an end-of-image marker
  bool lacks_restarts = false;  // of the last scan
};

// Skips to the marker that ends entropy-coded data; the reader then stands at its FF. Returns how
// many restart markers were in between.
size_t SkipEntropyCodedData(std::span<const uint8_t> bytes, ByteReader& reader) {
  size_t restarts = 0;
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
      return restarts;
    }
    restarts += marker != 0;
    at = code + 1;
  }
  reader.Skip(reader.left());
  return restarts;
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
Status ReadFrame(uint8_t marker, std::span<const uint8_t> segment, JpegParts& jpeg) {
  if (marker > kSof2) {
    const char* kind = marker >= 0xC9   ? "arithmetic-coded"
                       : marker == 0xC3 ? "lossless"
                                        : "hierarchical";
    return Fail(ErrorCode::kBadImage, "JPEG is ", kind,
                ", which is not supported; convert it to a baseline JPEG or PNG");
  }
  ByteReader reader(segment);
  const uint8_t bits = reader.U8();
  jpeg.header.height = reader.Be16();
  jpeg.header.width = reader.Be16();
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
  for (size_t i = 0; i < components; ++i) {
    Component component;
    component.id = reader.U8();
    const uint8_t sampling = reader.U8();
    component.across = std::max(sampling >> 4, 1);
    component.down = std::max(sampling & 15, 1);
    reader.Skip(1);
    jpeg.components.push_back(component);
  }
  return {};
}

size_t DivideUp(size_t a, size_t b) { return (a + b - 1) / b; }

// Notes what a scan brings (T.81 B.2.3). Returns its number of restart intervals after the first.
// Nothing here is an error: stb_image checks scans.
size_t NoteScan(std::span<const uint8_t> segment, size_t restart_interval, JpegParts& jpeg) {
  ByteReader reader(segment);
  std::vector<Component*> scanned;
  for (size_t left = reader.U8(); left > 0; --left) {
    const uint8_t id = reader.U8();
    reader.Skip(1);
    const auto found = std::ranges::find(jpeg.components, id, &Component::id);
    if (found != jpeg.components.end()) scanned.push_back(&*found);
  }
  const uint8_t first = reader.U8();
  const uint8_t last = reader.U8();
  const uint8_t low_bit = reader.U8() & 15;
  if (!reader.ok() || scanned.empty()) return 0;
  for (Component* component : scanned) {
    for (size_t i = first; low_bit == 0 && i <= std::min<size_t>(last, 63); ++i) {
      component->missing &= ~(uint64_t{1} << i);
    }
  }
  size_t across = 1;
  size_t down = 1;
  for (const Component& component : jpeg.components) {
    across = std::max<size_t>(across, component.across);
    down = std::max<size_t>(down, component.down);
  }
  size_t columns = DivideUp(jpeg.header.width, 8 * across);
  size_t rows = DivideUp(jpeg.header.height, 8 * down);
  if (scanned.size() == 1) {  // not interleaved: single blocks, and none that are padding
    columns = DivideUp(DivideUp(jpeg.header.width * scanned[0]->across, across), 8);
    rows = DivideUp(DivideUp(jpeg.header.height * scanned[0]->down, down), 8);
  }
  return restart_interval == 0 ? 0 : DivideUp(columns * rows, restart_interval) - 1;
}

// T.81 annex B. A file may end without an end-of-image marker if all scans that it needs have
// begun; whether the last one is whole, decoding shows.
Result<JpegParts> ParseJpeg(std::span<const uint8_t> bytes) {
  JpegParts jpeg;
  ByteReader reader(bytes);
  reader.Skip(2);  // SOI
  Orientation orientation;
  size_t restart_interval = 0;
  int scans = 0;
  for (;;) {
    while (reader.ok() && reader.U8() != 0xFF) {
    }
    const size_t at = reader.position() - 1;
    uint8_t marker = reader.U8();
    while (reader.ok() && marker == 0xFF) marker = reader.U8();
    if (!reader.ok()) {
      const bool enough =
          scans > 0 && !jpeg.lacks_restarts &&
          std::ranges::all_of(jpeg.components, [](const Component& c) { return c.missing == 0; });
      if (enough) break;
      return Fail(ErrorCode::kBadImage, "JPEG is cut off: its ", bytes.size(),
                  " bytes hold no end-of-image marker, and not the whole picture");
    }
    if (marker == kEoi) {
      jpeg.has_end = true;
      break;
    }
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
      if (!jpeg.components.empty()) {
        return Fail(ErrorCode::kBadImage, "JPEG has a second frame header at byte ", at);
      }
      GEMMA3_CHECK_OK(ReadFrame(marker, segment, jpeg));
    } else if (marker == kSos) {
      if (jpeg.components.empty()) {
        return Fail(ErrorCode::kBadImage, "JPEG has a scan at byte ", at,
                    " before its frame header");
      }
      if (++scans > kMaxScans) {
        return Fail(ErrorCode::kBadImage, "JPEG has more than ", kMaxScans, " scans");
      }
      if (scans == 1) jpeg.first_scan = at;
      const size_t restarts = NoteScan(segment, restart_interval, jpeg);
      jpeg.lacks_restarts = SkipEntropyCodedData(bytes, reader) < restarts;
    } else if (marker == kDri && segment.size() == 2) {
      restart_interval = size_t{segment[0]} << 8 | segment[1];
    } else if (marker == kApp1) {
      orientation.AddApp1(segment);
    } else if (marker == kApp14 && segment.size() >= 12 &&
               std::memcmp(segment.data(), "Adobe\0", 6) == 0) {
      jpeg.adobe_transform = segment[11];
    }
  }
  if (scans == 0) return Fail(ErrorCode::kBadImage, "JPEG ends without image data");
  jpeg.header.orientation = orientation.value();
  return jpeg;
}

}  // namespace

Result<ImageHeader> ReadJpegHeader(std::span<const uint8_t> bytes) {
  GEMMA3_TRY(const JpegParts jpeg, ParseJpeg(bytes));
  return jpeg.header;
}

Result<Image> DecodeJpeg(std::span<const uint8_t> bytes, const ImageHeader& header, Alpha) {
  GEMMA3_TRY(const JpegParts jpeg, ParseJpeg(bytes));
  // The last Adobe marker counts: CMYK where there is none, YCCK for any number but 0 (libjpeg).
  const uint8_t transform = jpeg.adobe_transform > 0 ? 2 : 0;
  const uint8_t adobe[] = {0xFF, kApp14, 0,   14, 'A', 'd', 'o', 'b',
                           'e',  0,      100, 0,  0,   0,   0,   transform};
  const bool needs_adobe = jpeg.components.size() == 4 && jpeg.adobe_transform != transform;
  std::vector<std::span<const uint8_t>> pieces = {
      bytes.first(jpeg.first_scan),
      needs_adobe ? std::span<const uint8_t>(adobe) : std::span<const uint8_t>(),
      bytes.subspan(jpeg.first_scan)};
  if (jpeg.has_end) {
    return DecodeWithStb("JPEG", pieces, header.width, header.height, Alpha::kDrop);
  }
  // An FF at the end is the first half of something.
  auto& scans = pieces.back();
  while (scans.back() == 0xFF) scans = scans.first(scans.size() - 1);
  // As long as a unit of 10 blocks of 64 coefficients may be (27 bits each): a bit that only pixels
  // outside of the picture miss is followed by others. No FF among the ones: stb_image 2.27 takes a
  // stuffed FF behind the last block for a marker.
  std::vector<uint8_t> endings[2];
  for (const uint8_t filler : {0x00, 0xFE}) {
    auto& ending = endings[filler != 0];
    ending.assign(10 * 64 * 27 / 8, filler);
    ending.insert(ending.end(), {0xFF, kEoi});
  }
  return DecodeUnendedWithStb("JPEG", pieces, {endings[0], endings[1]}, header.width, header.height,
                              Alpha::kDrop);
}

}  // namespace gemma3
