// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/weights/packed_file.h"

#include <cstdint>
#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "ops/packed.h"
#include "src/base/field_count.h"
#include "src/base/json.h"
#include "src/base/status.h"
#include "src/formats/dequantize.h"
#include "src/formats/safetensors.h"
#include "src/formats/shape_table.h"
#include "src/weights/config_json.h"
#include "src/weights/pack.h"

namespace gemma3 {
namespace {

constexpr uint64_t kVersion = 4;  // of the layouts in ops/packed.h, too
constexpr char kIndex[] = "gemma3.packed";
constexpr char kConfig[] = "gemma3.config";
constexpr char kTokenizer[] = "gemma3.tokenizer";

// The packed type of that name.
std::optional<TensorType> PackedTypeByName(std::string_view name) {
  for (auto type = TensorType::kPackedInt8; type <= TensorType::kPackedInt4Table;
       type = static_cast<TensorType>(static_cast<uint8_t>(type) + 1)) {
    if (name == InfoOf(type).name) return type;
  }
  return std::nullopt;
}

// Takes a text out of the tensors; "" where it is not there.
std::string TakeText(TensorMap& tensors, const char* name) {
  const auto it = tensors.find(name);
  if (it == tensors.end()) return {};
  std::string text(reinterpret_cast<const char*>(it->second.data), it->second.bytes);
  tensors.erase(it);
  return text;
}

// Turns the U8 view of a packed matrix into a matrix of its own type and shape.
Status RestoreMatrix(const JsonValue& entry, TensorView& view) {
  GEMMA3_TRY(const std::string type, entry.String("type", ""));
  const std::optional<TensorType> packed_type = PackedTypeByName(type);
  const std::optional<JsonValue> shape = entry.Find("shape");
  if (!packed_type || !shape || !shape->IsArray() || shape->size() != 2) {
    return Fail(ErrorCode::kBadModel, entry.Path(), " is not {type, shape: [rows, cols]}");
  }
  const TensorType packed = *packed_type;
  GEMMA3_TRY(const uint64_t rows, (*shape)[0].AsUint());
  GEMMA3_TRY(const uint64_t cols, (*shape)[1].AsUint());
  // Far above any model and far below overflow in PackedBytes.
  constexpr uint64_t kMaxDim = uint64_t{1} << 24;
  if (rows > kMaxDim || cols > kMaxDim || !CanPack(PackedWeightType(packed), rows, cols) ||
      PackedBytes(PackedWeightType(packed), rows, cols) != view.bytes ||
      view.type != TensorType::kU8) {
    return Fail(ErrorCode::kBadModel, entry.Path(), ": ", view.bytes, " bytes are no ",
                InfoOf(packed).name, " matrix of shape [", rows, ", ", cols, "]");
  }
  view.type = packed;
  view.shape = {rows, cols};
  return {};
}

// An opened file of either kind, with its matrices restored.
struct Opened {
  JsonValue index;
  SafetensorsSet set;
};

Result<Opened> Open(const std::string& path) {
  GEMMA3_TRY(SafetensorsSet set, OpenSafetensors(path));
  const std::string text = TakeText(set.tensors, kIndex);
  const auto of_another_version = [&] {
    return Fail(ErrorCode::kBadModel, path, ": ", kIndex,
                " is missing or of another version; make the file anew with gemma3 convert");
  };
  if (text.empty()) return of_another_version();
  GEMMA3_TRY(JsonValue index, JsonValue::Parse(text, path + ": " + kIndex));
  const auto version = index.Find("version");
  const auto matrices = index.Find("matrices");
  if (!version || version->AsUint() != kVersion || !matrices || !matrices->IsObject()) {
    return of_another_version();
  }
  for (const auto& [name, entry] : matrices->Members()) {
    const auto it = set.tensors.find(name);
    if (it == set.tensors.end()) {
      return Fail(ErrorCode::kBadModel, path, ": tensor ", name, " is missing");
    }
    GEMMA3_CHECK_OK(RestoreMatrix(entry, it->second));
  }
  return Opened{std::move(index), std::move(set)};
}

Result<std::vector<std::string>> Texts(const JsonValue& index, const char* key) {
  std::vector<std::string> texts;
  const auto list = index.Find(key);
  for (size_t i = 0; list && i < list->size() && list->IsArray(); ++i) {
    GEMMA3_TRY(std::string text, (*list)[i].AsString());
    texts.push_back(std::move(text));
  }
  return texts;
}

// Collects what a file holds. Keeps what it made itself until it is written.
class Contents {
 public:
  Status Add(const std::string& name, const TensorView& view) {
    TensorView written = view;
    if (IsPacked(view.type)) {
      matrices_[name] = {{"type", InfoOf(view.type).name}, {"shape", view.shape}};
      written.type = TensorType::kU8;
      written.shape = {view.bytes};
    } else if (InfoOf(view.type).block_elems != 1) {
      size_t count = 1;
      for (const uint64_t dim : view.shape) count *= dim;
      std::vector<float>& values = expanded_.emplace_back(count);
      if (!Dequantize(view.type, view.data, count, values.data())) {
        return Fail(ErrorCode::kInternal, "cannot expand tensor ", name);
      }
      written.type = TensorType::kF32;
      written.data = reinterpret_cast<const std::byte*>(values.data());
      written.bytes = count * sizeof(float);
    }
    tensors_.emplace(name, std::move(written));
    return {};
  }

