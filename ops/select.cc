// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// One pass over the logits at the speed of memory for the usual k: a value is looked at closely
// only if it beats the k-th best of those seen, which after n values happens with probability k /
// n.
#include "ops/select.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/select.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
//
#include "hwy/contrib/math/math-inl.h"

#ifndef GEMMA3_OPS_SELECT_ONCE
#define GEMMA3_OPS_SELECT_ONCE
namespace gemma3 {
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The order that TopK promises. Not for NaN.
inline bool Likelier(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// Keeps the k first by Likelier, in no order, and returns the last of them.
inline Candidate KeepLikeliest(size_t k, std::vector<Candidate>& candidates) {
  const auto kth = candidates.begin() + static_cast<ptrdiff_t>(k) - 1;
  std::nth_element(candidates.begin(), kth, candidates.end(), Likelier);
  const Candidate last = *kth;
  candidates.resize(k);
  return last;
}
}  // namespace gemma3
#endif  // GEMMA3_OPS_SELECT_ONCE

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;

// The largest value, or -inf if there is none but NaN. Comparisons with NaN are false, so NaN never
// replaces the maximum; Max would not promise that on every CPU.
HWY_INLINE float MaxOf(const float* HWY_RESTRICT x, size_t n) {
  const DF d;
  const size_t N = hn::Lanes(d);
  const VF lowest = hn::Set(d, -kInfinity);
  VF max0 = lowest, max1 = lowest, max2 = lowest, max3 = lowest;
  const auto larger = [](VF v, VF max) HWY_ATTR { return hn::IfThenElse(hn::Gt(v, max), v, max); };
  size_t i = 0;
  for (; i + 4 * N <= n; i += 4 * N) {
    max0 = larger(hn::LoadU(d, x + i), max0);
    max1 = larger(hn::LoadU(d, x + i + N), max1);
    max2 = larger(hn::LoadU(d, x + i + 2 * N), max2);
    max3 = larger(hn::LoadU(d, x + i + 3 * N), max3);
  }
  for (; i + N <= n; i += N) max0 = larger(hn::LoadU(d, x + i), max0);
  if (i < n) max1 = larger(hn::LoadNOr(lowest, d, x + i, n - i), max1);
  return hn::ReduceMax(d, hn::Max(hn::Max(max0, max1), hn::Max(max2, max3)));
}

size_t ArgMaxAll(const float* HWY_RESTRICT x, size_t n) {
  const DF d;
  const size_t N = hn::Lanes(d);
  const float max = MaxOf(x, n);
  const VF wanted = hn::Set(d, max);
  size_t i = 0;
  for (; i + N <= n; i += N) {
    const intptr_t lane = hn::FindFirstTrue(d, hn::Eq(hn::LoadU(d, x + i), wanted));
    if (lane >= 0) return i + static_cast<size_t>(lane);
  }
  for (; i < n; ++i) {
    if (x[i] == max) return i;
  }
  return 0;  // all are NaN
}

// Appends to out every x[i] that is among the k largest of x[0, i], and perhaps some that later
// turned out not to be. Leaves out -inf and NaN. Capacity of out: at least `limit`, at least k + 1.
void CollectAll(const float* HWY_RESTRICT x, size_t n, size_t k, size_t limit,
                std::vector<Candidate>& out) {
  const DF d;
  const size_t N = hn::Lanes(d);
  float threshold = -kInfinity;
  // Ids rise, so a value equal to the k-th best loses the tie: strictly greater is right.
  const auto look_at = [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      if (!(x[i] > threshold)) continue;
      out.push_back({static_cast<int32_t>(i), x[i]});
      if (out.size() == limit) threshold = KeepLikeliest(k, out).logit;
    }
  };
  size_t i = 0;
  for (; i + 4 * N <= n; i += 4 * N) {
    const VF beat = hn::Set(d, threshold);
    const auto m0 = hn::Gt(hn::LoadU(d, x + i), beat);
    const auto m1 = hn::Gt(hn::LoadU(d, x + i + N), beat);
    const auto m2 = hn::Gt(hn::LoadU(d, x + i + 2 * N), beat);
    const auto m3 = hn::Gt(hn::LoadU(d, x + i + 3 * N), beat);
    if (HWY_LIKELY(hn::AllFalse(d, hn::Or(hn::Or(m0, m1), hn::Or(m2, m3))))) continue;
    if (!hn::AllFalse(d, m0)) look_at(i, i + N);
    if (!hn::AllFalse(d, m1)) look_at(i + N, i + 2 * N);
    if (!hn::AllFalse(d, m2)) look_at(i + 2 * N, i + 3 * N);
    if (!hn::AllFalse(d, m3)) look_at(i + 3 * N, i + 4 * N);
  }
  look_at(i, n);
}

