// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The one door to the stb_image decoders for JPEG, PNG and BMP.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

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
                            size_t width, size_t height, Alpha alpha);

// The same for a file whose end is missing. It is decoded with each of two endings behind the
// pieces; where they give the same picture, nothing of it depends on what is missing. The endings
// have to differ in each bit, or nearly so, for long enough that what needs them shows: a decoder
// that lacks one bit then goes two ways. Errors as above, and where the pictures differ.
Result<Image> DecodeUnendedWithStb(const char* format,
                                   std::span<const std::span<const uint8_t>> pieces,
                                   const std::span<const uint8_t> (&endings)[2], size_t width,
                                   size_t height, Alpha alpha);

// What a zlib stream (RFC 1950) expands to, at most the first `max_bytes` of it; what precedes any
// damage where it is damaged or cut off.
std::vector<uint8_t> InflateWithStb(std::span<const uint8_t> zlib, size_t max_bytes);

}  // namespace gemma3
