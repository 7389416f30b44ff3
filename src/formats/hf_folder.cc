// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// From a folder to a Checkpoint.
#include "src/formats/hf_folder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "src/base/json.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/chat_templates.h"
#include "src/formats/hf_config.h"
#include "src/formats/hf_modules.h"
#include "src/formats/hf_names.h"
#include "src/formats/hf_quantization.h"
#include "src/formats/hf_tokenizer.h"
#include "src/formats/hf_weight_files.h"
#include "src/formats/mlx.h"
#include "src/formats/shape_table.h"
#include "src/formats/stray_tensors.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxConfigBytes = 4 << 20;

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

Result<std::string> ReadIfThere(const fs::path& path) {
  if (!Exists(path)) return std::string();
  return ReadFile(path.string(), kMaxConfigBytes);
}

// The layer number in "layers.12.mlp...", if the name has one.
std::optional<uint64_t> LayerOf(std::string_view name) {
  constexpr std::string_view kLayers = "layers.";
  if (!name.starts_with(kLayers)) return std::nullopt;
  uint64_t layer = 0;
  const auto [end, error] =
      std::from_chars(name.data() + kLayers.size(), name.data() + name.size(), layer);
  if (error != std::errc() || end == name.data() + name.size() || *end != '.') return std::nullopt;
  return layer;
}

// Parts of published checkpoints that inference does not use.
bool IsKnownUnneeded(const std::string& canonical) {
  return canonical.starts_with("vision.head.") || canonical.ends_with(".inv_freq") ||
         canonical.ends_with(".position_ids");
}

// The file may hold 262144 rows or 64 padding rows more, and configurations are not reliable about
// which: what is stored decides between these two.
void TakeStoredRows(const TensorMap& tensors, TextConfig* text) {
  const auto it = tensors.find("embed_tokens.weight");
  if (it == tensors.end() || it->second.shape.size() != 2) return;
  const uint64_t rows = it->second.shape[0];
  const auto is_usual = [](uint64_t n) { return n == 262144 || n == 262208; };
  if (is_usual(rows) && is_usual(text->vocab_size)) text->vocab_size = rows;
}

// What is stored decides whether the output head is a matrix of its own, and later what it holds
// (weights/head.h): the flag is wrong in both directions in files that people have.
void TakeStoredHead(const std::string& folder, Checkpoint& checkpoint) {
  bool& tied = checkpoint.config.text.tie_word_embeddings;
  const bool stored = checkpoint.tensors.contains("lm_head.weight");
  if (!tied && !stored) {
    checkpoint.remarks.warnings.push_back(
        folder +
        ": config.json says tie_word_embeddings false, but no output head is stored; the "
        "embedding is used as one");
  }
  tied = !stored;
}

// Refuses tensors inside the model that are not in the table; leaves out a tower that is not used.
Status RemoveSurplus(const ShapeTable& table,
                     const std::map<std::string, std::string>& stored_names,
                     const std::string& folder, Checkpoint* checkpoint) {
  const ModelConfig& model = checkpoint->config;
  if (!model.has_vision) {
    std::erase_if(checkpoint->tensors, [](const auto& entry) {
      return entry.first.starts_with("vision.") || entry.first.starts_with("projector.");
    });
  }
  for (const auto& [name, view] : checkpoint->tensors) {
    if (table.contains(name)) continue;
    if (const auto layer = LayerOf(name); layer && *layer >= model.text.num_layers) {
      return Fail(ErrorCode::kBadModel, folder, ": tensor ", Shown(name), " belongs to layer ",
                  *layer, ", but config.json says num_hidden_layers ", model.text.num_layers);
    }
    return RefuseInside(*view.file, stored_names.at(name));
  }
  return {};
}

