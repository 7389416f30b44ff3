// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Formulas: huggingface/peft, src/peft/tuners/lora/layer.py, dora.py (its norm is that of the
// weights as they are computed with: dequantised), tuners/trainable_tokens/layer.py.
#include "src/weights/adapter.h"

#include <algorithm>
#include <charconv>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "ops/lora.h"
#include "src/base/half.h"
#include "src/base/hash.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/dequantize.h"

namespace gemma3 {
namespace {

constexpr std::array<std::string_view, kLayerMatrices> kLayerNames = {
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};
constexpr std::array<std::string_view, kTowerMatrices> kTowerNames = {
    "self_attn.q_proj",   "self_attn.k_proj", "self_attn.v_proj",
    "self_attn.out_proj", "mlp.fc1",          "mlp.fc2"};

const MatrixView& BaseOf(const LayerWeights& w, size_t matrix) {
  return *std::array{&w.q, &w.k, &w.v, &w.o, &w.gate, &w.up, &w.down}[matrix];
}
const MatrixView& BaseOf(const VisionLayerWeights& w, size_t matrix) {
  return std::array{&w.q, &w.k, &w.v, &w.out, &w.fc1, &w.fc2}[matrix]->w;
}

// The number and the rest of "layers.12.mlp.up_proj" behind `prefix`.
std::optional<std::pair<size_t, std::string_view>> LayerPart(std::string_view module,
                                                             std::string_view prefix) {
  if (!module.starts_with(prefix)) return std::nullopt;
  module.remove_prefix(prefix.size());
  size_t layer = 0;
  const auto [end, error] = std::from_chars(module.data(), module.data() + module.size(), layer);
  const auto digits = static_cast<size_t>(end - module.data());
  if (error != std::errc() || digits >= module.size() || *end != '.') return std::nullopt;
  return std::pair(layer, module.substr(digits + 1));
}

std::string HashText(std::span<const std::byte> bytes) {
  constexpr HashKey kKey = {0x67656d6d61332e63, 0x70706c6f7261};  // fixed: it goes into files
  const Hash128 hash =
      SipHash128(kKey, {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  char text[33];
  std::snprintf(text, sizeof text, "%016" PRIx64 "%016" PRIx64, hash.high, hash.low);
  return text;
}

// Of large tables, samples from all over (state_identity.h says why that will do).
std::string DigestOf(const TensorView& tensor) {
  constexpr size_t kWhole = 16 << 20, kSamples = 1024, kBytes = 256;
  const std::span bytes(tensor.data, tensor.bytes);
  if (bytes.size() <= kWhole) return HashText(bytes);
  std::vector<std::byte> samples;
  for (size_t i = 0; i < kSamples; ++i) {
    const auto sample = bytes.subspan((bytes.size() - kBytes) / (kSamples - 1) * i, kBytes);
    samples.insert(samples.end(), sample.begin(), sample.end());
  }
  return HashText(samples);
}

class Placer {
 public:
  Placer(AdapterFile file, const ModelConfig& config, const ModelWeights& weights, ThreadPool& pool)
      : file_(std::move(file)), config_(config), weights_(weights), pool_(pool) {}

  Result<std::shared_ptr<const LoadedAdapter>> Place() {
    out_->path = file_.path;
    out_->name = file_.name;
    out_->layers.resize(config_.text.num_layers);
    if (config_.has_vision) out_->tower.resize(config_.vision.num_layers);
    // Tables first: what an adapter adds to one that it brings itself is measured on that.
    for (const auto& [module, whole] : file_.whole) GEMMA3_CHECK_OK(PlaceTable(module, whole));
    TieTables();
    for (const auto& [module, factors] : file_.factors) {
      in_file_ += factors.a.bytes + factors.b.bytes;
    }
    for (const auto& [module, factors] : file_.factors) {
      GEMMA3_CHECK_OK(PlaceFactors(module, factors));
    }
    if (!changes_ && file_.whole.empty() && file_.token_rows.empty()) {
      file_.remarks.warnings.push_back(
          file_.path + ": every B is zero, as before training: the adapter changes nothing");
    }
    for (const auto& [module, rows] : file_.token_rows) {
      GEMMA3_CHECK_OK(PlaceRows(module, rows, file_.token_ids.at(module)));
    }
    TieHead();
    if (file_.ties_head || file_.ties_tables) digests_ += file_.ties_head ? "tied" : "tables tied";
    out_->digest = HashText(std::as_bytes(std::span(digests_)));
    out_->remarks = std::move(file_.remarks);
    out_->files = std::move(file_.files);
    return std::shared_ptr<const LoadedAdapter>(std::move(out_));
  }

 private:
  template <class... Parts>
  std::unexpected<Error> Refuse(const std::string& key, const Parts&... parts) const {
    return Fail(ErrorCode::kBadModel, file_.path, ": tensor ", Shown(key), " ", parts...);
  }

  std::string OfAnotherSize() const {
    return ": the adapter was trained on another size of the model" +
           (file_.base_model.empty() ? "" : ", or another one: " + Shown(file_.base_model, 80));
  }

  // As floats, [rows, cols]; `transposed`: of a tensor [cols, rows].
  Result<AlignedBuffer<float>> Floats(const TensorView& tensor, size_t rows, size_t cols,
                                      bool transposed, const std::string& key) {
    const size_t count = rows * cols;
    AlignedBuffer<float> stored(count);
    if (!Dequantize(tensor.type, tensor.data, count, stored.data())) {
      return Refuse(key, "has type ", InfoOf(tensor.type).name, ", which cannot be computed with");
    }
    if (!std::ranges::all_of(stored.span(), [](float v) { return std::isfinite(v); })) {
      return Refuse(key, "holds values that are infinite or not numbers");
    }
    digests_ += key + " " + DigestOf(tensor) + "\n";
    if (!transposed) return stored;
    AlignedBuffer<float> turned(count);
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < cols; ++c) turned.data()[r * cols + c] = stored.data()[c * rows + r];
    }
    return turned;
  }

  Result<Vector> Row(const TensorView& tensor, size_t count, const std::string& key) {
    size_t elements = 1;
    for (const uint64_t dim : tensor.shape) elements *= dim;
    if (elements != count) {
      return Refuse(key, "should have ", count, " numbers, found shape ",
                    ShapeString(tensor.shape));
    }
    GEMMA3_TRY(const AlignedBuffer<float> values, Floats(tensor, 1, count, false, key));
    return Vector(values.span().begin(), values.span().end());
  }

  // The rank of factors that fit a matrix of [outputs, inputs].
  Result<size_t> RankOf(const LoraFactors& factors, size_t outputs, size_t inputs) {
    const TensorView &a = factors.a, &b = factors.b;
    if (a.shape.size() != 2 || b.shape.size() != 2) return Refuse(factors.key, "is no matrix");
    const uint64_t rank = a.shape[factors.a_transposed ? 1 : 0];
    const uint64_t a_inputs = a.shape[factors.a_transposed ? 0 : 1];
    const uint64_t b_outputs = b.shape[factors.b_transposed ? 1 : 0];
    const uint64_t b_rank = b.shape[factors.b_transposed ? 0 : 1];
    if (a_inputs != inputs || b_outputs != outputs) {
      return Refuse(factors.key, "adapts a matrix of ", b_outputs, " x ", a_inputs,
                    ", but the model's has ", outputs, " x ", inputs, OfAnotherSize());
    }
    constexpr uint64_t kMaxRank = 1 << 12;
    if (rank != b_rank || rank == 0 || rank > kMaxRank) {
      return Refuse(factors.key, "has rank ", rank, " and the other half ", b_rank,
                    "; expected the same number from 1 to ", kMaxRank);
    }
    if (!std::isfinite(factors.scale)) return Refuse(factors.key, "has no finite scale");
    char scale[32];
    std::snprintf(scale, sizeof scale, "%.17g\n", factors.scale);
    digests_ += scale;
    return rank;
  }

  static bool IsOtherThanZero(const AlignedBuffer<float>& values) {
    return std::ranges::any_of(values.span(), [](float v) { return v != 0; });
  }

  // The type that holds a tensor's values as they are.
  static WeightType FloatTypeOf(const TensorView& tensor) {
    return tensor.type == TensorType::kBF16  ? WeightType::kBF16
           : tensor.type == TensorType::kF16 ? WeightType::kF16
                                             : WeightType::kF32;
  }

  // base: the matrix that is adapted.
  Result<std::unique_ptr<LoraMatrix>> Matrix(const LoraFactors& factors, const MatrixView& base) {
    auto matrix = std::make_unique<LoraMatrix>();
    GEMMA3_TRY(matrix->rank, RankOf(factors, base.rows, base.cols));
    const size_t rank = matrix->rank, outputs = base.rows, inputs = base.cols;
    matrix->inputs = inputs;
    matrix->outputs = outputs;
    matrix->scale = factors.scale;
    GEMMA3_TRY(const AlignedBuffer<float> a,
               Floats(factors.a, rank, inputs, factors.a_transposed, factors.key));
    GEMMA3_TRY(const AlignedBuffer<float> b,
               Floats(factors.b, rank, outputs, !factors.b_transposed, factors.key + " (B)"));
    StoreFactors(a.data(), FloatTypeOf(factors.a), b.data(), FloatTypeOf(factors.b), *matrix);
    changes_ |= IsOtherThanZero(b) || factors.bias || factors.magnitude;
    if (factors.bias) {
      GEMMA3_TRY(matrix->bias, Row(*factors.bias, outputs, factors.key + " (bias of B)"));
    }
    if (factors.magnitude) {
      GEMMA3_TRY(matrix->magnitude, Row(*factors.magnitude, outputs, factors.key + " (magnitude)"));
      MeasureRows(base, a.data(), b.data(), *matrix);
    }
    ++out_->matrices;
    return matrix;
  }

  // a: [rank, inputs], b: [rank, outputs]; the types hold their values as they are.
  void StoreFactors(const float* a, WeightType a_type, const float* b, WeightType b_type,
                    LoraMatrix& matrix) {
    const size_t count = matrix.rank * matrix.inputs;
    const size_t a_bytes = count * (a_type == WeightType::kF32 ? 4 : 2);
    std::byte* const a_memory = Take(a_bytes);
    matrix.a_type = a_type;
    matrix.a = a_memory;
    if (a_type == WeightType::kF32) {
      std::memcpy(a_memory, a, a_bytes);
    } else {
      auto* halves = reinterpret_cast<uint16_t*>(a_memory);
      for (size_t i = 0; i < count; ++i) {
        halves[i] = a_type == WeightType::kBF16 ? Bf16FromFloat(a[i]) : HalfFromFloat(a[i]);
      }
    }
    matrix.b_type = b_type;
    const size_t b_bytes = matrix.second().bytes();
    std::byte* const b_memory = Take(b_bytes);
    matrix.b = b_memory;
    PackLoraPanels(b, matrix.second(), b_memory);
    out_->bytes += a_bytes + b_bytes;
  }

  // Memory for a factor. A step of decoding reads all of them, so they lie together, in large
  // pages: each alone in small ones, their addresses cost as much as they do.
  std::byte* Take(size_t bytes) {
    constexpr size_t kChunk = 2 * kLargePage;
    bytes = (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
    if (bytes > room_.size()) {
      const size_t chunk = std::max(bytes, std::min(kChunk, in_file_));
      room_ = {out_->memory.Add(chunk), chunk};
    }
    std::byte* const memory = room_.data();
    room_ = room_.subspan(bytes);
    return memory;
  }

  // The lengths of the rows of W + s B A, for any s.
  void MeasureRows(const MatrixView& base, const float* a, const float* b, LoraMatrix& matrix) {
    const size_t rank = matrix.rank, inputs = matrix.inputs;
    std::vector<double> gram(rank * rank);  // A A^T
    pool_.ParallelFor(rank, [&](size_t i, size_t) {
      for (size_t j = 0; j < rank; ++j) {
        double sum = 0;
        for (size_t c = 0; c < inputs; ++c) sum += double{a[i * inputs + c]} * a[j * inputs + c];
        gram[i * rank + j] = sum;
      }
    });
    for (auto& power : matrix.squares) power.resize(matrix.outputs);
    pool_.ParallelFor(matrix.outputs, [&](size_t o, size_t) {
      std::vector<float> w(inputs);
      UnpackRow(base, o, w.data());
      double ww = 0, wba = 0, baba = 0;
      for (const float value : w) ww += double{value} * value;
      for (size_t i = 0; i < rank; ++i) {
        const double b_i = b[i * matrix.outputs + o];
        double wa = 0;
        for (size_t c = 0; c < inputs; ++c) wa += double{w[c]} * a[i * inputs + c];
        wba += b_i * wa;
        for (size_t j = 0; j < rank; ++j) {
          baba += b_i * gram[i * rank + j] * b[j * matrix.outputs + o];
        }
      }
      matrix.squares[0][o] = ww;
      matrix.squares[1][o] = 2 * wba;
      matrix.squares[2][o] = baba;
    });
  }

  // Of the embedding.
  Result<std::unique_ptr<LoraTable>> Table(const LoraFactors& factors) {
    if (factors.magnitude) {
      return Fail(ErrorCode::kUnsupported, file_.path, ": tensor ", Shown(factors.key),
                  " is DoRA on the embedding, which is not computed");
    }
    if (factors.bias) return Refuse(factors.key, "has a bias, which embeddings have not");
    auto table = std::make_unique<LoraTable>();
    table->tokens = config_.text.vocab_size;
    table->width = config_.text.hidden_size;
    GEMMA3_TRY(table->rank, RankOf(factors, table->width, table->tokens));
    table->scale = factors.scale;
    GEMMA3_TRY(table->a,
               Floats(factors.a, table->tokens, table->rank, !factors.a_transposed, factors.key));
    GEMMA3_TRY(table->b, Floats(factors.b, table->rank, table->width, !factors.b_transposed,
                                factors.key + " (B)"));
    changes_ |= IsOtherThanZero(table->a) && IsOtherThanZero(table->b);
    out_->bytes += (table->a.size() + table->b.size()) * sizeof(float);
    ++out_->matrices;
    return table;
  }

  Status PlaceFactors(const std::string& module, const LoraFactors& factors) {
    const auto place = [&](const MatrixView& base, std::unique_ptr<LoraMatrix>& slot) -> Status {
      if (slot) return Refuse(factors.key, "adapts a matrix that another tensor adapts, too");
      GEMMA3_TRY(slot, Matrix(factors, base));
      return {};
    };
    if (module == "embed_tokens") {
      GEMMA3_TRY(out_->embedding, Table(factors));
      return {};
    }
    if (module == "lm_head") {
      return place(out_->own_head ? out_->own_head->w : weights_.text.head, out_->head);
    }
    if (const auto part = LayerPart(module, "layers.")) {
      const auto it = std::ranges::find(kLayerNames, part->second);
      if (it != kLayerNames.end() && part->first < config_.text.num_layers) {
        const auto matrix = static_cast<size_t>(it - kLayerNames.begin());
        return place(BaseOf(weights_.text.layers[part->first], matrix),
                     out_->layers[part->first][matrix]);
      }
      if (it != kLayerNames.end()) {
        return Refuse(factors.key, "adapts layer ", part->first, ", but the model has ",
                      config_.text.num_layers, OfAnotherSize());
      }
    }
    if (const auto part = LayerPart(module, "vision.encoder.layers.")) {
      const auto it = std::ranges::find(kTowerNames, part->second);
      if (it != kTowerNames.end() && !config_.has_vision) {
        return Refuse(factors.key,
                      "adapts the vision part, which this model lacks: load it with "
                      "its vision part");
      }
      if (it != kTowerNames.end() && part->first < config_.vision.num_layers) {
        const auto matrix = static_cast<size_t>(it - kTowerNames.begin());
        return place(BaseOf(weights_.vision.layers[part->first], matrix),
                     out_->tower[part->first][matrix]);
      }
    }
    return Refuse(factors.key, "adapts no matrix that Gemma 3 has");
  }

  Status PlaceTable(const std::string& module, const ReplacedTensor& whole) {
    const bool embedding = module == "embed_tokens";
    if (!embedding && module != "lm_head") {
      return Fail(ErrorCode::kUnsupported, file_.path, ": tensor ", Shown(whole.key),
                  " takes the place of a module; embed_tokens and lm_head are those that can be "
                  "replaced: merge the adapter into the model");
    }
    const TensorView& tensor = whole.tensor;
    const std::vector<uint64_t> shape = {config_.text.vocab_size, config_.text.hidden_size};
    if (tensor.shape != shape) {
      const bool tokens = tensor.shape.size() == 2 && tensor.shape[1] == shape[1];
      return Refuse(whole.key, "should have shape ", ShapeString(shape), ", found ",
                    ShapeString(tensor.shape),
                    tokens ? ": the adapter was trained with a vocabulary of another size; merge "
                             "it into a model with that"
                           : OfAnotherSize());
    }
    auto table = std::make_unique<OwnTable>();
    table->w = {WeightType::kF32, shape[0], shape[1], tensor.data};
    if (tensor.type == TensorType::kF16) table->w.type = WeightType::kF16;
    if (tensor.type == TensorType::kBF16) table->w.type = WeightType::kBF16;
    const size_t bytes = InfoOf(tensor.type).block_bytes;
    const bool floats = tensor.type == TensorType::kF32 || table->w.type != WeightType::kF32;
    if (!floats || reinterpret_cast<uintptr_t>(tensor.data) % bytes != 0) {
      GEMMA3_TRY(table->memory, Floats(tensor, shape[0], shape[1], false, whole.key));
      table->w.type = WeightType::kF32;
      table->w.data = table->memory.data();
      out_->bytes += table->memory.size() * sizeof(float);
    } else {
      digests_ += whole.key + " " + DigestOf(tensor) + "\n";
      out_->bytes += tensor.bytes;
    }
    (embedding ? out_->own_embedding : out_->own_head) = std::move(table);
    ++out_->matrices;
    return {};
  }

  Status PlaceRows(const std::string& module, const ReplacedTensor& rows,
                   const std::vector<uint64_t>& ids) {
    const bool embedding = module == "embed_tokens";
    if (!embedding && module != "lm_head") {
      return Fail(ErrorCode::kUnsupported, file_.path, ": tensor ", Shown(rows.key),
                  " has rows of a module that has no tokens");
    }
    const size_t width = config_.text.hidden_size;
    const TensorView& tensor = rows.tensor;
    if (tensor.shape.size() != 2 || tensor.shape[0] != ids.size() || tensor.shape[1] != width) {
      return Refuse(rows.key, "should have shape [", ids.size(), ", ", width, "], found ",
                    ShapeString(tensor.shape));
    }
    GEMMA3_TRY(const AlignedBuffer<float> values,
               Floats(tensor, ids.size(), width, false, rows.key));
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] >= config_.text.vocab_size) {
        return Refuse(rows.key, "has a row of token ", ids[i], ", outside the vocabulary of ",
                      config_.text.vocab_size);
      }
      digests_ += std::to_string(ids[i]) + " ";
      const float* row = values.data() + i * width;
      (embedding ? out_->embedding_rows : out_->head_rows)[static_cast<TokenId>(ids[i])] =
          Vector(row, row + width);
    }
    out_->bytes += values.size() * sizeof(float);
    ++out_->matrices;
    return {};
  }

