// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Crops as the published image processor makes them.
#include "src/image/pan_and_scan.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "tests/image/image_test_util.h"

namespace gemma3 {

void PrintTo(const CropBox& box, std::ostream* out) {
  *out << "(" << box.left << ", " << box.top << ", " << box.right << ", " << box.bottom << ")";
}

namespace {

using Crops = std::vector<CropBox>;

TEST(PanAndScan, EqualsTheReferenceOnEveryPicture) {
  const auto expected = OpenExpected(kReference + "images.safetensors");
  size_t pictures = 0;
  size_t boxes = 0;
  for (const auto& [key, tensor] : expected.tensors) {
    if (!key.ends_with(".crops")) continue;
    SCOPED_TRACE(key);
    ASSERT_EQ(tensor.type, TensorType::kI64);
    Crops want;
    for (size_t i = 0; i < tensor.shape[0]; ++i) {
      int64_t box[4];
      std::memcpy(box, tensor.data + i * sizeof(box), sizeof(box));
      want.push_back({static_cast<size_t>(box[0]), static_cast<size_t>(box[1]),
                      static_cast<size_t>(box[2]), static_cast<size_t>(box[3])});
    }
    const auto image = LoadImage(kReference + key.substr(0, key.find('.')) + ".png");
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(PanAndScanCrops(image->width, image->height, {}), want);
    ++pictures;
    boxes += want.size();
  }
  EXPECT_EQ(pictures, 9u);
  EXPECT_GT(boxes, 4u);
}

TEST(PanAndScan, PublishedRuleAtItsEdges) {
  const PanAndScanConfig config;
  EXPECT_EQ(PanAndScanCrops(1920, 1080, config), (Crops{{0, 0, 960, 1080}, {960, 0, 1920, 1080}}));
  EXPECT_EQ(PanAndScanCrops(1000, 400, config),
            (Crops{{0, 0, 334, 400}, {334, 0, 668, 400}, {668, 0, 1000, 400}}));
  EXPECT_EQ(PanAndScanCrops(600, 2400, config).size(), 4u);
  EXPECT_EQ(PanAndScanCrops(600, 2400, config)[3], (CropBox{0, 1800, 600, 2400}));
  EXPECT_EQ(PanAndScanCrops(4000, 500, config).size(), 4u);
  EXPECT_EQ(PanAndScanCrops(500, 200, config), Crops{});    // 250 x 200 is too small
  EXPECT_EQ(PanAndScanCrops(1199, 1000, config), Crops{});  // not long enough
  // A ratio of exactly 1.2 is long enough, although the float 1.2 is above 6 / 5.
  EXPECT_EQ(PanAndScanCrops(1200, 1000, config).size(), 2u);
  EXPECT_EQ(PanAndScanCrops(1000, 1200, config).size(), 2u);
}

TEST(PanAndScan, AnyParametersGiveBoxesThatTileThePicture) {
  for (size_t max_crops : {0, 1, 2, 3, 4, 7, 100}) {
    for (size_t min_size : {0, 1, 10, 256}) {
      for (float ratio : {-1.0f, 0.0f, 1.0f, 1.2f, 3.0f}) {
        const PanAndScanConfig config{
            .min_crop_size = min_size, .max_num_crops = max_crops, .min_ratio_to_activate = ratio};
        for (size_t w : {0, 1, 2, 5, 100, 777}) {
          for (size_t h : {0, 1, 3, 100, 512}) {
            const auto crops = PanAndScanCrops(w, h, config);
            EXPECT_LE(crops.size(), max_crops);
            size_t area = 0;
            for (const CropBox& box : crops) {
              ASSERT_LT(box.left, box.right);
              ASSERT_LT(box.top, box.bottom);
              ASSERT_LE(box.right, w);
              ASSERT_LE(box.bottom, h);
              area += box.width() * box.height();
            }
            EXPECT_TRUE(crops.empty() || area == w * h) << w << " x " << h;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace gemma3
