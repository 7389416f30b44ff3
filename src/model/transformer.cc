// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/model/transformer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "ops/elementwise.h"
#include "ops/lora.h"
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
  std::vector<KvRows> parts;         // of the layer that runs
  std::vector<AdaptedRows> adapted;  // empty: the model as it is
  Rows<float> inner;                 // of an MLP, where there are adapters
  float* low = nullptr;              // what first halves give: for each run [count, max_rank]

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

size_t Transformer::AdapterFloats(const TextConfig& config, size_t rows, size_t max_rank) {
  return CarveFloats(config.intermediate_size, rows) + CarveFloats(max_rank, rows);
}

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

void Transformer::EmbedIds(std::span<const TokenId> ids, const AdapterSet* adapters,
                           Rows<float> rows, ThreadPool& pool) const {
  pool.ParallelFor(rows.rows, [&](size_t r, size_t) {
    // Image rows are overwritten later; their ids may lie outside the table.
    const TokenId id = ids[r];
    if (id < 0 || static_cast<size_t>(id) >= weights_.embedding.rows) return;
    if (adapters) {
      adapters->EmbeddingRow(weights_.embedding, static_cast<size_t>(id), rows.row(r));
    } else {
      UnpackRow(weights_.embedding, static_cast<size_t>(id), rows.row(r));
    }
    for (size_t c = 0; c < rows.cols; ++c) rows.row(r)[c] *= embedding_scale_;
  });
}

