// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Pan-and-scan: which parts of a long picture the model gets to see as pictures of their own.
#pragma once

#include <cstddef>
#include <vector>

#include "gemma3/config.h"
#include "src/image/view.h"

namespace gemma3 {

// The crops of a width x height picture: a row of boxes along its longer side, left to right or top
// to bottom, without overlap; the last is clipped at the border. Empty where the picture is not
// long enough (ratio below min_ratio_to_activate) or the crops would be smaller than min_crop_size.
// Whether the feature is on (config.enabled) is the caller's question.
// Rule: transformers, models/gemma3/image_processing_gemma3.py.
std::vector<CropBox> PanAndScanCrops(size_t width, size_t height, const PanAndScanConfig& config);

}  // namespace gemma3
