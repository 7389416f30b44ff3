// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/engine/merge.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "src/base/status.h"
#include "src/engine/adapters.h"
#include "src/engine/loaded_model.h"
#include "src/weights/pack.h"

namespace gemma3 {
namespace {

// Writes row r of the merged matrix to out.
using RowMaker = std::function<void(size_t r, float* out)>;

class Merger {
 public:
  Merger(const LoadOptions& options, ThreadPool& pool, Checkpoint* checkpoint,
         AlignedBuffers* memory)
      : options_(options), pool_(pool), checkpoint_(*checkpoint), memory_(*memory) {}

  // Makes the tensor of that name, in pieces, in its form.
  Status Replace(const std::string& name, size_t rows, size_t cols, MatrixRole role,
                 const RowMaker& make) {
    TensorView floats;
    floats.type = TensorType::kF32;
    floats.shape = {rows, cols};
    WeightType form = FormOf(floats, rows, cols, role, options_.weights);
    if (form == WeightType::kF32) form = WeightType::kBF16;
    std::byte* data = memory_.Add(FormBytes(form, rows, cols));
    constexpr size_t kPieceElems = size_t{4} << 20;
    // Packed matrices are cut at whole groups of rows.
    constexpr size_t kGroup = 64;
    const size_t piece = std::max<size_t>(1, kPieceElems / cols / kGroup) * kGroup;
    std::vector<float> values(std::min(piece, rows) * cols);
    for (size_t first = 0; first < rows; first += piece) {
      const size_t count = std::min(piece, rows - first);
      pool_.ParallelFor(count,
                        [&](size_t r, size_t) { make(first + r, values.data() + r * cols); });
      floats.shape[0] = count;
      floats.data = reinterpret_cast<const std::byte*>(values.data());
      floats.bytes = count * cols * sizeof(float);
      PackMatrix(floats, count, cols, form, data + FormBytes(form, first, cols), pool_);
    }
    floats.shape[0] = rows;
    const auto stored = checkpoint_.tensors.find(name);
    floats.file = stored != checkpoint_.tensors.end() ? stored->second.file : nullptr;
    checkpoint_.tensors[name] = AsTensor({form, rows, cols, data}, floats);
    return {};
  }

  Status ReplaceAdapted(const std::string& name, const MatrixView& base,
                        const AdaptedMatrix& adapted, MatrixRole role) {
    if (adapted.empty()) return {};
    if (!adapted.bias.empty()) {
      return Fail(ErrorCode::kUnsupported, "tensor ", name,
                  ": the adapter brings a bias, which this matrix has no place for; use it with "
                  "--lora instead of merging");
    }
    return Replace(name, base.rows, base.cols, role, [&](size_t r, float* out) {
      UnpackRow(base, r, out);
      MergeRow(adapted, r, {out, base.cols});
    });
  }

 private:
  const LoadOptions& options_;
  ThreadPool& pool_;
  Checkpoint& checkpoint_;
  AlignedBuffers& memory_;
};

}  // namespace

Status MergeAdapters(const Model& model, std::span<const AdapterUse> uses,
                     const LoadOptions& options, ThreadPool& pool, Checkpoint* checkpoint,
                     AlignedBuffers* memory) {
  GEMMA3_TRY(const std::shared_ptr<const AdapterSet> set, MakeAdapterSet(model, uses));
  if (!set) return {};
  const ModelWeights& weights = model.impl().weights;
  Merger merger(options, pool, checkpoint, memory);
  for (size_t i = 0; i < weights.text.layers.size(); ++i) {
    const LayerWeights& w = weights.text.layers[i];
    const std::string layer = "layers." + std::to_string(i) + ".";
    for (const auto& [part, base, matrix] : {std::tuple("self_attn.q_proj", &w.q, LayerMatrix::kQ),
                                             {"self_attn.k_proj", &w.k, LayerMatrix::kK},
                                             {"self_attn.v_proj", &w.v, LayerMatrix::kV},
                                             {"self_attn.o_proj", &w.o, LayerMatrix::kO},
                                             {"mlp.gate_proj", &w.gate, LayerMatrix::kGate},
                                             {"mlp.up_proj", &w.up, LayerMatrix::kUp},
                                             {"mlp.down_proj", &w.down, LayerMatrix::kDown}}) {
      GEMMA3_CHECK_OK(merger.ReplaceAdapted(layer + part + ".weight", *base, set->layer(i, matrix),
                                            MatrixRole::kLayer));
    }
  }
  for (size_t i = 0; set->changes_tower() && i < weights.vision.layers.size(); ++i) {
    const VisionLayerWeights& w = weights.vision.layers[i];
    const std::string layer = "vision.encoder.layers." + std::to_string(i) + ".";
    for (const auto& [part, base, matrix] : {std::tuple("self_attn.q_proj", &w.q, TowerMatrix::kQ),
                                             {"self_attn.k_proj", &w.k, TowerMatrix::kK},
                                             {"self_attn.v_proj", &w.v, TowerMatrix::kV},
                                             {"self_attn.out_proj", &w.out, TowerMatrix::kOut},
                                             {"mlp.fc1", &w.fc1, TowerMatrix::kFc1},
                                             {"mlp.fc2", &w.fc2, TowerMatrix::kFc2}}) {
      GEMMA3_CHECK_OK(merger.ReplaceAdapted(layer + part + ".weight", base->w,
                                            set->tower(i, matrix), MatrixRole::kTower));
    }
  }
  // The tables: the embedding as lookups see it, the head as it multiplies.
  const MatrixView& table = weights.text.embedding;
  if (set->changes_embedding()) {
    GEMMA3_CHECK_OK(
        merger.Replace("embed_tokens.weight", table.rows, table.cols, MatrixRole::kEmbedding,
                       [&](size_t r, float* out) { set->EmbeddingRow(table, r, out); }));
  }
  const MatrixView& head = set->own_head() ? *set->own_head() : weights.text.head;
  const bool head_changes = set->own_head() || !set->head().empty() || !set->head_ids().empty();
  // A head that was the embedding stays what it was where only that changes.
  if (!head_changes && !set->changes_embedding()) return {};
  const bool own = model.config().text.tie_word_embeddings;
  if (!head_changes && !own) return {};
  GEMMA3_CHECK_OK(merger.Replace(
      "lm_head.weight", head.rows, head.cols, MatrixRole::kEmbedding, [&](size_t r, float* out) {
        const auto ids = set->head_ids();
        const auto it = std::ranges::find(ids, static_cast<TokenId>(r));
        if (it != ids.end()) {
          UnpackRow(set->head_rows(), static_cast<size_t>(it - ids.begin()), out);
          return;
        }
        UnpackRow(head, r, out);
        MergeRow(set->head(), r, {out, head.cols});
      }));
  checkpoint->config.text.tie_word_embeddings = false;
  return {};
}

}  // namespace gemma3
