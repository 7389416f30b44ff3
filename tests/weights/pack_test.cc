// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/weights/pack.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <random>
#include <vector>

#include "ops/packed.h"
#include "src/base/aligned_buffer.h"
#include "src/formats/dequantize.h"
#include "tests/support/gguf_writer.h"

namespace gemma3::testing {
namespace {

constexpr TensorType kBlockTypes[] = {
    TensorType::kQ8_0,  TensorType::kQ4_0,    TensorType::kQ4_1,    TensorType::kQ5_0,
    TensorType::kQ5_1,  TensorType::kQ2_K,    TensorType::kQ3_K,    TensorType::kQ4_K,
    TensorType::kQ5_K,  TensorType::kQ6_K,    TensorType::kIQ4_NL,  TensorType::kIQ4_XS,
    TensorType::kIQ1_S, TensorType::kIQ1_M,   TensorType::kIQ2_XXS, TensorType::kIQ2_XS,
    TensorType::kIQ2_S, TensorType::kIQ3_XXS, TensorType::kIQ3_S,   TensorType::kMXFP4};

TEST(PackTest, BlockTypesLoseNothing) {
  ThreadPool pool(2);
  constexpr size_t kRows = 37, kCols = 512;  // rows that fill no group, two super-blocks
  for (const TensorType type : kBlockTypes) {
    const auto blocks = RandomBlocks(type, kRows * kCols, 7);
    std::vector<float> expected(kRows * kCols);
    ASSERT_TRUE(Dequantize(type, blocks.data(), expected.size(), expected.data()));
    TensorView view;
    view.type = type;
    view.shape = {kRows, kCols};
    view.data = blocks.data();
    view.bytes = blocks.size();
    for (const MatrixRole role : {MatrixRole::kLayer, MatrixRole::kEmbedding}) {
      const WeightType form = FormOf(TensorView{.type = type, .shape = {}}, kRows, kCols, role,
                                     WeightFormat::kAsStored);
      EXPECT_TRUE(CanPack(form, kRows, kCols)) << InfoOf(type).name;
      AlignedBuffer<std::byte> packed(FormBytes(form, kRows, kCols));
      PackMatrix(view, kRows, kCols, form, packed.data(), pool);
      const MatrixView matrix{form, kRows, kCols, packed.data()};
      std::vector<float> row(kCols);
      for (size_t r = 0; r < kRows; ++r) {
        UnpackRow(matrix, r, row.data());
        for (size_t c = 0; c < kCols; ++c) {
          ASSERT_EQ(row[c], expected[r * kCols + c]) << InfoOf(type).name << " " << r << " " << c;
        }
      }
    }
  }
}

// Random bytes: all scales that a half can be, subnormal ones and both zeros among them.
TEST(PackTest, BlockTypesLoseNothingWhateverTheScale) {
  ThreadPool pool(2);
  constexpr size_t kRows = 64, kCols = 512;
  std::mt19937 rng(3);
  for (const TensorType type : kBlockTypes) {
    const TensorTypeInfo& info = InfoOf(type);
    std::vector<std::byte> blocks(kRows * kCols / info.block_elems * info.block_bytes);
    for (size_t at = 0; at < blocks.size(); at += info.block_bytes) {
      std::byte* const block = blocks.data() + at;
      do {
        for (size_t i = 0; i < info.block_bytes; ++i) block[i] = static_cast<std::byte>(rng());
        // The exponents that fit; the others are a case of their own.
        if (type == TensorType::kMXFP4) block[0] = static_cast<std::byte>(104 + rng() % 40);
      } while (!BlocksHaveFiniteScales(type, block, 1));
    }
    const TensorView view{
        .type = type, .shape = {kRows, kCols}, .data = blocks.data(), .bytes = blocks.size()};
    const WeightType form = FormOf(TensorView{.type = type, .shape = {}}, kRows, kCols,
                                   MatrixRole::kLayer, WeightFormat::kAsStored);
    AlignedBuffer<std::byte> packed(FormBytes(form, kRows, kCols));
    PackMatrix(view, kRows, kCols, form, packed.data(), pool);
    std::vector<float> row(kCols), expected(kCols);
    for (size_t r = 0; r < kRows; ++r) {
      UnpackRow({form, kRows, kCols, packed.data()}, r, row.data());
      ASSERT_TRUE(
          Dequantize(type, blocks.data() + blocks.size() / kRows * r, kCols, expected.data()));
      for (size_t c = 0; c < kCols; ++c) {
        ASSERT_EQ(std::bit_cast<uint32_t>(row[c]), std::bit_cast<uint32_t>(expected[c]))
            << info.name << " " << r << " " << c << ": " << row[c] << " " << expected[c];
      }
    }
  }
}

TEST(PackTest, FormsFollowTheWish) {
  const auto form = [](TensorType type, size_t cols, WeightFormat wanted,
                       MatrixRole role = MatrixRole::kLayer) {
    return FormOf(TensorView{.type = type, .shape = {}}, 64, cols, role, wanted);
  };
  EXPECT_EQ(form(TensorType::kBF16, 64, WeightFormat::kAsStored), WeightType::kBF16);
  EXPECT_EQ(form(TensorType::kBF16, 64, WeightFormat::kInt8), WeightType::kInt8);
  EXPECT_EQ(form(TensorType::kBF16, 90, WeightFormat::kInt8), WeightType::kInt8);
  EXPECT_EQ(form(TensorType::kF32, 64, WeightFormat::kInt4, MatrixRole::kEmbedding),
            WeightType::kInt8);
  EXPECT_EQ(form(TensorType::kQ4_0, 64, WeightFormat::kBF16), WeightType::kBF16);
  EXPECT_EQ(form(TensorType::kBF16, 64, WeightFormat::kInt4, MatrixRole::kTable),
            WeightType::kBF16);
  EXPECT_TRUE(IsInPlace(TensorType::kF16, WeightType::kF16));
  EXPECT_FALSE(IsInPlace(TensorType::kQ8_0, WeightType::kInt8));
  EXPECT_TRUE(IsInPlace(TensorType::kPackedInt8, WeightType::kInt8));
}

TEST(PackTest, PackedTypesHaveTwoNames) {
  for (const WeightType type :
       {WeightType::kInt8, WeightType::kInt4, WeightType::kInt8Min, WeightType::kInt4Min,
        WeightType::kInt8K, WeightType::kInt8KMin, WeightType::kInt4K, WeightType::kInt4Table}) {
    EXPECT_EQ(PackedWeightType(PackedTensorType(type)), type);
    EXPECT_TRUE(IsPacked(PackedTensorType(type)));
  }
}

}  // namespace
}  // namespace gemma3::testing
