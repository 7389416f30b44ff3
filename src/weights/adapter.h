// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A LoRA adapter whose every tensor has found its place in a model, in the form that is computed
// with: floats, on the fly, beside base weights that stay as they are. And what a request uses: a
// set of adapters, each with a scale.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "ops/lora.h"
#include "ops/matmul.h"
#include "src/base/aligned_buffer.h"
#include "src/base/remarks.h"
#include "src/formats/adapter_file.h"
#include "src/threading/thread_pool.h"
#include "src/weights/weights.h"

namespace gemma3 {

// The delta of one matrix W [outputs, inputs]: scale * B A, in the float types of the file.
struct LoraMatrix {
  size_t rank = 0, inputs = 0, outputs = 0;
  double scale = 1;
  WeightType a_type = WeightType::kF32, b_type = WeightType::kF32;
  const std::byte* a = nullptr;  // [rank, inputs], in LoadedAdapter::memory, as b
  const std::byte* b = nullptr;  // panels of ops/lora.h
  Vector bias;                   // [outputs], or none
  MatrixView first() const { return {a_type, rank, inputs, a}; }
  LoraPanels second() const { return {b_type, outputs, rank, b}; }
  // DoRA: the rows of W + s B A get these lengths. What their lengths are is a polynomial of s:
  // squares[0] + s squares[1] + s^2 squares[2].
  Vector magnitude;  // [outputs], or none
  std::array<std::vector<double>, 3> squares;
};

// The delta of a table [tokens, width]: row t gets scale * B a_t.
struct LoraTable {
  size_t rank = 0, tokens = 0, width = 0;
  double scale = 1;
  AlignedBuffer<float> a;  // [tokens, rank]
  AlignedBuffer<float> b;  // [rank, width]
};

// The matrices of a text layer, in the order in which they are computed.
enum class LayerMatrix : uint8_t { kQ, kK, kV, kO, kGate, kUp, kDown };
inline constexpr size_t kLayerMatrices = 7;
enum class TowerMatrix : uint8_t { kQ, kK, kV, kOut, kFc1, kFc2 };
inline constexpr size_t kTowerMatrices = 6;

// A table of the model's that an adapter brings whole.
struct OwnTable {
  MatrixView w;  // in place, or in `memory`
  AlignedBuffer<float> memory;
};

struct LoadedAdapter {
  std::string path, name;
  std::vector<std::array<std::unique_ptr<LoraMatrix>, kLayerMatrices>> layers;
  std::vector<std::array<std::unique_ptr<LoraMatrix>, kTowerMatrices>> tower;
  std::unique_ptr<LoraMatrix> head;
  std::unique_ptr<LoraTable> embedding;
  std::unique_ptr<OwnTable> own_embedding, own_head;
  // Rows that take the place of the table's.
  std::map<TokenId, Vector> embedding_rows, head_rows;
  AlignedBuffers memory;  // of the factors
  size_t bytes = 0;
  size_t matrices = 0;  // that it changes
  std::string digest;   // of what it holds
  Remarks remarks;
  std::vector<std::shared_ptr<const FileMap>> files;

  bool changes_tower() const;
  size_t max_rank() const;  // as of an AdapterSet of it alone
};

// Places every tensor. Errors: kBadModel or kUnsupported, naming the tensor, for one that has no
// place, another shape (the adapter of another size), or numbers that are none.
Result<std::shared_ptr<const LoadedAdapter>> PlaceAdapter(AdapterFile file,
                                                          const ModelConfig& config,
                                                          const ModelWeights& weights,
                                                          ThreadPool& pool);

// What all adapters of a set do to one matrix: y = gain * (W x) + sum of B (scale A x) + bias.
struct AdaptedMatrix {
  std::vector<LoraTerm> terms;
  std::vector<Vector> ratios;  // that terms point to
  Vector gain;                 // [outputs], or none
  Vector bias;                 // [outputs], or none
  size_t rank() const;         // of all terms
  bool empty() const { return terms.empty(); }
  // To rows [begin, begin + count). low: [count, rank()].
  LoraRun Run(size_t begin, size_t count, Rows<float> low) const {
    return {begin,
            count,
            terms,
            gain.empty() ? nullptr : gain.data(),
            bias.empty() ? nullptr : bias.data(),
            low};
  }
};

// A product with what a set adds to it. bias: the base's, or null.
struct AdaptedProduct {
  MatrixView w;
  Rows<float> out;
  const float* bias = nullptr;
  const AdaptedMatrix* adapted = nullptr;
};
// Of one x, together: every row with the same set.
void MatMulAdapted(Rows<const float> x, std::span<const AdaptedProduct> products, Compute compute,
                   ThreadPool& pool);

// Adapters with their scales, as they are computed with. Immutable.
class AdapterSet {
 public:
  struct Use {
    std::shared_ptr<const LoadedAdapter> adapter;
    float scale = 1;
  };
  // Errors: kInvalidArgument where two of them bring the same table or row.
  static Result<std::shared_ptr<const AdapterSet>> Create(std::span<const Use> uses,
                                                          const ModelConfig& config);

  const AdaptedMatrix& layer(size_t i, LayerMatrix matrix) const {
    return layers_[i][static_cast<size_t>(matrix)];
  }
  const AdaptedMatrix& tower(size_t i, TowerMatrix matrix) const {
    return tower_[i][static_cast<size_t>(matrix)];
  }
  bool changes_tower() const { return changes_tower_; }
  const AdaptedMatrix& head() const { return head_; }
  bool changes_embedding() const {
    return own_embedding_ || !embedding_.empty() || !embedding_rows_.empty();
  }
  // Null: the model's own.
  const MatrixView* own_embedding() const { return own_embedding_; }
  const MatrixView* own_head() const { return own_head_; }
  // The rows of the head that are others: ids, and [ids, hidden].
  std::span<const TokenId> head_ids() const { return head_ids_; }
  // Whether logits are other than the model's own output matrix gives them.
  bool ChangesHead() const {
    return own_head_ != nullptr || !head_.terms.empty() || !head_.gain.empty() ||
           !head_.bias.empty() || !head_ids_.empty();
  }
  const MatrixView& head_rows() const { return head_rows_; }
  // The row of a token in the adapted table, unscaled; `base`: the model's own table.
  void EmbeddingRow(const MatrixView& base, size_t id, float* out) const;

  // At least as many numbers as first halves of text matrices that are computed together give.
  size_t max_rank() const { return max_rank_; }
  // Says which adapters, with which scales: what is computed under it is that of equal ones.
  const std::string& identity() const { return identity_; }

 private:
  std::vector<Use> uses_;  // keeps alive
  std::vector<std::array<AdaptedMatrix, kLayerMatrices>> layers_;
  std::vector<std::array<AdaptedMatrix, kTowerMatrices>> tower_;
  AdaptedMatrix head_;
  std::vector<std::pair<const LoraTable*, float>> embedding_;  // with their scales
  const MatrixView* own_embedding_ = nullptr;
  const MatrixView* own_head_ = nullptr;
  std::map<TokenId, const Vector*> embedding_rows_;
  std::vector<TokenId> head_ids_;
  std::vector<float> head_values_;
  MatrixView head_rows_;
  bool changes_tower_ = false;
  size_t max_rank_ = 0;
  std::string identity_;
};

// What a set makes of a row of a matrix W: gain * W + sum of scale * B A. row: [inputs], edited.
void MergeRow(const AdaptedMatrix& adapted, size_t output, std::span<float> row);

}  // namespace gemma3