  // Whether the head repeats the embedding.
  bool IsTied() const { return weights_.text.head.data == weights_.text.embedding.data; }

  void TieTables() {
    if (!file_.ties_tables || !IsTied()) return;
    const auto share = [](const std::unique_ptr<OwnTable>& from, std::unique_ptr<OwnTable>& to) {
      if (!from || to) return;
      to = std::make_unique<OwnTable>();
      to->w = from->w;
    };
    share(out_->own_embedding, out_->own_head);
    share(out_->own_head, out_->own_embedding);
  }

  // Trained rows are shared with a tied head always (PEFT does so), the rest where the adapter says
  // so.
  void TieHead() {
    if (!IsTied()) return;
    if (out_->head_rows.empty()) out_->head_rows = out_->embedding_rows;
    if (!file_.ties_head) return;
    if (out_->embedding && !out_->head) {
      // x E^T with E = A^T B^T: A and B change places.
      const LoraTable& table = *out_->embedding;
      auto head = std::make_unique<LoraMatrix>();
      head->rank = table.rank;
      head->inputs = table.width;
      head->outputs = table.tokens;
      head->scale = table.scale;
      std::vector<float> turned(table.a.size());
      for (size_t t = 0; t < table.tokens; ++t) {
        for (size_t k = 0; k < table.rank; ++k) {
          turned[k * table.tokens + t] = table.a.data()[t * table.rank + k];
        }
      }
      StoreFactors(table.b.data(), WeightType::kF32, turned.data(), WeightType::kF32, *head);
      out_->head = std::move(head);
    }
  }

