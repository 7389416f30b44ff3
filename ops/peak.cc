// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Twelve chains of dependent operations in registers: more than latency times throughput of any
// multiply-add unit (4 to 6 cycles, two a cycle), and few enough for 16 vector registers.
#include "ops/peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/peak.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Each kernel runs `rounds` times twelve operations and adds the operations to *ops. The result
// depends on all of them, so that none is optimised away.

// Calls step on twelve sums, `rounds` times. Different first values keep the compiler from merging
// the chains.
template <class D, class Step>
HWY_INLINE hn::TFromD<D> TwelveChains(D d, size_t rounds, const Step& step) {
  using T = hn::TFromD<D>;
  using V = hn::Vec<D>;
  V c0 = hn::Set(d, T(0)), c1 = hn::Set(d, T(1)), c2 = hn::Set(d, T(2)), c3 = hn::Set(d, T(3));
  V c4 = hn::Set(d, T(4)), c5 = hn::Set(d, T(5)), c6 = hn::Set(d, T(6)), c7 = hn::Set(d, T(7));
  V c8 = hn::Set(d, T(8)), c9 = hn::Set(d, T(9)), c10 = hn::Set(d, T(10)), c11 = hn::Set(d, T(11));
  for (size_t i = 0; i < rounds; ++i) {
    c0 = step(c0), c1 = step(c1), c2 = step(c2), c3 = step(c3);
    c4 = step(c4), c5 = step(c5), c6 = step(c6), c7 = step(c7);
    c8 = step(c8), c9 = step(c9), c10 = step(c10), c11 = step(c11);
  }
  const V a = hn::Add(hn::Add(c0, c1), hn::Add(c2, c3));
  const V b = hn::Add(hn::Add(c4, c5), hn::Add(c6, c7));
  const V c = hn::Add(hn::Add(c8, c9), hn::Add(c10, c11));
  return hn::ReduceSum(d, hn::Add(a, hn::Add(b, c)));
}

// factor is 1 but unknown to the compiler.
double RunF32(size_t rounds, int factor, double* ops) {
  const hn::ScalableTag<float> d;
  const auto x = hn::Set(d, static_cast<float>(factor));
  *ops += 2.0 * 12.0 * static_cast<double>(rounds) * static_cast<double>(hn::Lanes(d));
  return TwelveChains(d, rounds,
                      [x](hn::Vec<decltype(d)> sum) HWY_ATTR { return hn::MulAdd(x, x, sum); });
}

double RunBf16(size_t rounds, int factor, double* ops) {
#if HWY_NATIVE_DOT_BF16
  const hn::ScalableTag<float> d;
  const hn::Repartition<hwy::bfloat16_t, decltype(d)> d16;
  const auto x = hn::Set(d16, hwy::BF16FromF32(static_cast<float>(factor)));
  *ops += 2.0 * 12.0 * static_cast<double>(rounds) * static_cast<double>(hn::Lanes(d16));
  return TwelveChains(d, rounds, [d, x](hn::Vec<decltype(d)> sum) HWY_ATTR {
    auto unused = hn::Zero(d);
    return hn::ReorderWidenMulAccumulate(d, x, x, sum, unused);
  });
#else
  return RunF32(rounds, factor, ops);
#endif
}

double RunInt8(size_t rounds, int factor, double* ops) {
#if HWY_TARGET == HWY_SCALAR  // has no vectors of four bytes
  uint32_t sums[4] = {};
  for (size_t i = 0; i < 12 * rounds; ++i) sums[i % 4] += static_cast<uint32_t>(factor);
  *ops += 2.0 * 12.0 * static_cast<double>(rounds);
  return sums[0] + sums[1] + sums[2] + sums[3];
#else
  const hn::ScalableTag<int32_t> d;
  const hn::Repartition<uint8_t, decltype(d)> du8;
  const hn::Repartition<int8_t, decltype(d)> di8;
  const auto x = hn::Set(du8, static_cast<uint8_t>(factor));
  const auto y = hn::Set(di8, static_cast<int8_t>(factor));
  *ops += 2.0 * 12.0 * static_cast<double>(rounds) * static_cast<double>(hn::Lanes(di8));
  return TwelveChains(d, rounds, [d, x, y](hn::Vec<decltype(d)> sum) HWY_ATTR {
    return hn::SumOfMulQuadAccumulate(d, x, y, sum);
  });
#endif
}

