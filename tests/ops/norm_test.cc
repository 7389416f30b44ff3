// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/norm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "ops/reference/norm.h"
#include "tests/ops/kernel_test_util.h"

namespace gemma3 {
namespace {

constexpr float kEps = 1e-6f;
// Below, at and above whole numbers of vectors and of four vectors, and widths of the models.
constexpr size_t kWidths[] = {1, 2, 3, 7, 8, 15, 17, 31, 64, 65, 127, 200, 257, 640, 1152};

// A bound on the error of a sum of n terms in f32, relative to the sum of their absolute values.
// The terms go into four vectors of sums, so that a lane sees n / (4 lanes) additions, and up to 3
// whole vectors and a tail; combining the four and then up to 16 lanes adds 2 + 4; each term was
// rounded once. With more lanes the first part shrinks faster than the last grows.
double SumError(size_t n, int64_t target) {
  const double lanes = static_cast<double>(MinLanes(target));
  return (static_cast<double>(n) / (4 * lanes) + 4 + 6 + 1) * kUnitRoundoff;
}

// Relative error of RmsNorm: half the sum's, by the square root; the factor and two products round
// once each. 1 percent for the products of errors.
double RmsError(size_t n, int64_t target) {
  return 1.01 * (SumError(n, target) / 2 + 3 * kUnitRoundoff);
}

GuardedMatrix Random(size_t rows, size_t cols, unsigned seed, float scale = 1) {
  std::mt19937 rng(seed);
  GuardedMatrix m(rows, cols);
  m.FillUniform(rng, -scale, scale);
  return m;
}

void ExpectRow(std::span<const float> got, std::span<const double> want, double relative) {
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], relative * std::abs(want[i])) << "element " << i;
  }
}

TEST(RmsNormTest, MatchesReferenceWithinRoundingForAnyWidth) {
  ThreadPool pool(2);
  ForEachTarget([&](int64_t target) {
    for (const size_t cols : kWidths) {
      SCOPED_TRACE("cols " + std::to_string(cols));
      const GuardedMatrix x = Random(3, cols, 1), gain = Random(1, cols, 2);
      GuardedMatrix out(3, cols);
      RmsNorm(x.view(), gain.row(0), kEps, out.view(), pool);
      for (size_t r = 0; r < 3; ++r) {
        ExpectRow(out.row(r), reference::RmsNorm(x.row(r), gain.row(0), kEps),
                  RmsError(cols, target));
      }
      EXPECT_TRUE(out.GuardsIntact());
    }
  });
}

TEST(RmsNormTest, ValuesOfTheResidualStreamDoNotOverflow) {
  ThreadPool pool(1);
  ForEachTarget([&](int64_t target) {
    const GuardedMatrix x = Random(1, 5376, 3, 8e5f), gain = Random(1, 5376, 4);
    GuardedMatrix out(1, 5376);
    RmsNorm(x.view(), gain.row(0), kEps, out.view(), pool);
    ExpectRow(out.row(0), reference::RmsNorm(x.row(0), gain.row(0), kEps), RmsError(5376, target));
  });
}

TEST(RmsNormTest, EpsilonRulesWhereTheRowIsTiny) {
  ThreadPool pool(1);
  ForEachTarget([&](int64_t target) {
    const GuardedMatrix x = Random(1, 65, 5, 1e-4f), gain = Random(1, 65, 6);
    GuardedMatrix out(1, 65), zero(1, 65);
    RmsNorm(x.view(), gain.row(0), kEps, out.view(), pool);
    ExpectRow(out.row(0), reference::RmsNorm(x.row(0), gain.row(0), kEps), RmsError(65, target));
    RmsNorm(zero.view(), gain.row(0), kEps, out.view(), pool);
    EXPECT_EQ(out, zero);
  });
}

TEST(RmsNormTest, InPlaceIsTheSame) {
  ThreadPool pool(1);
  ForEachTarget([&](int64_t) {
    GuardedMatrix x = Random(2, 203, 7), out(2, 203);
    const GuardedMatrix gain = Random(1, 203, 8);
    RmsNorm(x.view(), gain.row(0), kEps, out.view(), pool);
    RmsNorm(x.view(), gain.row(0), kEps, x.view(), pool);
    EXPECT_EQ(x, out);
  });
}

TEST(RmsNormAddTest, AddsTheNormToTheResidual) {
  ThreadPool pool(2);
  ForEachTarget([&](int64_t target) {
    for (const size_t cols : kWidths) {
      SCOPED_TRACE("cols " + std::to_string(cols));
      const GuardedMatrix x = Random(3, cols, 1), gain = Random(1, cols, 2);
      const GuardedMatrix before = Random(3, cols, 3);
      GuardedMatrix residual = before;
      RmsNormAdd(x.view(), gain.row(0), kEps, residual.view(), pool);
      for (size_t r = 0; r < 3; ++r) {
        const auto norm = reference::RmsNorm(x.row(r), gain.row(0), kEps);
        for (size_t i = 0; i < cols; ++i) {
          const double want = before.row(r)[i] + norm[i];
          ASSERT_NEAR(residual.row(r)[i], want,
                      RmsError(cols, target) * std::abs(norm[i]) + kUnitRoundoff * std::abs(want));
        }
      }
      EXPECT_TRUE(residual.GuardsIntact());
    }
  });
}

