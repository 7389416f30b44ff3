// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Decoding: every kind of every format gives the pixels that it should, and no bytes whatever do
// harm.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "gemma3/image.h"
#include "src/image/orientation.h"
#include "src/image/resize.h"
#include "src/image/view.h"
#include "src/threading/thread_pool.h"
#include "tests/image/image_test_util.h"
#include "tests/support/temp_folder.h"

namespace gemma3 {
namespace {

// How far decoders of lossy formats may differ. T.81 leaves the inverse DCT to the decoder within 1
// level (T.83), for Y, Cb and Cr; chroma upsampling may round once more (1 level of Cb and Cr), and
// so may the conversion. Blue, the worst: 1 + 1.772 * (1 + 1) + 1 < 6.
int Tolerance(const std::string& name) {
  if (name.ends_with(".jpg")) return 5;
  // VP8 is exact up to the conversion to RGB, which may round.
  if (name.starts_with("lossy") || name.starts_with("alpha_lossy")) return 1;
  return 0;
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The pictures that most tests below go through: all, less WebP where the library was built
// without.
std::vector<std::string> PictureNames(const SafetensorsSet& expected) {
  const auto webp = LoadImage(kPictures + "lossless.webp");
  const bool have_webp = webp || !Contains(webp.error().message, "without libwebp");
  std::vector<std::string> names;
  for (const auto& [name, tensor] : expected.tensors) {
    if (have_webp || !name.ends_with(".webp")) names.push_back(name);
  }
  return names;
}

std::string ErrorOf(std::span<const uint8_t> bytes, const ImageOptions& options = {}) {
  const auto image = DecodeImage(bytes, options);
  if (image) return "decoded";
  EXPECT_EQ(image.error().code, ErrorCode::kBadImage) << image.error().message;
  return image.error().message;
}

std::vector<uint8_t> Bytes(std::string_view text) { return {text.begin(), text.end()}; }

// Replaces the bytes at `at`.
std::vector<uint8_t> Patched(std::vector<uint8_t> bytes, size_t at,
                             const std::vector<uint8_t>& patch) {
  std::copy(patch.begin(), patch.end(), bytes.begin() + static_cast<ptrdiff_t>(at));
  return bytes;
}

// The first pixels of a row.
std::vector<uint8_t> RowOf(const Image& image, size_t y, size_t columns) {
  const auto row = image.pixels.begin() + static_cast<ptrdiff_t>(3 * y * image.width);
  return {row, row + static_cast<ptrdiff_t>(3 * columns)};
}

TEST(DecodeImage, EveryKindOfPictureGivesItsPixels) {
  const auto expected = OpenExpected(kPictures + "expected.safetensors");
  ASSERT_GT(expected.tensors.size(), 100u);
  for (const std::string& name : PictureNames(expected)) {
    SCOPED_TRACE(name);
    const Image want = ToImage(expected.tensors.at(name));
    const auto got = LoadImage(kPictures + name);
    ASSERT_TRUE(got) << got.error().message;
    ASSERT_EQ(got->width, want.width);
    ASSERT_EQ(got->height, want.height);
    for (size_t y = 0; y < want.height; ++y) {
      EXPECT_LE(MaxDifference(RowOf(*got, y, want.width), RowOf(want, y, want.width)),
                Tolerance(name))
          << "row " << y;
    }
  }
}

TEST(DecodeImage, TransparencyIsLaidOnTheGroundThatIsAskedFor) {
  const auto expected = OpenExpected(kPictures + "grounds.safetensors");
  const auto names = PictureNames(expected);
  ASSERT_GT(names.size(), 20u);
  for (const std::string& ground_and_name : names) {
    SCOPED_TRACE(ground_and_name);
    const size_t slash = ground_and_name.find('/');
    const Alpha alpha = ground_and_name.starts_with("white") ? Alpha::kWhite : Alpha::kBlack;
    const auto got = LoadImage(kPictures + ground_and_name.substr(slash + 1), {.alpha = alpha});
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(MaxDifference(got->pixels, ToImage(expected.tensors.at(ground_and_name)).pixels), 0);
  }
}

TEST(DecodeImage, FilesThatEndEarlyAreReadWhereNothingOfThePictureIsMissing) {
  const auto expected = OpenExpected(kPictures + "expected.safetensors");
  int jpegs = 0;
  int pngs = 0;
  for (const std::string& name : PictureNames(expected)) {
    SCOPED_TRACE(name);
    auto bytes = ReadBytes(kPictures + name);
    if (name.ends_with(".jpg")) {
      bytes.resize(bytes.size() - 2);  // end of image
      ++jpegs;
    } else if (name.ends_with(".png")) {
      bytes.resize(bytes.size() - 12);  // IEND
      ++pngs;
    } else {
      continue;
    }
    const auto whole = LoadImage(kPictures + name);
    const auto image = DecodeImage(bytes);
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->pixels, whole->pixels);
    // A last data byte less, and something of the picture or its checksum is missing.
    if (name.ends_with(".jpg")) {
      bytes.resize(bytes.size() - 3);
      EXPECT_TRUE(Contains(ErrorOf(bytes), "cut off")) << ErrorOf(bytes);
    }
  }
  EXPECT_GT(jpegs, 10);
  EXPECT_GT(pngs, 30);
}

// The last interval between restart markers is gone with its marker: the decoder sees no bit that
// is missing.
TEST(DecodeImage, JpegWithoutItsLastRestartIntervalsIsCutOff) {
  auto jpeg = ReadBytes(kPictures + "restarts.jpg");
  for (size_t at = jpeg.size() - 2; at > 0; --at) {
    if (jpeg[at] != 0xFF || jpeg[at + 1] < 0xD0 || jpeg[at + 1] > 0xD7) continue;
    jpeg.resize(at);
    EXPECT_TRUE(Contains(ErrorOf(jpeg), "cut off")) << at;
  }
}

// All scans but the last: what is there decodes, to a blurred picture.
TEST(DecodeImage, ProgressiveJpegWithoutItsLastScanIsCutOff) {
  const auto jpeg = ReadBytes(kPictures + "rgb_420_progressive.jpg");
  int scans = 0;
  for (size_t at = 2; at + 1 < jpeg.size(); ++at) {
    if (jpeg[at] != 0xFF || jpeg[at + 1] != 0xDA) continue;
    const std::vector<uint8_t> cut(jpeg.begin(), jpeg.begin() + static_cast<ptrdiff_t>(at));
    EXPECT_TRUE(Contains(ErrorOf(cut), "cut off") || Contains(ErrorOf(cut), "without image data"))
        << at;
    ++scans;
  }
  EXPECT_GT(scans, 4);
}

TEST(DecodeImage, RunLengthCodesOfBmpAreChecked) {
  const auto rle8 = ReadBytes(kPictures + "rle8.bmp");
  const auto rle4 = ReadBytes(kPictures + "rle4.bmp");
  EXPECT_TRUE(Contains(ErrorOf(Patched(rle8, 28, {4})), "run-length-coded for 8 bits"));
  EXPECT_TRUE(Contains(ErrorOf(Patched(rle4, 28, {8})), "run-length-coded for 4 bits"));
  auto cut = rle8;
  cut.resize(cut.size() - 20);
  EXPECT_TRUE(Contains(ErrorOf(cut), "cut off"));
  // Without the code that ends the picture, and the one that ends the last row.
  cut = rle8;
  while (cut.back() == 0 || cut.back() == 1) cut.pop_back();
  EXPECT_TRUE(DecodeImage(cut)) << ErrorOf(cut);
  // A move far outside, and a run over the end of its row.
  const size_t codes = rle8[10] | rle8[11] << 8;
  EXPECT_TRUE(DecodeImage(Patched(rle8, codes, {0, 2, 255, 255, 0, 1})));
  const auto run = DecodeImage(Patched(rle8, codes, {255, 1, 0, 1}));
  ASSERT_TRUE(run) << run.error().message;
  EXPECT_EQ(RowOf(*run, run->height - 2, run->width), RowOf(*run, 0, run->width));
}

TEST(DecodeImage, FirstFrameOfAnAnimatedWebpHasToFit) {
  const auto webp = ReadBytes(kPictures + "animated_offset_lossless.webp");
  if (Contains(ErrorOf(webp), "without libwebp")) GTEST_SKIP() << "no libwebp";
  const auto frame = std::ranges::search(webp, std::string_view("ANMF")).begin() - webp.begin();
  const auto at = static_cast<size_t>(frame) + 8;
  EXPECT_TRUE(Contains(ErrorOf(Patched(webp, at, {200})), "leaves its canvas"));
  EXPECT_TRUE(Contains(ErrorOf(Patched(webp, at + 6, {200})), "leaves its canvas"));
  EXPECT_TRUE(Contains(ErrorOf(Patched(webp, at + 6, {3})), "damaged"));  // another width
  EXPECT_TRUE(Contains(ErrorOf(std::span(webp).first(at + 30)), "missing or cut off"));
}

TEST(DecodeImage, PixelsOfGifHaveAtMostEightBits) {
  auto gif = ReadBytes(kPictures + "palette1.gif");
  const auto frame = std::ranges::find(gif, 0x2C) - gif.begin();
  EXPECT_TRUE(Contains(ErrorOf(Patched(gif, static_cast<size_t>(frame) + 10, {11})), "11 bits"));
}

TEST(DecodeImage, PhotographIsCloseToTheReferenceDecoder) {
  const auto expected = OpenExpected(kPictures + "photo.safetensors");
  const Image want = ToImage(expected.tensors.at("photo.jpg"));
  const auto photo = LoadImage(kReference + "photo.jpg");
  ASSERT_TRUE(photo) << photo.error().message;
  ThreadPool pool(1);
  std::vector<uint8_t> got(want.pixels.size());
  ResizeBilinear(ViewOf(*photo), want.width, want.height, pool, got);
  // Averaging does not add to the decoders' difference; the resize rounds.
  EXPECT_LE(MaxDifference(got, want.pixels), Tolerance("photo.jpg") + 1);
}

TEST(DecodeImage, EveryTruncationIsAnErrorOrTheWholePicture) {
  const auto expected = OpenExpected(kPictures + "expected.safetensors");
  for (const std::string& name : PictureNames(expected)) {
    SCOPED_TRACE(name);
    if (name == "xmp_after_data.png") continue;  // what turns it is cut off before its pixels are
    const auto bytes = ReadBytes(kPictures + name);
    const auto whole = DecodeImage(bytes);
    ASSERT_TRUE(whole);
    for (size_t size = 0; size < bytes.size(); ++size) {
      // Its own allocation, so that a read past the end is seen by a sanitizer.
      const std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
      const auto image = DecodeImage(cut);
      if (image) {
        // The last number of a plain PNM may lose digits without a trace.
        const size_t sure = name.starts_with("p2") || name.starts_with("p3")
                                ? whole->pixels.size() - 3
                                : whole->pixels.size();
        EXPECT_TRUE(std::equal(image->pixels.begin(),
                               image->pixels.begin() + static_cast<ptrdiff_t>(sure),
                               whole->pixels.begin()))
            << "cut to " << size;
      } else {
        EXPECT_EQ(image.error().code, ErrorCode::kBadImage);
      }
    }
  }
}

TEST(DecodeImage, ChangedBytesDoNoHarmAndGiveTheSameAnswerTwice) {
  const auto expected = OpenExpected(kPictures + "expected.safetensors");
  uint32_t random = 1;
  for (const std::string& name : PictureNames(expected)) {
    SCOPED_TRACE(name);
    const auto bytes = ReadBytes(kPictures + name);
    for (int round = 0; round < 50; ++round) {
      auto changed = bytes;
      for (int i = 0; i < 3; ++i) {
        random = random * 1664525 + 1013904223;
        changed[(random >> 8) % changed.size()] = static_cast<uint8_t>(random >> 24);
      }
      const ImageOptions limits = {.max_pixels = 100'000, .max_bytes = 100'000};
      const auto a = DecodeImage(changed, limits);
      const auto b = DecodeImage(changed, limits);
      ASSERT_EQ(a.has_value(), b.has_value());
      if (a) {
        EXPECT_EQ(a->pixels.size(), 3 * a->width * a->height);
        EXPECT_EQ(a->pixels, b->pixels);
      }
    }
  }
}

TEST(DecodeImage, ThreadsMayDecodeAtTheSameTime) {
  const auto png = ReadBytes(kPictures + "rgb8_interlaced.png");
  const auto jpeg = ReadBytes(kPictures + "rgb_420_progressive.jpg");
  const auto bad = Patched(png, 60, {1, 2, 3});
  const auto want_png = DecodeImage(png);
  const auto want_jpeg = DecodeImage(jpeg);
  ASSERT_TRUE(want_png && want_jpeg);
  std::vector<int> wrong(4);
  {
    std::vector<std::jthread> threads;
    for (int& count : wrong) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          const auto a = DecodeImage(png);
          const auto b = DecodeImage(jpeg);
          count += !a || a->pixels != want_png->pixels;
          count += !b || b->pixels != want_jpeg->pixels;
          count += DecodeImage(bad).has_value();
        }
      });
    }
  }
  EXPECT_EQ(wrong, std::vector<int>(4));
}

