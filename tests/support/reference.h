// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Reference outputs of other implementations, and how far ours are from them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "src/formats/safetensors.h"

namespace gemma3::testing {

// Tensors of a safetensors file, copied out by element type.
class ReferenceFile {
 public:
  explicit ReferenceFile(const std::string& path) {
    auto set = OpenSafetensors(path);
    if (!set) {
      ADD_FAILURE() << set.error().message;
      return;
    }
    set_ = std::move(*set);
  }

  bool Has(const std::string& name) const { return set_.tensors.contains(name); }
  const std::vector<uint64_t>& Shape(const std::string& name) const {
    return set_.tensors.at(name).shape;
  }
  template <class T>
  std::vector<T> Values(const std::string& name) const {
    const auto it = set_.tensors.find(name);
    if (it == set_.tensors.end()) {
      ADD_FAILURE() << "no tensor " << name;
      return {};
    }
    std::vector<T> out(it->second.bytes / sizeof(T));
    std::memcpy(out.data(), it->second.data, it->second.bytes);
    return out;
  }
  const TensorMap& tensors() const { return set_.tensors; }

 private:
  SafetensorsSet set_;
};

// Largest absolute difference, in standard deviations of the expected values.
inline double RelativeDistance(std::span<const float> actual, std::span<const float> expected) {
  EXPECT_EQ(actual.size(), expected.size());
  if (actual.size() != expected.size() || expected.empty()) return INFINITY;
  double sum = 0, squares = 0, worst = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    sum += expected[i];
    squares += double{expected[i]} * expected[i];
    const double difference = std::abs(double{actual[i]} - expected[i]);
    if (!(difference <= worst)) worst = difference;  // a NaN stays
  }
  const auto n = static_cast<double>(expected.size());
  const double variance = squares / n - (sum / n) * (sum / n);
  return worst / std::sqrt(variance);
}

}  // namespace gemma3::testing
