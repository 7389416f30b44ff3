// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Two passes over a row that stays in the L1 or L2 cache: sums, then the result. Sums run in four
// accumulators, which hides the latency of the addition and keeps the error of n terms near n / 4N
// roundings (N lanes) instead of n. Their order depends on n alone, never on the memory's
// alignment.
#include "ops/norm.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/norm.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
#include "ops/parallel_rows.h"

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;

// The sum over x[0, n), where term(v, sum) adds the terms of a vector to a vector of sums. A last,
// partial vector comes padded with zeros; tail(count, v) replaces the padding where zero would not
// do.
template <class Term, class Tail>
HWY_INLINE float SumTerms(const float* HWY_RESTRICT x, size_t n, const Term& term,
                          const Tail& tail) {
  const DF d;
  const size_t N = hn::Lanes(d);
  VF sum0 = hn::Zero(d), sum1 = hn::Zero(d), sum2 = hn::Zero(d), sum3 = hn::Zero(d);
  size_t i = 0;
  for (; i + 4 * N <= n; i += 4 * N) {
    sum0 = term(hn::LoadU(d, x + i), sum0);
    sum1 = term(hn::LoadU(d, x + i + N), sum1);
    sum2 = term(hn::LoadU(d, x + i + 2 * N), sum2);
    sum3 = term(hn::LoadU(d, x + i + 3 * N), sum3);
  }
  for (; i + N <= n; i += N) sum0 = term(hn::LoadU(d, x + i), sum0);
  if (i < n) sum1 = term(tail(n - i, hn::LoadN(d, x + i, n - i)), sum1);
  return hn::ReduceSum(d, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3)));
}

HWY_INLINE float SumOfSquares(const float* HWY_RESTRICT x, size_t n) {
  return SumTerms(
      x, n, [](VF v, VF sum) HWY_ATTR { return hn::MulAdd(v, v, sum); },
      [](size_t, VF v) HWY_ATTR { return v; });
}

HWY_INLINE float Sum(const float* HWY_RESTRICT x, size_t n) {
  return SumTerms(
      x, n, [](VF v, VF sum) HWY_ATTR { return hn::Add(sum, v); },
      [](size_t, VF v) HWY_ATTR { return v; });
}

HWY_INLINE float SumOfSquaredDeviations(const float* HWY_RESTRICT x, size_t n, float mean) {
  return SumTerms(
      x, n,
      [mean](VF v, VF sum) HWY_ATTR {
        const VF deviation = hn::Sub(v, hn::Set(DF(), mean));
        return hn::MulAdd(deviation, deviation, sum);
      },
      // Padding at the mean adds nothing.
      [mean](size_t count, VF v)
          HWY_ATTR { return hn::IfThenElse(hn::FirstN(DF(), count), v, hn::Set(DF(), mean)); });
}

// The factor that makes the mean square of x one.
HWY_INLINE float InverseRms(const float* HWY_RESTRICT x, size_t n, float eps) {
  const double mean = static_cast<double>(SumOfSquares(x, n)) / static_cast<double>(n);
  return static_cast<float>(1.0 / std::sqrt(mean + static_cast<double>(eps)));
}

// out = x * scale * gain, the last product rounded alone: x and out may be the same memory.
HWY_INLINE void ScaleByGain(const float* x, float scale, const float* HWY_RESTRICT gain, size_t n,
                            float* out) {
  const DF d;
  const size_t N = hn::Lanes(d);
  const VF factor = hn::Set(d, scale);
  size_t i = 0;
  for (; i + N <= n; i += N) {
    const VF v = hn::Mul(hn::LoadU(d, x + i), factor);
    hn::StoreU(hn::Mul(v, hn::LoadU(d, gain + i)), d, out + i);
  }
  if (i < n) {
    const VF v = hn::Mul(hn::LoadN(d, x + i, n - i), factor);
    hn::StoreN(hn::Mul(v, hn::LoadN(d, gain + i, n - i)), d, out + i, n - i);
  }
}

HWY_INLINE void AddScaledByGain(const float* HWY_RESTRICT x, float scale,
                                const float* HWY_RESTRICT gain, size_t n, float* HWY_RESTRICT sum) {
  const DF d;
  const size_t N = hn::Lanes(d);
  const VF factor = hn::Set(d, scale);
  size_t i = 0;
  for (; i + N <= n; i += N) {
    const VF v = hn::Mul(hn::LoadU(d, x + i), factor);
    hn::StoreU(hn::MulAdd(v, hn::LoadU(d, gain + i), hn::LoadU(d, sum + i)), d, sum + i);
  }
  if (i < n) {
    const size_t rest = n - i;
    const VF v = hn::Mul(hn::LoadN(d, x + i, rest), factor);
    hn::StoreN(hn::MulAdd(v, hn::LoadN(d, gain + i, rest), hn::LoadN(d, sum + i, rest)), d, sum + i,
               rest);
  }
}

