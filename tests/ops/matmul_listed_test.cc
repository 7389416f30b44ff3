// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Listed outputs against the whole product: the same bits, and nothing is read or written beside
// them.

#include "ops/matmul_listed.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "hwy/aligned_allocator.h"
#include "ops/packed.h"
#include "ops/quantize.h"
#include "ops/targets.h"

namespace gemma3 {
namespace {

std::vector<float> Random(size_t count, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& v : values) v = normal(rng);
  return values;
}

// Some of [0, rows): every one, few, the ends, neighbours, one alone.
std::vector<std::vector<int32_t>> Lists(size_t rows) {
  const auto last = static_cast<int32_t>(rows - 1);
  std::vector<std::vector<int32_t>> lists = {{}, {0}, {last}, {0, last}, {}, {}, {}};
  std::mt19937 rng(7);
  for (int32_t i = 0; i <= last; ++i) {
    lists[4].push_back(i);
    if (rng() % 3 == 0) lists[5].push_back(i);
    if (rng() % 40 == 0) lists[6].push_back(i);
  }
  return lists;
}

void Check(const MatrixView& w) {
  const std::vector<float> x = Random(w.cols, 1);
  ThreadPool pool1(1), pool3(3);
  for (const std::string& target : SimdTargetNames()) {
    ASSERT_TRUE(UseSimdTarget(target));
    for (const Compute compute : {Compute::kFast, Compute::kExact}) {
      std::vector<float> whole(w.rows);
      MatMul({x.data(), 1, w.cols}, w, {whole.data(), 1, w.rows}, compute, pool1);
      for (const std::vector<int32_t>& list : Lists(w.rows)) {
        std::vector<float> expected;
        for (const int32_t i : list) expected.push_back(whole[static_cast<size_t>(i)]);
        for (ThreadPool* pool : {&pool1, &pool3}) {
          std::vector<float> out(list.size() + 1, -1.0f);
          MatMulListed(x, w, list, {out.data(), list.size()}, compute, *pool);
          ASSERT_EQ(0, std::memcmp(out.data(), expected.data(), 4 * list.size()))
              << target << ", " << list.size() << " of " << w.rows;
          ASSERT_EQ(out.back(), -1.0f);
        }
      }
    }
  }
  UseSimdTarget("");
}

TEST(MatMulListedTest, FloatRowsHaveTheBitsOfTheWholeProduct) {
  for (const size_t cols : {1, 33, 1155}) {
    for (const size_t rows : {1, 17, 700}) {
      const std::vector<float> values = Random(rows * cols, 2);
      Check({WeightType::kF32, rows, cols, values.data()});
      std::vector<hwy::bfloat16_t> halves;
      for (const float v : values) halves.push_back(hwy::ConvertScalarTo<hwy::bfloat16_t>(v));
      Check({WeightType::kBF16, rows, cols, halves.data()});
    }
  }
}

TEST(MatMulListedTest, PackedRowsHaveTheBitsOfTheWholeProduct) {
  ThreadPool pool(2);
  for (const WeightType type : {WeightType::kInt8, WeightType::kInt4}) {
    for (const size_t cols : {32, 96, 1152}) {
      for (const size_t rows : {1, 16, 17, 700}) {
        const std::vector<float> values = Random(rows * cols, 3);
        const auto memory = hwy::AllocateAligned<std::byte>(PackedBytes(type, rows, cols));
        Quantize({WeightType::kF32, rows, cols, values.data()}, type, memory.get(), pool);
        Check({type, rows, cols, memory.get()});
      }
    }
  }
}

}  // namespace
}  // namespace gemma3
