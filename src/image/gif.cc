// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The first frame of a GIF (CompuServe, GIF89a specification, 1990). Read here rather than through
// stb_image because that leaves transparent pixels black, where the colour that the palette gives
// them is wanted (alpha is dropped), and because it holds 12 bytes a pixel instead of 3.
#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "src/base/status.h"
#include "src/image/alpha.h"
#include "src/image/byte_reader.h"
#include "src/image/codecs.h"

namespace gemma3 {
namespace {

constexpr int kMaxIndexBits = 8;

struct GifParts {
  ImageHeader header;  // the canvas: the logical screen, extended where the frame leaves it
  size_t left = 0;
  size_t top = 0;
  size_t frame_width = 0;
  size_t frame_height = 0;
  bool interlaced = false;
  bool has_transparent = false;
  uint8_t transparent = 0;           // palette index
  std::span<const uint8_t> palette;  // RGB triples; empty: index i is grey level i
  std::span<const uint8_t> data;     // bits of an index, then sub-blocks
};

// A color table whose size is in the low three bits of `flags`; none where bit 7 is clear.
std::span<const uint8_t> ReadPalette(ByteReader& reader, uint8_t flags) {
  return (flags & 0x80) != 0 ? reader.Take(size_t{3} << ((flags & 7) + 1))
                             : std::span<const uint8_t>();
}

Result<GifParts> ParseGif(std::span<const uint8_t> bytes) {
  GifParts gif;
  ByteReader reader(bytes);
  reader.Skip(6);  // magic
  const size_t screen_width = reader.Le16();
  const size_t screen_height = reader.Le16();
  const uint8_t screen_flags = reader.U8();
  reader.Skip(2);  // background index, aspect ratio
  const auto screen_palette = ReadPalette(reader, screen_flags);

  for (;;) {
    const uint8_t kind = reader.U8();
    if (!reader.ok()) return Fail(ErrorCode::kBadImage, "GIF is cut off before its first frame");
    if (kind == 0x3B) return Fail(ErrorCode::kBadImage, "GIF has no frame");
    if (kind == 0x2C) break;
    if (kind == 0) continue;  // some writers end a block twice
    if (kind != 0x21) {
      return Fail(ErrorCode::kBadImage, "GIF has a block of unknown kind ", int{kind}, " at byte ",
                  reader.position() - 1);
    }
    const uint8_t label = reader.U8();
    while (const uint8_t size = reader.U8()) {
      const auto block = reader.Take(size);
      constexpr uint8_t kGraphicControl = 0xF9;
      if (label == kGraphicControl && block.size() >= 4 && (block[0] & 1) != 0) {
        gif.has_transparent = true;
        gif.transparent = block[3];
      }
    }
  }
  gif.left = reader.Le16();
  gif.top = reader.Le16();
  gif.frame_width = reader.Le16();
  gif.frame_height = reader.Le16();
  const uint8_t frame_flags = reader.U8();
  gif.interlaced = (frame_flags & 0x40) != 0;
  gif.palette = ReadPalette(reader, frame_flags);
  if (gif.palette.empty()) gif.palette = screen_palette;
  if (!reader.ok()) return Fail(ErrorCode::kBadImage, "GIF is cut off in its first frame's header");
  if (gif.frame_width == 0 || gif.frame_height == 0) {
    return Fail(ErrorCode::kBadImage, "GIF has an empty first frame (", gif.frame_width, " x ",
                gif.frame_height, ")");
  }
  gif.data = reader.Take(reader.left());
  if (!gif.data.empty() && (gif.data[0] < 1 || gif.data[0] > kMaxIndexBits)) {
    return Fail(ErrorCode::kBadImage, "GIF has pixels of ", int{gif.data[0]},
                " bits; the format has 1 to ", kMaxIndexBits);
  }
  gif.header.width = std::max(screen_width, gif.left + gif.frame_width);
  gif.header.height = std::max(screen_height, gif.top + gif.frame_height);
  return gif;
}

// Variable-length codes, least significant bit first, from the concatenated sub-blocks.
class CodeReader {
 public:
  explicit CodeReader(std::span<const uint8_t> sub_blocks) : reader_(sub_blocks) {}

  // The next code of `bits` (1..12) bits, or -1 at the end of the data.
  int Next(int bits) {
    while (num_bits_ < bits) {
      if (block_left_ == 0) block_left_ = reader_.U8();
      if (block_left_ == 0) return -1;
      buffer_ |= uint32_t{reader_.U8()} << num_bits_;
      if (!reader_.ok()) return -1;
      num_bits_ += 8;
      --block_left_;
    }
    const int code = static_cast<int>(buffer_ & ((1u << bits) - 1));
    buffer_ >>= bits;
    num_bits_ -= bits;
    return code;
  }