TEST(DecodeImage, LimitsAreCheckedBeforeAnythingIsDecoded) {
  const auto png = ReadBytes(kPictures + "rgb8.png");  // 23 x 17 = 391 pixels
  EXPECT_TRUE(DecodeImage(png, {.max_pixels = 391}));
  EXPECT_TRUE(Contains(ErrorOf(png, {.max_pixels = 390}), "23 x 17 = 391 pixels"));
  EXPECT_TRUE(DecodeImage(png, {.max_bytes = png.size()}));
  EXPECT_TRUE(Contains(ErrorOf(png, {.max_bytes = png.size() - 1}), "file is too large"));
}

// Headers that claim huge pictures over a few bytes of data. That memory is not taken shows in that
// these are refused although the data behind the headers would fail to decode with another message.
TEST(DecodeImage, BombsAreRefusedByTheirHeaders) {
  const auto png = ReadBytes(kPictures + "rgb8.png");
  for (const auto& size : std::vector<std::vector<uint8_t>>{
           {0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30},              // 30000 x 30000
           {0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF},  // the most PNG can say
           {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF},
           {0, 0x10, 0, 1, 0, 0, 0, 1}}) {  // a side above 2^20
    EXPECT_TRUE(Contains(ErrorOf(Patched(png, 16, size)), "too large"))
        << ::testing::PrintToString(size);
  }
  auto jpeg = ReadBytes(kPictures + "gray.jpg");
  size_t frame = 2;
  while (!(jpeg[frame] == 0xFF && jpeg[frame + 1] == 0xC0)) {
    frame += 2 + (size_t{jpeg[frame + 2]} << 8 | jpeg[frame + 3]);
  }
  EXPECT_TRUE(Contains(ErrorOf(Patched(jpeg, frame + 5, {0xFF, 0xFF, 0xFF, 0xFF})), "too large"));
  EXPECT_TRUE(Contains(ErrorOf(Patched(jpeg, frame + 5, {0, 0})), "empty"));

  const auto gif = ReadBytes(kPictures + "palette8.gif");
  EXPECT_TRUE(Contains(ErrorOf(Patched(gif, 6, {0xFF, 0xFF, 0xFF, 0xFF})), "too large"));
  EXPECT_TRUE(Contains(ErrorOf(Bytes("P6 200000 200000 255\n")), "cut off"));
  EXPECT_TRUE(Contains(ErrorOf(Bytes("P5 99999999999999999999 1 255\n")), "header is damaged"));
  const auto bmp = ReadBytes(kPictures + "rgb24.bmp");
  EXPECT_TRUE(Contains(ErrorOf(Patched(bmp, 18, {0xFF, 0xFF, 0xFF, 0x7F})), "cut off"));
  EXPECT_TRUE(Contains(ErrorOf(Patched(bmp, 18, {0, 0, 0, 0x80})), "negative width"));
  // The height -2^31 has no absolute value in 32 bits.
  EXPECT_TRUE(Contains(ErrorOf(Patched(bmp, 22, {0, 0, 0, 0x80})), "cut off"));
}

