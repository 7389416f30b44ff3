// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/picture_in.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include "src/base/ascii.h"
#include "tools/base64.h"

namespace gemma3::serve {
Api<Part> PictureReader::FromBase64(std::string_view text, const std::string& param) {
  const auto bytes = cli::DecodeBase64(text);
  if (!bytes) return Refuse(400, param + ": this is no base64", param, "invalid_value");
  if (left_.pictures == 0) {
    return Refuse(400, param + ": too many pictures in one request", param, "invalid_value");
  }
  --left_.pictures;
  ImageOptions options = options_;
  options.max_pixels = std::min(options.max_pixels, left_.pixels);
  auto image = DecodeImage(
      std::span(reinterpret_cast<const uint8_t*>(bytes->data()), bytes->size()), options);
  if (!image) {
    ApiError error = image.error();
    error.message = param + ": " + error.message;
    error.param = param;
    return std::unexpected(std::move(error));
  }
  left_.pixels -= std::min(left_.pixels, image->width * image->height);
  return Part::Picture(*std::move(image));
}

Api<Part> PictureReader::FromUrl(std::string_view url, const std::string& param) {
  if (url.size() < 5 || AsciiLower(url.substr(0, 5)) != "data:") {
    if (url.find(':') == std::string_view::npos) return FromBase64(url, param);
    return Refuse(400,
                  param +
                      ": only data: URLs are taken (data:image/png;base64,...); this server "
                      "fetches nothing",
                  param, "invalid_value");
  }
  const size_t comma = url.find(',');
  const std::string_view kind = url.substr(5, comma == std::string_view::npos ? comma : comma - 5);
  if (comma == std::string_view::npos || !AsciiLower(kind).ends_with(";base64")) {
    return Refuse(400, param + ": expected data:image/png;base64,...", param, "invalid_value");
  }
  return FromBase64(url.substr(comma + 1), param);
}

}  // namespace gemma3::serve
