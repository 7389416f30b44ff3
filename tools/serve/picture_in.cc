// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/picture_in.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "src/base/ascii.h"

namespace gemma3::serve {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> kValues = [] {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int8_t>(i);
  }
  return values;
}();

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace

std::optional<std::string> DecodeBase64(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  uint32_t group = 0;
  size_t count = 0, padding = 0;
  for (const char c : text) {
    if (IsSpace(c)) continue;
    if (c == '=') {
      ++padding;
      group <<= 6;
    } else {
      const int value = kValues[static_cast<unsigned char>(c)];
      if (value < 0 || padding > 0) return std::nullopt;
      group = group << 6 | static_cast<uint32_t>(value);
    }
    if (++count % 4 != 0) continue;
    if (padding > 2) return std::nullopt;
    const auto put = [&](int shift) { bytes.push_back(static_cast<char>(group >> shift & 0xFF)); };
    put(16);
    if (padding < 2) put(8);
    if (padding < 1) put(0);
    // Bits that stand for nothing.
    if ((padding == 2 && (group & 0xFFFF) != 0) || (padding == 1 && (group & 0xFF) != 0)) {
      return std::nullopt;
    }
    group = 0;
    if (padding > 0) padding += 4;  // nothing may follow
  }
  if (count % 4 != 0) return std::nullopt;
  return bytes;
}

std::string EncodeBase64(std::string_view bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (size_t k = 0; k < 4; ++k) {
      text += k <= count ? kAlphabet[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

Api<Part> PictureReader::FromBase64(std::string_view text, const std::string& param) {
  const auto bytes = DecodeBase64(text);
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
