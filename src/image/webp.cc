// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// WebP through libwebp (developers.google.com/speed/webp/docs, "WebP Container Specification").
//
// Animations are laid out in ANMF chunks, whose payload after 16 bytes is what WebPDecode takes.
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "src/base/status.h"
#include "src/image/alpha.h"
#include "src/image/byte_reader.h"
#include "src/image/codecs.h"
#include "src/image/orientation.h"

#ifdef GEMMA3_HAVE_WEBP
#include <webp/decode.h>
#endif

namespace gemma3 {

#ifdef GEMMA3_HAVE_WEBP
namespace {

struct WebpParts {
  ImageHeader header;
  // The picture, or the first frame of an animation and its place on the canvas.
  std::span<const uint8_t> frame;
  size_t left = 0;
  size_t top = 0;
  size_t frame_width = 0;
  size_t frame_height = 0;
};

uint32_t Le24(ByteReader& reader) {
  const uint32_t low = reader.Le16();
  return low | uint32_t{reader.U8()} << 16;
}

Result<WebpParts> ParseWebp(std::span<const uint8_t> bytes) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(bytes.data(), bytes.size(), &features);
  if (status == VP8_STATUS_NOT_ENOUGH_DATA) {
    return Fail(ErrorCode::kBadImage, "WebP is cut off within its header");
  }
  if (status != VP8_STATUS_OK) {
    return Fail(ErrorCode::kBadImage, "WebP header is damaged (libwebp status ", int{status}, ")");
  }
  WebpParts webp;
  webp.header.width = webp.frame_width = static_cast<size_t>(features.width);
  webp.header.height = webp.frame_height = static_cast<size_t>(features.height);
  if (!features.has_animation) webp.frame = bytes;

  Orientation orientation;
  ByteReader reader(bytes);
  reader.Skip(12);  // RIFF, size, WEBP
  while (!reader.at_end()) {
    const auto name = reader.Take(4);
    const uint32_t size = reader.Le32();
    const auto payload = reader.Take(size);
    if (!reader.ok()) break;
    const auto is = [name](const char* wanted) { return std::memcmp(name.data(), wanted, 4) == 0; };
    if (is("EXIF")) orientation.AddExif(payload);
    if (is("XMP ")) orientation.AddXmp(payload);
    if (is("ANMF") && webp.frame.empty()) {
      ByteReader fields(payload);
      webp.left = 2 * size_t{Le24(fields)};
      webp.top = 2 * size_t{Le24(fields)};
      webp.frame_width = size_t{Le24(fields)} + 1;
      webp.frame_height = size_t{Le24(fields)} + 1;
      fields.Skip(4);  // duration, how to go on to the next frame
      webp.frame = fields.Take(fields.left());
    }
    if (size % 2 != 0) reader.Skip(1);  // chunks are padded to even sizes
  }
  webp.header.orientation = orientation.value();
  if (!features.has_animation) return webp;

  if (webp.frame.empty()) {
    return Fail(ErrorCode::kBadImage, "WebP is animated and its first frame is missing or cut off");
  }
  if (webp.left + webp.frame_width > webp.header.width ||
      webp.top + webp.frame_height > webp.header.height) {
    return Fail(ErrorCode::kBadImage, "WebP has a first frame of ", webp.frame_width, " x ",
                webp.frame_height, " pixels at ", webp.left, ", ", webp.top,
                ", which leaves its canvas of ", webp.header.width, " x ", webp.header.height);
  }
  // The frame has a size of its own that has to agree, since the decoder goes by it.
  if (WebPGetFeatures(webp.frame.data(), webp.frame.size(), &features) != VP8_STATUS_OK ||
      features.has_animation || static_cast<size_t>(features.width) != webp.frame_width ||
      static_cast<size_t>(features.height) != webp.frame_height) {
    return Fail(ErrorCode::kBadImage, "WebP has a first frame that is damaged");
  }
  return webp;
}

}  // namespace

Result<ImageHeader> ReadWebpHeader(std::span<const uint8_t> bytes) {
  GEMMA3_TRY(const WebpParts webp, ParseWebp(bytes));
  return webp.header;
}

Result<Image> DecodeWebp(std::span<const uint8_t> bytes, const ImageHeader& header, Alpha alpha) {
  GEMMA3_TRY(const WebpParts webp, ParseWebp(bytes));
  const bool keep_alpha = alpha != Alpha::kDrop;
  const size_t channels = keep_alpha ? 4 : 3;
  // What a frame leaves free is transparent black.
  std::vector<uint8_t> pixels(channels * header.width * header.height);
  const size_t stride = channels * header.width;
  const size_t at = webp.top * stride + channels * webp.left;
  const auto decode = keep_alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  if (decode(webp.frame.data(), webp.frame.size(), pixels.data() + at, pixels.size() - at,
             static_cast<int>(stride)) == nullptr) {
    return Fail(ErrorCode::kBadImage, "WebP data is damaged or cut off");
  }
  if (keep_alpha) pixels = Flatten(pixels.data(), header.width * header.height, alpha);
  return Image{header.width, header.height, std::move(pixels)};
}

#else

namespace {

std::unexpected<Error> NoWebp() {
  return Fail(
      ErrorCode::kBadImage,
      "WebP is not read by this build, which was made without libwebp; convert it to PNG or "
      "JPEG, or build with libwebp installed");
}

}  // namespace

Result<ImageHeader> ReadWebpHeader(std::span<const uint8_t>) { return NoWebp(); }
Result<Image> DecodeWebp(std::span<const uint8_t>, const ImageHeader&, Alpha) { return NoWebp(); }

#endif

}  // namespace gemma3