  AdapterFile file_;
  const ModelConfig& config_;
  const ModelWeights& weights_;
  ThreadPool& pool_;
  std::string digests_;
  bool changes_ = false;  // anything
  size_t in_file_ = 0;    // bytes of all factors
  std::span<std::byte> room_;
  std::shared_ptr<LoadedAdapter> out_ = std::make_shared<LoadedAdapter>();
};

}  // namespace

bool LoadedAdapter::changes_tower() const {
  return std::ranges::any_of(tower, [](const auto& layer) {
    return std::ranges::any_of(layer, [](const auto& matrix) { return matrix != nullptr; });
  });
}

size_t LoadedAdapter::max_rank() const {
  size_t most = 0;
  const auto widest = [&](const auto& matrices, std::initializer_list<size_t> together) {
    size_t rank = 0;
    for (const size_t m : together) rank += matrices[m] ? matrices[m]->rank : 0;
    most = std::max(most, rank);
  };
  for (const auto& layer : layers) {
    widest(layer, {0, 1, 2});
    widest(layer, {3});
    widest(layer, {4, 5});
    widest(layer, {6});
  }
  return most;
}

Result<std::shared_ptr<const LoadedAdapter>> PlaceAdapter(AdapterFile file,
                                                          const ModelConfig& config,
                                                          const ModelWeights& weights,
                                                          ThreadPool& pool) {
  return Placer(std::move(file), config, weights, pool).Place();
}

