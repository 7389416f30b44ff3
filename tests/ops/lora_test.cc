// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/lora.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "src/threading/thread_pool.h"
#include "tests/ops/kernel_test_util.h"

namespace gemma3 {
namespace {

TEST(LoraAdd, MatchesDoubleLoopsAndDoesNotDependOnTheBatch) {
  std::mt19937 rng(3);
  ForEachTarget([&](int64_t) {
    for (const size_t threads : {1, 3}) {
      ThreadPool pool(threads);
      for (const size_t cols : {1, 15, 64, 257, 600}) {
        for (const size_t rank : {1, 3, 16}) {
          constexpr size_t kRows = 7;
          GuardedMatrix t(kRows, rank), b(rank, cols), out(kRows, cols);
          t.FillUniform(rng, -1, 1);
          out.FillUniform(rng, -1, 1);
          std::vector<float> factors(rank * cols);
          std::uniform_real_distribution<float> distribution(-1, 1);
          for (float& value : factors) value = distribution(rng);
          const float scale = 0.75f;
          const GuardedMatrix before = out;
          GuardedMatrix alone = out;
          // Two tasks on one output, as of two adapters.
          const auto run = [&](Rows<const float> x, Rows<float> y) {
            const LoraTask task{x, factors.data(), scale, y};
            const LoraTask tasks[] = {task, task};
            LoraAdd(tasks, pool);
          };
          run(t.view(), out.view());
          for (size_t r = 0; r < kRows; ++r) {
            run(static_cast<const GuardedMatrix&>(t).view().Slice(r, 1), alone.view().Slice(r, 1));
            for (size_t c = 0; c < cols; ++c) {
              double sum = before.row(r)[c], size = std::abs(sum);
              for (size_t k = 0; k < rank; ++k) {
                const double product = double{scale} * t.row(r)[k] * factors[k * cols + c];
                sum += 2 * product;
                size += 2 * std::abs(product);
              }
              // Each of the 2 rank sums rounds once, each product at most twice.
              const double bound = static_cast<double>(2 * rank + 3) * kUnitRoundoff * size;
              ASSERT_NEAR(out.row(r)[c], sum, bound) << cols << " columns, rank " << rank;
              ASSERT_EQ(out.row(r)[c], alone.row(r)[c]);
            }
          }
        }
      }
    }
  });
}

TEST(GainBias, MultipliesThenAdds) {
  ThreadPool pool(2);
  std::vector<float> x = {1, 2, 3, 4};
  GainBias({x.data(), 2, 2}, std::vector<float>{2, 3}, std::vector<float>{10, 20}, pool);
  EXPECT_EQ(x, (std::vector<float>{12, 26, 16, 32}));
  GainBias({x.data(), 2, 2}, {}, std::vector<float>{1, 1}, pool);
  EXPECT_EQ(x, (std::vector<float>{13, 27, 17, 33}));
}

}  // namespace
}  // namespace gemma3
