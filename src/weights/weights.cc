// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/weights/weights.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "ops/packed.h"
#include "src/base/aligned_buffer.h"
#include "src/base/bytes_text.h"
#include "src/base/status.h"
#include "src/formats/dequantize.h"
#include "src/formats/grouped_codes.h"
#include "src/weights/pack.h"
#include "src/weights/pack_codes.h"
#include "src/weights/pack_iq.h"

namespace gemma3 {
namespace {

// Reads tensors by canonical name and remembers the first error, so that the slot lists below stay
// plain lists.
class Loader {
 public:
  // Without a pool nothing is read or made, only planned.
  Loader(const Checkpoint& checkpoint, const LoadOptions& options, ThreadPool* pool)
      : checkpoint_(checkpoint), options_(options), pool_(pool) {
    for (const auto& [name, tensor] : checkpoint.tensors) total_bytes_ += StoredBytes(tensor);
  }

  // As f32, with `offset` added to every element.
  Vector Floats(const std::string& name, float offset = 0) {
    const TensorView* tensor = Find(name);
    if (!tensor || !pool_) return {};
    size_t count = 1;
    for (const uint64_t dim : tensor->shape) count *= dim;
    Vector out(count);
    if (!Dequantize(tensor->type, tensor->data, count, out.data())) {
      Unsupported(name, *tensor);
      return {};
    }
    if (!std::ranges::all_of(out, [](float value) { return std::isfinite(value); })) {
      NotFinite(name, *tensor);
      return {};
    }
    for (float& value : out) value += offset;
    return out;
  }

  // A norm gain as a whole factor.
  Vector Gain(const std::string& name) {
    return Floats(name, checkpoint_.norms_store_offset ? 1.0f : 0.0f);
  }

  // [rows, cols] where cols gathers all dimensions but the first.
  MatrixView Matrix(const std::string& name, MatrixRole role = MatrixRole::kLayer) {
    const TensorView* tensor = Find(name);
    if (!tensor) return {};
    MatrixView out;
    out.rows = tensor->shape[0];
    out.cols = 1;
    for (size_t i = 1; i < tensor->shape.size(); ++i) out.cols *= tensor->shape[i];
    // Kernels of convolutions stay in floats: packed matrices have two dimensions.
    const WeightFormat wanted =
        tensor->shape.size() == 2 ? options_.weights : WeightFormat::kAsStored;
    out.type = FormOf(*tensor, out.rows, out.cols, role, wanted);
    if (pool_) out.type = FormOfValues(*tensor, out.type, role);
    bool keeps_codes = false;
    if (pool_ && tensor->grouped) {
      const Result<WeightType> exact = ExactFormOf(*tensor, name, *pool_);
      if (!exact) {
        status_ = std::unexpected(exact.error());
        return {};
      }
      if (wanted == WeightFormat::kAsStored && role != MatrixRole::kTable &&
          role != MatrixRole::kDense) {
        out.type = *exact;
      }
      keeps_codes = IsPacked(out.type) && out.type == *exact;
    }
    // Files written before the format padded its header can hold odd addresses.
    const size_t alignment =
        IsPacked(tensor->type) ? kPackedAlign : InfoOf(tensor->type).block_bytes;
    const bool aligned = reinterpret_cast<uintptr_t>(tensor->data) % alignment == 0;
    if (IsInPlace(tensor->type, out.type) && aligned) {
      out.data = tensor->data;
      plan_.mapped_bytes += tensor->bytes;
    } else {
      if (!Own(FormBytes(out.type, out.rows, out.cols))) return {};
      plan_.packs |= role != MatrixRole::kTable && role != MatrixRole::kDense &&
                     !IsInPlace(tensor->type, out.type);
      if (!pool_) return out;
      out.data = Rewrite(name, *tensor, out, keeps_codes);
      if (!IsInPlace(tensor->type, out.type)) rewritten_.emplace(name, out);
    }
    done_bytes_ += StoredBytes(*tensor);
    if (options_.on_progress && !rewritten_.empty() &&
        !options_.on_progress({Progress::Stage::kWeights, done_bytes_, total_bytes_})) {
      if (status_) status_ = Fail(ErrorCode::kCancelled, "cancelled by the caller");
    }
    return out;
  }

  // The transpose of a stored matrix, as f32.
  MatrixView Transposed(const std::string& name) {
    const TensorView* tensor = Find(name);
    if (!tensor) return {};
    MatrixView out{WeightType::kF32, tensor->shape[1], tensor->shape[0], nullptr};
    if (!Own(FormBytes(out.type, out.rows, out.cols)) || !pool_) return out;
    const Vector values = Floats(name);
    if (values.empty()) return {};
    auto* data = reinterpret_cast<float*>(buffers_->Add(values.size() * sizeof(float)));
    for (size_t r = 0; r < out.rows; ++r) {
      for (size_t c = 0; c < out.cols; ++c) data[r * out.cols + c] = values[c * out.rows + r];
    }
    out.data = data;
    return out;
  }