// ---- Sets

namespace {

// DoRA: the ratios m / |W + s B A| of a term, and gain += ratio - 1.
Vector ApplyMagnitude(const LoraMatrix& matrix, double scale, Vector& gain, Vector& bias) {
  const size_t outputs = matrix.outputs;
  Vector ratios(outputs);
  for (size_t o = 0; o < outputs; ++o) {
    const double square =
        matrix.squares[0][o] + scale * matrix.squares[1][o] + scale * scale * matrix.squares[2][o];
    const double length = std::sqrt(std::max(square, 0.0));
    ratios[o] = length > 0 ? static_cast<float>(matrix.magnitude[o] / length) : 0;
  }
  if (gain.empty()) gain.assign(outputs, 1);
  for (size_t o = 0; o < outputs; ++o) gain[o] += ratios[o] - 1;
  for (size_t o = 0; o < bias.size(); ++o) bias[o] *= ratios[o];
  return ratios;
}

void AddTerm(const LoraMatrix* matrix, float user_scale, AdaptedMatrix& out) {
  if (!matrix || user_scale == 0) return;
  const double scale = matrix->scale * double{user_scale};
  LoraTerm term{matrix->first(), matrix->second(), static_cast<float>(scale)};
  Vector bias = matrix->bias;
  for (float& value : bias) value *= static_cast<float>(scale);
  if (!matrix->magnitude.empty()) {
    out.ratios.push_back(ApplyMagnitude(*matrix, scale, out.gain, bias));
    term.ratio = out.ratios.back().data();
  }
  if (!bias.empty()) {
    out.bias.resize(matrix->outputs);
    for (size_t o = 0; o < bias.size(); ++o) out.bias[o] += bias[o];
  }
  out.terms.push_back(term);
}

}  // namespace

