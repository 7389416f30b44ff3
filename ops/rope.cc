// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The tables are computed with the C library's double functions: they cost microseconds a token and
// are right for any angle. Only the rotation is a kernel.
#include "ops/rope.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/rope.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
#include "ops/parallel_rows.h"

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Turns the pairs (low[i], high[i]) of one head by the angle with cosine cos[i] and sine sin[i].
HWY_INLINE void RotateHead(float* HWY_RESTRICT low, float* HWY_RESTRICT high,
                           const float* HWY_RESTRICT cos, const float* HWY_RESTRICT sin,
                           size_t half) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const size_t N = hn::Lanes(d);
  size_t i = 0;
  for (; i + N <= half; i += N) {
    const V c = hn::LoadU(d, cos + i);
    const V s = hn::LoadU(d, sin + i);
    const V a = hn::LoadU(d, low + i);
    const V b = hn::LoadU(d, high + i);
    hn::StoreU(hn::NegMulAdd(b, s, hn::Mul(a, c)), d, low + i);
    hn::StoreU(hn::MulAdd(a, s, hn::Mul(b, c)), d, high + i);
  }
  if (i < half) {
    const size_t rest = half - i;
    const V c = hn::LoadN(d, cos + i, rest);
    const V s = hn::LoadN(d, sin + i, rest);
    const V a = hn::LoadN(d, low + i, rest);
    const V b = hn::LoadN(d, high + i, rest);
    hn::StoreN(hn::NegMulAdd(b, s, hn::Mul(a, c)), d, low + i, rest);
    hn::StoreN(hn::MulAdd(a, s, hn::Mul(b, c)), d, high + i, rest);
  }
}

void ApplyRopeAll(Rows<float> x, size_t head_dim, const float* cos, const float* sin,
                  ThreadPool& pool) {
  const size_t half = head_dim / 2;
  ParallelRows(x.rows, x.cols, pool, [&](size_t begin, size_t end) HWY_ATTR {
    for (size_t r = begin; r < end; ++r) {
      for (float* head = x.row(r); head != x.row(r) + x.cols; head += head_dim) {
        RotateHead(head, head + half, cos + r * half, sin + r * half, half);
      }
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3 {
HWY_EXPORT(ApplyRopeAll);

std::vector<float> RopeInverseFrequencies(size_t head_dim, float theta, float factor) {
  std::vector<float> inverse_frequency(head_dim / 2);
  for (size_t i = 0; i < inverse_frequency.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    // Each step rounds to f32 because the reference's does; a more exact value is another value.
    const float power =
        static_cast<float>(std::pow(static_cast<double>(theta), static_cast<double>(exponent)));
    inverse_frequency[i] = 1.0f / power / factor;
  }
  return inverse_frequency;
}

void RopeTable(std::span<const size_t> positions, std::span<const float> inverse_frequency,
               float* cos, float* sin) {
  for (const size_t place : positions) {
    const float position = static_cast<float>(place);
    for (const float frequency : inverse_frequency) {
      const float angle = position * frequency;
      *cos++ = static_cast<float>(std::cos(static_cast<double>(angle)));
      *sin++ = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
}

void ApplyRope(Rows<float> x, size_t head_dim, const float* cos, const float* sin,
               ThreadPool& pool) {
  HWY_DYNAMIC_DISPATCH(ApplyRopeAll)(x, head_dim, cos, sin, pool);
}

}  // namespace gemma3
#endif  // HWY_ONCE
