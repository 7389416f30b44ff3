// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/model/transformer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "ops/mlp.h"
#include "ops/norm.h"
#include "ops/rope.h"
#include "src/base/half.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

// Floats in a row of each scratch matrix, in the order in which they are carved.
std::array<size_t, 6> ScratchWidths(const TextConfig& c) {
  const size_t q = c.num_heads * c.head_dim;
  const size_t kv = c.num_kv_heads * c.head_dim;
  return {c.hidden_size, c.hidden_size, c.hidden_size, q, kv, kv};
}

size_t CarveFloats(size_t width, size_t max_batch) {
  constexpr size_t kFloatsPerLine = kCacheLine / sizeof(float);
  return (width * max_batch + kFloatsPerLine - 1) / kFloatsPerLine * kFloatsPerLine;
}

size_t ScratchFloats(const TextConfig& config, size_t max_batch) {
  size_t floats = 0;
  for (const size_t width : ScratchWidths(config)) floats += CarveFloats(width, max_batch);
  return floats;
}

}  // namespace

size_t Transformer::ScratchBytes(const TextConfig& config, size_t max_batch) {
  const size_t tables = 4 * max_batch * (config.head_dim / 2) * sizeof(float);
  return ScratchFloats(config, max_batch) * sizeof(float) + tables;
}

Transformer::Transformer(const TextConfig& config, const TextWeights& weights, Compute compute,
                         RopeFrequencies frequencies, size_t max_batch, ThreadPool& pool)
    : config_(config),
      weights_(weights),
      compute_(compute),
      pool_(pool),
      // The models were trained and published with the scale rounded to bf16, and every official
      // runtime multiplies by the rounded value. The residual stream is not scale-invariant, so
      // the exact square root would drift from the first layer on.
      embedding_scale_(FloatFromBf16(
          Bf16FromFloat(static_cast<float>(std::sqrt(static_cast<double>(config.hidden_size)))))),
      memory_(ScratchFloats(config, max_batch)) {
  local_.inverse_frequency = RopeInverseFrequencies(config.head_dim, config.rope_theta_local, 1);
  global_.inverse_frequency =
      RopeInverseFrequencies(config.head_dim, config.rope_theta_global, config.rope_factor_global);
  for (Kind* kind : {&local_, &global_}) {
    if (frequencies == RopeFrequencies::kBF16) {
      for (float& f : kind->inverse_frequency) f = FloatFromBf16(Bf16FromFloat(f));
    }
    kind->cos.resize(max_batch * config.head_dim / 2);
    kind->sin.resize(max_batch * config.head_dim / 2);
    kind->keys.reserve(max_batch);
  }
  float* next = memory_.data();
  const auto widths = ScratchWidths(config);
  size_t i = 0;
  for (float** slot : {&x_, &normed_, &branch_, &q_, &k_, &v_}) {
    *slot = next;
    next += CarveFloats(widths[i++], max_batch);
  }
}

void Transformer::Embed(const Batch& batch, Rows<float> x) {
  pool_.ParallelFor(x.rows, [&](size_t r, size_t) {
    // Image rows are overwritten below; their ids may lie outside the table.
    if (batch.ids[r] < 0 || static_cast<size_t>(batch.ids[r]) >= weights_.embedding.rows) return;
    UnpackRow(weights_.embedding, static_cast<size_t>(batch.ids[r]), x.row(r));
    for (size_t c = 0; c < x.cols; ++c) x.row(r)[c] *= embedding_scale_;
  });
  for (const SoftTokens& image : batch.images) {
    // Soft tokens are not scaled: the projector already gives them the size of scaled embeddings.
    std::memcpy(x.row(image.begin), image.rows, image.count * x.cols * sizeof(float));
  }
}

