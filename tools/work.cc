// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/work.h"

#include <algorithm>

namespace gemma3::cli {
namespace {

double D(size_t n) { return static_cast<double>(n); }

// Sum over queries 0..tokens-1 of the keys each sees, at most `window` and its own included.
double KeysSeen(size_t tokens, size_t window) {
  const size_t growing = std::min(tokens, window);
  return D(growing) * (D(growing) + 1) / 2 + D(tokens - growing) * D(window);
}

}  // namespace

double LayerParameters(const TextConfig& c) {
  const double heads = D(c.num_heads) * D(c.head_dim);
  const double kv = D(c.num_kv_heads) * D(c.head_dim);
  const double attention = D(c.hidden_size) * (2 * heads + 2 * kv);
  const double gated_mlp = 3 * D(c.hidden_size) * D(c.intermediate_size);
  return D(c.num_layers) * (attention + gated_mlp);
}

double PrefillFlops(const TextConfig& c, size_t tokens) {
  double flops = 2 * LayerParameters(c) * D(tokens);
  flops += 2 * D(c.vocab_size) * D(c.hidden_size);
  for (const LayerKind kind : c.layers) {
    const size_t window = kind == LayerKind::kLocal ? c.sliding_window : tokens;
    // Query by key, then probability by value, in each head.
    flops += 4 * D(c.num_heads) * D(c.head_dim) * KeysSeen(tokens, window);
  }
  return flops;
}

double DecodeBytes(const TextConfig& c, const ModelWork& work, size_t depth) {
  double bytes = D(work.decode_weight_bytes);
  for (const LayerKind kind : c.layers) {
    bytes += kind == LayerKind::kLocal
                 ? D(work.local_kv_bytes) * D(std::min(depth + 1, c.sliding_window))
                 : D(work.global_kv_bytes) * D(depth + 1);
  }
  return bytes;
}

double ImageFlops(const VisionConfig& v, const TextConfig& text) {
  const double patches = D(v.num_patches());
  const double hidden = D(v.hidden_size);
  const double embedding = 2 * D(v.patch_size) * D(v.patch_size) * D(v.num_channels) * hidden;
  const double linear = 2 * (4 * hidden * hidden + 2 * hidden * D(v.intermediate_size));
  const double attention = 4 * patches * hidden;
  const double projector = 2 * D(v.tokens_per_image) * hidden * D(text.hidden_size);
  return patches * (embedding + D(v.num_layers) * (linear + attention)) + projector;
}

Peak PeakOf(const MachineLimits& limits, Multiply multiply) {
  const Peak f32 = {limits.f32_flops, "f32"}, bf16 = {limits.bf16_flops, "bf16"};
  switch (multiply) {
    case Multiply::kF32:
      return f32;
    case Multiply::kBF16:
      return f32.rate > bf16.rate ? f32 : bf16;
    case Multiply::kInt8:
      return {limits.int8_ops, "int8"};
  }
  return {};
}

}  // namespace gemma3::cli
