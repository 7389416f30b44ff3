// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Matrix multiplication against double loops, and its promise: a row's bits depend on that row and
// on W alone.

#include "ops/matmul.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "hwy/aligned_allocator.h"
#include "hwy/base.h"
#include "ops/packed.h"
#include "ops/quantize.h"
#include "ops/reference/matmul.h"
#include "ops/targets.h"
#include "src/base/tensor.h"
#include "src/formats/dequantize.h"

namespace gemma3 {
namespace {

template <class F>
void ForEveryTarget(const F& f) {
  for (const std::string& name : SimdTargetNames()) {
    ASSERT_TRUE(UseSimdTarget(name));
    SCOPED_TRACE(name);
    f();
  }
  UseSimdTarget("");
}

std::vector<float> Random(size_t count, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& v : values) v = normal(rng);
  return values;
}

// Rows with a gap of NaN between them: reading or summing past a row shows.
struct Activations {
  Activations(size_t rows, size_t cols, uint32_t seed)
      : rows(rows),
        cols(cols),
        stride(cols + 3),
        data((rows - 1) * stride + cols, std::numeric_limits<float>::quiet_NaN()) {
    const std::vector<float> values = Random(rows * cols, seed);
    for (size_t r = 0; r < rows; ++r) {
      std::memcpy(&data[r * stride], &values[r * cols], cols * sizeof(float));
    }
  }
  Rows<const float> View() const { return {data.data(), rows, cols, stride}; }

  size_t rows, cols, stride;
  std::vector<float> data;
};

// A float matrix whose bytes end where the allocation ends and start one element past a boundary
// of 64 bytes, so that no vector is aligned and reading too far shows under a sanitizer.
class Weights {
 public:
  Weights(WeightType type, size_t rows, size_t cols, uint32_t seed)
      : type_(type), rows_(rows), cols_(cols), values_(Random(rows * cols, seed)) {
    const size_t size = type == WeightType::kF32 ? 4 : 2;
    bytes_.reset(static_cast<std::byte*>(
        std::aligned_alloc(64, hwy::RoundUpTo(size + rows * cols * size, 64))));
    std::byte* const end = bytes_.get() + hwy::RoundUpTo(size + rows * cols * size, 64);
    data_ = end - rows * cols * size;
    // At the end it is misaligned by itself, unless the size is a multiple of 64.
    if (reinterpret_cast<uintptr_t>(data_) % 64 == 0) data_ -= size;
    for (size_t i = 0; i < values_.size(); ++i) {
      if (type == WeightType::kF32) {
        std::memcpy(data_ + i * size, &values_[i], size);
      } else if (type == WeightType::kF16) {
        const auto half = hwy::ConvertScalarTo<hwy::float16_t>(values_[i]);
        std::memcpy(data_ + i * size, &half, size);
        values_[i] = hwy::ConvertScalarTo<float>(half);
      } else {
        const auto half = hwy::ConvertScalarTo<hwy::bfloat16_t>(values_[i]);
        std::memcpy(data_ + i * size, &half, size);
        values_[i] = hwy::ConvertScalarTo<float>(half);
      }
    }
  }

