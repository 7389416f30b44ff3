// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// RMSNorm and LayerNorm, row by row, in f32.
//
// Sums of cols terms are off by at most (cols / (4 lanes) + 11) 2^-24 of the sum of their absolute
// values. The bits of a row depend on that row alone, not on the number of threads.
#pragma once

#include <span>

#include "ops/rows.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// out = x / sqrt(mean(x^2) + eps) * gain. gain is the whole factor: Gemma's stored w plus 1.
// x, out: [rows, cols], may be the same memory. gain: [cols].
void RmsNorm(Rows<const float> x, std::span<const float> gain, float eps, Rows<float> out,
             ThreadPool& pool);

// residual += RmsNorm(x): the post-norms of Gemma 3 normalise the branch, not the sum.
void RmsNormAdd(Rows<const float> x, std::span<const float> gain, float eps, Rows<float> residual,
                ThreadPool& pool);

// RmsNorm of each head_dim-long segment of each row, in place. x: [rows, heads * gain.size()].
void RmsNormHeads(Rows<float> x, std::span<const float> gain, float eps, ThreadPool& pool);

// out = (x - mean) / sqrt(variance + eps) * weight + bias; biased variance. weight, bias: [cols].
void LayerNorm(Rows<const float> x, std::span<const float> weight, std::span<const float> bias,
               float eps, Rows<float> out, ThreadPool& pool);

}  // namespace gemma3
