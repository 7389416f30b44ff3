// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/weights/pack_mlx.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "ops/packed.h"
#include "src/base/aligned_buffer.h"
#include "src/weights/pack.h"
#include "tests/support/mlx_writer.h"

namespace gemma3::testing {
namespace {

constexpr uint64_t kRows = 37, kCols = 384;  // rows that fill no group

// How far the packed matrix is from the stored one, in the Frobenius norm.
double Distance(const std::vector<float>& got, const std::vector<float>& expected) {
  double square = 0, difference = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    square += double{expected[i]} * expected[i];
    difference += (double{got[i]} - expected[i]) * (double{got[i]} - expected[i]);
  }
  return std::sqrt(difference / square);
}

struct Packed {
  bool fits;
  std::vector<float> values;
};

Packed Pack(const MlxMatrix& matrix) {
  ThreadPool pool(2);
  TensorBank bank;
  AddMlx("m", matrix, &bank);
  const TensorView view = MlxView("m", matrix, bank);
  const WeightType form =
      FormOf(view.type, matrix.rows, matrix.cols, MatrixRole::kLayer, WeightFormat::kAsStored);
  EXPECT_EQ(form, matrix.bits <= 4 ? WeightType::kInt4Min : WeightType::kInt8Min);
  AlignedBuffer<std::byte> bytes(PackedBytes(form, matrix.rows, matrix.cols));
  PackMlx(view, bytes.data(), pool);
  const MatrixView packed{form, matrix.rows, matrix.cols, bytes.data()};
  Packed result{MlxFitsPacked(view, pool), std::vector<float>(matrix.rows * matrix.cols)};
  for (size_t r = 0; r < matrix.rows; ++r) {
    UnpackRow(packed, r, result.values.data() + r * matrix.cols);
  }
  return result;
}

MlxMatrix Random(uint64_t bits, uint64_t group = 64, TensorType scale = TensorType::kBF16,
                 float factor = 1) {
  std::vector<float> values = RandomValues({kRows, kCols}, 11);
  for (float& value : values) value *= factor;
  return QuantizeMlx(values, kRows, kCols, bits, group, scale);
}

TEST(PackMlx, ScalesOfBF16LoseNothing) {
  for (const uint64_t bits : {2, 3, 4, 5, 6, 8}) {
    for (const uint64_t group : {32, 64, 128}) {
      const MlxMatrix matrix = Random(bits, group);
      const Packed packed = Pack(matrix);
      EXPECT_TRUE(packed.fits);
      EXPECT_EQ(packed.values, matrix.Values()) << bits << " bits, groups of " << group;
    }
  }
}

TEST(PackMlx, ScalesOfF16LoseNothing) {
  for (const uint64_t bits : {2, 3, 4, 5, 6, 8}) {
    const MlxMatrix matrix = Random(bits, 64, TensorType::kF16);
    EXPECT_EQ(Pack(matrix).values, matrix.Values()) << bits;
  }
}

TEST(PackMlx, ScalesOfF32AreRoundedToHalves) {
  for (const uint64_t bits : {2, 3, 4, 5, 6, 8}) {
    const MlxMatrix matrix = Random(bits, 64, TensorType::kF32);
    const Packed packed = Pack(matrix);
    EXPECT_TRUE(packed.fits);
    const std::vector<float> values = matrix.Values();
    EXPECT_NE(packed.values, values);
    for (size_t i = 0; i < values.size(); ++i) {
      // Half a unit in the last place of both terms, and of sums in f32.
      const double zero = bits == 8 ? 128 : 0;
      const double scale = matrix.scales[i / 64];
      const double product = std::abs(scale * (matrix.codes[i] - zero));
      const double min = std::abs(matrix.biases[i / 64] + zero * scale);
      ASSERT_NEAR(packed.values[i], values[i], (product + min) * (0x1p-11 + 0x1p-22)) << bits;
    }
    RecordProperty("distance" + std::to_string(bits),
                   std::to_string(Distance(packed.values, values)));
  }
}

// A few groups below the range of f16 do not make the rest floats.
TEST(PackMlx, TinyGroupsAreRounded) {
  std::vector<float> values = RandomValues({kRows, kCols}, 11);
  for (size_t i = 0; i < kCols; ++i) values[5 * kCols + i] *= 0x1p-12f;
  const MlxMatrix matrix = QuantizeMlx(values, kRows, kCols, 8, 64);
  const Packed packed = Pack(matrix);
  EXPECT_TRUE(packed.fits);
  EXPECT_NE(packed.values, matrix.Values());
  EXPECT_LE(Distance(packed.values, matrix.Values()), 0x1p-16);
}

TEST(PackMlx, ZerosAndOtherEqualWeightsAreExact) {
  std::vector<float> values = RandomValues({kRows, kCols}, 11);
  for (size_t i = 0; i < kCols; ++i) values[3 * kCols + i] = 0;
  for (size_t i = 0; i < kCols; ++i) values[4 * kCols + i] = 0.25f;
  for (const uint64_t bits : {4, 8}) {
    const MlxMatrix matrix = QuantizeMlx(values, kRows, kCols, bits, 64);
    const Packed packed = Pack(matrix);
    EXPECT_TRUE(packed.fits);
    EXPECT_EQ(packed.values, matrix.Values()) << bits;
  }
}

TEST(PackMlx, WhatHalvesCannotHoldDoesNotFit) {
  EXPECT_FALSE(Pack(Random(8, 64, TensorType::kBF16, 0x1p-14f)).fits);  // scales of 2^-24
  EXPECT_FALSE(Pack(Random(8, 64, TensorType::kBF16, 0x1p24f)).fits);   // minima beyond 65504
  EXPECT_FALSE(Pack(Random(4, 64, TensorType::kBF16, NAN)).fits);
}

// Other forms, and what does not fit, go through floats, a piece at a time.
TEST(PackMlx, OtherFormsAreThoseOfTheValues) {
  ThreadPool pool(2);
  const MlxMatrix matrix = Random(3, 128);
  const std::vector<float> values = matrix.Values();
  TensorBank bank;
  AddMlx("m", matrix, &bank);
  bank.Add("floats", TensorType::kF32, {kRows, kCols}, values);
  const TensorView view = MlxView("m", matrix, bank);
  for (const WeightType form :
       {WeightType::kF32, WeightType::kBF16, WeightType::kInt8, WeightType::kInt4}) {
    const size_t bytes = FormBytes(form, kRows, kCols);
    AlignedBuffer<std::byte> got(bytes), expected(bytes);
    PackMatrix(view, kRows, kCols, form, got.data(), pool);
    PackMatrix(bank.views().at("floats"), kRows, kCols, form, expected.data(), pool);
    EXPECT_TRUE(std::equal(got.data(), got.data() + bytes, expected.data()));
  }
  const auto form = [&](MatrixRole role, WeightFormat wanted) {
    return FormOf(view.type, kRows, kCols, role, wanted);
  };
  EXPECT_EQ(form(MatrixRole::kTable, WeightFormat::kAsStored), WeightType::kF32);
  EXPECT_EQ(form(MatrixRole::kLayer, WeightFormat::kInt4), WeightType::kInt4);
  EXPECT_EQ(form(MatrixRole::kEmbedding, WeightFormat::kInt4), WeightType::kInt8);
  EXPECT_EQ(form(MatrixRole::kLayer, WeightFormat::kBF16), WeightType::kBF16);
  EXPECT_FALSE(IsInPlace(view.type, WeightType::kBF16));
}

}  // namespace
}  // namespace gemma3::testing