 private:
  ByteReader reader_;
  size_t block_left_ = 0;
  uint32_t buffer_ = 0;
  int num_bits_ = 0;
};

// GIF89a appendix F; `data` are checked GifParts::data. Calls emit(index) for each pixel until it
// returns false. Stops early where the data end or are damaged.
template <class Emit>
void DecodeLzw(std::span<const uint8_t> data, const Emit& emit) {
  constexpr int kMaxCodes = 4096;
  if (data.empty()) return;
  const int min_bits = data[0];
  const int clear = 1 << min_bits;
  const int end = clear + 1;
  // Code c stands for the string of prefix[c] followed by the index last[c].
  std::array<uint16_t, kMaxCodes> prefix{};
  std::array<uint8_t, kMaxCodes> last{};
  for (int i = 0; i < clear; ++i) last[i] = static_cast<uint8_t>(i);

  CodeReader codes(data.subspan(1));
  int bits = min_bits + 1;
  int next = end + 1;
  int previous = -1;
  uint8_t previous_first = 0;
  std::array<uint8_t, kMaxCodes> string;  // in reverse
  for (;;) {
    const int code = codes.Next(bits);
    if (code < 0 || code == end) return;
    if (code == clear) {
      bits = min_bits + 1;
      next = end + 1;
      previous = -1;
      continue;
    }
    // A code may be the one that is about to be made: the previous string and its first index.
    if (code > next || (previous < 0 && code > end)) return;
    size_t length = 0;
    int walk = code;
    if (code == next) {
      string[length++] = previous_first;
      walk = previous;
    }
    while (walk > end) {
      string[length++] = last[walk];
      walk = prefix[walk];
    }
    string[length++] = last[walk];
    if (previous >= 0 && next < kMaxCodes) {
      prefix[next] = static_cast<uint16_t>(previous);
      last[next] = last[walk];
      ++next;
      if (next == 1 << bits && bits < 12) ++bits;
    }
    previous = code;
    previous_first = last[walk];
    while (length > 0) {
      if (!emit(string[--length])) return;
    }
  }
}

}  // namespace

Result<ImageHeader> ReadGifHeader(std::span<const uint8_t> bytes) {
  GEMMA3_TRY(const GifParts gif, ParseGif(bytes));
  return gif.header;
}

Result<Image> DecodeGif(std::span<const uint8_t> bytes, const ImageHeader& header, Alpha alpha) {
  GEMMA3_TRY(const GifParts gif, ParseGif(bytes));
  using Color = std::array<uint8_t, 3>;
  std::array<Color, 256> colors{};
  for (size_t i = 0; i < colors.size(); ++i) {
    const auto index = static_cast<uint8_t>(i);
    if (gif.palette.empty()) colors[i] = {index, index, index};
    if (3 * i < gif.palette.size()) std::copy_n(&gif.palette[3 * i], 3, colors[i].begin());
  }
  // What the frame leaves free is transparent. Where alpha is dropped it has the colour of the
  // transparent index, and of index 0 where there is none, as in Pillow.
  Color fill = colors[gif.transparent];
  if (alpha != Alpha::kDrop) {
    fill.fill(Over(0, 0, alpha));
    if (gif.has_transparent) colors[gif.transparent] = fill;
  }
  Image image{header.width, header.height, {}};
  image.pixels.resize(3 * image.width * image.height);
  if (fill != Color{}) {
    for (size_t i = 0; i < image.pixels.size(); i += 3) {
      std::ranges::copy(fill, image.pixels.begin() + static_cast<ptrdiff_t>(i));
    }
  }

  // The rows in the order in which they come (appendix E).
  struct Pass {
    size_t first, step;
  };
  static constexpr Pass kInterlaced[] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}};
  static constexpr Pass kPlain[] = {{0, 1}};
  std::vector<size_t> rows;
  rows.reserve(gif.frame_height);
  for (const Pass pass : gif.interlaced ? std::span<const Pass>(kInterlaced) : kPlain) {
    for (size_t y = pass.first; y < gif.frame_height; y += pass.step) rows.push_back(y);
  }

  size_t x = 0;
  size_t row = 0;
  DecodeLzw(gif.data, [&](uint8_t index) {
    const size_t at = (gif.top + rows[row]) * image.width + gif.left + x;
    std::ranges::copy(colors[index], image.pixels.begin() + static_cast<ptrdiff_t>(3 * at));
    if (++x == gif.frame_width) {
      x = 0;
      ++row;
    }
    return row < gif.frame_height;
  });
  if (row < gif.frame_height) {
    return Fail(ErrorCode::kBadImage, "GIF is cut off or damaged: its first frame ends in row ",
                row, " of ", gif.frame_height);
  }
  return image;
}

}  // namespace gemma3
