// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The expected figures are the output of the reference implementation (ggml-org/ggml) for the block
// bytes built below.
#include "src/formats/dequantize.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "src/base/half.h"

namespace gemma3 {
namespace {

struct Case {
  TensorType type;
  int d_at;  // where the scale lies in the block; -1: nowhere as a half, see SetScale
  int m_at;  // where the minimum lies; -1: there is none
  double sum, squares;
  std::vector<std::pair<size_t, float>> samples;
};

const std::vector<Case>& Cases() {
  static const std::vector<Case> kCases = {
      {TensorType::kQ4_0,
       0,
       -1,
       -10.5,
       161.25,
       {{0, -1.5f}, {1, 1}, {15, -4}, {16, -1.5f}, {31, 0}}},
      {TensorType::kQ4_1,
       0,
       2,
       130.5,
       695,
       {{0, 7.75f}, {1, 2.25f}, {15, 5.25f}, {16, 4.75f}, {31, 6.25f}}},
      {TensorType::kQ5_0, 0, -1, 7.5, 656.75, {{0, 4.5f}, {1, -1}, {15, -6}, {16, 7}, {31, 0.5f}}},
      {TensorType::kQ5_1,
       0,
       2,
       260.5,
       2824.5,
       {{0, 9.75f}, {1, 12.25f}, {15, 15.25f}, {16, 9.75f}, {31, 2.75f}}},
      {TensorType::kQ8_0,
       0,
       -1,
       -88,
       47564,
       {{0, 42.5f}, {1, 61}, {15, -64}, {16, -45.5f}, {31, -24}}},
      {TensorType::kIQ4_NL,
       0,
       -1,
       -128.5,
       33573.25,
       {{0, -17.5f}, {1, 12.5f}, {15, -63.5f}, {16, -17.5f}, {31, 0.5f}}},
      {TensorType::kQ2_K,
       80,
       82,
       1029.5,
       13619,
       {{0, 16.5f},
        {31, -0.75f},
        {32, 3.75f},
        {63, 3.25f},
        {127, 21},
        {128, 3.75f},
        {200, 4},
        {255, 2.25f}}},
      {TensorType::kQ3_K,
       108,
       -1,
       479,
       142176.5,
       {{0, 40.5f}, {1, -54}, {31, 32}, {32, -11}, {127, 36}, {128, 1}, {200, 12.5f}, {255, 21}}},
      {TensorType::kQ4_K,
       0,
       2,
       27220,
       6041305,
       {{0, 157.75f},
        {1, -12.75f},
        {31, 80.25f},
        {32, 4},
        {127, 40.5f},
        {128, 211.5f},
        {200, 69.25f},
        {255, 24.25f}}},
      {TensorType::kQ5_K,
       0,
       2,
       58108,
       25707205,
       {{0, 405.75f},
        {31, 80.25f},
        {32, 56},
        {63, 40},
        {127, -1.5f},
        {128, 523.5f},
        {255, 54.25f}}},
      {TensorType::kQ6_K,
       208,
       -1,
       2306,
       118475065,
       {{0, -715.5f},
        {1, 848},
        {31, -48},
        {32, 115.5f},
        {63, -290},
        {127, 750},
        {128, -175.5f},
        {255, -30}}},
      {TensorType::kIQ4_XS,
       0,
       -1,
       -5502.5,
       60747839.25,
       {{0, 32.5f},
        {1, -0.5f},
        {31, 17.5f},
        {32, 227.5f},
        {63, -87.5f},
        {127, 98},
        {128, -292.5f},
        {255, -8}}},
      {TensorType::kIQ2_XXS,
       0,
       -1,
       381.875,
       192641.0469,
       {{0, -29.5625f},
        {1, 29.5625f},
        {7, 5.5f},
        {8, -5.5f},
        {16, 17.1875f},
        {32, -26.5625f},
        {63, -45.6875f},
        {127, 13.5f},
        {128, -48.4375f},
        {200, -4.5f},
        {255, -40.3125f}}},
      {TensorType::kIQ2_XS,
       0,
       -1,
       745.25,
       205665.4531,
       {{0, -5.5f},
        {1, 17.1875f},
        {8, 5.5f},
        {16, -9.5f},
        {32, -10.5f},
        {64, -15.5f},
        {127, -0.5f},
        {200, 3.5f},
        {255, -9.5f}}},
      {TensorType::kIQ2_S,
       0,
       -1,
       -400.3125,
       169561.5117,
       {{0, -72.5625f},
        {1, 42.1875f},
        {7, -13.5f},
        {16, -11.5f},
        {31, 35.9375f},
        {63, -45.3125f},
        {128, -4.6875f},
        {255, 39.0625f}}},
      {TensorType::kIQ3_XXS,
       0,
       -1,
       -342,
       926117.625,
       {{0, -6.5f},
        {1, 4.5f},
        {7, -2.5f},
        {16, 3.5f},
        {32, -28.5f},
        {63, -47.5f},
        {127, -137.5f},
        {200, 22.5f},
        {255, -7.5f}}},
      {TensorType::kIQ3_S,
       0,
       -1,
       728,
       1349054,
       {{0, -40.5f},
        {1, 121.5f},
        {8, 67.5f},
        {16, -94.5f},
        {32, -16.5f},
        {64, -17.5f},
        {127, -42.5f},
        {200, 137.5f},
        {255, 112.5f}}},
      {TensorType::kIQ1_S,
       0,
       -1,
       10,
       3279,
       {{0, -1.3125f},
        {1, 0.1875f},
        {15, 1.6875f},
        {32, 0.8125f},
        {63, -5.6875f},
        {64, -0.3125f},
        {127, -0.9375f},
        {128, -3.9375f},
        {255, -2.1875f}}},
      {TensorType::kIQ1_M,
       -1,
       -1,
       20.5,
       2680.9375,
       {{0, -0.4375f},
        {1, 3.0625f},
        {8, -3.9375f},
        {16, 0.9375f},
        {32, -3.0625f},
        {64, -6.1875f},
        {200, 0.1875f},
        {255, -0.9375f}}},
      {TensorType::kMXFP4, -1, -1, 25, 1137, {{0, 0}, {1, 6}, {7, 3}, {15, -3}, {16, 3}, {31, 6}}},
  };
  return kCases;
}

void PutHalf(size_t at, uint16_t half, std::vector<std::byte>& bytes) {
  bytes[at] = static_cast<std::byte>(half & 255);
  bytes[at + 1] = static_cast<std::byte>(half >> 8);
}

// Makes the scale of a block this half. MXFP4 has a power of two, which is that of a half, once
// more times 4.
void SetScale(const Case& c, uint16_t half, std::vector<std::byte>& bytes) {
  if (c.type == TensorType::kIQ1_M) {  // four bits each in the top of four words
    for (size_t i = 0; i < 4; ++i) {
      bytes[49 + 2 * i] =
          (bytes[49 + 2 * i] & std::byte{0x0f}) | static_cast<std::byte>((half >> 4 * i & 15) << 4);
    }
  } else if (c.type == TensorType::kMXFP4) {
    bytes[0] = static_cast<std::byte>(std::ilogb(FloatFromHalf(half)) + 2 + 127);
  } else {
    PutHalf(static_cast<size_t>(c.d_at), half, bytes);
  }
}

// Byte i is 37 i + 11, except for d = 0.5 and the minimum = 0.25.
std::vector<std::byte> Block(const Case& c) {
  std::vector<std::byte> bytes(InfoOf(c.type).block_bytes);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(37 * i + 11);
  SetScale(c, 0x3800, bytes);
  if (c.m_at >= 0) PutHalf(static_cast<size_t>(c.m_at), 0x3400, bytes);
  return bytes;
}

TEST(Dequantize, GivesTheReferenceValuesOfEveryBlockType) {
  for (const Case& c : Cases()) {
    const TensorTypeInfo& info = InfoOf(c.type);
    const std::vector<std::byte> block = Block(c);
    std::vector<float> out(info.block_elems);
    ASSERT_TRUE(Dequantize(c.type, block.data(), out.size(), out.data()));
    double sum = 0, squares = 0;
    for (const float value : out) {
      sum += value;
      squares += double{value} * value;
    }
    EXPECT_EQ(sum, c.sum) << info.name;
    // Some are written down with ten digits.
    EXPECT_NEAR(squares, c.squares, 1e-9 * squares) << info.name;
    for (const auto& [e, value] : c.samples) EXPECT_EQ(out[e], value) << info.name << " " << e;
  }
}

TEST(Dequantize, BlocksFollowEachOtherAtAnyAddress) {
  for (const Case& c : Cases()) {
    const TensorTypeInfo& info = InfoOf(c.type);
    const std::vector<std::byte> block = Block(c);
    std::vector<std::byte> three(1);
    for (int i = 0; i < 3; ++i) three.insert(three.end(), block.begin(), block.end());
    std::vector<float> one(info.block_elems), out(3 * info.block_elems);
    ASSERT_TRUE(Dequantize(c.type, block.data(), one.size(), one.data()));
    ASSERT_TRUE(Dequantize(c.type, three.data() + 1, out.size(), out.data()));
    for (size_t e = 0; e < out.size(); ++e) EXPECT_EQ(out[e], one[e % one.size()]);
  }
}

TEST(Dequantize, ScalesThatAreSubnormalInfiniteOrNan) {
  for (const Case& c : Cases()) {
    const TensorTypeInfo& info = InfoOf(c.type);
    std::vector<std::byte> block = Block(c);
    std::vector<float> reference(info.block_elems), out(info.block_elems);
    ASSERT_TRUE(Dequantize(c.type, block.data(), out.size(), reference.data()));
    SetScale(c, 1, block);  // 2^-24 instead of 2^-1
    EXPECT_TRUE(BlocksHaveFiniteScales(c.type, block.data(), 1));
    ASSERT_TRUE(Dequantize(c.type, block.data(), out.size(), out.data()));
    // Every product is exact at either scale; only adding a minimum rounds.
    if (c.m_at < 0) {
      for (size_t e = 0; e < out.size(); ++e) EXPECT_EQ(out[e], reference[e] * 0x1p-23f);
    }
    if (c.type == TensorType::kMXFP4) {
      block[0] = std::byte{0xff};
      EXPECT_FALSE(BlocksHaveFiniteScales(c.type, block.data(), 1));
      continue;
    }
    for (const uint16_t half :
         {uint16_t{0x7c00}, uint16_t{0x7c01}, uint16_t{0xfc00}}) {  // infinity, NaN: no crash
      SetScale(c, half, block);
      EXPECT_FALSE(BlocksHaveFiniteScales(c.type, block.data(), 1)) << info.name;
      ASSERT_TRUE(Dequantize(c.type, block.data(), out.size(), out.data()));
      for (const float value : out) EXPECT_FALSE(std::isfinite(value)) << info.name;
    }
  }
}

TEST(Dequantize, MinimaThatAreNotFinite) {
  for (const Case& c : Cases()) {
    if (c.m_at < 0) continue;
    std::vector<std::byte> two = Block(c);
    const std::vector<std::byte> good = two;
    PutHalf(static_cast<size_t>(c.m_at), 0x7e00, two);
    two.insert(two.begin(), good.begin(), good.end());
    EXPECT_TRUE(BlocksHaveFiniteScales(c.type, two.data(), 1));
    EXPECT_FALSE(BlocksHaveFiniteScales(c.type, two.data(), 2)) << InfoOf(c.type).name;
  }
}

TEST(Dequantize, SmallestAndLargestScalesOfMxfp4) {
  std::vector<std::byte> block(17, std::byte{0xf1});  // 0.5 and -6
  float out[32];
  for (const int exponent : {0, 1, 254}) {
    block[0] = static_cast<std::byte>(exponent);
    ASSERT_TRUE(Dequantize(TensorType::kMXFP4, block.data(), 32, out));
    EXPECT_EQ(out[0], std::ldexp(0.5f, exponent - 127));
    EXPECT_EQ(out[31], std::ldexp(-6.0f, exponent - 127));
  }
}

TEST(Dequantize, PlainFloats) {
  const uint16_t halves[] = {0x3c00, 0xc000, 0x0001};
  float out[3];
  ASSERT_TRUE(Dequantize(TensorType::kF16, reinterpret_cast<const std::byte*>(halves), 3, out));
  EXPECT_EQ(out[0], 1);
  EXPECT_EQ(out[1], -2);
  EXPECT_EQ(out[2], 0x1p-24f);
  ASSERT_TRUE(Dequantize(TensorType::kBF16, reinterpret_cast<const std::byte*>(halves), 3, out));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(std::bit_cast<uint32_t>(out[i]), uint32_t{halves[i]} << 16);
  const float floats[] = {1.5f, -0.0f, 1e-40f};
  ASSERT_TRUE(Dequantize(TensorType::kF32, reinterpret_cast<const std::byte*>(floats), 3, out));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(std::bit_cast<uint32_t>(out[i]), std::bit_cast<uint32_t>(floats[i]));
  }
}

TEST(Dequantize, RefusesPartsOfBlocksAndOtherTypes) {
  const std::vector<std::byte> bytes(300);
  std::vector<float> out(256);
  EXPECT_FALSE(Dequantize(TensorType::kQ4_0, bytes.data(), 16, out.data()));
  EXPECT_FALSE(Dequantize(TensorType::kQ6_K, bytes.data(), 32, out.data()));
  EXPECT_FALSE(Dequantize(TensorType::kI32, bytes.data(), 4, out.data()));
  EXPECT_TRUE(Dequantize(TensorType::kQ4_0, bytes.data(), 0, out.data()));
}

}  // namespace
}  // namespace gemma3
