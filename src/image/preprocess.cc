// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/image/preprocess.h"

#include <array>
#include <cstdint>

#include "src/base/status.h"
#include "src/image/pan_and_scan.h"
#include "src/image/resize.h"

namespace gemma3 {

Result<std::vector<CropBox>> PlanViews(const Image& image, const PanAndScanConfig* pan_and_scan) {
  GEMMA3_CHECK_OK(CheckImage(image));
  std::vector<CropBox> views = {{0, 0, image.width, image.height}};
  if (pan_and_scan != nullptr) {
    const auto crops = PanAndScanCrops(image.width, image.height, *pan_and_scan);
    views.insert(views.end(), crops.begin(), crops.end());
  }
  return views;
}

void PreprocessView(const Image& image, const CropBox& view, size_t size, ThreadPool& pool,
                    std::span<float> planes) {
  std::vector<uint8_t> rgb(3 * size * size);
  ResizeBilinear(ViewOf(image, view), size, size, pool, rgb);
  NormalizeToPlanes(rgb, planes);
}

void NormalizeToPlanes(std::span<const uint8_t> rgb, std::span<float> planes) {
  std::array<float, 256> levels;
  for (size_t v = 0; v < levels.size(); ++v) {
    const auto rescaled = static_cast<float>(static_cast<double>(v) * (1.0 / 255.0));
    levels[v] = (rescaled - 0.5f) / 0.5f;
  }
  const size_t pixels = rgb.size() / 3;
  for (size_t i = 0; i < pixels; ++i) {
    for (size_t c = 0; c < 3; ++c) planes[c * pixels + i] = levels[rgb[3 * i + c]];
  }
}

}  // namespace gemma3
