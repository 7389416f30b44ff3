// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Resizing equals the published image processor's, byte for byte, for any size and thread count.
#include "src/image/resize.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "src/image/view.h"
#include "src/threading/thread_pool.h"
#include "tests/image/image_test_util.h"

namespace gemma3 {
namespace {

std::vector<uint8_t> Resize(const ImageView& view, size_t width, size_t height,
                            size_t threads = 2) {
  ThreadPool pool(threads);
  std::vector<uint8_t> out(3 * width * height);
  ResizeBilinear(view, width, height, pool, out);
  return out;
}

Image RandomImage(size_t width, size_t height) {
  Image image{width, height, std::vector<uint8_t>(3 * width * height)};
  uint32_t random = static_cast<uint32_t>(width * 31 + height);
  for (uint8_t& byte : image.pixels) {
    random = random * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(random >> 24);
  }
  return image;
}

TEST(ResizeBilinear, EqualsTheReferenceOnEveryPicture) {
  const auto expected = OpenExpected(kReference + "images.safetensors");
  int compared = 0;
  for (const auto& [key, tensor] : expected.tensors) {
    const size_t dot = key.find(".resized_");
    if (dot == std::string::npos) continue;
    SCOPED_TRACE(key);
    const auto image = LoadImage(kReference + key.substr(0, dot) + ".png");
    ASSERT_TRUE(image) << image.error().message;
    const Image want = ToImage(tensor);
    EXPECT_EQ(MaxDifference(Resize(ViewOf(*image), want.width, want.height), want.pixels), 0);
    ++compared;
  }
  EXPECT_EQ(compared, 11);
}

TEST(ResizeBilinear, ResultDoesNotDependOnThreads) {
  const Image image = RandomImage(301, 203);
  const auto want = Resize(ViewOf(image), 97, 131, 1);
  for (size_t threads : {2, 3, 5}) EXPECT_EQ(Resize(ViewOf(image), 97, 131, threads), want);
}

TEST(ResizeBilinear, SameSizeIsACopy) {
  const Image image = RandomImage(53, 41);
  EXPECT_EQ(Resize(ViewOf(image), 53, 41), image.pixels);
}

TEST(ResizeBilinear, FlatPicturesStayFlatAtEverySize) {
  const struct {
    size_t width, height;
  } sizes[] = {{1, 1}, {1, 2000}, {2000, 1}, {1, 1 << 20}, {1 << 20, 1}, {2, 3}, {7, 5000}};
  for (const auto& size : sizes) {
    SCOPED_TRACE(testing::Message() << size.width << " x " << size.height);
    for (uint8_t level : {1, 255}) {
      const Image image{size.width, size.height,
                        std::vector<uint8_t>(3 * size.width * size.height, level)};
      EXPECT_EQ(Resize(ViewOf(image), 33, 18), std::vector<uint8_t>(3 * 33 * 18, level));
    }
  }
}

TEST(ResizeBilinear, CropsDoNotSeeBeyondTheirBorder) {
  const Image image = RandomImage(90, 70);
  const CropBox box{13, 20, 60, 69};
  Image copy{box.width(), box.height(), {}};
  for (size_t y = box.top; y < box.bottom; ++y) {
    const auto row =
        image.pixels.begin() + static_cast<ptrdiff_t>(3 * (y * image.width + box.left));
    copy.pixels.insert(copy.pixels.end(), row, row + static_cast<ptrdiff_t>(3 * box.width()));
  }
  for (size_t size : {16, 47, 100}) {
    EXPECT_EQ(Resize(ViewOf(image, box), size, size), Resize(ViewOf(copy), size, size));
  }
}

TEST(CheckImage, PicturesOfApplicationsAreChecked) {
  EXPECT_TRUE(CheckImage(Image{2, 1, std::vector<uint8_t>(6)}));
  for (const Image& bad :
       {Image{}, Image{2, 1, std::vector<uint8_t>(5)}, Image{0, 1, {}},
        Image{size_t{1} << 63, 2, {}}, Image{size_t{1} << 32, size_t{1} << 32, {}}}) {
    const auto status = CheckImage(bad);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kBadImage);
  }
}

}  // namespace
}  // namespace gemma3