size_t AdaptedMatrix::rank() const {
  size_t rank = 0;
  for (const LoraTerm& term : terms) rank += term.b.rank;
  return rank;
}

void MatMulAdapted(Rows<const float> x, std::span<const AdaptedProduct> products, Compute compute,
                   ThreadPool& pool) {
  size_t rank = 0, column = 0;
  for (const AdaptedProduct& product : products) rank += product.adapted->rank();
  std::vector<float> low(x.rows * rank);
  const Rows<float> t(low.data(), x.rows, rank);
  std::vector<LoraTask> tasks;
  std::vector<Vector> biases(products.size());
  for (size_t i = 0; i < products.size(); ++i) {
    const AdaptedProduct& product = products[i];
    const AdaptedMatrix& adapted = *product.adapted;
    MatMulTask base{product.w, product.out, product.bias};
    LoraRun run = adapted.Run(0, x.rows, t.Cols(column, adapted.rank()));
    column += adapted.rank();
    if (run.gain && base.bias) {
      // A gain is of the product without its bias.
      biases[i].assign(base.bias, base.bias + product.w.rows);
      for (size_t o = 0; o < adapted.bias.size(); ++o) biases[i][o] += adapted.bias[o];
      base.bias = nullptr;
      run.bias = biases[i].data();
    }
    tasks.push_back({base, {run}});
  }
  MatMul(x, tasks, compute, pool);
}

