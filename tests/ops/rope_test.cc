// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/rope.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "ops/reference/rope.h"
#include "tests/ops/kernel_test_util.h"

namespace gemma3 {
namespace {

std::vector<size_t> Positions(size_t first, size_t count) {
  std::vector<size_t> out(count);
  std::iota(out.begin(), out.end(), first);
  return out;
}

TEST(RopeInverseFrequenciesTest, AreThePublishedModels) {
  struct Case {
    float theta;
    size_t head_dim;
    double first, second, quarter, last;  // i = 1, 2, head_dim / 4, head_dim / 2 - 1
  };
  const Case cases[] = {
      {1e4f, 256, 0.930572041, 0.865964323, 0.01, 1.07460783e-4},
      {1e6f, 256, 0.897687132, 0.805842188, 0.001, 1.11397386e-6},
      {1e4f, 128, 0.865964323, 0.749894209, 0.01, 1.15478198e-4},
      {1e6f, 128, 0.805842188, 0.649381632, 0.001, 1.24093776e-6},
  };
  // The exponent rounds once (which changes the power by up to ln(theta) < 14 roundings), the power
  // and the quotient once each; the table has nine digits.
  constexpr double kRelative = 16 * kUnitRoundoff + 1e-9;
  for (const Case& c : cases) {
    const auto f = RopeInverseFrequencies(c.head_dim, c.theta, 1);
    ASSERT_EQ(f.size(), c.head_dim / 2);
    EXPECT_EQ(f[0], 1.0f);
    EXPECT_NEAR(f[1], c.first, kRelative * c.first);
    EXPECT_NEAR(f[2], c.second, kRelative * c.second);
    EXPECT_NEAR(f[c.head_dim / 4], c.quarter, kRelative * c.quarter);
    EXPECT_NEAR(f.back(), c.last, kRelative * c.last);
  }
}

TEST(RopeInverseFrequenciesTest, FactorDividesThem) {
  const auto plain = RopeInverseFrequencies(256, 1e6f, 1);
  const auto divided = RopeInverseFrequencies(256, 1e6f, 8);
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(divided[i], plain[i] / 8);
}

TEST(RopeTableTest, IsExactToTheEndOfTheContext) {
  const auto frequencies = RopeInverseFrequencies(256, 1e4f, 1);
  const size_t half = frequencies.size();
  constexpr size_t kCount = 3;
  for (const size_t first : {size_t{0}, size_t{1}, size_t{1023}, size_t{131069}}) {
    std::vector<float> cos(kCount * half), sin(kCount * half);
    RopeTable(Positions(first, kCount), frequencies, cos.data(), sin.data());
    for (size_t r = 0; r < kCount; ++r) {
      for (size_t i = 0; i < half; ++i) {
        const float angle = static_cast<float>(first + r) * frequencies[i];
        // An independent, wider evaluation; f32 rounds it once.
        const long double want_cos = std::cos(static_cast<long double>(angle));
        const long double want_sin = std::sin(static_cast<long double>(angle));
        ASSERT_NEAR(cos[r * half + i], want_cos, 1.0001 * kUnitRoundoff * std::abs(want_cos));
        ASSERT_NEAR(sin[r * half + i], want_sin, 1.0001 * kUnitRoundoff * std::abs(want_sin));
      }
    }
  }
}

// Rows of several sequences stand in one batch: each has a position of its own.
TEST(RopeTableTest, PositionsAreInAnyOrder) {
  const auto frequencies = RopeInverseFrequencies(8, 1e4f, 1);
  const std::vector<size_t> positions = {7, 131071, 0, 7};
  std::vector<float> cos(16), sin(16);
  RopeTable(positions, frequencies, cos.data(), sin.data());
  for (size_t r = 0; r < positions.size(); ++r) {
    std::vector<float> own_cos(4), own_sin(4);
    RopeTable(std::span(positions).subspan(r, 1), frequencies, own_cos.data(), own_sin.data());
    EXPECT_TRUE(std::equal(own_cos.begin(), own_cos.end(), cos.begin() + 4 * r));
    EXPECT_TRUE(std::equal(own_sin.begin(), own_sin.end(), sin.begin() + 4 * r));
  }
}

TEST(ApplyRopeTest, TurnsHalfSplitPairs) {
  ThreadPool pool(2);
  std::mt19937 rng(1);
  ForEachTarget([&](int64_t) {
    // Halves of 1, 2, 5, 8, 36 and 128: with and without remainders for every vector width.
    for (const size_t head_dim : {2, 4, 10, 16, 72, 256}) {
      constexpr size_t kRows = 4, kHeads = 3, kFirst = 1000;
      const size_t half = head_dim / 2;
      const auto frequencies = RopeInverseFrequencies(head_dim, 1e4f, 1);
      GuardedMatrix cos(1, kRows * half), sin(1, kRows * half);
      RopeTable(Positions(kFirst, kRows), frequencies, cos.row(0).data(), sin.row(0).data());
      GuardedMatrix x(kRows, kHeads * head_dim);
      x.FillUniform(rng, -2, 2);
      const GuardedMatrix before = x;
      ApplyRope(x.view(), head_dim, cos.row(0).data(), sin.row(0).data(), pool);
      for (size_t r = 0; r < kRows; ++r) {
        std::vector<double> angle(half);
        for (size_t i = 0; i < half; ++i) {
          angle[i] = static_cast<float>(kFirst + r) * frequencies[i];
        }
        for (size_t h = 0; h < kHeads; ++h) {
          const auto head = before.row(r).subspan(h * head_dim, head_dim);
          const auto want = reference::ApplyRope(head, angle);
          for (size_t i = 0; i < head_dim; ++i) {
            // Two table entries, two products, one sum: each term gathers at most 3 roundings.
            const double error =
                3.01 * kUnitRoundoff * (std::abs(head[i % half]) + std::abs(head[i % half + half]));
            ASSERT_NEAR(x.row(r)[h * head_dim + i], want[i], error) << head_dim << " at " << i;
          }
        }
      }
      EXPECT_TRUE(x.GuardsIntact());
    }
  });
}

TEST(ApplyRopeTest, PositionZeroChangesNothing) {
  ThreadPool pool(1);
  std::mt19937 rng(2);
  const auto frequencies = RopeInverseFrequencies(72, 1e4f, 1);
  std::vector<float> cos(36), sin(36);
  RopeTable(Positions(0, 1), frequencies, cos.data(), sin.data());
  ForEachTarget([&](int64_t) {
    GuardedMatrix x(1, 144);
    x.FillUniform(rng, -2, 2);
    const GuardedMatrix before = x;
    ApplyRope(x.view(), 72, cos.data(), sin.data(), pool);
    EXPECT_EQ(x, before);
  });
}

TEST(ApplyRopeTest, BitsDependNeitherOnThreadsNorOnOtherRows) {
  constexpr size_t kRows = 67, kHeadDim = 104, kHeads = 5, kHalf = kHeadDim / 2;
  std::mt19937 rng(3);
  GuardedMatrix x(kRows, kHeads * kHeadDim);
  x.FillUniform(rng, -2, 2);
  std::vector<float> cos(kRows * kHalf), sin(kRows * kHalf);
  RopeTable(Positions(5, kRows), RopeInverseFrequencies(kHeadDim, 1e6f, 8), cos.data(), sin.data());
  ForEachTarget([&](int64_t) {
    ThreadPool one(1);
    GuardedMatrix want = x;
    for (size_t r = 0; r < kRows; ++r) {
      ApplyRope(want.view().Slice(r, 1), kHeadDim, &cos[r * kHalf], &sin[r * kHalf], one);
    }
    for (const size_t threads : {1, 2, 3, 5}) {
      ThreadPool pool(threads);
      GuardedMatrix got = x;
      ApplyRope(got.view(), kHeadDim, cos.data(), sin.data(), pool);
      EXPECT_EQ(got, want) << threads << " threads";
    }
  });
}

}  // namespace
}  // namespace gemma3