TEST(DecodeImage, EmptySizesAreErrors) {
  const auto png = ReadBytes(kPictures + "rgb8.png");
  EXPECT_TRUE(Contains(ErrorOf(Patched(png, 16, {0, 0, 0, 0})), "empty"));
  EXPECT_TRUE(Contains(ErrorOf(Bytes("P6 0 5 255\n")), "empty"));
  EXPECT_TRUE(Contains(ErrorOf({}), "no bytes"));
}

TEST(DecodeImage, DamagedPngIsNoticedByItsChecksums) {
  const auto png = ReadBytes(kPictures + "rgb8.png");
#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
  auto changed = png;
  changed[60] ^= 1;  // within IDAT
  EXPECT_TRUE(Contains(ErrorOf(changed), "IDAT"));
  EXPECT_TRUE(Contains(ErrorOf(changed), "checksum"));
#endif
}

// A Huffman table of 16 * 255 codes: older stb_image writes past its tables.
TEST(DecodeImage, OversizedHuffmanTablesAreRefused) {
  std::vector<uint8_t> jpeg = {0xFF, 0xD8, 0xFF, 0xC4, 0x10, 0x03, 0x00};
  jpeg.insert(jpeg.end(), 16, 0xFF);
  jpeg.insert(jpeg.end(), 16 * 255, 1);
  jpeg.insert(jpeg.end(), {0xFF, 0xD9});
  EXPECT_TRUE(Contains(ErrorOf(jpeg), "Huffman table"));
}