void RmsNormAll(Rows<const float> x, const float* gain, float eps, Rows<float> out,
                ThreadPool& pool) {
  ParallelRows(x.rows, x.cols, pool, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t r = begin; r < end; ++r) {
      ScaleByGain(x.row(r), InverseRms(x.row(r), x.cols, eps), gain, x.cols, out.row(r));
    }
  });
}

void RmsNormAddAll(Rows<const float> x, const float* gain, float eps, Rows<float> residual,
                   ThreadPool& pool) {
  ParallelRows(x.rows, x.cols, pool, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t r = begin; r < end; ++r) {
      AddScaledByGain(x.row(r), InverseRms(x.row(r), x.cols, eps), gain, x.cols, residual.row(r));
    }
  });
}

void RmsNormHeadsAll(Rows<float> x, std::span<const float> gain, float eps, ThreadPool& pool) {
  const size_t head_dim = gain.size();
  ParallelRows(x.rows, x.cols, pool, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t r = begin; r < end; ++r) {
      for (float* head = x.row(r); head != x.row(r) + x.cols; head += head_dim) {
        ScaleByGain(head, InverseRms(head, head_dim, eps), gain.data(), head_dim, head);
      }
    }
  });
}

// (x - mean) * scale * weight + bias.
HWY_INLINE void LayerNormRow(const float* x, const float* HWY_RESTRICT weight,
                             const float* HWY_RESTRICT bias, float eps, size_t n, float* out) {
  const float mean = static_cast<float>(static_cast<double>(Sum(x, n)) / static_cast<double>(n));
  const double variance =
      static_cast<double>(SumOfSquaredDeviations(x, n, mean)) / static_cast<double>(n);
  const float scale = static_cast<float>(1.0 / std::sqrt(variance + static_cast<double>(eps)));
  const DF d;
  const size_t N = hn::Lanes(d);
  const VF center = hn::Set(d, mean);
  const VF factor = hn::Set(d, scale);
  size_t i = 0;
  for (; i + N <= n; i += N) {
    const VF v = hn::Mul(hn::Sub(hn::LoadU(d, x + i), center), factor);
    hn::StoreU(hn::MulAdd(v, hn::LoadU(d, weight + i), hn::LoadU(d, bias + i)), d, out + i);
  }
  if (i < n) {
    const size_t rest = n - i;
    const VF v = hn::Mul(hn::Sub(hn::LoadN(d, x + i, rest), center), factor);
    hn::StoreN(hn::MulAdd(v, hn::LoadN(d, weight + i, rest), hn::LoadN(d, bias + i, rest)), d,
               out + i, rest);
  }
}

void LayerNormAll(Rows<const float> x, const float* weight, const float* bias, float eps,
                  Rows<float> out, ThreadPool& pool) {
  ParallelRows(x.rows, x.cols, pool, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t r = begin; r < end; ++r) {
      LayerNormRow(x.row(r), weight, bias, eps, x.cols, out.row(r));
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3 {
HWY_EXPORT(RmsNormAll);
HWY_EXPORT(RmsNormAddAll);
HWY_EXPORT(RmsNormHeadsAll);
HWY_EXPORT(LayerNormAll);

void RmsNorm(Rows<const float> x, std::span<const float> gain, float eps, Rows<float> out,
             ThreadPool& pool) {
  HWY_DYNAMIC_DISPATCH(RmsNormAll)(x, gain.data(), eps, out, pool);
}

void RmsNormAdd(Rows<const float> x, std::span<const float> gain, float eps, Rows<float> residual,
                ThreadPool& pool) {
  HWY_DYNAMIC_DISPATCH(RmsNormAddAll)(x, gain.data(), eps, residual, pool);
}

void RmsNormHeads(Rows<float> x, std::span<const float> gain, float eps, ThreadPool& pool) {
  HWY_DYNAMIC_DISPATCH(RmsNormHeadsAll)(x, gain, eps, pool);
}

void LayerNorm(Rows<const float> x, std::span<const float> weight, std::span<const float> bias,
               float eps, Rows<float> out, ThreadPool& pool) {
  HWY_DYNAMIC_DISPATCH(LayerNormAll)(x, weight.data(), bias.data(), eps, out, pool);
}

}  // namespace gemma3
#endif  // HWY_ONCE