  void AddText(const char* name, std::string text) {
    const std::string& kept = texts_.emplace_back(std::move(text));
    TensorView view;
    view.type = TensorType::kU8;
    view.shape = {kept.size()};
    view.data = reinterpret_cast<const std::byte*>(kept.data());
    view.bytes = kept.size();
    tensors_.emplace(name, std::move(view));
  }

  // `index`: what belongs there besides the matrices.
  Status Write(const std::string& path, nlohmann::json index, const ProgressCallback& on_progress) {
    index["version"] = kVersion;
    index["matrices"] = matrices_;
    AddText(kIndex, index.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return WriteSafetensors(path, tensors_, kPackedAlign, on_progress);
  }

 private:
  TensorMap tensors_;
  std::deque<std::vector<float>> expanded_;
  std::deque<std::string> texts_;
  nlohmann::json matrices_ = nlohmann::json::object();
};

}  // namespace

Result<Checkpoint> OpenPackedFile(const std::string& path, const OpenOptions& options) {
  GEMMA3_TRY(Opened opened, Open(path));
  TensorMap& tensors = opened.set.tensors;
  const std::string config = TakeText(tensors, kConfig);
  if (config.empty()) {
    return Fail(ErrorCode::kUnsupported, path,
                " holds packed matrices only, without the rest of their model; use the model that "
                "they were made from");
  }
  Checkpoint checkpoint;
  GEMMA3_TRY(checkpoint.config, ParseConfigJson(config, path + ": " + kConfig));
  GEMMA3_CHECK_OK(CheckConfig(checkpoint.config, path));
  GEMMA3_TRY(checkpoint.norms_store_offset, opened.index.Bool("norms_store_offset", true));
  GEMMA3_TRY(checkpoint.tokenizer_missing, opened.index.String("tokenizer_missing", ""));
  GEMMA3_TRY(checkpoint.remarks.notes, Texts(opened.index, "notes"));
  GEMMA3_TRY(checkpoint.remarks.warnings, Texts(opened.index, "warnings"));
  if (tensors.contains(kTokenizer) == !checkpoint.tokenizer_missing.empty()) {
    return Fail(ErrorCode::kBadModel, path, ": ", kTokenizer, " and its index disagree");
  }
  if (!options.headers_only) checkpoint.tokenizer_proto = TakeText(tensors, kTokenizer);
  const ShapeTable table = ShapesOf(checkpoint.config);
  GEMMA3_CHECK_OK(CheckTensors(table, tensors, path));
  std::erase_if(tensors, [&](const auto& entry) { return !table.contains(entry.first); });
  checkpoint.tensors = std::move(tensors);
  checkpoint.files = std::move(opened.set.files);
  return checkpoint;
}

Status WritePackedFile(const std::string& path, const Checkpoint& checkpoint,
                       const ProgressCallback& on_progress) {
  // A new field: does a file that stands alone have to hold it? Of chat templates, what they are is
  // in the configuration.
  static_assert(kFieldCount<Checkpoint> == 9);
  Contents contents;
  for (const auto& [name, view] : checkpoint.tensors) GEMMA3_CHECK_OK(contents.Add(name, view));
  contents.AddText(kConfig, ConfigJson(checkpoint.config));
  nlohmann::json index = {{"norms_store_offset", checkpoint.norms_store_offset},
                          {"notes", checkpoint.remarks.notes},
                          {"warnings", checkpoint.remarks.warnings}};
  if (checkpoint.tokenizer_proto.empty()) {
    index["tokenizer_missing"] = path + " was made from a model without a tokenizer";
  } else {
    contents.AddText(kTokenizer, checkpoint.tokenizer_proto);
  }
  return contents.Write(path, std::move(index), on_progress);
}

Result<PackedMatrices> OpenPackedMatrices(const std::string& path) {
  GEMMA3_TRY(Opened opened, Open(path));
  PackedMatrices matrices;
  GEMMA3_TRY(matrices.source, opened.index.String("source", ""));
  GEMMA3_TRY(matrices.model, opened.index.String("model", ""));
  GEMMA3_TRY(matrices.shares_head, opened.index.Bool("shares_head", false));
  if (matrices.source.empty()) {
    return Fail(ErrorCode::kBadModel, path, " is a whole model, not matrices alone");
  }
  matrices.tensors = std::move(opened.set.tensors);
  matrices.file = std::move(opened.set.files.at(0));
  return matrices;
}

Status WritePackedMatrices(const std::string& path, const PackedMatrices& matrices,
                           const ProgressCallback& on_progress) {
  Contents contents;
  for (const auto& [name, view] : matrices.tensors) GEMMA3_CHECK_OK(contents.Add(name, view));
  return contents.Write(path,
                        {{"source", matrices.source},
                         {"model", matrices.model},
                         {"shares_head", matrices.shares_head}},
                        on_progress);
}

}  // namespace gemma3
