// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/peak.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "tests/ops/kernel_test_util.h"

namespace gemma3 {
namespace {

// How fast a machine is cannot be tested, and under load any rate is possible. But a loop that the
// compiler removed would look infinitely fast: no core does 1e15 operations a second (a million
// a nanosecond), or reads as many bytes.
void ExpectRate(double rate, size_t threads) {
  EXPECT_GT(rate, 0);
  EXPECT_LT(rate, 1e15 * static_cast<double>(threads));
}

TEST(ComputePeaksTest, AreRatesOnEveryTarget) {
  ThreadPool pool(2);
  ForEachTarget([&](int64_t) {
    const ComputePeaks peaks = MeasureComputePeaks(pool);
    ExpectRate(peaks.f32, 2);
    ExpectRate(peaks.bf16, 2);
    ExpectRate(peaks.int8, 2);
  });
}

TEST(ReadBandwidthTest, ReadsAnyAmountOfMemory) {
  ForEachTarget([&](int64_t) {
    // Exactly as long as said, so that the address sanitizer sees a byte too many.
    for (const size_t threads : {1, 3}) {
      ThreadPool pool(threads);
      for (const size_t bytes : {size_t{1}, size_t{2}, size_t{1000}, size_t{100001}}) {
        const std::vector<std::byte> memory(bytes, std::byte{7});
        ExpectRate(MeasureReadBandwidth(memory, pool, 0.001), threads);
      }
    }
  });
}

TEST(ReadBandwidthTest, OfNothingIsZero) {
  ThreadPool pool(1);
  EXPECT_EQ(MeasureReadBandwidth({}, pool, 0.001), 0);
}

}  // namespace
}  // namespace gemma3
