// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// WebP through libwebp (developers.google.com/speed/webp/docs, "WebP Container Specification").
#include <cstdint>
#include <cstring>

#include "src/base/status.h"
#include "src/image/byte_reader.h"
#include "src/image/codecs.h"
#include "src/image/exif.h"

#ifdef GEMMA3_HAVE_WEBP
#include <webp/decode.h>
#endif

namespace gemma3 {

#ifdef GEMMA3_HAVE_WEBP
namespace {

// Orientation from the container's EXIF chunk, 1 where there is none.
int FindOrientation(std::span<const uint8_t> bytes) {
  ByteReader reader(bytes);
  reader.Skip(12);  // RIFF, size, WEBP
  while (!reader.at_end()) {
    const auto name = reader.Take(4);
    const uint32_t size = reader.Le32();
    const auto payload = reader.Take(size);
    if (!reader.ok()) break;
    if (std::memcmp(name.data(), "EXIF", 4) == 0) return ReadExifOrientation(payload);
    if (size % 2 != 0) reader.Skip(1);  // chunks are padded to even sizes
  }
  return 1;
}

}  // namespace

Result<ImageHeader> ReadWebpHeader(std::span<const uint8_t> bytes) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(bytes.data(), bytes.size(), &features);
  if (status == VP8_STATUS_NOT_ENOUGH_DATA) {
    return Fail(ErrorCode::kBadImage, "WebP is cut off within its header");
  }
  if (status != VP8_STATUS_OK) {
    return Fail(ErrorCode::kBadImage, "WebP header is damaged (libwebp status ", int{status}, ")");
  }
  if (features.has_animation) {
    return Fail(ErrorCode::kBadImage,
                "WebP is animated, which is not supported; save one frame of it as PNG");
  }
  return ImageHeader{static_cast<size_t>(features.width), static_cast<size_t>(features.height),
                     FindOrientation(bytes)};
}

Result<Image> DecodeWebp(std::span<const uint8_t> bytes, const ImageHeader& header) {
  Image image{header.width, header.height, {}};
  image.pixels.resize(3 * image.width * image.height);
  if (WebPDecodeRGBInto(bytes.data(), bytes.size(), image.pixels.data(), image.pixels.size(),
                        static_cast<int>(3 * image.width)) == nullptr) {
    return Fail(ErrorCode::kBadImage, "WebP data is damaged or cut off");
  }
  return image;
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
Result<Image> DecodeWebp(std::span<const uint8_t>, const ImageHeader&) { return NoWebp(); }

#endif

}  // namespace gemma3