void Transformer::Prepare(const Batch& batch) {
  const size_t rows = batch.ids.size();
  for (Kind* kind : {&local_, &global_}) {
    RopeTable(batch.first_pos, rows, kind->inverse_frequency, kind->cos.data(), kind->sin.data());
    kind->keys.clear();
  }
  for (size_t r = 0; r < rows; ++r) {
    const size_t pos = batch.first_pos + r;
    const size_t end = pos + 1;
    const size_t window_begin = end > config_.sliding_window ? end - config_.sliding_window : 0;
    global_.keys.push_back({0, end});
    local_.keys.push_back({window_begin, end});
  }
  // Soft tokens of one image also see each other, forwards too, in both kinds of layers, whatever
  // the window (architecture: the block is OR-ed into the mask).
  for (const SoftTokens& image : batch.images) {
    const size_t begin = batch.first_pos + image.begin;
    for (size_t r = image.begin; r < image.begin + image.count; ++r) {
      global_.keys[r].end = begin + image.count;
      local_.keys[r] = {std::min(local_.keys[r].begin, begin), begin + image.count};
    }
  }
}

void Transformer::RunLayer(size_t layer, size_t first_pos, Rows<float> x, const KvView& kv) {
  const LayerWeights& w = weights_.layers[layer];
  Kind& kind = KindOf(layer);
  const size_t rows = x.rows;
  const size_t head_dim = config_.head_dim;
  const float eps = config_.rms_norm_eps;
  const Rows<float> normed(normed_, rows, config_.hidden_size);
  const Rows<float> branch(branch_, rows, config_.hidden_size);
  const Rows<float> q(q_, rows, config_.num_heads * head_dim);
  const Rows<float> k(k_, rows, config_.num_kv_heads * head_dim);
  const Rows<float> v(v_, rows, config_.num_kv_heads * head_dim);

  RmsNorm(x, w.input_norm, eps, normed, pool_);
  MatMul(normed, std::array<MatMulTask, 3>{{{w.q, q}, {w.k, k}, {w.v, v}}}, compute_, pool_);
  RmsNormHeads(q, w.q_norm, eps, pool_);
  RmsNormHeads(k, w.k_norm, eps, pool_);
  ApplyRope(q, head_dim, kind.cos.data(), kind.sin.data(), pool_);
  ApplyRope(k, head_dim, kind.cos.data(), kind.sin.data(), pool_);
  StoreKv(k, v, first_pos, kv, pool_);
  Attention(q, kind.keys, kv, config_.num_heads, config_.attention_scale, q, pool_);
  MatMul(q, w.o, branch, compute_, pool_);
  RmsNormAdd(branch, w.post_attention_norm, eps, x, pool_);

  RmsNorm(x, w.pre_ffw_norm, eps, normed, pool_);
  Mlp(normed, {.gate = w.gate, .up = w.up, .down = w.down}, branch, compute_, pool_);
  RmsNormAdd(branch, w.post_ffw_norm, eps, x, pool_);
}

Result<Rows<const float>> Transformer::Forward(const Batch& batch, KvCache& cache,
                                               const std::atomic<bool>& cancel,
                                               float* after_first_layer) {
  const Rows<float> x(x_, batch.ids.size(), config_.hidden_size);
  cache.WillWrite(batch.first_pos + x.rows);
  Prepare(batch);
  Embed(batch, x);
  for (size_t layer = 0; layer < config_.num_layers; ++layer) {
    if (cancel.load(std::memory_order_relaxed)) {
      return Fail(ErrorCode::kCancelled, "cancelled by the caller");
    }
    RunLayer(layer, batch.first_pos, x, cache.layer(layer));
    if (layer == 0 && after_first_layer) {
      std::memcpy(after_first_layer, x.data, x.rows * x.cols * sizeof(float));
    }
  }
  return Rows<const float>(x);
}

void Transformer::FinalNorm(Rows<const float> x, Rows<float> out) {
  RmsNorm(x, weights_.final_norm, config_.rms_norm_eps, out, pool_);
}

void Transformer::Logits(Rows<const float> normed, Rows<float> out) {
  MatMul(normed, weights_.head, out, compute_, pool_);
}

}  // namespace gemma3
