// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// From a folder to a Checkpoint.
#include "src/formats/hf_folder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/hf_config.h"
#include "src/formats/hf_tokenizer.h"
#include "src/formats/lfs_pointer.h"
#include "src/formats/mlx.h"
#include "src/formats/safetensors.h"
#include "src/formats/shape_table.h"

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

// What to tell someone whose folder holds no weights that can be read.
std::unexpected<Error> ExplainNoWeights(const fs::path& folder) {
  bool any = false, torch = false, incomplete = false, gguf = false, adapter = false;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    any = true;
    torch |= name.ends_with(".bin") || name.ends_with(".pth") || name.ends_with(".pt");
    incomplete |= name.ends_with(".incomplete");
    gguf |= name.ends_with(".gguf");
    adapter |= name == "adapter_config.json";
  }
  const std::string head = folder.string() +
                           " holds no model.safetensors and no "
                           "model.safetensors.index.json";
  if (!any) return Fail(ErrorCode::kBadModel, folder.string(), " is empty");
  if (gguf) return Fail(ErrorCode::kBadModel, head, "; give the path of the .gguf file instead");
  if (adapter) {
    return Fail(ErrorCode::kUnsupported, head,
                "; it is a LoRA adapter: merge it into its base model first");
  }
  if (incomplete) return Fail(ErrorCode::kBadModel, head, ", only an unfinished download");
  if (torch) {
    return Fail(ErrorCode::kUnsupported, head,
                ", only PyTorch .bin files, which can run code when opened; use a safetensors "
                "version of the model");
  }
  return Fail(ErrorCode::kBadModel, head, "; is this the model's folder?");
}

Result<SafetensorsSet> OpenWeights(const fs::path& folder) {
  const fs::path single = folder / "model.safetensors";
  const fs::path index = folder / "model.safetensors.index.json";
  if (Exists(single)) {
    GEMMA3_CHECK_OK(RefuseLfsPointer(single.string()));
    return OpenSafetensors(single.string());
  }
  if (Exists(index)) {
    GEMMA3_CHECK_OK(RefuseLfsPointer(index.string()));
    return OpenSafetensorsShards(index.string());
  }
  return ExplainNoWeights(folder);
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

// Moves the tensors that the model needs into `checkpoint` under their canonical names.
Status TakeTensors(TensorMap tensors, const HfConfig& config, const std::string& folder,
                   Checkpoint* checkpoint) {
  std::optional<TensorView> head;
  size_t unknown = 0;
  std::string first_unknown;
  for (auto& [name, view] : tensors) {
    const std::string canonical = CanonicalHfName(name);
    if (canonical.empty() || IsKnownUnneeded(canonical)) continue;
    if (canonical == "lm_head.weight") {
      head = view;
      continue;
    }
    const std::string file = *view.file;
    if (!checkpoint->tensors.emplace(canonical, std::move(view)).second) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", Shown(name),
                  " appears again under another prefix");
    }
  }
  ModelConfig& model = checkpoint->config;
  TakeStoredRows(checkpoint->tensors, &model.text);
  GEMMA3_CHECK_OK(CheckConfig(model, folder + "/config.json"));

  const bool stored_vision =
      std::any_of(checkpoint->tensors.begin(), checkpoint->tensors.end(), [](const auto& entry) {
        return entry.first.starts_with("vision.") || entry.first.starts_with("projector.");
      });
  if (model.has_vision && !stored_vision) {
    model.has_vision = false;
    checkpoint->remarks.notes.push_back(folder +
                                ": the configuration has a vision part but the files hold none; "
                                "loaded for text only");
  }
  if (!model.has_vision && stored_vision) {
    checkpoint->remarks.notes.push_back(folder +
                                ": the files hold vision tensors but config.json describes none; "
                                "loaded for text only");
  }

  ShapeTable table = TextShapes(model.text);
  if (model.has_vision) table.merge(VisionShapes(model.vision, model.text));
  // The one tensor that has another order in MLX.
  const std::string patch = "vision.embeddings.patch_embedding.weight";
  if (const auto it = checkpoint->tensors.find(patch);
      model.has_vision && it != checkpoint->tensors.end()) {
    if (auto bytes = MakeChannelsFirst(table.at(patch), &it->second)) {
      checkpoint->rearranged.push_back(std::move(bytes));
    }
  }
  std::erase_if(checkpoint->tensors, [&](const auto& entry) {
    const std::string& name = entry.first;
    if (table.contains(name)) return false;
    if (!model.has_vision && (name.starts_with("vision.") || name.starts_with("projector."))) {
      return true;
    }
    if (unknown++ == 0) first_unknown = Shown(name);
    return true;
  });
  if (unknown > 0) {
    if (const auto layer = LayerOf(first_unknown); layer && *layer >= model.text.num_layers) {
      return Fail(ErrorCode::kBadModel, folder, ": tensor ", first_unknown, " belongs to layer ",
                  *layer, ", but config.json says num_hidden_layers ", model.text.num_layers);
    }
    checkpoint->remarks.notes.push_back(folder + ": " + std::to_string(unknown) +
                                " tensors are no part of Gemma 3 and were left out, first " +
                                first_unknown);
  }
  GEMMA3_CHECK_OK(CheckTensors(table, checkpoint->tensors, folder));

  if (head) {
    const TensorView& embedding = checkpoint->tensors.at("embed_tokens.weight");
    if (head->shape != embedding.shape) {
      return Fail(ErrorCode::kBadModel, *head->file, ": tensor lm_head.weight should have shape ",
                  ShapeString(embedding.shape), ", that of embed_tokens.weight; found ",
                  ShapeString(head->shape));
    }
    if (!config.tied) {
      return Fail(
          ErrorCode::kUnsupported, folder,
          ": the output head is a matrix of its own (tie_word_embeddings is false); Gemma 3 "
          "shares it with the embedding");
    }
  } else if (!config.tied) {
    checkpoint->remarks.notes.push_back(folder +
                                ": config.json says tie_word_embeddings false, but no output head "
                                "is stored; using the embedding");
  }
  return {};
}

}  // namespace

