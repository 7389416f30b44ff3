// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Attention as its formula reads, in double, over plain rows of keys and values.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "ops/attention.h"
#include "ops/rows.h"

namespace gemma3::reference {

// As Attention in ops/attention.h; row p of k and v, [positions, num_kv_heads * head_dim], is
// position p. out: [rows, num_heads * head_dim].
inline void Attention(Rows<const float> q, std::span<const KeyRange> keys, Rows<const float> k,
                      Rows<const float> v, size_t num_heads, size_t num_kv_heads, double scale,
                      Rows<double> out) {
  const size_t head_dim = q.cols / num_heads;
  for (size_t i = 0; i < q.rows; ++i) {
    const KeyRange range = keys[i];
    for (size_t h = 0; h < num_heads; ++h) {
      const size_t kv_begin = h / (num_heads / num_kv_heads) * head_dim;
      std::vector<double> weight;
      double max = -INFINITY;
      for (size_t p = range.begin; p < range.end; ++p) {
        double dot = 0.0;
        for (size_t c = 0; c < head_dim; ++c) {
          dot += double{q.row(i)[h * head_dim + c]} * double{k.row(p)[kv_begin + c]};
        }
        weight.push_back(scale * dot);
        max = std::max(max, weight.back());
      }
      double sum = 0.0;
      for (double& w : weight) sum += w = std::exp(w - max);
      for (size_t c = 0; c < head_dim; ++c) {
        double value = 0.0;
        for (size_t p = range.begin; p < range.end; ++p) {
          value += weight[p - range.begin] / sum * double{v.row(p)[kv_begin + c]};
        }
        out.row(i)[h * head_dim + c] = value;
      }
    }
  }
}

}  // namespace gemma3::reference
