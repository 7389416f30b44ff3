// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/select.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "ops/reference/select.h"
#include "tests/ops/kernel_test_util.h"

namespace gemma3 {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

using Maker = std::function<float(size_t i, std::mt19937& rng)>;

// Inputs that stress different parts of a selection.
const std::pair<const char*, Maker> kKinds[] = {
    {"random",
     [](size_t, std::mt19937& rng) { return std::normal_distribution<float>(0, 4)(rng); }},
    {"rising", [](size_t i, std::mt19937&) { return static_cast<float>(i); }},
    {"falling", [](size_t i, std::mt19937&) { return -static_cast<float>(i); }},
    {"few values", [](size_t, std::mt19937& rng) { return static_cast<float>(rng() % 5); }},
    {"all equal", [](size_t, std::mt19937&) { return -2.5f; }},
    {"zeros of both signs", [](size_t, std::mt19937& rng) { return rng() % 2 ? 0.0f : -0.0f; }},
    {"with NaN and infinities",
     [](size_t, std::mt19937& rng) {
       const float special[] = {kNan, -kNan, -kInf, kInf, 0.0f, -0.0f, 1.0f, -1.0f};
       return special[rng() % 8];
     }},
    {"banned but one in 97",
     [](size_t i, std::mt19937& rng) {
       return i % 97 == 96 ? static_cast<float>(rng() % 9) : -kInf;
     }},
    {"all -inf", [](size_t, std::mt19937&) { return -kInf; }},
    {"all NaN", [](size_t, std::mt19937&) { return kNan; }},
};

// One element more than asked for in front, so that the span is not aligned.
struct Input {
  std::vector<float> memory;
  std::span<const float> x() const { return std::span(memory).subspan(1); }
};

Input Make(const Maker& maker, size_t n, unsigned seed) {
  std::mt19937 rng(seed);
  Input input{{kInf}};
  for (size_t i = 0; i < n; ++i) input.memory.push_back(maker(i, rng));
  return input;
}

TEST(ArgMaxTest, IsTheFirstOfTheLargest) {
  ForEachTarget([&](int64_t) {
    for (const auto& [name, maker] : kKinds) {
      for (const size_t n : {1, 2, 3, 5, 15, 16, 17, 63, 64, 65, 100, 1000}) {
        SCOPED_TRACE(std::string(name) + " " + std::to_string(n));
        const Input input = Make(maker, n, static_cast<unsigned>(n));
        const auto want = static_cast<size_t>(reference::FallingOrder(input.x())[0]);
        ASSERT_EQ(ArgMax(input.x()), want);
      }
    }
  });
}

TEST(ArgMaxTest, FindsTheMaximumAtEveryPlace) {
  ForEachTarget([&](int64_t) {
    std::vector<float> x(150, -1.0f);
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = 2.0f;
      ASSERT_EQ(ArgMax(x), i);
      x[i] = -1.0f;
    }
  });
}

void ExpectTopK(std::span<const float> x, size_t k, std::vector<Candidate>& out) {
  TopK(x, k, out);
  const auto order = reference::FallingOrder(x);
  ASSERT_EQ(out.size(), std::min(k, x.size()));
  for (size_t i = 0; i < out.size(); ++i) {
    ASSERT_EQ(out[i].id, order[i]) << "rank " << i << " of " << k;
    const float logit = x[static_cast<size_t>(order[i])];
    ASSERT_EQ(std::bit_cast<uint32_t>(out[i].logit), std::bit_cast<uint32_t>(logit));
  }
}

TEST(TopKTest, IsThePrefixOfTheSortedValues) {
  std::vector<Candidate> out;  // one buffer for all calls, as in use
  ForEachTarget([&](int64_t) {
    for (const auto& [name, maker] : kKinds) {
      for (const size_t n : {1, 5, 64, 65, 1003, 5000}) {
        const Input input = Make(maker, n, static_cast<unsigned>(n));
        for (const size_t k : {0, 1, 2, 40, 64, 600, 2049, 5000, 9999}) {
          SCOPED_TRACE(std::string(name) + " n " + std::to_string(n));
          ASSERT_NO_FATAL_FAILURE(ExpectTopK(input.x(), k, out));
        }
      }
    }
  });
}

TEST(TopKTest, VocabularySized) {
  constexpr size_t kVocab = 262144;
  std::vector<Candidate> out;
  ForEachTarget([&](int64_t) {
    for (const auto& [name, maker] : kKinds) {
      SCOPED_TRACE(name);
      const Input input = Make(maker, kVocab, 7);
      ASSERT_NO_FATAL_FAILURE(ExpectTopK(input.x(), 64, out));
    }
  });
  // The way that sorts has no vectors; one target is enough.
  const Input input = Make(kKinds[0].second, kVocab, 8);
  for (const size_t k : {size_t{4096}, size_t{40000}, kVocab}) {
    ASSERT_NO_FATAL_FAILURE(ExpectTopK(input.x(), k, out));
  }
}

TEST(TopKTest, DoesNotAllocateAgain) {
  const Input input = Make(kKinds[0].second, 20000, 9);
  std::vector<Candidate> out;
  for (const size_t k : {size_t{64}, size_t{20000}}) {
    TopK(input.x(), k, out);
    const Candidate* memory = out.data();
    TopK(input.x(), k, out);
    EXPECT_EQ(out.data(), memory);
  }
}

// x - max rounds once, which exp turns into |x - max| roundings of the term; exp itself is off by
// 2 (1 ulp), and by 2 more without fused multiply-add. An error of the sum relative to the sum is
// the error of its logarithm.
TEST(LogSumExpTest, MatchesReference) {
  std::mt19937 rng(1);
  ForEachTarget([&](int64_t) {
    for (const size_t n : {1, 2, 7, 8, 9, 255, 256, 257, 300, 1000, 262144}) {
      for (const float spread : {0.0f, 1.0f, 10.0f, 80.0f}) {
        const auto input = Make(
            [&](size_t, std::mt19937& r) {
              return 5 + spread * std::uniform_real_distribution<float>(-1, 1)(r);
            },
            n, rng());
        double max = -1e9, sum = 0, error = 0;
        for (const double v : input.x()) max = std::max(max, v);
        for (const double v : input.x()) {
          sum += std::exp(v - max);
          error += (max - v + 4) * std::exp(v - max) * kUnitRoundoff;
        }
        // Exponentials below the smallest normal number may be lost altogether.
        error += static_cast<double>(n) * 2e-38;
        const double want = reference::LogSumExp(input.x());
        // n additions in double are far below.
        ASSERT_NEAR(LogSumExp(input.x()), want, error / sum + 1e-12 * std::abs(want) + 1e-12)
            << n << " values, spread " << spread;
      }
    }
  });
}

TEST(LogSumExpTest, SpecialValues) {
  ForEachTarget([&](int64_t) {
    EXPECT_EQ(LogSumExp(std::vector<float>{-kInf, 2.0f, -kInf}), 2.0);
    EXPECT_EQ(LogSumExp(std::vector<float>(20, -kInf)), -kInf);
    EXPECT_EQ(LogSumExp(std::vector<float>{1.0f, kInf}), kInf);
    EXPECT_NEAR(LogSumExp(std::vector<float>{3e38f, 3e38f}), 3e38, 1e32);
    std::vector<float> x(40, 1.0f);
    x[33] = kNan;
    EXPECT_TRUE(std::isnan(LogSumExp(x)));
  });
}

}  // namespace
}  // namespace gemma3
