// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// From a picture to what the vision tower takes in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "gemma3/image.h"
#include "src/image/view.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// The parts of a picture that are encoded, in the order in which the tower and the prompt take
// them: the whole picture, then, where `pan_and_scan` is not null, its crops (whatever its
// `enabled` says). Each is one encode and tokens_per_image tokens. Errors: kBadImage (see
// CheckImage).
Result<std::vector<CropBox>> PlanViews(const Image& image, const PanAndScanConfig* pan_and_scan);

// Resizes one view (of PlanViews) of a checked picture to size x size and writes the tower's input,
// planes [3, size, size] in the order red, green, blue, values in [-1, 1], to `planes`.
void PreprocessView(const Image& image, const CropBox& view, size_t size, ThreadPool& pool,
                    std::span<float> planes);

// Bytes [size * size, 3] to planes [3, size * size]: (v / 255 - 0.5) / 0.5, in f32 after a
// rescaling in f64, as the published processor computes it.
void NormalizeToPlanes(std::span<const uint8_t> rgb, std::span<float> planes);

}  // namespace gemma3