  MatrixView View() const { return {type_, rows_, cols_, data_}; }
  Rows<const float> Values() const { return {values_.data(), rows_, cols_}; }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  WeightType type_;
  size_t rows_, cols_;
  std::vector<float> values_;
  std::unique_ptr<std::byte, Free> bytes_;
  std::byte* data_;
};

std::string Name(WeightType type) {
  return type == WeightType::kF32 ? "F32" : type == WeightType::kF16 ? "F16" : "BF16";
}

// The worst case of summing `cols` products in f32: every addition and product errs by at most half
// an epsilon of a partial sum, which `magnitude` bounds. Fast mode may round x to bf16, by 2^-8.
double Tolerance(double magnitude, size_t cols, WeightType type, Compute compute) {
  const double sums = static_cast<double>(cols + 16) * std::numeric_limits<float>::epsilon();
  const bool rounds = type == WeightType::kBF16 && compute == Compute::kFast;
  return magnitude * (sums + (rounds ? 1.0 / 256 : 0.0)) + 1e-30;
}

class FloatMatMul : public testing::TestWithParam<WeightType> {};

constexpr size_t kMaxRows = 64;

void CheckShape(WeightType type, size_t cols, size_t outputs) {
  SCOPED_TRACE("cols " + std::to_string(cols) + ", outputs " + std::to_string(outputs));
  const Activations x(kMaxRows, cols, 1);
  const Weights w(type, outputs, cols, 2);
  const std::vector<float> bias = Random(outputs, 3);
  const reference::MatMulResult expected = reference::MatMul(x.View(), w.Values(), bias.data());
  ThreadPool pool1(1), pool2(2), pool3(3);

  ForEveryTarget([&] {
    for (Compute compute : {Compute::kFast, Compute::kExact}) {
      // Every row on its own.
      std::vector<float> alone(kMaxRows * outputs);
      for (size_t r = 0; r < kMaxRows; ++r) {
        MatMul(x.View().Slice(r, 1), w.View(), Rows<float>(&alone[r * outputs], 1, outputs),
               compute, pool1, bias.data());
      }
      for (size_t i = 0; i < alone.size(); ++i) {
        ASSERT_NEAR(alone[i], expected.out[i],
                    Tolerance(expected.magnitude[i], cols, type, compute))
            << "row " << i / outputs << ", output " << i % outputs;
      }
      // In company: the same bits, and nothing written beside them.
      const size_t stride = outputs + 1;
      for (size_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 64}) {
        for (ThreadPool* pool : {&pool1, &pool2, &pool3}) {
          std::vector<float> out(rows * stride, -1.0f);
          MatMul(x.View().Slice(0, rows), w.View(), Rows<float>(out.data(), rows, outputs, stride),
                 compute, *pool, bias.data());
          for (size_t r = 0; r < rows; ++r) {
            ASSERT_EQ(0,
                      std::memcmp(&out[r * stride], &alone[r * outputs], outputs * sizeof(float)))
                << "row " << r << " of " << rows << ", " << pool->num_threads() << " threads";
            ASSERT_EQ(out[r * stride + outputs], -1.0f);
          }
        }
      }
    }
  });
}

TEST_P(FloatMatMul, IsCloseToTheReferenceAndRowsDoNotInfluenceEachOther) {
  for (size_t cols : {1, 7, 31, 32, 33, 90, 255, 256, 1152 + 3}) {
    for (size_t outputs : {1, 3, 4, 5, 17, 64}) CheckShape(GetParam(), cols, outputs);
  }
}

TEST_P(FloatMatMul, CuttingLongRowsIntoSpansChangesNothing) { CheckShape(GetParam(), 7003, 6); }