void Transformer::Embed(std::span<const BatchPart> batch, Rows<float> x, ThreadPool& pool) const {
  size_t first = 0;
  for (const BatchPart& part : batch) {
    const Rows<float> rows = x.Slice(first, part.ids.size());
    EmbedIds(part.ids, part.adapters, rows, pool);
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

// ---- Adapters

std::vector<std::vector<LoraRun>> Transformer::RunsOf(size_t layer, const Pass& pass,
                                                      std::span<const LayerMatrix> matrices) const {
  std::vector<std::vector<LoraRun>> runs;
  if (pass.adapted.empty()) return runs;
  size_t most = 0;
  float* low = pass.low;
  runs.resize(matrices.size());
  for (const AdaptedRows& rows : pass.adapted) {
    // What the first halves give, side by side.
    size_t rank = 0, column = 0;
    for (const LayerMatrix matrix : matrices) rank += rows.set->layer(layer, matrix).rank();
    const Rows<float> t(low, rows.count, rank);
    low += rows.count * rank;
    most = std::max(most, rank);
    for (size_t i = 0; i < matrices.size(); ++i) {
      const AdaptedMatrix& adapted = rows.set->layer(layer, matrices[i]);
      runs[i].push_back(adapted.Run(rows.begin, rows.count, t.Cols(column, adapted.rank())));
      column += adapted.rank();
    }
  }
  if (most == 0) runs.clear();
  return runs;
}

void Transformer::Multiply(size_t layer, const Pass& pass, Rows<const float> x,
                           std::span<const Product> products, ThreadPool& pool) const {
  constexpr size_t kMost = 3;
  std::array<LayerMatrix, kMost> matrices;
  std::array<MatMulTask, kMost> tasks;
  for (size_t i = 0; i < products.size(); ++i) {
    matrices[i] = products[i].matrix;
    tasks[i] = {products[i].w, products[i].out};
  }
  const size_t count = products.size();
  auto runs = RunsOf(layer, pass, std::span(matrices).first(count));
  if (runs.empty()) return MatMul(x, std::span(tasks).first(count), compute_, pool);
  std::vector<LoraTask> adapted;
  for (size_t i = 0; i < count; ++i) adapted.push_back({tasks[i], std::move(runs[i])});
  MatMul(x, adapted, compute_, pool);
}

void Transformer::RunMlp(size_t layer, const Pass& pass, ThreadPool& pool) const {
  const LayerWeights& w = weights_.layers[layer];
  MlpTask task{.gate = w.gate, .up = w.up, .down = w.down};
  const auto into = RunsOf(layer, pass, std::array{LayerMatrix::kGate, LayerMatrix::kUp});
  const auto from = RunsOf(layer, pass, std::array{LayerMatrix::kDown});
  if (!into.empty()) {
    task.gate_runs = into[0];
    task.up_runs = into[1];
  }
  if (!from.empty()) {
    task.down_runs = from[0];
    task.inner = pass.inner;
  }
  Mlp(pass.normed, task, pass.branch, compute_, pool);
}

void Transformer::RunLayer(size_t layer, Pass& pass, Rows<float> x, ThreadPool& pool) const {
  const LayerWeights& w = weights_.layers[layer];
  const Pass::Kind& kind = config_.layers[layer] == LayerKind::kLocal ? pass.local : pass.global;
  const float eps = config_.rms_norm_eps;
  const Rows<float> q = pass.q, k = pass.k, v = pass.v;

  RmsNorm(x, w.input_norm, eps, pass.normed, pool);
  Multiply(layer, pass, pass.normed,
           std::array<Product, 3>{
               {{w.q, q, LayerMatrix::kQ}, {w.k, k, LayerMatrix::kK}, {w.v, v, LayerMatrix::kV}}},
           pool);
  RmsNormHeads(q, w.q_norm, eps, pool);
  RmsNormHeads(k, w.k_norm, eps, pool);
  ApplyRope(q, config_.head_dim, kind.cos, kind.sin, pool);
  ApplyRope(k, config_.head_dim, kind.cos, kind.sin, pool);
  StoreKv(k, v, pass.parts, pool);
  Attention(q, kind.keys, pass.parts, config_.num_heads, config_.attention_scale, q, pool);
  Multiply(layer, pass, q, std::array<Product, 1>{{{w.o, pass.branch, LayerMatrix::kO}}}, pool);
  RmsNormAdd(pass.branch, w.post_attention_norm, eps, x, pool);

  RmsNorm(x, w.pre_ffw_norm, eps, pass.normed, pool);
  RunMlp(layer, pass, pool);
  RmsNormAdd(pass.branch, w.post_ffw_norm, eps, x, pool);
}

std::vector<Transformer::AdaptedRows> Transformer::AdaptedRowsOf(std::span<const BatchPart> batch) {
  std::vector<AdaptedRows> runs;
  size_t begin = 0;
  for (const BatchPart& part : batch) {
    const size_t count = part.ids.size();
    const bool goes_on = !runs.empty() && runs.back().set == part.adapters &&
                         runs.back().begin + runs.back().count == begin;
    if (goes_on) {
      runs.back().count += count;
    } else if (part.adapters) {
      runs.push_back({begin, count, part.adapters});
    }
    begin += count;
  }
  return runs;
}

void Transformer::PrepareAdapters(std::vector<AdaptedRows> adapted, float* memory,
                                  Pass& pass) const {
  pass.adapted = std::move(adapted);
  if (pass.adapted.empty()) return;
  const size_t inner = config_.intermediate_size, rows = pass.x.rows;
  pass.inner = Rows<float>(memory, rows, inner);
  pass.low = memory + CarveFloats(inner, rows);
}

Result<Rows<const float>> Transformer::Forward(std::span<const BatchPart> batch,
                                               Workspace& workspace, const StopCheck& stop,
                                               float* after_first_layer) const {
  for (const BatchPart& part : batch) {
    GEMMA3_CHECK_OK(part.cache->MakeRoom(part.cache->size() + part.ids.size()));
  }
  const size_t rows = RowsOf(batch);
  const size_t floats = WorkspaceFloats(config_, rows);
  const std::vector<AdaptedRows> adapted = AdaptedRowsOf(batch);
  size_t rank = 0;
  for (const auto& run : adapted) rank = std::max(rank, run.set->max_rank());
  float* memory =
      workspace.Floats(floats + (adapted.empty() ? 0 : AdapterFloats(config_, rows, rank)));
  Pass pass(config_, rows, memory);
  PrepareAdapters(adapted, memory + floats, pass);
  Prepare(batch, pass);
  Embed(batch, pass.x, workspace.pool());
  for (size_t layer = 0; layer < config_.num_layers; ++layer) {
    if (stop && stop()) {
      return Fail(ErrorCode::kCancelled, "cancelled by the caller");
    }
    for (size_t i = 0; i < batch.size(); ++i) pass.parts[i].kv = batch[i].cache->layer(layer);
    RunLayer(layer, pass, pass.x, workspace.pool());
    if (layer == 0 && after_first_layer) {
      std::memcpy(after_first_layer, pass.x.data, rows * pass.x.cols * sizeof(float));
    }
  }
  for (const BatchPart& part : batch) part.cache->Append(part.cache->size() + part.ids.size());
  return Rows<const float>(pass.x);
}

// ---- Whole texts

namespace {

// In the type that suits the products; a layer's are dead when the next layer's are stored.
KvType EncodedKv(Compute compute) {
  return compute == Compute::kExact ? KvType::kF32 : KvType::kBF16;
}

size_t TileBytes(const TextConfig& config, Compute compute) {
  return KvPageBytes(EncodedKv(compute), config.num_kv_heads, config.head_dim);
}

}  // namespace

size_t Transformer::EncodeFloats(const TextConfig& config, Compute compute, size_t rows,
                                 size_t tiles) {
  return WorkspaceFloats(config, rows) + tiles * TileBytes(config, compute) / sizeof(float);
}

Result<Rows<const float>> Transformer::Encode(std::span<const std::span<const TokenId>> texts,
                                              const AdapterSet* adapters, Workspace& workspace,
                                              const StopCheck& stop) const {
  size_t rows = 0, tiles = 0;
  for (const auto& ids : texts) {
    rows += ids.size();
    tiles += KvCache::NumTiles(ids.size());
  }
  const size_t floats = EncodeFloats(config_, compute_, rows, tiles);
  float* memory = workspace.Floats(
      floats + (adapters ? AdapterFloats(config_, rows, adapters->max_rank()) : 0));
  Pass pass(config_, rows, memory);
  std::vector<AdaptedRows> adapted;
  if (adapters) adapted.push_back({0, rows, adapters});
  PrepareAdapters(std::move(adapted), memory + floats, pass);
  auto* tile = reinterpret_cast<std::byte*>(memory + WorkspaceFloats(config_, rows));
  // Places behind the end of a text are read, too, and must hold numbers.
  const size_t tile_bytes = TileBytes(config_, compute_);
  workspace.pool().ParallelFor(
      tiles, [&](size_t t, size_t) { std::memset(tile + t * tile_bytes, 0, tile_bytes); });
  std::vector<std::byte*> pages;
  for (size_t t = 0; t < tiles; ++t) pages.push_back(tile + t * tile_bytes);

  std::vector<size_t> positions;
  size_t page = 0;
  for (const auto& ids : texts) {
    const size_t begin = positions.size(), count = ids.size();
    pass.parts.push_back({.begin = begin,
                          .count = count,
                          .first_pos = 0,
                          .kv = {.type = EncodedKv(compute_),
                                 .num_kv_heads = config_.num_kv_heads,
                                 .head_dim = config_.head_dim,
                                 .pages = pages.data() + page,
                                 .offset = 0}});
    page += KvCache::NumTiles(count);
    const size_t window = config_.sliding_window;
    for (size_t r = 0; r < count; ++r) {
      positions.push_back(r);
      pass.global.keys.push_back({0, count});
      pass.local.keys.push_back({r + 1 > window ? r + 1 - window : 0, std::min(count, r + window)});
    }
    EmbedIds(ids, adapters, pass.x.Slice(begin, count), workspace.pool());
  }
  RopeTable(positions, local_frequency_, pass.local.cos, pass.local.sin);
  RopeTable(positions, global_frequency_, pass.global.cos, pass.global.sin);
  for (size_t layer = 0; layer < config_.num_layers; ++layer) {
    if (stop && stop()) return Fail(ErrorCode::kCancelled, "cancelled by the caller");
    RunLayer(layer, pass, pass.x, workspace.pool());
  }
  return Rows<const float>(pass.x);
}

void Transformer::FinalNorm(Rows<const float> x, Rows<float> out, ThreadPool& pool) const {
  RmsNorm(x, weights_.final_norm, config_.rms_norm_eps, out, pool);
}

void Transformer::Logits(Rows<const float> normed, Rows<float> out, ThreadPool& pool) const {
  MatMul(normed, weights_.head, out, compute_, pool);
}

void Transformer::Logits(Rows<const float> normed, std::span<const LogitsPart> parts,
                         Rows<float> out, ThreadPool& pool) const {
  const auto table_of = [&](const LogitsPart& part) {
    const MatrixView* own = part.adapters ? part.adapters->own_head() : nullptr;
    return own ? own : &weights_.head;
  };
  for (size_t i = 0, begin = 0; i < parts.size();) {  // parts with one table
    const MatrixView* table = table_of(parts[i]);
    size_t rows = 0;
    std::vector<std::vector<float>> low;  // what the first halves give
    LoraTask task;
    for (; i < parts.size() && table_of(parts[i]) == table; rows += parts[i++].rows) {
      if (!parts[i].adapters || parts[i].rows == 0) continue;
      const AdaptedMatrix& head = parts[i].adapters->head();
      low.emplace_back(parts[i].rows * head.rank());
      task.runs.push_back(
          head.Run(rows, parts[i].rows, {low.back().data(), parts[i].rows, head.rank()}));
    }
    task.product = {*table, out.Slice(begin, rows)};
    MatMul(normed.Slice(begin, rows), {&task, 1}, compute_, pool);
    begin += rows;
  }
  size_t begin = 0;
  for (const LogitsPart& part : parts) {
    const Rows<const float> x = normed.Slice(begin, part.rows);
    const Rows<float> logits = out.Slice(begin, part.rows);
    begin += part.rows;
    if (!part.adapters || part.rows == 0) continue;
    const std::span<const TokenId> ids = part.adapters->head_ids();
    if (ids.empty()) continue;
    std::vector<float> own(part.rows * ids.size());
    const Rows<float> values(own.data(), part.rows, ids.size());
    MatMul(x, part.adapters->head_rows(), values, compute_, pool);
    for (size_t r = 0; r < part.rows; ++r) {
      for (size_t k = 0; k < ids.size(); ++k) {
        logits.row(r)[static_cast<size_t>(ids[k])] = values.row(r)[k];
      }
    }
  }
}

void Transformer::LogitsOf(std::span<const float> normed, std::span<const TokenId> tokens,
                           const AdapterSet* adapters, std::span<float> out,
                           ThreadPool& pool) const {
  if (!adapters || !adapters->ChangesHead()) {
    return MatMulListed(normed, weights_.head, tokens, out, compute_, pool);
  }
  std::vector<float> all(config_.vocab_size);
  const LogitsPart part{1, adapters};
  Logits({normed.data(), 1, normed.size()}, {&part, 1}, {all.data(), 1, all.size()}, pool);
  for (size_t i = 0; i < tokens.size(); ++i) out[i] = all[static_cast<size_t>(tokens[i])];
}

}  // namespace gemma3
