// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Rotary position embedding in the half-split (NeoX) pairing: component i turns with
// i + head_dim / 2.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "ops/rows.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// inverse_frequency[i] = theta^(-2i / head_dim) / factor, i in [0, head_dim / 2), each step in f32
// as the reference computes it.
std::vector<float> RopeInverseFrequencies(size_t head_dim, float theta, float factor);

// Fills cos and sin, each [positions.size(), inverse_frequency.size()].
// The angle is the f32 product position * inverse_frequency; cos and sin of it are exact to f32 for
// every position up to 2^24 (angles reach 131071 rad: fast-math range reduction would be wrong).
void RopeTable(std::span<const size_t> positions, std::span<const float> inverse_frequency,
               float* cos, float* sin);

// Rotates each head of each row in place. x: [rows, heads * head_dim]; row r uses row r of the
// tables, [rows, head_dim / 2].
void ApplyRope(Rows<float> x, size_t head_dim, const float* cos, const float* sin,
               ThreadPool& pool);

}  // namespace gemma3