std::string CanonicalHfName(const std::string& name) {
  // A class around the whole model, such as ShieldGemma 2's, puts one more "model." in front.
  if (name.starts_with("model.model.")) return CanonicalHfName(name.substr(6));
  // Longest prefix first; the families are those of huggingface/transformers, modeling_gemma3.py.
  struct Prefix {
    std::string_view stored, canonical;
  };
  static constexpr std::array<Prefix, 16> kPrefixes = {{
      {"model.vision_tower.vision_model.", "vision."},
      {"vision_tower.vision_model.", "vision."},
      {"vision_model.vision_model.", "vision."},
      {"model.vision_tower.", "vision."},
      {"vision_tower.", "vision."},
      {"vision_model.", "vision."},
      {"model.multi_modal_projector.", "projector."},
      {"multi_modal_projector.", "projector."},
      {"model.language_model.lm_head.", "lm_head."},
      {"language_model.lm_head.", "lm_head."},
      {"lm_head.", "lm_head."},
      {"model.language_model.model.", ""},  // ShieldGemma 2
      {"language_model.model.", ""},
      {"model.language_model.", ""},
      {"model.", ""},
      {"", ""},  // a text model saved without its head class
  }};
  for (const auto& [stored, canonical] : kPrefixes) {
    if (!name.starts_with(stored)) continue;
    std::string result = std::string(canonical) + name.substr(stored.size());
    const bool ours = !canonical.empty() || result.starts_with("layers.") ||
                      result.starts_with("embed_tokens.") || result.starts_with("norm.");
    return ours ? result : "";
  }
  return "";
}

Result<Checkpoint> OpenHfFolder(const std::string& folder_name) {
  // "model/" and "model/." name the folder "model" too.
  const fs::path folder = fs::path(folder_name).lexically_normal();
  const std::string shown = folder_name;
  GEMMA3_TRY(SafetensorsSet weights, OpenWeights(folder));

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
      (folder.has_filename() ? folder.filename() : folder.parent_path().filename()).string();
  checkpoint.remarks = std::move(config.remarks);
  checkpoint.norms_store_offset = true;
  checkpoint.files = std::move(weights.files);
  GEMMA3_CHECK_OK(JoinMlxTensors(config.mlx, shown + "/config.json", &weights.tensors));
  GEMMA3_CHECK_OK(TakeTensors(std::move(weights.tensors), config, shown, &checkpoint));
  GEMMA3_TRY(HfTokenizer tokenizer,
             ReadHfTokenizer(folder, checkpoint.config.text.vocab_size, &checkpoint.remarks));
  checkpoint.tokenizer_proto = std::move(tokenizer.proto);
  checkpoint.tokenizer_missing = std::move(tokenizer.missing);
  return checkpoint;
}

}  // namespace gemma3