double LogSumExpAll(const float* HWY_RESTRICT x, size_t n) {
  const DF d;
  const size_t N = hn::Lanes(d);
  const float max = MaxOf(x, n);
  const VF vmax = hn::Set(d, max);
  // Exponentials go through a buffer because not every target has vectors of doubles; the buffer
  // also fixes the order of the sum for all targets.
  constexpr size_t kSums = 8;
  constexpr size_t kBlock = 256;
  HWY_ALIGN float terms[kBlock + HWY_MAX_BYTES / sizeof(float)];
  double sums[kSums] = {};
  bool nan = false;
  for (size_t begin = 0; begin < n; begin += kBlock) {
    const size_t count = HWY_MIN(kBlock, n - begin);
    auto is_nan = hn::MaskFalse(d);
    for (size_t i = 0; i < count; i += N) {
      const VF v = hn::LoadN(d, x + begin + i, HWY_MIN(N, count - i));
      is_nan = hn::Or(is_nan, hn::IsNaN(v));
      hn::StoreU(hn::Exp(d, hn::Sub(v, vmax)), d, terms + i);
    }
    nan |= !hn::AllFalse(d, is_nan);
    for (size_t i = count; i % kSums != 0; ++i) terms[i] = 0;
    for (size_t i = 0; i < count; i += kSums) {
      for (size_t s = 0; s < kSums; ++s) sums[s] += static_cast<double>(terms[i + s]);
    }
  }
  if (nan) return std::numeric_limits<double>::quiet_NaN();
  if (std::isinf(max)) return static_cast<double>(max);  // x - max has no meaning
  double sum = 0;
  for (const double s : sums) sum += s;
  return static_cast<double>(max) + std::log(sum);
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3 {
namespace {
HWY_EXPORT(ArgMaxAll);
HWY_EXPORT(CollectAll);
HWY_EXPORT(LogSumExpAll);

// Unsigned numbers that rise as logits fall; equal for 0 and -0, largest for NaN.
uint32_t FallingKey(float logit) {
  if (std::isnan(logit)) return 0xFFFFFFFFu;
  const uint32_t bits = logit == 0 ? 0 : std::bit_cast<uint32_t>(logit);
  return (bits >> 31) != 0 ? bits : ~(bits | 0x80000000u);
}

// All of x in the order of TopK, in time proportional to their number: a radix sort by bytes, which
// keeps the order of ids among equals.
void SortAll(std::span<const float> x, std::vector<Candidate>& out) {
  constexpr size_t kPasses = 4;  // even, so that the result ends where it began
  const size_t n = x.size();
  out.resize(2 * n);
  Candidate* from = out.data();
  Candidate* to = out.data() + n;
  std::array<std::array<uint32_t, 256>, kPasses> starts{};
  for (size_t i = 0; i < n; ++i) {
    from[i] = {static_cast<int32_t>(i), x[i]};
    const uint32_t key = FallingKey(x[i]);
    for (size_t pass = 0; pass < kPasses; ++pass) ++starts[pass][(key >> (8 * pass)) & 255];
  }
  for (size_t pass = 0; pass < kPasses; ++pass) {
    uint32_t start = 0;
    for (uint32_t& s : starts[pass]) start += std::exchange(s, start);
    for (size_t i = 0; i < n; ++i) {
      to[starts[pass][(FallingKey(from[i].logit) >> (8 * pass)) & 255]++] = from[i];
    }
    std::swap(from, to);
  }
  out.resize(n);
}

}  // namespace

size_t ArgMax(std::span<const float> x) {
  return HWY_DYNAMIC_DISPATCH(ArgMaxAll)(x.data(), x.size());
}

void TopK(std::span<const float> x, size_t k, std::vector<Candidate>& out) {
  out.clear();
  k = std::min(k, x.size());
  if (k == 0) return;
  // From here on sorting everything is the cheaper way.
  if (k > 2048 && k > x.size() / 8) {
    SortAll(x, out);
    out.resize(k);
    return;
  }
  // A larger buffer means fewer selections from it; these 512 make them negligible.
  const size_t limit = k + std::max<size_t>(k, 512);
  out.reserve(limit);
  HWY_DYNAMIC_DISPATCH(CollectAll)(x.data(), x.size(), k, limit, out);
  if (out.size() > k) KeepLikeliest(k, out);
  std::sort(out.begin(), out.end(), Likelier);
  for (size_t i = 0; out.size() < k && i < x.size(); ++i) {
    if (x[i] == -kInfinity) out.push_back({static_cast<int32_t>(i), x[i]});
  }
  for (size_t i = 0; out.size() < k && i < x.size(); ++i) {
    if (std::isnan(x[i])) out.push_back({static_cast<int32_t>(i), x[i]});
  }
}

double LogSumExp(std::span<const float> x) {
  return HWY_DYNAMIC_DISPATCH(LogSumExpAll)(x.data(), x.size());
}

}  // namespace gemma3
#endif  // HWY_ONCE