// Moves the tensors that the model needs into `checkpoint` under their canonical names.
Status TakeTensors(TensorMap tensors, const std::string& folder, Checkpoint* checkpoint) {
  StrayTensors strays;
  std::map<std::string, std::string> stored_names;
  for (auto& [name, view] : tensors) {
    const std::string canonical = CanonicalHfName(name);
    if (IsKnownUnneeded(canonical.empty() ? name : canonical)) continue;
    if (canonical.empty()) {
      strays.Add(name);
      continue;
    }
    const std::string file = *view.file;
    stored_names[canonical] = name;
    if (!checkpoint->tensors.emplace(canonical, std::move(view)).second) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", Shown(name),
                  " appears again under another prefix");
    }
  }
  if (checkpoint->tensors.empty()) {
    return Fail(ErrorCode::kUnsupported, folder,
                ": no tensor has a name of Gemma 3's; the files hold ", strays.Describe());
  }
  ModelConfig& model = checkpoint->config;
  TakeStoredRows(checkpoint->tensors, &model.text);
  TakeStoredHead(folder, *checkpoint);
  GEMMA3_CHECK_OK(CheckConfig(model, folder + "/config.json"));

  const bool stored_vision =
      std::any_of(checkpoint->tensors.begin(), checkpoint->tensors.end(), [](const auto& entry) {
        return entry.first.starts_with("vision.") || entry.first.starts_with("projector.");
      });
  if (model.has_vision && !stored_vision) {
    model.has_vision = false;
    checkpoint->remarks.notes.push_back(
        folder +
        ": the configuration has a vision part but the files hold none; "
        "loaded for text only");
  }
  if (!model.has_vision && stored_vision) {
    checkpoint->remarks.notes.push_back(
        folder +
        ": the files hold vision tensors but config.json describes none; "
        "loaded for text only");
  }

  const ShapeTable table = ShapesOf(model);
  // The one tensor that has another order in MLX.
  const std::string patch = "vision.embeddings.patch_embedding.weight";
  if (const auto it = checkpoint->tensors.find(patch);
      model.has_vision && it != checkpoint->tensors.end()) {
    if (auto bytes = MakeChannelsFirst(table.at(patch), &it->second)) {
      checkpoint->rearranged.push_back(std::move(bytes));
    }
  }
  GEMMA3_CHECK_OK(RemoveSurplus(table, stored_names, folder, checkpoint));
  if (!strays.empty()) {
    checkpoint->remarks.warnings.push_back(folder + ": " + strays.Describe() +
                                           " are no part of Gemma 3 and were left out");
  }
  if (Status status = CheckTensors(table, checkpoint->tensors, folder); !status) {
    Error& error = status.error();
    if (!strays.empty()) error.message += "; not understood: " + strays.Describe();
    return status;
  }
  return {};
}

// GPTQ's tools may write the settings into a file of their own.
Status ReadQuantizeConfig(const fs::path& folder, HfQuantization* quantization) {
  if (quantization->present) return {};
  const fs::path path = folder / "quantize_config.json";
  GEMMA3_TRY(const std::string text, ReadIfThere(path));
  if (text.empty()) return {};
  GEMMA3_TRY(const JsonValue settings, JsonValue::Parse(text, path.string()));
  GEMMA3_TRY(*quantization, ParseQuantizeConfig(settings));
  return {};
}

}  // namespace

Result<Checkpoint> OpenHfFolder(const std::string& folder_name, const std::string& weights_file,
                                bool headers_only) {
  // "model/" and "model/." name the folder "model" too.
  const fs::path outer = fs::path(folder_name).lexically_normal();
  GEMMA3_TRY(const fs::path folder, TransformerFolder(outer));
  const std::string shown = folder == outer ? folder_name : folder.string();
  Remarks remarks;
  GEMMA3_TRY(SafetensorsSet weights, OpenHfWeights(folder, weights_file, &remarks));

  HfConfigTexts texts;
  GEMMA3_TRY(texts.config, ReadIfThere(folder / "config.json"));
  if (texts.config.empty()) {
    return Fail(ErrorCode::kBadModel, shown, ": config.json is missing or empty");
  }
  GEMMA3_TRY(texts.generation, ReadIfThere(folder / "generation_config.json"));
  GEMMA3_TRY(texts.preprocessor, ReadIfThere(folder / "preprocessor_config.json"));
  GEMMA3_TRY(texts.processor, ReadIfThere(folder / "processor_config.json"));
  GEMMA3_TRY(HfConfig config, ParseHfConfig(texts, shown));

  Checkpoint checkpoint;
  checkpoint.config = std::move(config.config);
  checkpoint.config.name =
      (outer.has_filename() ? outer.filename() : outer.parent_path().filename()).string();
  checkpoint.remarks = std::move(config.remarks);
  checkpoint.remarks.Append(remarks);
  checkpoint.norms_store_offset = true;
  checkpoint.files = std::move(weights.files);
  GEMMA3_CHECK_OK(ReadQuantizeConfig(folder, &config.quantization));
  GEMMA3_CHECK_OK(
      JoinQuantizedModules(config.quantization, shown, &weights.tensors, &checkpoint.remarks));
  if (checkpoint.config.text.bidirectional) {
    GEMMA3_TRY(const HfModules modules, ReadHfModules(outer, folder, checkpoint.config.text,
                                                      weights.tensors, &checkpoint.remarks));
    checkpoint.config.embedding = modules.config;
    GEMMA3_CHECK_OK(AddDenseTensors(modules, &weights.tensors, &checkpoint.files));
  }
  if (Status taken = TakeTensors(std::move(weights.tensors), shown, &checkpoint); !taken) {
    Error error = std::move(taken).error();
    error.message += ExplainMethod(config.quantization, shown);
    return std::unexpected(std::move(error));
  }
  GEMMA3_TRY(HfTokenizer tokenizer, ReadHfTokenizer(folder, checkpoint.config.text.vocab_size,
                                                    &checkpoint.remarks, headers_only));
  checkpoint.tokenizer_proto = std::move(tokenizer.proto);
  checkpoint.tokenizer_missing = std::move(tokenizer.missing);
  checkpoint.chat_templates = ReadChatTemplates(folder.string(), &checkpoint.remarks);
  return checkpoint;
}

}  // namespace gemma3
