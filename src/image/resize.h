// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Antialiased bilinear resizing, the one the model was trained with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "src/image/view.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// Resizes to width x height, each side on its own (the aspect ratio is not kept), into `out`:
// [height, width, 3] bytes. Equal to Pillow's Image.resize((width, height), BILINEAR) on every
// byte: a triangle filter as wide as the shrinking factor, rows first, then columns, each pass
// rounded to bytes, with weights of 22 fractional bits. The view's border is the picture's border:
// pixels outside a crop do not bleed in.
//
// The result does not depend on the number of threads. Memory beyond `out`: the weights, about
// 8 bytes for each pixel of either side, and some 100 KiB a thread at 896 x 896.
void ResizeBilinear(const ImageView& image, size_t width, size_t height, ThreadPool& pool,
                    std::span<uint8_t> out);

}  // namespace gemma3
