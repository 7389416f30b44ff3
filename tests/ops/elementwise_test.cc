// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "ops/reference/elementwise.h"
#include "tests/ops/kernel_test_util.h"

namespace gemma3 {
namespace {

constexpr size_t kWidths[] = {1, 3, 4, 7, 8, 15, 16, 17, 31, 33, 100, 257};

// A bound on the error of x / (1 + exp(t)). t gathers 4 roundings of itself, which exp turns into a
// relative error of 4 |t| roundings; exp is off by 2 (1 ulp), and by 2 more without fused
// multiply-add. For positive x, exp(t) is a small share of the divisor and so are its errors. The
// sum and the quotient round once each, and 2 roundings are for products of errors. Results below
// the smallest normal number may be lost.
double GeluError(double x) {
  const double t = 1.5957691216057308 * std::abs(x) * (1 + 0.044715 * x * x);
  const double share = x < 0 ? 1.0 : std::exp(-t);  // of exp(t) in 1 + exp(t), at most
  return (share * (4 * t + 4) + 4) * kUnitRoundoff * std::abs(reference::Gelu(x)) +
         static_cast<double>(std::numeric_limits<float>::min()) * std::max(1.0, std::abs(x));
}

std::vector<float> GeluInputs() {
  std::vector<float> x = {0.0f,  -0.0f,  1e-38f,  -1e-38f, 1e-20f, -1e-20f, 5.0f,   -5.0f,
                          9.9f,  -9.9f,  -10.06f, -10.1f,  20.0f,  -20.0f,  100.0f, -100.0f,
                          1e10f, -1e10f, 1e19f,   -1e19f,  3e38f,  -3e38f};
  for (int i = -12000; i <= 12000; ++i) x.push_back(static_cast<float>(i) * 1e-3f + 1e-5f);
  return x;
}

TEST(GeluTest, MatchesReferenceOverTheWholeRange) {
  const std::vector<float> inputs = GeluInputs();
  ForEachTarget([&](int64_t) {
    std::vector<float> x = inputs;
    Gelu({x.data(), 1, x.size()});
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_NEAR(x[i], reference::Gelu(inputs[i]), GeluError(inputs[i])) << "x = " << inputs[i];
    }
  });
}

TEST(GeluTest, IsTheIdentityForLargeAndZeroForVeryNegativeValues) {
  ForEachTarget([&](int64_t) {
    const float max = std::numeric_limits<float>::max();
    std::vector<float> x = {12.0f, 1e4f, max, -12.0f, -1e4f, -max};
    Gelu({x.data(), 1, x.size()});
    EXPECT_EQ(x, (std::vector<float>{12.0f, 1e4f, max, 0.0f, 0.0f, 0.0f}));
  });
}

TEST(GeluTest, KeepsNan) {
  ForEachTarget([&](int64_t) {
    std::vector<float> x(7, std::numeric_limits<float>::quiet_NaN());
    Gelu({x.data(), 1, x.size()});
    for (const float v : x) EXPECT_TRUE(std::isnan(v));
  });
}

TEST(GeluMulTest, MultipliesTheGateIntoUp) {
  std::mt19937 rng(1);
  ForEachTarget([&](int64_t) {
    for (const size_t cols : kWidths) {
      SCOPED_TRACE("cols " + std::to_string(cols));
      GuardedMatrix gate(3, cols), up(3, cols);
      gate.FillUniform(rng, -6, 6);
      up.FillUniform(rng, -2, 2);
      const GuardedMatrix before = gate;
      GeluMul(gate.view(), up.view());
      for (size_t r = 0; r < 3; ++r) {
        for (size_t i = 0; i < cols; ++i) {
          const double g = before.row(r)[i], u = up.row(r)[i];
          const double want = reference::Gelu(g) * u;
          ASSERT_NEAR(gate.row(r)[i], want,
                      GeluError(g) * std::abs(u) + kUnitRoundoff * std::abs(want));
        }
      }
      EXPECT_TRUE(gate.GuardsIntact());
    }
  });
}

// One sum or product rounds once, so the result is the same as the scalar one to the bit.
TEST(AddToTest, IsExact) {
  ThreadPool pool(2);
  std::mt19937 rng(2);
  ForEachTarget([&](int64_t) {
    for (const size_t cols : kWidths) {
      GuardedMatrix x(3, cols), y(3, cols);
      x.FillUniform(rng, -2, 2);
      y.FillUniform(rng, -2, 2);
      GuardedMatrix want = x;
      for (size_t r = 0; r < 3; ++r) {
        for (size_t i = 0; i < cols; ++i) want.row(r)[i] += y.row(r)[i];
      }
      AddTo(x.view(), y.view(), pool);
      EXPECT_EQ(x, want) << "cols " << cols;
    }
  });
}

TEST(ElementwiseTest, BitsDependNeitherOnThreadsNorOnOtherRows) {
  constexpr size_t kRows = 67, kCols = 521;
  std::mt19937 rng(4);
  GuardedMatrix x(kRows, kCols), y(kRows, kCols);
  x.FillUniform(rng, -6, 6);
  y.FillUniform(rng, -2, 2);
  ForEachTarget([&](int64_t) {
    const auto run = [&](ThreadPool& pool, size_t rows_at_once) {
      GuardedMatrix out = x;
      for (size_t r = 0; r < kRows; r += rows_at_once) {
        const size_t n = std::min(rows_at_once, kRows - r);
        GeluMul(out.view().Slice(r, n), y.view().Slice(r, n));
        AddTo(out.view().Slice(r, n), x.view().Slice(r, n), pool);
        Gelu(out.view().Slice(r, n));
      }
      return out;
    };
    ThreadPool one(1);
    const GuardedMatrix want = run(one, 1);
    for (const size_t threads : {1, 2, 3, 5}) {
      ThreadPool pool(threads);
      EXPECT_EQ(run(pool, kRows), want) << threads << " threads";
    }
  });
}

// The remainder of a row, whole vectors and every place in them give the same bits.
TEST(ElementwiseTest, BitsDoNotDependOnTheColumn) {
  ForEachTarget([&](int64_t) {
    for (const float value : {-3.7f, -0.3f, 0.7f, 4.1f}) {
      GuardedMatrix x(1, 131, value);
      Gelu(x.view());
      for (const float v : x.row(0)) ASSERT_EQ(v, x.row(0)[0]);
    }
  });
}

}  // namespace
}  // namespace gemma3