TEST(RmsNormHeadsTest, EachHeadIsNormalisedAlone) {
  ThreadPool pool(2);
  ForEachTarget([&](int64_t) {
    for (const size_t head_dim : {size_t{5}, size_t{16}, size_t{72}, size_t{256}}) {
      constexpr size_t kHeads = 3;
      GuardedMatrix x = Random(4, kHeads * head_dim, 1);
      const GuardedMatrix gain = Random(1, head_dim, 2);
      // The same kernel on the heads as rows of their own.
      GuardedMatrix heads(4 * kHeads, head_dim);
      for (size_t r = 0; r < 4 * kHeads; ++r) {
        const auto head = x.row(r / kHeads).subspan(r % kHeads * head_dim, head_dim);
        std::copy(head.begin(), head.end(), heads.row(r).begin());
      }
      RmsNorm(heads.view(), gain.row(0), kEps, heads.view(), pool);
      RmsNormHeads(x.view(), gain.row(0), kEps, pool);
      for (size_t r = 0; r < 4 * kHeads; ++r) {
        const auto head = x.row(r / kHeads).subspan(r % kHeads * head_dim, head_dim);
        ASSERT_TRUE(std::equal(head.begin(), head.end(), heads.row(r).begin()));
      }
      EXPECT_TRUE(x.GuardsIntact());
    }
  });
}

TEST(LayerNormTest, MatchesReferenceWithinRoundingForAnyWidth) {
  ThreadPool pool(2);
  ForEachTarget([&](int64_t target) {
    for (const size_t cols : kWidths) {
      SCOPED_TRACE("cols " + std::to_string(cols));
      GuardedMatrix x = Random(3, cols, 1);
      for (float& v : x.row(1)) v += 3;  // a mean far from zero
      const GuardedMatrix weight = Random(1, cols, 2), bias = Random(1, cols, 3);
      GuardedMatrix out(3, cols);
      LayerNorm(x.view(), weight.row(0), bias.row(0), kEps, out.view(), pool);
      for (size_t r = 0; r < 3; ++r) {
        const auto want = reference::LayerNorm(x.row(r), weight.row(0), bias.row(0), kEps);
        double magnitude = 0, mean = 0, variance = 0;
        for (const double v : x.row(r)) magnitude += std::abs(v), mean += v;
        magnitude /= static_cast<double>(cols), mean /= static_cast<double>(cols);
        for (const double v : x.row(r)) variance += (v - mean) * (v - mean);
        variance /= static_cast<double>(cols);
        const double deviation = std::sqrt(variance + double{kEps});
        // An error of the mean moves every x - mean by as much, and the variance by its square.
        const double mean_error = (SumError(cols, target) + 2 * kUnitRoundoff) * magnitude;
        const double scale_error = RmsError(cols, target) +
                                   mean_error * mean_error / (variance + double{kEps}) +
                                   2 * kUnitRoundoff;
        for (size_t i = 0; i < cols; ++i) {
          const double centered = std::abs(double{x.row(r)[i]} - mean);
          const double error =
              std::abs(double{weight.row(0)[i]}) *
              (mean_error + (centered + mean_error) * (scale_error + 3 * kUnitRoundoff)) /
              deviation;
          ASSERT_NEAR(out.row(r)[i], want[i], error + kUnitRoundoff * std::abs(want[i]))
              << "row " << r << " element " << i;
        }
      }
      EXPECT_TRUE(out.GuardsIntact());
    }
  });
}

TEST(LayerNormTest, InPlaceIsTheSame) {
  ThreadPool pool(1);
  ForEachTarget([&](int64_t) {
    GuardedMatrix x = Random(2, 203, 7), out(2, 203);
    const GuardedMatrix weight = Random(1, 203, 8), bias = Random(1, 203, 9);
    LayerNorm(x.view(), weight.row(0), bias.row(0), kEps, out.view(), pool);
    LayerNorm(x.view(), weight.row(0), bias.row(0), kEps, x.view(), pool);
    EXPECT_EQ(x, out);
  });
}

// Large enough that rows go to several threads.
TEST(NormTest, BitsDependNeitherOnThreadsNorOnOtherRows) {
  constexpr size_t kRows = 67, kCols = 520, kHeadDim = 104;
  const GuardedMatrix x = Random(kRows, kCols, 1), gain = Random(1, kCols, 2);
  const GuardedMatrix bias = Random(1, kCols, 3), residual = Random(kRows, kCols, 4);
  ForEachTarget([&](int64_t) {
    const auto run = [&](ThreadPool& pool, size_t rows_at_once) {
      std::vector<GuardedMatrix> results(4, residual);
      results[2] = x;
      for (size_t r = 0; r < kRows; r += rows_at_once) {
        const size_t n = std::min(rows_at_once, kRows - r);
        const auto in = x.view().Slice(r, n);
        RmsNorm(in, gain.row(0), kEps, results[0].view().Slice(r, n), pool);
        RmsNormAdd(in, gain.row(0), kEps, results[1].view().Slice(r, n), pool);
        RmsNormHeads(results[2].view().Slice(r, n), gain.row(0).first(kHeadDim), kEps, pool);
        LayerNorm(in, gain.row(0), bias.row(0), kEps, results[3].view().Slice(r, n), pool);
      }
      return results;
    };
    ThreadPool one(1);
    const auto want = run(one, 1);
    for (const size_t threads : {1, 2, 3, 5}) {
      ThreadPool pool(threads);
      EXPECT_EQ(run(pool, kRows), want) << threads << " threads";
    }
  });
}

TEST(NormTest, NoRowsIsNothing) {
  ThreadPool pool(2);
  GuardedMatrix none(0, 8);
  const std::vector<float> gain(8, 1.0f);
  RmsNorm(none.view(), gain, kEps, none.view(), pool);
  LayerNorm(none.view(), gain, gain, kEps, none.view(), pool);
  EXPECT_TRUE(none.GuardsIntact());
}

}  // namespace
}  // namespace gemma3