TEST(DecodeImage, JpegKindsThatAreNotReadAreNamed) {
  const auto jpeg = ReadBytes(kPictures + "restarts.jpg");
  size_t frame = 2;
  while (jpeg[frame + 1] != 0xC0) frame += 2 + (size_t{jpeg[frame + 2]} << 8 | jpeg[frame + 3]);
  EXPECT_TRUE(Contains(ErrorOf(Patched(jpeg, frame + 1, {0xC9})), "arithmetic-coded"));
  EXPECT_TRUE(Contains(ErrorOf(Patched(jpeg, frame + 1, {0xC3})), "lossless"));
  EXPECT_TRUE(Contains(ErrorOf(Patched(jpeg, frame + 4, {12})), "12 bits"));
  // Many scans over one frame: a bomb of time.
  std::vector<uint8_t> many(jpeg.begin(), jpeg.end() - 2);
  for (int i = 0; i < 200; ++i) many.insert(many.end(), {0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0});
  many.insert(many.end(), {0xFF, 0xD9});
  EXPECT_TRUE(Contains(ErrorOf(many), "scans"));
}

// One pixel and a zlib stream of 3 MB behind it. It would decode if memory did not matter.
TEST(DecodeImage, DataThatExpandWithoutEndAreAnError) {
  EXPECT_TRUE(Contains(ErrorOf(ReadBytes(kPictures + "bomb.png")), "Out of memory"));
}