  gemma3::Linear Linear(const std::string& name) {
    return {Matrix(name + ".weight", MatrixRole::kTower), Floats(name + ".bias")};
  }

  bool Has(const std::string& name) const { return checkpoint_.tensors.contains(name); }

  bool ok() const { return status_.has_value(); }

  Result<WeightsPlan> Plan() const {
    if (!status_) return std::unexpected(status_.error());
    return plan_;
  }

  Result<ModelWeights> Finish(ModelWeights weights) {
    if (!status_) return std::unexpected(status_.error());
    weights.owned_bytes = plan_.owned_bytes;
    weights.mapped_bytes = plan_.mapped_bytes;
    weights.rewritten = std::move(rewritten_);
    weights.owned = std::move(buffers_);
    return weights;
  }

 private:
  // The form where it depends on the values.
  WeightType FormOfValues(const TensorView& tensor, WeightType form, MatrixRole role) {
    if (tensor.type == TensorType::kMXFP4 && options_.weights == WeightFormat::kAsStored &&
        form == WeightType::kInt8 && !Mxfp4FitsPacked(tensor, *pool_)) {
      return WeightType::kBF16;
    }
    if (form == WeightType::kF16 && role == MatrixRole::kTower && HalvesFitBf16(tensor, *pool_)) {
      return WeightType::kBF16;
    }
    return form;
  }

  // Counts memory that is about to be taken; false after an error.
  bool Own(size_t bytes) {
    plan_.owned_bytes += bytes;
    const size_t most = options_.max_memory_bytes;
    if (pool_ && most != 0 && plan_.owned_bytes + plan_.mapped_bytes > most && status_) {
      status_ = Fail(ErrorCode::kOutOfMemory, "the weights take more than the limit of ",
                     BytesText(most), "; use a smaller or more strongly quantised model");
    }
    return ok();
  }

  // Null after the first error as well, so that nothing more is done.
  const TensorView* Find(const std::string& name) {
    if (!status_) return nullptr;
    const auto it = checkpoint_.tensors.find(name);
    if (it != checkpoint_.tensors.end()) return &it->second;
    status_ = Fail(ErrorCode::kBadModel, "tensor ", name, " is missing");
    return nullptr;
  }

  void Unsupported(const std::string& name, const TensorView& tensor) {
    status_ = Fail(ErrorCode::kUnsupported, tensor.file ? *tensor.file : "", ": tensor ", name,
                   " has type ", InfoOf(tensor.type).name, ", which cannot be computed with");
  }

  void NotFinite(const std::string& name, const TensorView& tensor) {
    status_ = Fail(ErrorCode::kBadModel, tensor.file ? *tensor.file : "", ": tensor ", name,
                   " holds values that are infinite or not numbers; the file is damaged, or its "
                   "model is");
  }

  // Packs a matrix in pieces and gives the source pages of each back, so that the largest matrix
  // (the embedding) is never in memory twice.
  const void* Rewrite(const std::string& name, const TensorView& tensor, const MatrixView& to,
                      bool keeps_codes) {
    std::byte* data = buffers_->Add(FormBytes(to.type, to.rows, to.cols));
    constexpr size_t kPieceElems = size_t{16} << 20;
    const size_t piece_rows =
        std::max<size_t>(1, kPieceElems / to.cols / kPackedGroupRows) * kPackedGroupRows;
    // Packed sources are copied whole: their rows are interleaved.
    const bool divisible = !IsPacked(tensor.type);
    for (size_t first = 0; first < to.rows;) {
      const size_t count = divisible ? std::min(piece_rows, to.rows - first) : to.rows;
      const TensorView piece = divisible ? RowsOf(tensor, first, count) : tensor;
      if (!FloatsAreFinite(piece, *pool_) || !HasFiniteScales(piece, *pool_)) {
        NotFinite(name, tensor);
        return data;
      }
      std::byte* out = data + FormBytes(to.type, first, to.cols);
      if (keeps_codes) {
        PackCodes(piece, to.type, out, *pool_);
      } else {
        PackMatrix(piece, count, to.cols, to.type, out, *pool_);
      }
      Release({piece.data, piece.bytes});
      first += count;
    }
    if (tensor.grouped) {
      Release({tensor.data, tensor.bytes});  // the pieces were not the rows if columns come first
      for (const auto& other : tensor.grouped->others) Release(other);
    }
    return data;
  }

  void Release(std::span<const std::byte> bytes) const {
    for (const auto& file : checkpoint_.files) file->Release(bytes);
  }

