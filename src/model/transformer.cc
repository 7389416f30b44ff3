// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/model/transformer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "ops/matmul_listed.h"
#include "ops/mlp.h"
#include "ops/norm.h"
#include "ops/rope.h"
#include "src/base/half.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

constexpr size_t kMatrices = 6;  // of scratch
constexpr size_t kTables = 4;    // cosines and sines of local and global layers

// Floats in a row of each, in the order in which they are carved from the workspace.
std::array<size_t, kMatrices + kTables> ScratchWidths(const TextConfig& c) {
  const size_t q = c.num_heads * c.head_dim;
  const size_t kv = c.num_kv_heads * c.head_dim;
  const size_t half = c.head_dim / 2;
  return {c.hidden_size, c.hidden_size, c.hidden_size, q, kv, kv, half, half, half, half};
}

size_t CarveFloats(size_t width, size_t rows) {
  constexpr size_t kFloatsPerLine = kCacheLine / sizeof(float);
  return (width * rows + kFloatsPerLine - 1) / kFloatsPerLine * kFloatsPerLine;
}

size_t RowsOf(std::span<const BatchPart> batch) {
  size_t rows = 0;
  for (const BatchPart& part : batch) rows += part.ids.size();
  return rows;
}

// The pictures that lie in the part.
std::span<const ImageRun> ImagesOf(const BatchPart& part) {
  const size_t begin = part.cache->size();
  const auto first = std::ranges::lower_bound(part.images, begin, {}, &ImageRun::begin);
  const auto last =
      std::ranges::lower_bound(part.images, begin + part.ids.size(), {}, &ImageRun::begin);
  return {first, last};
}

// The models were trained and published with the scale rounded to bf16, and every official runtime
// multiplies by the rounded value. The residual stream is not scale-invariant, so the exact square
// root would drift from the first layer on.
float EmbeddingScale(size_t hidden_size, ReferenceRounding rounding) {
  const float scale = static_cast<float>(std::sqrt(static_cast<double>(hidden_size)));
  return rounding == ReferenceRounding::kF32 ? scale : FloatFromBf16(Bf16FromFloat(scale));
}

}  // namespace

// The scratch of a pass, and what the two kinds of layers see differently.
struct Transformer::Pass {
  Rows<float> x;       // residual stream
  Rows<float> normed;  // input of a block, and its output before the post-norm
  Rows<float> branch;
  Rows<float> q, k, v;
  struct Kind {
    float *cos, *sin;            // [rows, head_dim / 2]
    std::vector<KeyRange> keys;  // [rows]
  } local, global;
  std::vector<KvRows> parts;  // of the layer that runs

  Pass(const TextConfig& config, size_t rows, float* memory) {
    const auto widths = ScratchWidths(config);
    std::array<float*, widths.size()> carved;
    for (size_t i = 0; i < widths.size(); ++i) {
      carved[i] = memory;
      memory += CarveFloats(widths[i], rows);
    }
    const std::array<Rows<float>*, kMatrices> matrices = {&x, &normed, &branch, &q, &k, &v};
    for (size_t i = 0; i < kMatrices; ++i) *matrices[i] = Rows<float>(carved[i], rows, widths[i]);
    local.cos = carved[kMatrices];
    local.sin = carved[kMatrices + 1];
    global.cos = carved[kMatrices + 2];
    global.sin = carved[kMatrices + 3];
  }
};

size_t Transformer::WorkspaceFloats(const TextConfig& config, size_t max_rows) {
  size_t floats = 0;
  for (const size_t width : ScratchWidths(config)) floats += CarveFloats(width, max_rows);
  return floats;
}

Transformer::Transformer(const TextConfig& config, const TextWeights& weights, Compute compute,
                         ReferenceRounding rounding)
    : config_(config),
      weights_(weights),
      compute_(compute),
      embedding_scale_(EmbeddingScale(config.hidden_size, rounding)),
      local_frequency_(RopeInverseFrequencies(config.head_dim, config.rope_theta_local, 1)),
      global_frequency_(RopeInverseFrequencies(config.head_dim, config.rope_theta_global,
                                               config.rope_factor_global)) {
  if (rounding == ReferenceRounding::kBF16) {
    for (std::vector<float>* table : {&local_frequency_, &global_frequency_}) {
      for (float& f : *table) f = FloatFromBf16(Bf16FromFloat(f));
    }
  }
}

void Transformer::Embed(std::span<const BatchPart> batch, Rows<float> x, ThreadPool& pool) const {
  size_t first = 0;
  for (const BatchPart& part : batch) {
    const Rows<float> rows = x.Slice(first, part.ids.size());
    pool.ParallelFor(rows.rows, [&](size_t r, size_t) {
      // Image rows are overwritten below; their ids may lie outside the table.
      const TokenId id = part.ids[r];
      if (id < 0 || static_cast<size_t>(id) >= weights_.embedding.rows) return;
      UnpackRow(weights_.embedding, static_cast<size_t>(id), rows.row(r));
      for (size_t c = 0; c < rows.cols; ++c) rows.row(r)[c] *= embedding_scale_;
    });
    for (const ImageRun& image : ImagesOf(part)) {
      // Soft tokens are not scaled: the projector already gives them the size of scaled embeddings.
      std::memcpy(rows.row(image.begin - part.cache->size()), image.rows->data(),
                  image.count * rows.cols * sizeof(float));
    }
    first += part.ids.size();
  }
}

