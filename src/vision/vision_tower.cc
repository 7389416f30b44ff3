// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/vision/vision_tower.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

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

size_t RowFloats(const VisionConfig& c) { return 4 * c.hidden_size + QueryWidth(c); }

KvType CacheType(Compute compute) {
  return compute == Compute::kExact ? KvType::kF32 : KvType::kBF16;
}

size_t KvTiles(const VisionConfig& c) { return (c.num_patches() + kKvTile - 1) / kKvTile; }

size_t PageBytes(const VisionConfig& c, Compute compute) {
  return KvPageBytes(CacheType(compute), c.num_heads, c.head_dim());
}

}  // namespace

struct VisionTower::Pass {
  ThreadPool& pool;
  Rows<float> x;       // residual stream, [patches, hidden]
  Rows<float> normed;  // [patches, hidden]
  Rows<float> q, k, v;
  std::vector<KeyRange> keys;            // [patches]: all of them, for every query
  std::vector<std::byte*> pages;         // of the keys and values of the layer that runs
  KvRows kv;                             // all patches
  const AdapterSet* adapters = nullptr;  // of the tower; null: none

  Pass(const VisionConfig& config, Compute compute, Workspace& workspace)
      : pool(workspace.pool()), keys(config.num_patches(), KeyRange{0, config.num_patches()}) {
    const size_t patches = config.num_patches();
    // Pages first: they want to be aligned, and are whole cache lines.
    float* next = workspace.Floats(WorkspaceFloats(config, compute));
    const size_t page_floats = PageBytes(config, compute) / sizeof(float);
    std::memset(next, 0, KvTiles(config) * page_floats * sizeof(float));
    for (size_t t = 0; t < KvTiles(config); ++t, next += page_floats) {
      pages.push_back(reinterpret_cast<std::byte*>(next));
    }
    kv = {.begin = 0,
          .count = patches,
          .first_pos = 0,
          .kv = {.type = CacheType(compute),
                 .num_kv_heads = config.num_heads,
                 .head_dim = config.head_dim(),
                 .pages = pages.data(),
                 .offset = 0}};
    for (Rows<float>* rows : {&x, &normed, &k, &v}) {
      *rows = Rows<float>(next, patches, config.hidden_size);
      next += patches * config.hidden_size;
    }
    q = Rows<float>(next, patches, config.hidden_size);
  }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;
};

size_t VisionTower::WorkspaceFloats(const VisionConfig& config, Compute compute) {
  return KvTiles(config) * PageBytes(config, compute) / sizeof(float) +
         config.num_patches() * RowFloats(config);
}

size_t VisionTower::MlpScratchBytes(const VisionConfig& config) {
  return MlpBytes(MlpRows(config), config.hidden_size, config.intermediate_size);
}

VisionTower::VisionTower(const VisionConfig& config, const VisionWeights& weights, Compute compute)
    : config_(config), weights_(weights), compute_(compute) {}

void VisionTower::Multiply(Rows<const float> x, const Linear& linear, Rows<float> out,
                           ThreadPool& pool) const {
  MatMul(x, linear.w, out, compute_, pool, linear.bias.data());
}

void VisionTower::Multiply(size_t layer, const Pass& pass, Rows<const float> x,
                           std::span<const Product> products) const {
  if (!pass.adapters) {
    std::vector<MatMulTask> tasks;
    for (const Product& p : products) tasks.push_back({p.linear.w, p.out, p.linear.bias.data()});
    return MatMul(x, tasks, compute_, pass.pool);
  }
  std::vector<AdaptedProduct> adapted;
  for (const Product& p : products) {
    adapted.push_back(
        {p.linear.w, p.out, p.linear.bias.data(), &pass.adapters->tower(layer, p.matrix)});
  }
  MatMulAdapted(x, adapted, compute_, pass.pool);
}

void VisionTower::EmbedPatches(std::span<const float> pixels, const Pass& pass) const {
  const size_t size = config_.image_size;
  const size_t patch = config_.patch_size;
  const size_t per_side = config_.patches_per_side();
  // A convolution whose stride is its width is a matrix product over patches laid out as rows in
  // the weight's order: channel, row, column.
  const Rows<float> patches(pass.q.data, pass.q.rows, PatchInputs(config_));
  pass.pool.ParallelFor(patches.rows, [&](size_t p, size_t) {
    float* out = patches.row(p);
    const float* corner = pixels.data() + p / per_side * patch * size + p % per_side * patch;
    for (size_t channel = 0; channel < config_.num_channels; ++channel) {
      for (size_t y = 0; y < patch; ++y, out += patch) {
        std::memcpy(out, corner + channel * size * size + y * size, patch * sizeof(float));
      }
    }
  });
  Multiply(patches, weights_.patch, pass.x, pass.pool);
  pass.pool.ParallelFor(
      pass.x.rows, [&](size_t p, size_t) { UnpackRow(weights_.position, p, pass.normed.row(p)); });
  AddTo(pass.x, pass.normed, pass.pool);
}