// Reads [data, data + bytes) once, in order.
uint8_t ReadAll(const uint8_t* HWY_RESTRICT data, size_t bytes) {
  const hn::ScalableTag<uint8_t> d;
  const size_t N = hn::Lanes(d);
  auto x0 = hn::Zero(d), x1 = hn::Zero(d), x2 = hn::Zero(d), x3 = hn::Zero(d);
  size_t i = 0;
  for (; i + 4 * N <= bytes; i += 4 * N) {
    x0 = hn::Xor(x0, hn::LoadU(d, data + i));
    x1 = hn::Xor(x1, hn::LoadU(d, data + i + N));
    x2 = hn::Xor(x2, hn::LoadU(d, data + i + 2 * N));
    x3 = hn::Xor(x3, hn::LoadU(d, data + i + 3 * N));
  }
  uint8_t rest = 0;
  for (; i < bytes; ++i) rest = static_cast<uint8_t>(rest ^ data[i]);
  return static_cast<uint8_t>(rest ^ hn::GetLane(hn::Xor(hn::Xor(x0, x1), hn::Xor(x2, x3))));
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3 {
namespace {
HWY_EXPORT(RunF32);
HWY_EXPORT(RunBf16);
HWY_EXPORT(RunInt8);
HWY_EXPORT(ReadAll);

using Clock = std::chrono::steady_clock;
using Kernel = double (*)(size_t rounds, int factor, double* ops);

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double BestRate(Kernel kernel, ThreadPool& pool) {
  // Results go through these so that the compiler must compute them, and factor must be read.
  std::atomic<double> sink{0};
  std::atomic<int> factor{1};
  // One run on all threads; returns operations per second.
  const auto run = [&](size_t rounds, double* seconds) {
    std::atomic<double> total{0};
    const auto start = Clock::now();
    pool.ParallelFor(pool.num_threads(), [&](size_t /*task*/, size_t /*thread*/) {
      double ops = 0;
      sink.store(kernel(rounds, factor.load(), &ops), std::memory_order_relaxed);
      total.fetch_add(ops);
    });
    *seconds = SecondsSince(start);
    return *seconds > 0 ? total.load() / *seconds : 0.0;
  };
  constexpr double kRunSeconds = 0.005;  // long against waking threads, short against preemption
  constexpr double kTotalSeconds = 0.3;
  double seconds = 0;
  size_t rounds = 1000;
  while (run(rounds, &seconds), seconds < kRunSeconds && rounds < (size_t{1} << 40)) rounds *= 2;
  double best = 0;
  for (const auto start = Clock::now(); SecondsSince(start) < kTotalSeconds;) {
    best = std::max(best, run(rounds, &seconds));
  }
  return best;
}

}  // namespace

ComputePeaks MeasureComputePeaks(ThreadPool& pool) {
  ComputePeaks peaks;
  peaks.f32 = BestRate(HWY_DYNAMIC_POINTER(RunF32), pool);
  peaks.bf16 = BestRate(HWY_DYNAMIC_POINTER(RunBf16), pool);
  peaks.int8 = BestRate(HWY_DYNAMIC_POINTER(RunInt8), pool);
  return peaks;
}

double MeasureReadBandwidth(std::span<const std::byte> memory, ThreadPool& pool,
                            double max_seconds) {
  if (memory.empty()) return 0;
  const auto* data = reinterpret_cast<const uint8_t*>(memory.data());
  const size_t share = (memory.size() + pool.num_threads() - 1) / pool.num_threads();
  std::atomic<uint8_t> sink{0};
  double best = 0;
  const auto start = Clock::now();
  for (size_t pass = 0; pass < 2 || SecondsSince(start) < max_seconds; ++pass) {
    const auto pass_start = Clock::now();
    pool.ParallelFor(pool.num_threads(), [&](size_t task, size_t /*thread*/) {
      const size_t begin = std::min(memory.size(), task * share);
      const size_t count = std::min(share, memory.size() - begin);
      sink.store(HWY_DYNAMIC_DISPATCH(ReadAll)(data + begin, count), std::memory_order_relaxed);
    });
    const double seconds = SecondsSince(pass_start);
    if (seconds > 0) best = std::max(best, static_cast<double>(memory.size()) / seconds);
  }
  return best;
}

}  // namespace gemma3
#endif  // HWY_ONCE
