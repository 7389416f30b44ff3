// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// From pictures to the tower's input: order of views, channels and values.
#include "src/image/preprocess.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "tests/image/image_test_util.h"

namespace gemma3 {
namespace {

TEST(NormalizeToPlanes, ChannelsArePlanesAndBytesSpanMinusOneToOne) {
  const std::vector<uint8_t> rgb = {0, 255, 51, 255, 0, 204};
  std::vector<float> planes(6);
  NormalizeToPlanes(rgb, planes);
  EXPECT_EQ(planes[0], -1.0f);
  EXPECT_EQ(planes[1], 1.0f);
  EXPECT_EQ(planes[2], 1.0f);
  EXPECT_EQ(planes[3], -1.0f);
  // Two roundings in f32 of values up to 1, doubled.
  EXPECT_NEAR(planes[4], -0.6, 2 * 0x1p-23);
  EXPECT_NEAR(planes[5], 0.6, 2 * 0x1p-23);
}

TEST(NormalizeToPlanes, EveryLevelIsWithinRoundingOfItsFormula) {
  std::vector<uint8_t> rgb(3 * 256);
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<uint8_t>(i / 3);
  std::vector<float> planes(rgb.size());
  NormalizeToPlanes(rgb, planes);
  for (int v = 0; v < 256; ++v) {
    for (int c = 0; c < 3; ++c) EXPECT_NEAR(planes[c * 256 + v], v / 127.5 - 1, 2 * 0x1p-23) << v;
  }
}

TEST(PlanViews, WholePictureComesFirst) {
  const Image image{1000, 400, std::vector<uint8_t>(3 * 1000 * 400)};
  const auto plain = PlanViews(image, nullptr);
  ASSERT_TRUE(plain);
  EXPECT_EQ(*plain, (std::vector<CropBox>{{0, 0, 1000, 400}}));
  const PanAndScanConfig config;
  const auto views = PlanViews(image, &config);
  ASSERT_TRUE(views);
  EXPECT_EQ(*views,
            (std::vector<CropBox>{
                {0, 0, 1000, 400}, {0, 0, 334, 400}, {334, 0, 668, 400}, {668, 0, 1000, 400}}));
  EXPECT_FALSE(PlanViews(Image{3, 3, {1, 2}}, &config));
}

TEST(PreprocessView, IsTheReferenceResizeNormalized) {
  const auto expected = OpenExpected(kReference + "images.safetensors");
  const auto image = LoadImage(kReference + "wide.png");
  ASSERT_TRUE(image) << image.error().message;
  ThreadPool pool(2);
  constexpr size_t kSize = 224;
  const size_t plane = kSize * kSize;
  std::vector<float> got(3 * plane);
  PreprocessView(*image, {0, 0, image->width, image->height}, kSize, pool, got);
  const Image want = ToImage(expected.tensors.at("wide.resized_224"));
  for (size_t i = 0; i < plane; ++i) {
    for (size_t c = 0; c < 3; ++c) {
      ASSERT_NEAR(got[c * plane + i], want.pixels[3 * i + c] / 127.5 - 1, 2 * 0x1p-23);
    }
  }
}

}  // namespace
}  // namespace gemma3
