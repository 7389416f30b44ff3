// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/vision/vision_tower.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "ops/elementwise.h"
#include "ops/mlp.h"
#include "ops/norm.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

// Rows that go through the MLP at a time. Its inner width is about four times the hidden one, so
// all patches at once would need half as much memory as the rest of the tower; this many keep the
// matrix kernels at full speed.
constexpr size_t kMlpRows = 1024;

size_t PatchInputs(const VisionConfig& c) { return c.num_channels * c.patch_size * c.patch_size; }

// Width of the query buffer, which also holds the patches before the first layer.
size_t QueryWidth(const VisionConfig& c) { return std::max(c.hidden_size, PatchInputs(c)); }

size_t MlpRows(const VisionConfig& c) { return std::min(kMlpRows, c.num_patches()); }

size_t ScratchFloats(const VisionConfig& c) {
  return c.num_patches() * (4 * c.hidden_size + QueryWidth(c));
}

KvView KvShape(const VisionConfig& c, Compute compute) {
  KvView kv;
  kv.type = compute == Compute::kExact ? KvType::kF32 : KvType::kBF16;
  kv.num_kv_heads = c.num_heads;
  kv.head_dim = c.head_dim();
  kv.capacity = (c.num_patches() + kKvTile - 1) / kKvTile * kKvTile;
  return kv;
}

size_t KvShapeBytes(const KvView& kv) {
  return KvBytes(kv.type, kv.num_kv_heads, kv.head_dim, kv.capacity);
}

}  // namespace

size_t VisionTower::ScratchBytes(const VisionConfig& config, Compute compute) {
  return ScratchFloats(config) * sizeof(float) + KvShapeBytes(KvShape(config, compute)) +
         MlpBytes(MlpRows(config), config.hidden_size, config.intermediate_size);
}

VisionTower::VisionTower(const VisionConfig& config, const VisionWeights& weights, Compute compute,
                         ThreadPool& pool)
    : config_(config),
      weights_(weights),
      compute_(compute),
      pool_(pool),
      keys_(config.num_patches(), KeyRange{0, config.num_patches()}),
      memory_(ScratchFloats(config)),
      kv_(KvShape(config, compute)) {
  kv_.data = kv_memory_.AddZeroed(KvShapeBytes(kv_));
  const size_t patches = config.num_patches();
  float* next = memory_.data();
  for (Rows<float>* rows : {&x_, &normed_, &k_, &v_}) {
    *rows = Rows<float>(next, patches, config.hidden_size);
    next += patches * config.hidden_size;
  }
  q_ = Rows<float>(next, patches, config.hidden_size);
}

void VisionTower::Multiply(Rows<const float> x, const Linear& linear, Rows<float> out) {
  MatMul(x, linear.w, out, compute_, pool_, linear.bias.data());
}

void VisionTower::EmbedPatches(std::span<const float> pixels) {
  const size_t size = config_.image_size;
  const size_t patch = config_.patch_size;
  const size_t per_side = config_.patches_per_side();
  // A convolution whose stride is its width is a matrix product over patches laid out as rows in
  // the weight's order: channel, row, column.
  const Rows<float> patches(q_.data, q_.rows, PatchInputs(config_));
  pool_.ParallelFor(patches.rows, [&](size_t p, size_t) {
    float* out = patches.row(p);
    const float* corner = pixels.data() + p / per_side * patch * size + p % per_side * patch;
    for (size_t channel = 0; channel < config_.num_channels; ++channel) {
      for (size_t y = 0; y < patch; ++y, out += patch) {
        std::memcpy(out, corner + channel * size * size + y * size, patch * sizeof(float));
      }
    }
  });
  Multiply(patches, weights_.patch, x_);
  pool_.ParallelFor(x_.rows,
                    [&](size_t p, size_t) { UnpackRow(weights_.position, p, normed_.row(p)); });
  AddTo(x_, normed_, pool_);
}

void VisionTower::RunLayer(const VisionLayerWeights& w) {
  const float eps = config_.layer_norm_eps;
  LayerNorm(x_, w.norm1_weight, w.norm1_bias, eps, normed_, pool_);
  const std::array<MatMulTask, 3> qkv{
      {{w.q.w, q_, w.q.bias.data()}, {w.k.w, k_, w.k.bias.data()}, {w.v.w, v_, w.v.bias.data()}}};
  MatMul(normed_, qkv, compute_, pool_);
  StoreKv(k_, v_, 0, kv_, pool_);
  const float scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim()));
  Attention(q_, keys_, kv_, config_.num_heads, scale, q_, pool_);
  Multiply(q_, w.out, normed_);
  AddTo(x_, normed_, pool_);

  LayerNorm(x_, w.norm2_weight, w.norm2_bias, eps, normed_, pool_);
  const MlpTask mlp{.gate = w.fc1.w,
                    .up = {},
                    .down = w.fc2.w,
                    .gate_bias = w.fc1.bias.data(),
                    .down_bias = w.fc2.bias.data()};
  for (size_t begin = 0; begin < x_.rows; begin += kMlpRows) {
    const size_t count = std::min(kMlpRows, x_.rows - begin);
    const Rows<float> out = k_.Slice(0, count);  // k is free until the next layer
    Mlp(normed_.Slice(begin, count), mlp, out, compute_, pool_);
    AddTo(x_.Slice(begin, count), out, pool_);
  }
}

void VisionTower::Project(Rows<float> soft_tokens) {
  LayerNorm(x_, weights_.post_norm_weight, weights_.post_norm_bias, config_.layer_norm_eps, normed_,
            pool_);
  const size_t grid = config_.patches_per_side();
  const auto side =
      static_cast<size_t>(std::lround(std::sqrt(static_cast<double>(config_.tokens_per_image))));
  const size_t pool_size = grid / side;
  const Rows<float> pooled = k_.Slice(0, config_.tokens_per_image);
  pool_.ParallelFor(pooled.rows, [&](size_t t, size_t) {
    float* out = pooled.row(t);
    std::fill(out, out + pooled.cols, 0.0f);
    for (size_t y = 0; y < pool_size; ++y) {
      for (size_t x = 0; x < pool_size; ++x) {
        const float* in = normed_.row((t / side * pool_size + y) * grid + t % side * pool_size + x);
        for (size_t c = 0; c < pooled.cols; ++c) out[c] += in[c];
      }
    }
    const float mean = 1.0f / static_cast<float>(pool_size * pool_size);
    for (size_t c = 0; c < pooled.cols; ++c) out[c] *= mean;
  });
  // The projector's norm has no epsilon of its own in config.json; the reference uses the tower's.
  RmsNorm(pooled, weights_.projector_norm, config_.layer_norm_eps, pooled, pool_);
  MatMul(pooled, weights_.projection, soft_tokens, compute_, pool_);
}

Status VisionTower::Encode(std::span<const float> pixels, Rows<float> soft_tokens,
                           const LayerCallback& on_layer) {
  EmbedPatches(pixels);
  size_t done = 0;
  for (const VisionLayerWeights& layer : weights_.layers) {
    RunLayer(layer);
    if (!on_layer(++done)) return Fail(ErrorCode::kCancelled, "cancelled by the caller");
  }
  Project(soft_tokens);
  return {};
}

}  // namespace gemma3
