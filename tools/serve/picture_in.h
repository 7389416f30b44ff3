// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Pictures of requests: always the bytes themselves. Nothing is fetched, whatever a URL says.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "gemma3/image.h"
#include "gemma3/message.h"
#include "tools/serve/api_error.h"

namespace gemma3::serve {

// Bounds of what one request may bring, counted over all of its pictures.
struct PictureBudget {
  size_t pictures = 32;
  size_t pixels = 100'000'000;  // of all together, checked before they are decoded
};

class PictureReader {
 public:
  PictureReader(const ImageOptions& options, const PictureBudget& budget)
      : options_(options), left_(budget) {}

  // base64, as Ollama's and Google's clients send it. param: for errors. Errors: 400.
  Api<Part> FromBase64(std::string_view text, const std::string& param);
  // "data:image/png;base64,..."; without "data:" in front and a scheme, bare base64. The kind of
  // picture is told by its bytes. Errors: 400, for other URLs as well.
  Api<Part> FromUrl(std::string_view url, const std::string& param);

 private:
  ImageOptions options_;
  PictureBudget left_;
};

}  // namespace gemma3::serve