TEST_P(FloatMatMul, UnpackRowReturnsTheStoredValues) {
  const size_t cols = 77;
  const Weights w(GetParam(), 3, cols, 4);
  ForEveryTarget([&] {
    std::vector<float> row(cols);
    for (size_t r = 0; r < 3; ++r) {
      UnpackRow(w.View(), r, row.data());
      EXPECT_EQ(0, std::memcmp(row.data(), w.Values().row(r), cols * sizeof(float)));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(, FloatMatMul,
                         testing::Values(WeightType::kF32, WeightType::kF16, WeightType::kBF16),
                         [](const auto& info) { return Name(info.param); });

struct BlockCase {
  BlockFormat format;
  TensorType type;  // as the definition of its values knows it
  const char* name;
  std::vector<size_t> halves;  // where a block has f16 values
};

// Random blocks of a GGUF file, packed.
struct PackedWeights {
  PackedWeights(const BlockCase& block, size_t rows, size_t cols, uint32_t seed)
      : type(PackedTypeOf(block.format)), rows(rows), cols(cols), values(rows * cols) {
    std::mt19937 rng(seed);
    std::uniform_int_distribution<int> byte(0, 255);
    std::normal_distribution<float> normal(0.0f, 0.01f);
    const TensorTypeInfo& info = InfoOf(block.type);
    std::vector<std::byte> blocks(rows * cols / info.block_elems * info.block_bytes);
    for (std::byte& b : blocks) b = static_cast<std::byte>(byte(rng));
    for (size_t at = 0; at < blocks.size(); at += info.block_bytes) {
      for (size_t offset : block.halves) {
        const auto scale = hwy::ConvertScalarTo<hwy::float16_t>(normal(rng));
        std::memcpy(&blocks[at + offset], &scale, 2);
      }
    }
    EXPECT_TRUE(Dequantize(block.type, blocks.data(), values.size(), values.data()));
    memory = hwy::AllocateAligned<std::byte>(PackedBytes(type, rows, cols));
    ThreadPool pool(2);
    Repack(blocks.data(), block.format, rows, cols, memory.get(), pool);
  }
  MatrixView View() const { return {type, rows, cols, memory.get()}; }

  WeightType type;
  size_t rows, cols;
  std::vector<float> values;  // by the format's definition
  hwy::AlignedFreeUniquePtr<std::byte[]> memory;
};

const BlockCase kQ8_0{BlockFormat::kQ8_0, TensorType::kQ8_0, "Q8_0", {0}};
const BlockCase kQ4_0{BlockFormat::kQ4_0, TensorType::kQ4_0, "Q4_0", {0}};
const BlockCase kQ4_K{BlockFormat::kQ4_K, TensorType::kQ4_K, "Q4_K", {0, 2}};

class PackedMatMul : public testing::TestWithParam<BlockCase> {};

TEST_P(PackedMatMul, HasTheBitsOfTheReferenceOnEveryTargetAndForAnyCompany) {
  ThreadPool pool1(1), pool2(2), pool3(3);
  constexpr size_t kSeveralSpans = 3328;
  for (size_t cols : {size_t{32}, size_t{64}, size_t{96}, size_t{160}, size_t{256}, size_t{1152},
                      size_t{1280}, kSeveralSpans}) {
    if (!CanPack(PackedTypeOf(GetParam().format), 1, cols)) continue;
    for (size_t outputs : {1, 3, 16, 17, 40, 100}) {
      if (cols == kSeveralSpans && outputs != 40) continue;
      SCOPED_TRACE("cols " + std::to_string(cols) + ", outputs " + std::to_string(outputs));
      const PackedWeights w(GetParam(), outputs, cols, 1);
      // The last number of rows is too many for all of them to stay in a cache, if there are spans.
      const size_t most_rows = cols == kSeveralSpans ? 100 : kMaxRows;
      Activations x(most_rows, cols, 2);
      // Blocks of zeros, of values too small to invert, and of all extremes.
      for (size_t k = 0; k < 32; ++k) {
        x.data[k] = 0.0f;
        x.data[x.stride + k] = 1e-40f;
        x.data[2 * x.stride + k] = k % 3 ? 1e4f : -1e4f;
      }
      const std::vector<float> bias = Random(outputs, 3);
      const std::vector<float> expected =
          reference::BlockMatMul(x.View(), reference::ReadPacked(w.View()), bias.data());
      ForEveryTarget([&] {
        const size_t stride = outputs + 1;
        for (size_t rows :
             {size_t{1},  size_t{2},  size_t{3},  size_t{4},  size_t{5},  size_t{6},  size_t{7},
              size_t{8},  size_t{9},  size_t{10}, size_t{11}, size_t{12}, size_t{13}, size_t{14},
              size_t{15}, size_t{16}, size_t{17}, size_t{21}, size_t{33}, most_rows}) {
          for (ThreadPool* pool : {&pool1, &pool2, &pool3}) {
            std::vector<float> out(rows * stride, -1.0f);
            MatMul(x.View().Slice(0, rows), w.View(),
                   Rows<float>(out.data(), rows, outputs, stride), Compute::kFast, *pool,
                   bias.data());
            for (size_t r = 0; r < rows; ++r) {
              for (size_t n = 0; n < outputs; ++n) {
                ASSERT_EQ(out[r * stride + n], expected[r * outputs + n])
                    << "row " << r << " of " << rows << ", output " << n;
              }
              ASSERT_EQ(out[r * stride + outputs], -1.0f);
            }
          }
        }
      });
    }
  }
}

// Rounding x to int8 errs by at most half a step, max|x| of the block / 127, per product. The sums
// in f32 err by at most half an epsilon of the partial sums, once a product; these are bounded by
// the products with scale * quant and with min, each on its own.
TEST_P(PackedMatMul, IsAsCloseToTheProductOfTheValuesAsRoundingAllows) {
  const size_t rows = 9, cols = 512, outputs = 33;
  const PackedWeights w(GetParam(), outputs, cols, 4);
  const reference::BlockWeights parts = reference::ReadPacked(w.View());
  const Activations x(rows, cols, 5);
  const Rows<const float> w_rows(w.values.data(), outputs, cols);
  const reference::MatMulResult expected = reference::MatMul(x.View(), w_rows);
  ThreadPool pool(2);
  ForEveryTarget([&] {
    for (Compute compute : {Compute::kFast, Compute::kExact}) {
      std::vector<float> out(rows * outputs);
      MatMul(x.View(), w.View(), Rows<float>(out.data(), rows, outputs), compute, pool);
      for (size_t r = 0; r < rows; ++r) {
        const float* x_row = x.View().row(r);
        for (size_t n = 0; n < outputs; ++n) {
          double rounding = 0;
          double magnitude = 0;
          for (size_t b = 0; b < cols / 32; ++b) {
            double largest = 0;
            double weights = 0;
            for (size_t k = 32 * b; k < 32 * b + 32; ++k) {
              const size_t at = (n * cols + k) / parts.scale_inputs;
              const double min = parts.mins.empty() ? 0.0 : std::abs(double{parts.mins[at]});
              const double product =
                  std::abs(double{parts.scales[at]} * parts.quants[n * cols + k]);
              magnitude += (product + min) * std::abs(double{x_row[k]});
              largest = std::max(largest, std::abs(double{x_row[k]}));
              weights += std::abs(double{w.values[n * cols + k]});
            }
            if (compute == Compute::kFast) rounding += largest / 127 / 2 * weights * (1 + 1e-5);
          }
          const double sums = static_cast<double>(cols) * std::numeric_limits<float>::epsilon();
          const size_t i = r * outputs + n;
          ASSERT_NEAR(out[i], expected.out[i], rounding + magnitude * sums);
        }
      }
    }
  });
}

TEST_P(PackedMatMul, UnpackRowReturnsTheBitsOfTheDefinition) {
  const size_t cols = 768;
  const PackedWeights w(GetParam(), 19, cols, 6);
  ForEveryTarget([&] {
    std::vector<float> row(cols);
    for (size_t r = 0; r < 19; ++r) {
      UnpackRow(w.View(), r, row.data());
      EXPECT_EQ(row, std::vector<float>(&w.values[r * cols], &w.values[r * cols] + cols));
    }
  });
}

// The inputs of a last block that is not whole are those of a whole one with zeros, on both sides.
TEST(QuantisedMatMul, ABlockThatIsNotWholeIsFilledWithZeros) {
  constexpr size_t kOutputs = 35, kRows = 13;
  ThreadPool pool(2);
  for (const WeightType type : {WeightType::kInt8, WeightType::kInt4}) {
    for (const size_t cols : {1, 31, 33, 48, 79, 1072}) {
      SCOPED_TRACE(std::to_string(cols));
      const size_t whole = hwy::RoundUpTo(cols, 32);
      const Weights source(WeightType::kBF16, kOutputs, cols, 7);
      std::vector<float> wide(kOutputs * whole), wide_x(kRows * whole);
      const Activations x(kRows, cols, 8);
      for (size_t r = 0; r < kOutputs; ++r) {
        std::memcpy(&wide[r * whole], source.Values().row(r), cols * sizeof(float));
      }
      for (size_t r = 0; r < kRows; ++r) {
        std::memcpy(&wide_x[r * whole], x.View().row(r), cols * sizeof(float));
      }
      const auto pack = [&](const MatrixView& from) {
        auto memory = hwy::AllocateAligned<std::byte>(PackedBytes(type, from.rows, from.cols));
        Quantize(from, type, memory.get(), pool);
        return memory;
      };
      const auto packed = pack(source.View());
      const auto filled = pack({WeightType::kF32, kOutputs, whole, wide.data()});
      const MatrixView w{type, kOutputs, cols, packed.get()};
      const MatrixView wide_w{type, kOutputs, whole, filled.get()};
      std::vector<float> values(kOutputs * cols);
      for (size_t n = 0; n < kOutputs; ++n) UnpackRow(w, n, &values[n * cols]);
      ForEveryTarget([&] {
        for (const Compute compute : {Compute::kFast, Compute::kExact}) {
          for (const size_t rows : {size_t{1}, size_t{4}, size_t{8}, kRows}) {
            std::vector<float> out(rows * kOutputs), want(rows * kOutputs);
            MatMul(x.View().Slice(0, rows), w, Rows<float>(out.data(), rows, kOutputs), compute,
                   pool);
            MatMul(Rows<const float>(wide_x.data(), rows, whole), wide_w,
                   Rows<float>(want.data(), rows, kOutputs), compute, pool);
            for (size_t i = 0; i < out.size(); ++i) {
              if (compute == Compute::kFast) {
                ASSERT_EQ(out[i], want[i]);
                continue;
              }
              // In floats, zeros change the order of the sums: each errs by half an epsilon of the
              // partial sum, once a product.
              double magnitude = 0;
              for (size_t k = 0; k < cols; ++k) {
                magnitude += std::abs(double{x.View().row(i / kOutputs)[k]} *
                                      values[i % kOutputs * cols + k]);
              }
              const double epsilon = std::numeric_limits<float>::epsilon();
              ASSERT_NEAR(out[i], want[i], static_cast<double>(cols) * epsilon * magnitude);
            }
          }
        }
        std::vector<float> row(cols + 1, -7.0f), want(whole);
        UnpackRow(w, 34, row.data());
        UnpackRow(wide_w, 34, want.data());
        want.resize(cols);
        EXPECT_EQ(row.back(), -7.0f);
        row.pop_back();
        EXPECT_EQ(row, want);
      });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    , PackedMatMul,
    testing::Values(kQ8_0, kQ4_0, BlockCase{BlockFormat::kQ4_1, TensorType::kQ4_1, "Q4_1", {0, 2}},
                    BlockCase{BlockFormat::kQ5_0, TensorType::kQ5_0, "Q5_0", {0}},
                    BlockCase{BlockFormat::kQ5_1, TensorType::kQ5_1, "Q5_1", {0, 2}},
                    BlockCase{BlockFormat::kQ2_K, TensorType::kQ2_K, "Q2_K", {80, 82}},
                    BlockCase{BlockFormat::kQ3_K, TensorType::kQ3_K, "Q3_K", {108}}, kQ4_K,
                    BlockCase{BlockFormat::kQ5_K, TensorType::kQ5_K, "Q5_K", {0, 2}},
                    BlockCase{BlockFormat::kQ6_K, TensorType::kQ6_K, "Q6_K", {208}},
                    BlockCase{BlockFormat::kIQ4_NL, TensorType::kIQ4_NL, "IQ4_NL", {0}},
                    BlockCase{BlockFormat::kIQ4_XS, TensorType::kIQ4_XS, "IQ4_XS", {0}}),
    [](const auto& info) { return std::string(info.param.name); });

// Integer products have the same bits on every CPU, of whatever make: these are of one run of x86,
// and hold for ARM too. All numbers come from integers alone, so that no library can differ.
TEST(MatMul, IntegerProductsHaveTheBitsThatAreWrittenHere) {
  struct Case {
    WeightType type;
    uint64_t digest;
  };
  const Case cases[] = {
      {WeightType::kInt8, 0xaff5b6faa69c3cfc},    {WeightType::kInt4, 0xfff5c06e56ec7cd0},
      {WeightType::kInt8Min, 0x7ba4123fcb7c1fd3}, {WeightType::kInt4Min, 0xa375ac353662cd16},
      {WeightType::kInt8K, 0x63082aa2c89a04a3},   {WeightType::kInt8KMin, 0xe0828220f0f63d48},
      {WeightType::kInt4K, 0x35abb80d4fb9b90e},   {WeightType::kInt4Table, 0x3fa653a01b87410}};
  constexpr size_t kRows = 9, kCols = 512, kOutputs = 37;
  ThreadPool pool(2);
  for (const Case& c : cases) {
    SCOPED_TRACE(static_cast<int>(c.type));
    uint32_t random = 1;
    const auto next = [&] { return (random = random * 1664525 + 1013904223) >> 16; };
    const size_t bytes = PackedBytes(c.type, kOutputs, kCols);
    const auto memory = hwy::AllocateAligned<std::byte>(bytes);
    // Below 64 every byte is one of a finite half and a finite float.
    for (size_t i = 0; i < bytes; ++i) memory[i] = static_cast<std::byte>(next() & 63);
    if (PackedFormatOf(c.type).table) {  // the whole range of its numbers, as 8 bits have
      for (size_t i = 0; i < bytes; i += PackedChunkBytes(c.type)) {
        for (size_t k = 0; k < kPackedTable; ++k) {
          memory[i + PackedTableOffset(c.type) + k] = static_cast<std::byte>(17 * k);
        }
      }
    }
    for (size_t i = 0; i < bytes; i += PackedChunkBytes(c.type)) {
      for (size_t k = PackedValueOffset(c.type); k < PackedChunkBytes(c.type); ++k) {
        memory[i + k] = static_cast<std::byte>(next() & 255);
      }
    }
    std::vector<float> x(kRows * kCols);
    for (float& v : x) v = static_cast<float>(static_cast<int>(next() % 4001) - 2000) / 1024.0f;
    ForEveryTarget([&] {
      uint64_t digest = 0xcbf29ce484222325;
      for (const size_t rows : {size_t{1}, kRows}) {
        std::vector<float> out(rows * kOutputs);
        MatMul(Rows<const float>(x.data(), rows, kCols), {c.type, kOutputs, kCols, memory.get()},
               Rows<float>(out.data(), rows, kOutputs), Compute::kFast, pool);
        for (const float value : out) {
          digest = (digest ^ std::bit_cast<uint32_t>(value)) * 0x100000001b3;
        }
      }
      EXPECT_EQ(digest, c.digest) << "0x" << std::hex << digest;
    });
  }
}

TEST(MatMul, TheTableAndItsFactorAreThoseOfTheMatrix) {
  const size_t outputs = 21, cols = 512;
  const auto memory =
      hwy::AllocateAligned<std::byte>(PackedBytes(WeightType::kInt4Table, outputs, cols));
  const auto read = [](size_t row, size_t block, PackedCodes& codes) {
    std::mt19937 rng(static_cast<uint32_t>(100 * row + block));
    for (uint8_t& stored : codes.stored) stored = rng() % 16;
    for (int8_t& scale : codes.scales) scale = static_cast<int8_t>(rng());
    codes.d = static_cast<uint16_t>(rng() % 0x7c00);
    for (size_t i = 0; i < codes.table.size(); ++i) codes.table[i] = static_cast<uint8_t>(91 * i);
    codes.factor = 0x1p-20f;
  };
  ThreadPool pool(2);
  Pack(WeightType::kInt4Table, outputs, cols, read, memory.get(), pool);
  const MatrixView w{WeightType::kInt4Table, outputs, cols, memory.get()};
  for (const size_t rows : {1, 5, 30}) {
    const Activations x(rows, cols, 3);
    const std::vector<float> expected = reference::BlockMatMul(x.View(), reference::ReadPacked(w));
    ForEveryTarget([&] {
      std::vector<float> out(rows * outputs);
      MatMul(x.View(), w, Rows<float>(out.data(), rows, outputs), Compute::kFast, pool);
      EXPECT_EQ(out, expected);
    });
  }
}

TEST(MatMul, ManyTasksOfMixedTypesEqualSingleOnes) {
  const size_t cols = 256;
  std::vector<Weights> weights;
  for (size_t i = 0; i < 11; ++i) {
    const WeightType types[] = {WeightType::kF32, WeightType::kBF16, WeightType::kF16};
    weights.emplace_back(types[i % 3], 16 * i + 1 + i % 5, cols, i);
  }
  const PackedWeights int8(kQ8_0, 50, cols, 20);
  const PackedWeights int4(kQ4_0, 70, cols, 21);
  const PackedWeights int4k(kQ4_K, 33, cols, 22);
  ThreadPool pool(3);
  ForEveryTarget([&] {
    for (size_t rows : {1, 7, 70}) {
      const Activations x(rows, cols, 5);
      std::vector<MatrixView> views = {int8.View()};
      for (const Weights& w : weights) views.push_back(w.View());
      views.push_back(int4.View());
      views.push_back(int4k.View());
      std::vector<std::vector<float>> out;
      for (const MatrixView& w : views) out.emplace_back(rows * w.rows);
      std::vector<MatMulTask> tasks;
      for (size_t i = 0; i < views.size(); ++i) {
        tasks.push_back({views[i], Rows<float>(out[i].data(), rows, views[i].rows)});
      }
      MatMul(x.View(), tasks, Compute::kFast, pool);
      for (size_t i = 0; i < views.size(); ++i) {
        std::vector<float> single(rows * views[i].rows);
        MatMul(x.View(), views[i], Rows<float>(single.data(), rows, views[i].rows), Compute::kFast,
               pool);
        EXPECT_EQ(single, out[i]) << "task " << i << ", rows " << rows;
      }
    }
  });
}

TEST(MatMul, EmptyWorkIsDone) {
  ThreadPool pool(2);
  const Weights w(WeightType::kBF16, 4, 32, 1);
  std::vector<float> out(4, -1.0f);
  MatMul(Rows<const float>(nullptr, 0, 32), w.View(), Rows<float>(out.data(), 0, 4), Compute::kFast,
         pool);
  MatMul(Rows<const float>(nullptr, 1, 32), std::span<const MatMulTask>(), Compute::kFast, pool);
  EXPECT_EQ(out, std::vector<float>(4, -1.0f));
}

}  // namespace
}  // namespace gemma3