Result<std::shared_ptr<const AdapterSet>> AdapterSet::Create(std::span<const Use> uses,
                                                             const ModelConfig& config) {
  auto set = std::make_shared<AdapterSet>();
  set->uses_.assign(uses.begin(), uses.end());
  set->layers_.resize(config.text.num_layers);
  if (config.has_vision) set->tower_.resize(config.vision.num_layers);
  const auto twice = [](const Use& use, const char* what) {
    return Fail(ErrorCode::kInvalidArgument, "the adapter ", use.adapter->name, " brings ", what,
                ", and another one does as well: they cannot be used together");
  };
  std::map<TokenId, const Vector*> head_rows;
  for (const Use& use : set->uses_) {
    const LoadedAdapter& adapter = *use.adapter;
    char scale[32];
    std::snprintf(scale, sizeof scale, "=%.9g;", static_cast<double>(use.scale));
    set->identity_ += adapter.digest + scale;
    if (use.scale == 0) continue;
    set->changes_tower_ |= adapter.changes_tower();
    for (size_t i = 0; i < adapter.layers.size(); ++i) {
      for (size_t m = 0; m < kLayerMatrices; ++m) {
        AddTerm(adapter.layers[i][m].get(), use.scale, set->layers_[i][m]);
      }
    }
    for (size_t i = 0; i < adapter.tower.size(); ++i) {
      for (size_t m = 0; m < kTowerMatrices; ++m) {
        AddTerm(adapter.tower[i][m].get(), use.scale, set->tower_[i][m]);
      }
    }
    AddTerm(adapter.head.get(), use.scale, set->head_);
    if (adapter.embedding) {
      set->embedding_.emplace_back(
          adapter.embedding.get(),
          static_cast<float>(adapter.embedding->scale * double{use.scale}));
    }
    if (adapter.own_embedding) {
      if (set->own_embedding_) return twice(use, "an embedding of its own");
      set->own_embedding_ = &adapter.own_embedding->w;
    }
    if (adapter.own_head) {
      if (set->own_head_) return twice(use, "an output head of its own");
      set->own_head_ = &adapter.own_head->w;
    }
    for (const auto& [id, row] : adapter.embedding_rows) {
      if (!set->embedding_rows_.emplace(id, &row).second) return twice(use, "a token's row");
    }
    for (const auto& [id, row] : adapter.head_rows) {
      if (!head_rows.emplace(id, &row).second) return twice(use, "a token's row");
    }
  }
  for (const auto& [id, row] : head_rows) {
    set->head_ids_.push_back(id);
    set->head_values_.insert(set->head_values_.end(), row->begin(), row->end());
  }
  set->head_rows_ = {WeightType::kF32, set->head_ids_.size(), config.text.hidden_size,
                     set->head_values_.data()};
  for (const Use& use : set->uses_) set->max_rank_ += use.adapter->max_rank();
  return std::shared_ptr<const AdapterSet>(std::move(set));
}

