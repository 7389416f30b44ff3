// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The multiply-add of ops/fused-inl.h against that of the C++ library, bit for bit.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/ops/fused_test.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
//
#include "ops/fused-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gemma3 {
namespace HWY_NAMESPACE {

// out[i] = a[i] * b[i] + c[i], for a multiple of 16 values.
void FusedAll(const float* a, const float* b, const float* c, size_t count, float* out) {
#if HWY_TARGET == HWY_SCALAR  // the kernels of this target use the library's
  for (size_t i = 0; i < count; ++i) out[i] = std::fma(a[i], b[i], c[i]);
#else
  const hn::CappedTag<float, 16> d;
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    hn::StoreU(FusedMulAdd(d, hn::LoadU(d, a + i), hn::LoadU(d, b + i), hn::LoadU(d, c + i)), d,
               out + i);
  }
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "tests/ops/kernel_test_util.h"

namespace gemma3 {
namespace {
HWY_EXPORT(FusedAll);

struct Operands {
  std::vector<float> a, b, c;
  void Add(float x, float y, float z) {
    a.push_back(x);
    b.push_back(y);
    c.push_back(z);
  }
};

void Check(Operands& in) {
  while (in.a.size() % 16 != 0) in.Add(1, 1, 1);
  ForEachTarget([&](int64_t) {
    std::vector<float> out(in.a.size());
    HWY_DYNAMIC_DISPATCH(FusedAll)(in.a.data(), in.b.data(), in.c.data(), out.size(), out.data());
    for (size_t i = 0; i < out.size(); ++i) {
      const float want = std::fma(in.a[i], in.b[i], in.c[i]);
      if (std::isnan(want)) {
        ASSERT_TRUE(std::isnan(out[i]));
        continue;
      }
      ASSERT_EQ(std::bit_cast<uint32_t>(out[i]), std::bit_cast<uint32_t>(want))
          << in.a[i] << " * " << in.b[i] << " + " << in.c[i];
    }
  });
}

// What a sum rounded twice, first to f64, gets wrong: the exact value lies beside the middle of two
// f32 values by less than f64 can tell.
TEST(FusedMulAddTest, RoundsOnceBesideTheMiddleOfTwoValues) {
  Operands in;
  for (const float sign : {1.0f, -1.0f}) {
    for (const float other : {1.0f, -1.0f}) {
      for (int exponent = -60; exponent <= 60; ++exponent) {
        const float scale = std::ldexp(sign, exponent);
        for (const float odd : {1.0f, 1.0f + 0x1p-23f}) {
          // c + half a step of c, and 2^-47 of it more or less: exact in a * b.
          const float c = odd * scale;
          const float a = std::ldexp(1.0f + 0x1p-23f * other, -24);
          in.Add(a, scale, c);
          in.Add(-a, scale, c);
          in.Add(std::ldexp(1.0f + 0x1p-12f, -24), scale * (1.0f - 0x1p-12f), c);
        }
      }
    }
  }
  Check(in);
}

TEST(FusedMulAddTest, RandomOperandsOfAllSizes) {
  Operands in;
  std::mt19937 rng(1);
  // Of sizes that meet, in half of the cases.
  std::uniform_int_distribution<int> exponent(-30, 30), any(-149, 127);
  std::uniform_real_distribution<float> mantissa(-2, 2);
  for (size_t i = 0; i < 200'000; ++i) {
    const int e = i % 2 ? exponent(rng) : any(rng);
    const int f = i % 2 ? exponent(rng) : any(rng);
    const int g = i % 2 ? e + f + exponent(rng) : any(rng);
    in.Add(std::ldexp(mantissa(rng), e), std::ldexp(mantissa(rng), f),
           std::ldexp(mantissa(rng), g));
  }
  Check(in);
}

TEST(FusedMulAddTest, SpecialValues) {
  using Limits = std::numeric_limits<float>;
  const float values[] = {0.0f,
                          -0.0f,
                          1.0f,
                          -1.0f,
                          Limits::max(),
                          -Limits::max(),
                          Limits::min(),
                          Limits::denorm_min(),
                          Limits::infinity(),
                          -Limits::infinity(),
                          Limits::quiet_NaN()};
  Operands in;
  for (const float a : values) {
    for (const float b : values) {
      for (const float c : values) in.Add(a, b, c);
    }
  }
  Check(in);
}

}  // namespace
}  // namespace gemma3
#endif  // HWY_ONCE