  const Checkpoint& checkpoint_;
  const LoadOptions& options_;
  ThreadPool* const pool_;
  std::shared_ptr<AlignedBuffers> buffers_ = std::make_shared<AlignedBuffers>();
  std::map<std::string, MatrixView> rewritten_;
  WeightsPlan plan_;
  size_t total_bytes_ = 0;
  size_t done_bytes_ = 0;
  Status status_;
};

TextWeights LoadText(Loader& load, const TextConfig& config) {
  TextWeights text;
  text.embedding = load.Matrix("embed_tokens.weight", MatrixRole::kEmbedding);
  text.head = load.Has("lm_head.weight") ? load.Matrix("lm_head.weight", MatrixRole::kEmbedding)
                                         : text.embedding;
  for (size_t i = 0; i < config.num_layers && load.ok(); ++i) {
    const std::string layer = "layers." + std::to_string(i) + ".";
    text.layers.push_back({
        .input_norm = load.Gain(layer + "input_layernorm.weight"),
        .q = load.Matrix(layer + "self_attn.q_proj.weight"),
        .k = load.Matrix(layer + "self_attn.k_proj.weight"),
        .v = load.Matrix(layer + "self_attn.v_proj.weight"),
        .q_norm = load.Gain(layer + "self_attn.q_norm.weight"),
        .k_norm = load.Gain(layer + "self_attn.k_norm.weight"),
        .o = load.Matrix(layer + "self_attn.o_proj.weight"),
        .post_attention_norm = load.Gain(layer + "post_attention_layernorm.weight"),
        .pre_ffw_norm = load.Gain(layer + "pre_feedforward_layernorm.weight"),
        .gate = load.Matrix(layer + "mlp.gate_proj.weight"),
        .up = load.Matrix(layer + "mlp.up_proj.weight"),
        .down = load.Matrix(layer + "mlp.down_proj.weight"),
        .post_ffw_norm = load.Gain(layer + "post_feedforward_layernorm.weight"),
    });
  }
  text.final_norm = load.Gain("norm.weight");
  return text;
}

std::vector<Linear> LoadDense(Loader& load, const EmbeddingConfig& config) {
  std::vector<Linear> layers;
  for (size_t i = 0; i < config.dense.size() && load.ok(); ++i) {
    const std::string name = "dense." + std::to_string(i);
    layers.push_back({load.Matrix(name + ".weight", MatrixRole::kDense),
                      config.dense[i].bias ? load.Floats(name + ".bias") : Vector()});
  }
  return layers;
}

VisionWeights LoadVision(Loader& load, const VisionConfig& config) {
  VisionWeights vision;
  vision.patch = load.Linear("vision.embeddings.patch_embedding");
  vision.position = load.Matrix("vision.embeddings.position_embedding.weight", MatrixRole::kTable);
  for (size_t i = 0; i < config.num_layers && load.ok(); ++i) {
    const std::string layer = "vision.encoder.layers." + std::to_string(i) + ".";
    vision.layers.push_back({
        .norm1_weight = load.Floats(layer + "layer_norm1.weight"),
        .norm1_bias = load.Floats(layer + "layer_norm1.bias"),
        .q = load.Linear(layer + "self_attn.q_proj"),
        .k = load.Linear(layer + "self_attn.k_proj"),
        .v = load.Linear(layer + "self_attn.v_proj"),
        .out = load.Linear(layer + "self_attn.out_proj"),
        .norm2_weight = load.Floats(layer + "layer_norm2.weight"),
        .norm2_bias = load.Floats(layer + "layer_norm2.bias"),
        .fc1 = load.Linear(layer + "mlp.fc1"),
        .fc2 = load.Linear(layer + "mlp.fc2"),
    });
  }
  vision.post_norm_weight = load.Floats("vision.post_layernorm.weight");
  vision.post_norm_bias = load.Floats("vision.post_layernorm.bias");
  vision.projector_norm = load.Gain("projector.mm_soft_emb_norm.weight");
  vision.projection = load.Transposed("projector.mm_input_projection_weight");
  return vision;
}

}  // namespace

Result<WeightsPlan> PlanWeights(const Checkpoint& checkpoint, const LoadOptions& options) {
  Loader load(checkpoint, options, nullptr);
  (void)LoadText(load, checkpoint.config.text);
  if (checkpoint.config.has_vision) (void)LoadVision(load, checkpoint.config.vision);
  if (checkpoint.config.embedding) (void)LoadDense(load, *checkpoint.config.embedding);
  return load.Plan();
}

Result<ModelWeights> LoadWeights(const Checkpoint& checkpoint, const LoadOptions& options,
                                 ThreadPool& pool) {
  Loader load(checkpoint, options, &pool);
  ModelWeights weights;
  weights.text = LoadText(load, checkpoint.config.text);
  if (checkpoint.config.has_vision) weights.vision = LoadVision(load, checkpoint.config.vision);
  if (checkpoint.config.embedding) weights.dense = LoadDense(load, *checkpoint.config.embedding);
  return load.Finish(std::move(weights));
}

}  // namespace gemma3