TEST(DecodeImage, FormatsThatAreNotReadAreNamed) {
  using namespace std::string_view_literals;
  const std::pair<std::string_view, const char*> cases[] = {
      {"\0\0\0\x18"
       "ftypheic\0\0\0\0mif1heic"sv,
       "HEIC"},
      {"\0\0\0\x18"
       "ftypavif\0\0\0\0"sv,
       "AVIF"},
      {"II*\0\x08\0\0\0"sv, "TIFF"},
      {"MM\0*\0\0\0\x08"sv, "TIFF"},
      {"%PDF-1.7\n"sv, "PDF"},
      {"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"sv, "SVG"},
      {"\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<!-- x -->\n<svg/>"sv, "SVG"},
      {"\xFF\x0A\0\0"sv, "JPEG XL"},
  };
  for (const auto& [bytes, name] : cases) {
    const std::string error = ErrorOf(Bytes(bytes));
    EXPECT_TRUE(Contains(error, name)) << error;
    EXPECT_TRUE(Contains(error, "convert it to PNG or JPEG")) << error;
  }
  const std::string unknown = ErrorOf(Bytes("hello"));
  EXPECT_TRUE(Contains(unknown, "68 65 6C 6C")) << unknown;
}

TEST(DecodeImage, LongThinPicturesDecode) {
  std::vector<uint8_t> ppm = Bytes("P5 1 50000 255\n");
  ppm.insert(ppm.end(), 50000, 7);
  const auto tall = DecodeImage(ppm);
  ASSERT_TRUE(tall) << tall.error().message;
  EXPECT_EQ(tall->width, 1u);
  EXPECT_EQ(tall->height, 50000u);
  EXPECT_EQ(tall->pixels, std::vector<uint8_t>(150000, 7));
}

TEST(LoadImage, ErrorsNameTheFile) {
  const auto missing = LoadImage("no/such/picture.png");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kIo);
  EXPECT_TRUE(Contains(missing.error().message, "no/such/picture.png"));

  const testing::TempFolder folder;
  const std::string path = folder.Write("not_a_picture.png", "hello");
  const auto bad = LoadImage(path);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::kBadImage);
  EXPECT_TRUE(Contains(bad.error().message, path));
  const auto large = LoadImage(path, {.max_bytes = 4});
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, ErrorCode::kBadImage);
  EXPECT_TRUE(Contains(large.error().message, path));
}

