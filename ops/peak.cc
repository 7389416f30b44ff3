// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "ops/peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/peak.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
#include "ops/bf16_dot-inl.h"
#include "ops/matmul_kernels.h"
#include "ops/peak-inl.h"
#include "ops/targets.h"

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Each kernel runs `rounds` times twelve operations and adds the operations to *ops. The result
// depends on all of them, so that none is optimised away. factor is 1 but unknown to the compiler.

double RunF32(size_t rounds, int factor, double* ops) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const auto x = hn::Set(d, static_cast<float>(factor));
  const Operands<decltype(d)> operands(static_cast<float>(factor));
  *ops += 2.0 * 12.0 * static_cast<double>(rounds) * static_cast<double>(hn::Lanes(d));
  return TwelveChains(d, d, operands, rounds, [=](V sum, const float* at) HWY_ATTR {
#if HWY_NATIVE_FMA  // one instruction: its operands may stay in registers
    (void)at;
    return hn::MulAdd(x, x, sum);
#else
    return hn::MulAdd(x, hn::Load(d, at), sum);
#endif
  });
}

double RunBf16(size_t rounds, int factor, double* ops) {
#if GEMMA3_BF16_DOT
  const hn::ScalableTag<float> d;
  const hn::Repartition<hwy::bfloat16_t, decltype(d)> d16;
  using V = hn::Vec<decltype(d)>;
  const auto x = hn::Set(d16, hwy::BF16FromF32(static_cast<float>(factor)));
  const Operands<decltype(d)> unused_operands(0.0f);
  *ops += 2.0 * 12.0 * static_cast<double>(rounds) * static_cast<double>(hn::Lanes(d16));
  return TwelveChains(d, d, unused_operands, rounds, [=](V sum, const float*) HWY_ATTR {
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
  return RunInt8Chains(rounds, factor, ops);
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
  peaks.int8 = BestRate(UsesDotVariant() ? RunInt8DotVariant : HWY_DYNAMIC_POINTER(RunInt8), pool);
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
