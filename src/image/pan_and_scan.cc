// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/image/pan_and_scan.h"

#include <algorithm>
#include <cmath>

namespace gemma3 {

std::vector<CropBox> PanAndScanCrops(size_t width, size_t height, const PanAndScanConfig& config) {
  if (width == 0 || height == 0 || config.max_num_crops == 0) return {};
  const bool along_width = width >= height;
  const size_t longer = along_width ? width : height;
  const size_t shorter = along_width ? height : width;
  const double ratio = static_cast<double>(longer) / static_cast<double>(shorter);
  // Compared as float: the threshold is one, and as a double 1.2f would exceed a ratio of 6 : 5.
  if (static_cast<float>(ratio) < config.min_ratio_to_activate) return {};

  const size_t min_size = std::max<size_t>(config.min_crop_size, 1);
  size_t num_crops = static_cast<size_t>(std::floor(ratio + 0.5));
  num_crops = std::min(num_crops, longer / min_size);
  num_crops = std::max<size_t>(num_crops, 2);
  num_crops = std::min(num_crops, config.max_num_crops);
  const size_t step = (longer + num_crops - 1) / num_crops;
  if (std::min(step, shorter) < min_size) return {};

  std::vector<CropBox> crops;
  for (size_t begin = 0; begin < longer; begin += step) {
    const size_t end = std::min(begin + step, longer);
    crops.push_back(along_width ? CropBox{begin, 0, end, height} : CropBox{0, begin, width, end});
  }
  return crops;
}

}  // namespace gemma3
