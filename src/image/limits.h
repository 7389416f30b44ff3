// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The largest pictures that any part of the library handles, whatever limits an application sets.
#pragma once

#include <cstddef>

namespace gemma3 {

// What every decoder can address in 32 bits, with four channels of 8 bits.
inline constexpr size_t kMaxImagePixels = size_t{1} << 28;
inline constexpr size_t kMaxImageBytes = size_t{1} << 30;  // of an encoded file
// Of the width or height. No picture has more, and it bounds the weights that resizing holds for
// one side to 8 MiB.
inline constexpr size_t kMaxImageSide = size_t{1} << 20;

}  // namespace gemma3