void AdapterSet::EmbeddingRow(const MatrixView& base, size_t id, float* out) const {
  const MatrixView& table = own_embedding_ ? *own_embedding_ : base;
  if (const auto it = embedding_rows_.find(static_cast<TokenId>(id)); it != embedding_rows_.end()) {
    std::memcpy(out, it->second->data(), it->second->size() * sizeof(float));
  } else {
    UnpackRow(table, id, out);
  }
  for (const auto& [delta, scale] : embedding_) {
    const float* a = delta->a.data() + id * delta->rank;
    for (size_t k = 0; k < delta->rank; ++k) {
      const float t = scale * a[k];
      const float* b = delta->b.data() + k * delta->width;
      for (size_t c = 0; c < delta->width; ++c) out[c] += t * b[c];
    }
  }
}

void MergeRow(const AdaptedMatrix& adapted, size_t output, std::span<float> row) {
  if (!adapted.gain.empty()) {
    for (float& value : row) value *= adapted.gain[output];
  }
  std::vector<float> a(row.size());
  for (const LoraTerm& term : adapted.terms) {
    const float scale = term.ratio ? term.scale * term.ratio[output] : term.scale;
    for (size_t k = 0; k < term.b.rank; ++k) {
      const float b = scale * term.b.At(output, k);
      UnpackRow(term.a, k, a.data());
      for (size_t c = 0; c < row.size(); ++c) row[c] += b * a[c];
    }
  }
}

}  // namespace gemma3
