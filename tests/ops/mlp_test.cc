// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The MLP as one operation against the operations that it consists of, which have references of
// their own: the same bits.
#include "ops/mlp.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "hwy/aligned_allocator.h"
#include "hwy/base.h"
#include "ops/elementwise.h"
#include "ops/packed.h"
#include "ops/quantize.h"
#include "tests/ops/kernel_test_util.h"

namespace gemma3 {
namespace {

// Random weights of a float type or of a packed one.
class Weights {
 public:
  Weights(WeightType type, size_t rows, size_t cols, uint32_t seed) {
    std::mt19937 rng(seed);
    std::normal_distribution<float> normal(0.0f, 0.2f);
    std::vector<float> values(rows * cols);
    for (float& v : values) v = normal(rng);
    view_ = {type, rows, cols, nullptr};
    const size_t bytes = IsPacked(type) ? PackedBytes(type, rows, cols) : values.size() * 4;
    memory_ = hwy::AllocateAligned<std::byte>(bytes);
    view_.data = memory_.get();
    ThreadPool pool(1);
    if (IsPacked(type)) {
      Quantize({WeightType::kF32, rows, cols, values.data()}, type, memory_.get(), pool);
    } else if (type == WeightType::kBF16) {
      for (size_t i = 0; i < values.size(); ++i) Store(i, hwy::BF16FromF32(values[i]));
    } else if (type == WeightType::kF16) {
      for (size_t i = 0; i < values.size(); ++i) {
        Store(i, hwy::ConvertScalarTo<hwy::float16_t>(values[i]));
      }
    } else {
      for (size_t i = 0; i < values.size(); ++i) Store(i, values[i]);
    }
  }
  const MatrixView& view() const { return view_; }

 private:
  template <class T>
  void Store(size_t i, T value) {
    std::memcpy(memory_.get() + i * sizeof(T), &value, sizeof(T));
  }
  MatrixView view_;
  hwy::AlignedFreeUniquePtr<std::byte[]> memory_;
};

struct Case {
  const char* name;
  WeightType gate, up, down;
  size_t cols, inner;
};

constexpr WeightType kF32 = WeightType::kF32, kF16 = WeightType::kF16, kBF16 = WeightType::kBF16,
                     kInt8 = WeightType::kInt8, kInt4 = WeightType::kInt4;
constexpr Case kCases[] = {
    {"F32", kF32, kF32, kF32, 40, 75},
    {"F16", kF16, kF16, kF16, 33, 64},
    {"BF16", kBF16, kBF16, kBF16, 72, 269},
    {"Int8", kInt8, kInt8, kInt8, 96, 1120},
    {"Int4", kInt4, kInt4, kInt4, 64, 32},
    // Inner rows that are no whole blocks, as SigLIP's 4304 are.
    {"Int8Tower", kInt8, kInt8, kInt8, 72, 1104},
    {"Int4Tower", kInt4, kInt4, kInt4, 64, 307},
    // As files with several types have them, and as towers that are packed in part.
    {"Mixed", kInt4, kInt8, kInt8, 64, 288},
    {"MixedWithFloats", kInt8, kBF16, kBF16, 64, 135},
    {"FloatsBeforeIntegers", kBF16, kF32, kInt4, 50, 96},
};

class MlpTest : public testing::TestWithParam<Case> {};

TEST_P(MlpTest, HasTheBitsOfItsParts) {
  constexpr size_t kRows = 201, kOut = 37;
  const Case& c = GetParam();
  const Weights gate(c.gate, c.inner, c.cols, 1), up(c.up, c.inner, c.cols, 2),
      down(c.down, kOut, c.inner, 3);
  std::mt19937 rng(4);
  GuardedMatrix x(kRows, c.cols), bias(2, c.inner + kOut);
  x.FillUniform(rng, -1, 1);
  bias.FillUniform(rng, -1, 1);
  ThreadPool pools[] = {ThreadPool(1), ThreadPool(2), ThreadPool(3)};

  ForEachTarget([&](int64_t) {
    for (const bool with_up : {true, false}) {
      for (const Compute compute : {Compute::kFast, Compute::kExact}) {
        const MlpTask task{.gate = gate.view(),
                           .up = with_up ? up.view() : MatrixView{},
                           .down = down.view(),
                           .gate_bias = with_up ? nullptr : bias.row(0).data(),
                           .down_bias = with_up ? nullptr : bias.row(1).data()};
        GuardedMatrix inner(kRows, c.inner), other(kRows, c.inner), want(kRows, kOut);
        MatMul(x.view(), task.gate, inner.view(), compute, pools[0], task.gate_bias);
        if (with_up) {
          MatMul(x.view(), task.up, other.view(), compute, pools[0]);
          GeluMul(inner.view(), other.view());
        } else {
          Gelu(inner.view());
        }
        MatMul(inner.view(), task.down, want.view(), compute, pools[0], task.down_bias);

        for (const size_t rows : {1, 2, 7, 8, 9, 16, 100, 201}) {
          for (ThreadPool& pool : pools) {
            SCOPED_TRACE(std::to_string(rows) + " rows, " + std::to_string(pool.num_threads()) +
                         " threads");
            GuardedMatrix out(rows, kOut);
            Mlp(x.view().Slice(0, rows), task, out.view(), compute, pool);
            for (size_t r = 0; r < rows; ++r) {
              ASSERT_EQ(0, std::memcmp(out.row(r).data(), want.row(r).data(), kOut * 4))
                  << "row " << r;
            }
            ASSERT_TRUE(out.GuardsIntact());
          }
        }
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(, MlpTest, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Mlp, NoRowsAreDone) {
  const Weights w(kF32, 4, 4, 1);
  ThreadPool pool(2);
  float x = 0, out = 7;
  Mlp({&x, 0, 4}, {.gate = w.view(), .up = w.view(), .down = w.view()}, {&out, 0, 4},
      Compute::kFast, pool);
  EXPECT_EQ(out, 7);
}

}  // namespace
}  // namespace gemma3
