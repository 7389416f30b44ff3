// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The one door to the stb_image decoders for JPEG, PNG and BMP.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "gemma3/error.h"
#include "gemma3/image.h"

namespace gemma3 {

// Decodes one file, given as consecutive pieces, to a width x height RGB picture. `format` is for
// messages. Memory is bounded by a small multiple of width * height plus the file's size, whatever
// the file says. Errors: kBadImage where stb_image refuses the file or finds another size.
//
// stb_image trusts some fields of a file more than it should, so callers must have checked the
// structure: see png.cc, jpeg.cc and bmp.cc for what they make sure of.
Result<Image> DecodeWithStb(const char* format, std::span<const std::span<const uint8_t>> pieces,
                            size_t width, size_t height);

}  // namespace gemma3