// Positions, and which keys each row sees.
void Transformer::Prepare(std::span<const BatchPart> batch, Pass& pass) const {
  std::vector<size_t> positions;
  for (const BatchPart& part : batch) {
    const size_t first_row = positions.size();
    const size_t first_pos = part.cache->size();
    pass.parts.push_back(
        {.begin = first_row, .count = part.ids.size(), .first_pos = first_pos, .kv = {}});
    for (size_t r = 0; r < part.ids.size(); ++r) {
      const size_t end = first_pos + r + 1;
      const size_t window_begin = end > config_.sliding_window ? end - config_.sliding_window : 0;
      positions.push_back(first_pos + r);
      pass.global.keys.push_back({0, end});
      pass.local.keys.push_back({window_begin, end});
    }
    // Soft tokens of one image also see each other, forwards too, in both kinds of layers, whatever
    // the window (architecture: the block is OR-ed into the mask).
    for (const ImageRun& image : ImagesOf(part)) {
      for (size_t pos = image.begin; pos < image.end(); ++pos) {
        KeyRange& local = pass.local.keys[first_row + pos - first_pos];
        pass.global.keys[first_row + pos - first_pos].end = image.end();
        local = {std::min(local.begin, image.begin), image.end()};
      }
    }
  }
  RopeTable(positions, local_frequency_, pass.local.cos, pass.local.sin);
  RopeTable(positions, global_frequency_, pass.global.cos, pass.global.sin);
}

void Transformer::RunLayer(size_t layer, std::span<const BatchPart> batch, Pass& pass,
                           Rows<float> x, ThreadPool& pool) const {
  const LayerWeights& w = weights_.layers[layer];
  const Pass::Kind& kind = config_.layers[layer] == LayerKind::kLocal ? pass.local : pass.global;
  const float eps = config_.rms_norm_eps;
  const Rows<float> q = pass.q, k = pass.k, v = pass.v;
  for (size_t i = 0; i < batch.size(); ++i) pass.parts[i].kv = batch[i].cache->layer(layer);

  RmsNorm(x, w.input_norm, eps, pass.normed, pool);
  MatMul(pass.normed, std::array<MatMulTask, 3>{{{w.q, q}, {w.k, k}, {w.v, v}}}, compute_, pool);
  RmsNormHeads(q, w.q_norm, eps, pool);
  RmsNormHeads(k, w.k_norm, eps, pool);
  ApplyRope(q, config_.head_dim, kind.cos, kind.sin, pool);
  ApplyRope(k, config_.head_dim, kind.cos, kind.sin, pool);
  StoreKv(k, v, pass.parts, pool);
  Attention(q, kind.keys, pass.parts, config_.num_heads, config_.attention_scale, q, pool);
  MatMul(q, w.o, pass.branch, compute_, pool);
  RmsNormAdd(pass.branch, w.post_attention_norm, eps, x, pool);

  RmsNorm(x, w.pre_ffw_norm, eps, pass.normed, pool);
  Mlp(pass.normed, {.gate = w.gate, .up = w.up, .down = w.down}, pass.branch, compute_, pool);
  RmsNormAdd(pass.branch, w.post_ffw_norm, eps, x, pool);
}

Result<Rows<const float>> Transformer::Forward(std::span<const BatchPart> batch,
                                               Workspace& workspace, const StopCheck& stop,
                                               float* after_first_layer) const {
  for (const BatchPart& part : batch) {
    GEMMA3_CHECK_OK(part.cache->MakeRoom(part.cache->size() + part.ids.size()));
  }
  const size_t rows = RowsOf(batch);
  Pass pass(config_, rows, workspace.Floats(WorkspaceFloats(config_, rows)));
  Prepare(batch, pass);
  Embed(batch, pass.x, workspace.pool());
  for (size_t layer = 0; layer < config_.num_layers; ++layer) {
    if (stop && stop()) {
      return Fail(ErrorCode::kCancelled, "cancelled by the caller");
    }
    RunLayer(layer, batch, pass, pass.x, workspace.pool());
    if (layer == 0 && after_first_layer) {
      std::memcpy(after_first_layer, pass.x.data, rows * pass.x.cols * sizeof(float));
    }
  }
  for (const BatchPart& part : batch) part.cache->Append(part.cache->size() + part.ids.size());
  return Rows<const float>(pass.x);
}

void Transformer::FinalNorm(Rows<const float> x, Rows<float> out, ThreadPool& pool) const {
  RmsNorm(x, weights_.final_norm, config_.rms_norm_eps, out, pool);
}

void Transformer::Logits(Rows<const float> normed, Rows<float> out, ThreadPool& pool) const {
  MatMul(normed, weights_.head, out, compute_, pool);
}

void Transformer::LogitsOf(std::span<const float> normed, std::span<const TokenId> tokens,
                           std::span<float> out, ThreadPool& pool) const {
  MatMulListed(normed, weights_.head, tokens, out, compute_, pool);
}

}  // namespace gemma3
