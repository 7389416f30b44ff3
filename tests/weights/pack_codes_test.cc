// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/weights/pack_codes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "ops/packed.h"
#include "src/base/aligned_buffer.h"
#include "src/weights/pack.h"
#include "tests/support/mlx_writer.h"
#include "tests/support/quantized_writer.h"

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
      FormOf(view, matrix.rows, matrix.cols, MatrixRole::kLayer, WeightFormat::kAsStored);
  EXPECT_EQ(form, matrix.bits <= 4 ? WeightType::kInt4Min : WeightType::kInt8Min);
  AlignedBuffer<std::byte> bytes(PackedBytes(form, matrix.rows, matrix.cols));
  PackCodes(view, form, bytes.data(), pool);
  const MatrixView packed{form, matrix.rows, matrix.cols, bytes.data()};
  const auto exact = ExactFormOf(view, "m", pool);
  Packed result{exact && *exact == form, std::vector<float>(matrix.rows * matrix.cols)};
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

// ---- Codes with a scale and a zero point, and FP8

// What a matrix becomes, and the values that it then has.
struct Held {
  Result<WeightType> form;
  std::vector<float> values;
};

Held Hold(const QuantizedMatrix& matrix) {
  ThreadPool pool(2);
  TensorBank bank;
  AddQuantized("m", matrix, &bank);
  const TensorView view = JoinedView("m", matrix, bank);
  Held held{ExactFormOf(view, "m", pool), std::vector<float>(matrix.rows * matrix.cols)};
  if (!held.form) return held;
  AlignedBuffer<std::byte> bytes(FormBytes(*held.form, matrix.rows, matrix.cols));
  if (IsPacked(*held.form)) {
    PackCodes(view, *held.form, bytes.data(), pool);
  } else {
    PackMatrix(view, matrix.rows, matrix.cols, *held.form, bytes.data(), pool);
  }
  for (size_t r = 0; r < matrix.rows; ++r) {
    UnpackRow({*held.form, matrix.rows, matrix.cols, bytes.data()}, r,
              held.values.data() + r * matrix.cols);
  }
  return held;
}

QuantizedMatrix RandomCodes(const QuantizedOptions& options) {
  return QuantizeMatrix(RandomValues({48, kCols}, 12), 48, kCols, options);
}

void ExpectHeldAs(WeightType form, const QuantizedMatrix& matrix) {
  const Held held = Hold(matrix);
  ASSERT_TRUE(held.form) << held.form.error().message;
  const std::string what = QuantizationConfig(matrix.options);
  EXPECT_EQ(*held.form, form) << what;
  EXPECT_EQ(held.values, matrix.Values()) << what;
}

TEST(PackCodes, TheSmallestFormThatLosesNothing) {
  constexpr TensorType kF16Scales = TensorType::kF16;
  for (const uint64_t group : {0, 32, 128}) {
    for (const uint64_t bits : {2, 3, 4}) {
      ExpectHeldAs(WeightType::kInt4, RandomCodes({.bits = bits, .group_size = group}));
    }
    for (const uint64_t bits : {5, 6, 7, 8}) {
      ExpectHeldAs(WeightType::kInt8, RandomCodes({.bits = bits, .group_size = group}));
    }
    ExpectHeldAs(WeightType::kInt8,
                 RandomCodes({.layout = CodeLayout::kInt8, .bits = 8, .group_size = group}));
    for (const CodeLayout layout : {CodeLayout::kGptq, CodeLayout::kGptqV2, CodeLayout::kAwq}) {
      QuantizedOptions options{.layout = layout, .group_size = group, .scale_type = kF16Scales};
      ExpectHeldAs(WeightType::kInt4, RandomCodes(options));
      // A zero point times a scale needs more bits than f16 has.
      options.symmetric = false;
      ExpectHeldAs(WeightType::kInt8, RandomCodes(options));
    }
    ExpectHeldAs(WeightType::kInt8, RandomCodes({.layout = CodeLayout::kGptq,
                                                 .bits = 8,
                                                 .group_size = group,
                                                 .scale_type = kF16Scales}));
    // Differences of bytes are no bytes.
    ExpectHeldAs(WeightType::kF32,
                 RandomCodes({.bits = 8, .group_size = group, .symmetric = false}));
  }
  // Such scales leave room for zero points.
  ExpectHeldAs(WeightType::kInt4Min, RandomCodes({.symmetric = false, .powers_of_two = true}));
  ExpectHeldAs(WeightType::kInt8Min,
               RandomCodes({.bits = 8, .symmetric = false, .powers_of_two = true}));
}

