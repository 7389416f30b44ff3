// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Finding the likeliest of 262144 logits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gemma3 {

struct Candidate {
  int32_t id;
  float logit;
};

// Index of the largest value, the lowest index on ties. x is not empty; NaN is never chosen unless
// all are NaN.
size_t ArgMax(std::span<const float> x);

// The k largest, in falling order, lower ids first on ties (so that the choice is unique). k is
// clamped to x.size(). out is reused to avoid an allocation per token. NaN ranks below all numbers.
void TopK(std::span<const float> x, size_t k, std::vector<Candidate>& out);

// log(sum(exp(x))), computed in double over f32 exponentials of (x - max).
double LogSumExp(std::span<const float> x);

}  // namespace gemma3
