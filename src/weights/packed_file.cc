// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/weights/packed_file.h"

#include <cstdint>
#include <deque>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "ops/packed.h"
#include "src/base/json.h"
#include "src/base/status.h"
#include "src/formats/dequantize.h"
#include "src/formats/hf_config.h"
#include "src/formats/hf_config_writer.h"
#include "src/formats/safetensors.h"
#include "src/formats/shape_table.h"
#include "src/weights/pack.h"

namespace gemma3 {
namespace {

constexpr uint64_t kVersion = 2;  // of the layouts in ops/packed.h, too
constexpr char kIndex[] = "gemma3.packed";
constexpr char kConfig[] = "config.json";
constexpr char kGeneration[] = "generation_config.json";
constexpr char kPreprocessor[] = "preprocessor_config.json";
constexpr char kTokenizer[] = "tokenizer.model";

// The packed type of that name.
std::optional<TensorType> PackedTypeByName(std::string_view name) {
  for (auto type = TensorType::kPackedInt8; type <= TensorType::kPackedInt4K;
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

}  // namespace

Result<Checkpoint> OpenPackedFile(const std::string& path) {
  GEMMA3_TRY(SafetensorsSet set, OpenSafetensors(path));
  const std::string index_text = TakeText(set.tensors, kIndex);
  const auto of_another_version = [&] {
    return Fail(ErrorCode::kBadModel, path, ": ", kIndex,
                " is missing or of another version; make the file anew with gemma3 convert");
  };
  if (index_text.empty()) return of_another_version();
  GEMMA3_TRY(const JsonValue index, JsonValue::Parse(index_text, path + ": " + kIndex));
  const auto version = index.Find("version");
  const auto matrices = index.Find("matrices");
  const auto norms_store_offset = index.Find("norms_store_offset");
  if (!version || version->AsUint() != kVersion || !matrices || !matrices->IsObject() ||
      !norms_store_offset || !norms_store_offset->IsBool()) {
    return of_another_version();
  }
  HfConfigTexts texts;
  texts.config = TakeText(set.tensors, kConfig);
  texts.generation = TakeText(set.tensors, kGeneration);
  texts.preprocessor = TakeText(set.tensors, kPreprocessor);
  GEMMA3_TRY(HfConfig config, ParseHfConfig(texts, path));

  Checkpoint checkpoint;
  checkpoint.config = std::move(config.config);
  GEMMA3_TRY(checkpoint.config.name, index.String("name", checkpoint.config.name));
  GEMMA3_TRY(checkpoint.norms_store_offset, norms_store_offset->AsBool());
  checkpoint.tokenizer_proto = TakeText(set.tensors, kTokenizer);
  if (checkpoint.tokenizer_proto.empty()) {
    checkpoint.tokenizer_missing = path + " was made from a model without a tokenizer";
  }
  for (const auto& [name, entry] : matrices->Members()) {
    const auto it = set.tensors.find(name);
    if (it == set.tensors.end()) {
      return Fail(ErrorCode::kBadModel, path, ": tensor ", name, " is missing");
    }
    GEMMA3_CHECK_OK(RestoreMatrix(entry, it->second));
  }
  checkpoint.config.text.tie_word_embeddings = !set.tensors.contains("lm_head.weight");
  ShapeTable table = TextShapes(checkpoint.config.text);
  if (checkpoint.config.has_vision) {
    table.merge(VisionShapes(checkpoint.config.vision, checkpoint.config.text));
  }
  GEMMA3_CHECK_OK(CheckTensors(table, set.tensors, path));
  std::erase_if(set.tensors, [&](const auto& entry) { return !table.contains(entry.first); });
  checkpoint.tensors = std::move(set.tensors);
  checkpoint.files = std::move(set.files);
  return checkpoint;
}

Status WritePackedFile(const std::string& path, const Checkpoint& checkpoint) {
  TensorMap out;
  std::deque<std::vector<float>> expanded;
  nlohmann::json matrices = nlohmann::json::object();
  for (const auto& [name, view] : checkpoint.tensors) {
    TensorView written = view;
    if (IsPacked(view.type)) {
      matrices[name] = {{"type", InfoOf(view.type).name}, {"shape", view.shape}};
      written.type = TensorType::kU8;
      written.shape = {view.bytes};
    } else if (InfoOf(view.type).block_elems != 1) {
      size_t count = 1;
      for (const uint64_t dim : view.shape) count *= dim;
      std::vector<float>& values = expanded.emplace_back(count);
      if (!Dequantize(view.type, view.data, count, values.data())) {
        return Fail(ErrorCode::kInternal, "cannot expand tensor ", name);
      }
      written.type = TensorType::kF32;
      written.data = reinterpret_cast<const std::byte*>(values.data());
      written.bytes = count * sizeof(float);
    }
    out.emplace(name, std::move(written));
  }
  const std::string index = nlohmann::json{
      {"version", kVersion},
      {"name", checkpoint.config.name},
      {"norms_store_offset", checkpoint.norms_store_offset},
      {"matrices", matrices}}.dump();
  const std::string config = HfConfigJson(checkpoint.config);
  const std::string generation = HfGenerationJson(checkpoint.config);
  const std::string preprocessor = HfPreprocessorJson(checkpoint.config);
  const auto add_text = [&](const char* name, std::string_view text) {
    TensorView view;
    view.type = TensorType::kU8;
    view.shape = {text.size()};
    view.data = reinterpret_cast<const std::byte*>(text.data());
    view.bytes = text.size();
    out.emplace(name, std::move(view));
  };
  add_text(kIndex, index);
  add_text(kConfig, config);
  add_text(kGeneration, generation);
  add_text(kPreprocessor, preprocessor);
  if (!checkpoint.tokenizer_proto.empty()) add_text(kTokenizer, checkpoint.tokenizer_proto);
  return WriteSafetensors(path, out, kPackedAlign);
}

}  // namespace gemma3