// Without fusing where there are adapters: the bits are the same.
void VisionTower::RunMlp(size_t layer, const Pass& pass, Rows<const float> x,
                         Rows<float> out) const {
  const VisionLayerWeights& w = weights_.layers[layer];
  if (!pass.adapters || (pass.adapters->tower(layer, TowerMatrix::kFc1).empty() &&
                         pass.adapters->tower(layer, TowerMatrix::kFc2).empty())) {
    const MlpTask mlp{.gate = w.fc1.w,
                      .up = {},
                      .down = w.fc2.w,
                      .gate_bias = w.fc1.bias.data(),
                      .down_bias = w.fc2.bias.data()};
    return Mlp(x, mlp, out, compute_, pass.pool);
  }
  std::vector<float> memory(x.rows * config_.intermediate_size);
  const Rows<float> inner(memory.data(), x.rows, config_.intermediate_size);
  Multiply(layer, pass, x, std::array<Product, 1>{{{w.fc1, inner, TowerMatrix::kFc1}}});
  pass.pool.ParallelFor(inner.rows, [&](size_t r, size_t) { Gelu(inner.Slice(r, 1)); });
  Multiply(layer, pass, inner, std::array<Product, 1>{{{w.fc2, out, TowerMatrix::kFc2}}});
}

void VisionTower::RunLayer(size_t layer, const Pass& pass) const {
  const VisionLayerWeights& w = weights_.layers[layer];
  const Rows<float> x = pass.x, normed = pass.normed, q = pass.q, k = pass.k, v = pass.v;
  ThreadPool& pool = pass.pool;
  const float eps = config_.layer_norm_eps;
  LayerNorm(x, w.norm1_weight, w.norm1_bias, eps, normed, pool);
  Multiply(layer, pass, normed,
           std::array<Product, 3>{
               {{w.q, q, TowerMatrix::kQ}, {w.k, k, TowerMatrix::kK}, {w.v, v, TowerMatrix::kV}}});
  StoreKv(k, v, {&pass.kv, 1}, pool);
  const float scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim()));
  Attention(q, pass.keys, {&pass.kv, 1}, config_.num_heads, scale, q, pool);
  Multiply(layer, pass, q, std::array<Product, 1>{{{w.out, normed, TowerMatrix::kOut}}});
  AddTo(x, normed, pool);

  LayerNorm(x, w.norm2_weight, w.norm2_bias, eps, normed, pool);
  for (size_t begin = 0; begin < x.rows; begin += kMlpRows) {
    const size_t count = std::min(kMlpRows, x.rows - begin);
    const Rows<float> out = k.Slice(0, count);  // k is free until the next layer
    RunMlp(layer, pass, normed.Slice(begin, count), out);
    AddTo(x.Slice(begin, count), out, pool);
  }
}

void VisionTower::Project(const Pass& pass, Rows<float> soft_tokens) const {
  const Rows<float> normed = pass.normed;
  ThreadPool& pool = pass.pool;
  LayerNorm(pass.x, weights_.post_norm_weight, weights_.post_norm_bias, config_.layer_norm_eps,
            normed, pool);
  const size_t grid = config_.patches_per_side();
  const auto side =
      static_cast<size_t>(std::lround(std::sqrt(static_cast<double>(config_.tokens_per_image))));
  const size_t pool_size = grid / side;
  const Rows<float> pooled = pass.k.Slice(0, config_.tokens_per_image);
  pool.ParallelFor(pooled.rows, [&](size_t t, size_t) {
    float* out = pooled.row(t);
    std::fill(out, out + pooled.cols, 0.0f);
    for (size_t y = 0; y < pool_size; ++y) {
      for (size_t x = 0; x < pool_size; ++x) {
        const float* in = normed.row((t / side * pool_size + y) * grid + t % side * pool_size + x);
        for (size_t c = 0; c < pooled.cols; ++c) out[c] += in[c];
      }
    }
    const float mean = 1.0f / static_cast<float>(pool_size * pool_size);
    for (size_t c = 0; c < pooled.cols; ++c) out[c] *= mean;
  });
  // The projector's norm has no epsilon of its own in config.json; the reference uses the tower's.
  RmsNorm(pooled, weights_.projector_norm, config_.layer_norm_eps, pooled, pool);
  MatMul(pooled, weights_.projection, soft_tokens, compute_, pool);
}

Status VisionTower::Encode(std::span<const float> pixels, Rows<float> soft_tokens,
                           Workspace& workspace, const LayerCallback& on_layer,
                           const AdapterSet* adapters) const {
  Pass pass(config_, compute_, workspace);
  if (adapters && adapters->changes_tower()) pass.adapters = adapters;
  EmbedPatches(pixels, pass);
  size_t done = 0;
  for (size_t layer = 0; layer < weights_.layers.size(); ++layer) {
    RunLayer(layer, pass);
    if (!on_layer(++done)) return Fail(ErrorCode::kCancelled, "cancelled by the caller");
  }
  Project(pass, soft_tokens);
  return {};
}

}  // namespace gemma3
