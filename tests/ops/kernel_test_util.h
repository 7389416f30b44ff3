// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What tests of kernels share: every SIMD target, awkward memory, random numbers.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "hwy/highway.h"
#include "hwy/targets.h"
#include "ops/rows.h"
#include "ops/targets.h"

namespace gemma3 {

inline constexpr double kUnitRoundoff = 0x1p-24;  // of f32: half the distance from 1 to the next

// Runs fn with every SIMD target that this build has and this CPU can run, variants (targets.h)
// among them; those pass the value of the target that they are a variant of.
inline void ForEachTarget(const std::function<void(int64_t target)>& fn) {
  for (const std::string& name : SimdTargetNames()) {
    ASSERT_TRUE(UseSimdTarget(name));
    SCOPED_TRACE(name);
    // A variant's name is that of its target and a word.
    const bool variant = name.ends_with("_VNNI") || name == "NEON_DOT";
    const std::string base = variant ? name.substr(0, name.rfind('_')) : name;
    int64_t target = 1;
    while (target != HWY_SCALAR && base != hwy::TargetName(target)) target *= 2;
    fn(target);
  }
  UseSimdTarget("");
}

// The fewest f32 lanes that kernels for `target` work with.
inline size_t MinLanes(int64_t target) { return target == HWY_SCALAR ? 1 : 4; }

// A [rows, cols] matrix whose rows are not aligned and do not touch each other, so that reading
// wrong places changes results and writing there is noticed.
class GuardedMatrix {
 public:
  GuardedMatrix(size_t rows, size_t cols, float fill = 0.0f)
      : rows_(rows), cols_(cols), data_(kGap + rows * (cols + kGap), kGuard) {
    for (size_t r = 0; r < rows; ++r) std::fill_n(view().row(r), cols, fill);
  }

  Rows<float> view() { return {data_.data() + kGap, rows_, cols_, cols_ + kGap}; }
  Rows<const float> view() const { return {data_.data() + kGap, rows_, cols_, cols_ + kGap}; }
  std::span<float> row(size_t r) { return {view().row(r), cols_}; }
  std::span<const float> row(size_t r) const { return {view().row(r), cols_}; }

  void FillUniform(std::mt19937& rng, float low, float high) {
    std::uniform_real_distribution<float> distribution(low, high);
    for (size_t r = 0; r < rows_; ++r) {
      for (float& v : row(r)) v = distribution(rng);
    }
  }

  bool GuardsIntact() const {
    for (size_t i = 0; i < data_.size(); ++i) {
      const bool guard = i < kGap || (i - kGap) % (cols_ + kGap) >= cols_;
      if (guard && data_[i] != kGuard) return false;
    }
    return true;
  }

  bool operator==(const GuardedMatrix& other) const = default;

 private:
  static constexpr size_t kGap = 3;  // an odd number of floats misaligns all rows
  static constexpr float kGuard = 1e30f;
  size_t rows_;
  size_t cols_;
  std::vector<float> data_;
};

}  // namespace gemma3