// An EXIF block with one entry, the orientation.
std::vector<uint8_t> ExifBlock(bool little, uint16_t type, std::vector<uint8_t> field) {
  std::vector<uint8_t> block;
  const auto put = [&](uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) {
      block.push_back(static_cast<uint8_t>(value >> 8 * (little ? i : bytes - 1 - i)));
    }
  };
  put(little ? 0x4949 : 0x4D4D, 2);
  put(42, 2);
  put(8, 4);
  put(1, 2);
  put(0x0112, 2);
  put(type, 2);
  put(1, 4);
  field.resize(4);
  block.insert(block.end(), field.begin(), field.end());
  put(0, 4);
  return block;
}

TEST(ExifOrientation, MayBeAnIntegerOfAnyType) {
  for (const uint16_t type : {1, 6}) {
    EXPECT_EQ(ReadExifOrientation(ExifBlock(true, type, {6})), 6) << type;
    EXPECT_EQ(ReadExifOrientation(ExifBlock(false, type, {6})), 6) << type;
    EXPECT_EQ(ReadExifOrientation(ExifBlock(true, type, {0xFA})), 1) << type;
  }
  for (const uint16_t type : {3, 8}) {
    EXPECT_EQ(ReadExifOrientation(ExifBlock(true, type, {6, 0})), 6) << type;
    EXPECT_EQ(ReadExifOrientation(ExifBlock(false, type, {0, 6})), 6) << type;
    EXPECT_EQ(ReadExifOrientation(ExifBlock(false, type, {6, 0})), 1) << type;
    EXPECT_EQ(ReadExifOrientation(ExifBlock(true, type, {0xFA, 0xFF})), 1) << type;
  }
  for (const uint16_t type : {4, 9}) {
    EXPECT_EQ(ReadExifOrientation(ExifBlock(true, type, {6, 0, 0, 0})), 6) << type;
    EXPECT_EQ(ReadExifOrientation(ExifBlock(false, type, {0, 0, 0, 6})), 6) << type;
    EXPECT_EQ(ReadExifOrientation(ExifBlock(true, type, {6, 0, 1, 0})), 1) << type;
  }
}

TEST(XmpOrientation, IsAnAttributeOrAnElement) {
  const auto read = [](std::string_view text) { return ReadXmpOrientation(Bytes(text)); };
  EXPECT_EQ(read("<a tiff:Orientation=\"6\"/>"), 6);
  EXPECT_EQ(read("<a tiff:Orientation = '8' />"), 8);
  EXPECT_EQ(read("<tiff:Orientation>3</tiff:Orientation>"), 3);
  EXPECT_EQ(read("<tiff:Orientation>\n 3\n</tiff:Orientation>"), 3);
  EXPECT_EQ(read("<!-- tiff:Orientation --><a tiff:Orientation=\"6\"/>"), 6);
  EXPECT_EQ(read("<a tiff:Orientation=\"9\"/>"), 1);
  EXPECT_EQ(read("<a tiff:Orientation=\"60\"/>"), 1);
  EXPECT_EQ(read("<a tiff:Orientation=\"\"/>"), 0);
  EXPECT_EQ(read("tiff:Orientation"), 0);
  EXPECT_EQ(read("tiff:Orientation="), 0);
  EXPECT_EQ(read(""), 0);
}

TEST(ExifOrientation, DamageCountsAsNone) {
  const std::vector<uint8_t> good = ExifBlock(true, 3, {6});
  EXPECT_EQ(ReadExifOrientation(good), 6);
  for (size_t size = 0; size < 20; ++size) {
    EXPECT_EQ(ReadExifOrientation(std::span(good).first(size)), 0) << size;
  }
  EXPECT_EQ(ReadExifOrientation(Patched(good, 18, {9})), 1);  // no such value
  EXPECT_EQ(ReadExifOrientation(Patched(good, 18, {0})), 1);
  EXPECT_EQ(ReadExifOrientation(Patched(good, 12, {5})), 1);  // a fraction
  EXPECT_EQ(ReadExifOrientation(Patched(good, 14, {2})), 1);  // two of them
  EXPECT_EQ(ReadExifOrientation(Patched(good, 4, {0xFF, 0xFF, 0xFF, 0xFF})), 0);
  EXPECT_EQ(ReadExifOrientation(Patched(good, 8, {0xFF, 0xFF})), 6);  // too many entries
}

}  // namespace
}  // namespace gemma3