TEST(PackCodes, FloatsWhereNoPackedFormServes) {
  ExpectHeldAs(WeightType::kF32, RandomCodes({.act_order = true}));
  ExpectHeldAs(WeightType::kF32, RandomCodes({.layout = CodeLayout::kGptq,
                                              .act_order = true,
                                              .scale_type = TensorType::kF16}));
  ExpectHeldAs(WeightType::kF32, RandomCodes({.group_size = 16}));
  ExpectHeldAs(WeightType::kF32, RandomCodes({.scale_type = TensorType::kF32}));
  ExpectHeldAs(WeightType::kBF16, RandomCodes({.group_size = 16, .powers_of_two = true}));
  for (const uint64_t block : {0, 32, 128}) {
    for (const TensorType scale : {TensorType::kF32, TensorType::kBF16}) {
      ExpectHeldAs(
          WeightType::kF32,
          RandomCodes(
              {.layout = CodeLayout::kFloat8, .bits = 8, .block = block, .scale_type = scale}));
    }
    ExpectHeldAs(
        WeightType::kBF16,
        RandomCodes(
            {.layout = CodeLayout::kScaleInv, .bits = 8, .block = block, .powers_of_two = true}));
  }
}

// A few groups below the range of f16 do not make the rest floats.
TEST(PackCodes, TinyGroupsAreRounded) {
  std::vector<float> values = RandomValues({48, kCols}, 11);
  for (size_t i = 0; i < kCols; ++i) values[5 * kCols + i] *= 0x1p-14f;
  const QuantizedMatrix matrix = QuantizeMatrix(values, 48, kCols, {.bits = 8});
  const Held held = Hold(matrix);
  ASSERT_TRUE(held.form);
  EXPECT_EQ(*held.form, WeightType::kInt8);
  EXPECT_NE(held.values, matrix.Values());
  EXPECT_LE(Distance(held.values, matrix.Values()), 0x1p-16);
  // All of them: floats.
  for (float& value : values) value *= 0x1p-14f;
  ExpectHeldAs(WeightType::kF32, QuantizeMatrix(values, 48, kCols, {.bits = 8}));
}

TEST(PackCodes, WeightsThatAreNoNumbersAreRefused) {
  const auto refused = [](const QuantizedMatrix& matrix, const std::string& words) {
    const Held held = Hold(matrix);
    ASSERT_FALSE(held.form) << words;
    EXPECT_EQ(held.form.error().code, ErrorCode::kBadModel);
    for (const std::string& part : {words, std::string("tensor m")}) {
      EXPECT_NE(held.form.error().message.find(part), std::string::npos)
          << held.form.error().message;
    }
  };
  QuantizedMatrix matrix = RandomCodes({});
  for (const float scale : {NAN, INFINITY, -INFINITY, 3e38f}) {
    matrix.scales[7 * matrix.groups + 1] = scale;
    refused(matrix, "row 7 has a scale that is not finite");
  }
  matrix = RandomCodes({.layout = CodeLayout::kFloat8, .bits = 8});
  for (const int code : {0x7f, 0xff}) {
    matrix.codes[9 * kCols + 40] = code;
    refused(matrix, "row 9 has a weight of NaN");
  }
  matrix = RandomCodes({.layout = CodeLayout::kGptq});
  matrix.zeros[11 * matrix.groups + 2] = 9;
  refused(matrix, "row 11 has the zero point 9, but the configuration says sym");
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
    return FormOf(view, kRows, kCols, role, wanted);
  };
  EXPECT_EQ(form(MatrixRole::kTable, WeightFormat::kAsStored), WeightType::kF32);
  EXPECT_EQ(form(MatrixRole::kLayer, WeightFormat::kInt4), WeightType::kInt4);
  EXPECT_EQ(form(MatrixRole::kEmbedding, WeightFormat::kInt4), WeightType::kInt8);
  EXPECT_EQ(form(MatrixRole::kLayer, WeightFormat::kBF16), WeightType::kBF16);
  EXPECT_FALSE(IsInPlace(view.type, WeightType::kBF16));
}

}  // namespace
}  // namespace gemma3::testing
