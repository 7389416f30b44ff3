// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// From GGUF files to a Checkpoint.
#include "src/formats/gguf_model.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/gguf.h"
#include "src/formats/gguf_config.h"
#include "src/formats/gguf_vocabulary.h"
#include "src/formats/shape_table.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

struct Name {
  std::string_view gguf, canonical;
};

// Parts of a text layer, behind "blk.N." and before ".weight". Note ffn_norm: it is the norm before
// the MLP, not post_attention_layernorm as in other architectures.
constexpr std::array<Name, 13> kTextParts = {{
    {"attn_norm", "input_layernorm"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},
    {"post_attention_norm", "post_attention_layernorm"},
    {"ffn_norm", "pre_feedforward_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
    {"post_ffw_norm", "post_feedforward_layernorm"},
}};

// Parts of a tower layer, behind "v.blk.N.", in llama.cpp's spelling and in Ollama's.
constexpr std::array<Name, 13> kVisionParts = {{
    {"ln1", "layer_norm1"},
    {"ln2", "layer_norm2"},
    {"layer_norm1", "layer_norm1"},
    {"layer_norm2", "layer_norm2"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_out", "self_attn.out_proj"},
    {"attn_output", "self_attn.out_proj"},
    {"ffn_up", "mlp.fc1"},
    {"ffn_down", "mlp.fc2"},
    {"mlp.fc1", "mlp.fc1"},
    {"mlp.fc2", "mlp.fc2"},
}};

constexpr std::array<Name, 17> kWholeNames = {{
    {"token_embd.weight", "embed_tokens.weight"},
    {"output_norm.weight", "norm.weight"},
    {"output.weight", "output.weight"},
    {"v.patch_embd.weight", "vision.embeddings.patch_embedding.weight"},
    {"v.patch_embd.bias", "vision.embeddings.patch_embedding.bias"},
    {"v.patch_embedding.weight", "vision.embeddings.patch_embedding.weight"},
    {"v.patch_embedding.bias", "vision.embeddings.patch_embedding.bias"},
    {"v.position_embd.weight", "vision.embeddings.position_embedding.weight"},
    {"v.position_embedding.weight", "vision.embeddings.position_embedding.weight"},
    {"v.post_ln.weight", "vision.post_layernorm.weight"},
    {"v.post_ln.bias", "vision.post_layernorm.bias"},
    {"v.post_layernorm.weight", "vision.post_layernorm.weight"},
    {"v.post_layernorm.bias", "vision.post_layernorm.bias"},
    {"mm.input_projection.weight", "projector.mm_input_projection_weight"},
    {"mm.mm_input_projection.weight", "projector.mm_input_projection_weight"},
    {"mm.soft_emb_norm.weight", "projector.mm_soft_emb_norm.weight"},
    {"mm.mm_soft_emb_norm.weight", "projector.mm_soft_emb_norm.weight"},
}};

// Renames "<prefix>N.<part>.<weight or bias>".
template <size_t kParts>
std::string LayerName(std::string_view name, std::string_view prefix, std::string_view to,
                      const std::array<Name, kParts>& parts) {
  name.remove_prefix(prefix.size());
  const size_t dot = name.find('.'), last = name.rfind('.');
  if (dot == std::string_view::npos || dot == last) return "";
  const std::string_view number = name.substr(0, dot), part = name.substr(dot + 1, last - dot - 1);
  for (const auto& [gguf, canonical] : parts) {
    if (part == gguf) {
      return std::string(to) + std::string(number) + "." + std::string(canonical) +
             std::string(name.substr(last));
    }
  }
  return "";
}

bool IsVision(const std::string& canonical) {
  return canonical.starts_with("vision.") || canonical.starts_with("projector.");
}

// Moves what is known into `checkpoint`; the rest is counted in a note.
Status TakeTensors(TensorMap tensors, const std::string& file, Checkpoint* checkpoint) {
  size_t unknown = 0;
  std::string first_unknown;
  for (auto& [name, view] : tensors) {
    const std::string canonical = CanonicalGgufName(name);
    if (canonical.empty()) {
      if (unknown++ == 0) first_unknown = Shown(name);
    } else if (!checkpoint->tensors.emplace(canonical, std::move(view)).second) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", Shown(name),
                  " is there twice, under two names");
    }
  }
  if (unknown > 0) {
    checkpoint->remarks.notes.push_back(file + ": " + std::to_string(unknown) +
                                " tensors are no part of Gemma 3 and were left out, first " +
                                first_unknown);
  }
  return {};
}

// Early converters swapped the names of the tower's two MLP matrices. fc1 is the one whose rows are
// as long as the hidden size; its bias moves with it.
void RepairMlpNames(const VisionConfig& vision, TensorMap* tensors) {
  if (vision.hidden_size == vision.intermediate_size) return;  // shapes do not tell
  for (size_t i = 0; i < vision.num_layers; ++i) {
    const std::string mlp = "vision.encoder.layers." + std::to_string(i) + ".mlp.";
    const auto fc1 = tensors->find(mlp + "fc1.weight");
    const auto fc2 = tensors->find(mlp + "fc2.weight");
    if (fc1 == tensors->end() || fc2 == tensors->end()) continue;
    const std::vector<uint64_t> swapped = {vision.hidden_size, vision.intermediate_size};
    if (fc1->second.shape != swapped) continue;
    std::swap(fc1->second, fc2->second);
    const auto bias1 = tensors->find(mlp + "fc1.bias"), bias2 = tensors->find(mlp + "fc2.bias");
    if (bias1 != tensors->end() && bias2 != tensors->end()) std::swap(bias1->second, bias2->second);
  }
}

Status AddMmproj(GgufSet mmproj, const std::string& path, Checkpoint* checkpoint) {
  ModelConfig& config = checkpoint->config;
  GEMMA3_TRY(config.vision, ReadMmprojConfig(mmproj.metadata, config.text.hidden_size));
  config.has_vision = true;
  GEMMA3_CHECK_OK(TakeTensors(std::move(mmproj.tensors), path, checkpoint));
  checkpoint->files.insert(checkpoint->files.end(), mmproj.files.begin(), mmproj.files.end());
  return {};
}

// Files beside the model whose name says that they are vision parts, sorted by name.
std::vector<std::string> MmprojCandidates(const std::string& model) {
  std::vector<std::string> candidates;
  fs::path folder = fs::path(model).parent_path();
  if (folder.empty()) folder = ".";
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (name.find("mmproj") != std::string::npos && name.ends_with(".gguf")) {
      candidates.push_back(it->path().string());
    }
  }
  std::sort(candidates.begin(), candidates.end());
  return candidates;
}

Status AddVision(const std::string& path, const GgufFile& metadata, const OpenOptions& options,
                 Checkpoint* checkpoint) {
  ModelConfig& config = checkpoint->config;
  // Keys alone prove nothing: some text-only files carry those of the tower.
  const bool inside = std::any_of(checkpoint->tensors.begin(), checkpoint->tensors.end(),
                                  [](const auto& entry) { return IsVision(entry.first); });
  if (!options.mmproj.empty()) {
    std::erase_if(checkpoint->tensors, [](const auto& entry) { return IsVision(entry.first); });
    GEMMA3_TRY(GgufSet mmproj, OpenGgufFiles(options.mmproj));
    return AddMmproj(std::move(mmproj), options.mmproj, checkpoint);
  }
  if (inside) {
    GEMMA3_TRY(config.vision, ReadSingleFileVisionConfig(metadata));
    config.has_vision = true;
    return {};
  }
  // A neighbour that does not fit belongs to another model and is no error.
  for (const std::string& candidate : MmprojCandidates(path)) {
    auto mmproj = OpenGgufFiles(candidate);
    if (!mmproj || !ReadMmprojConfig(mmproj->metadata, config.text.hidden_size)) continue;
    checkpoint->remarks.notes.push_back("vision part: " + candidate);
    return AddMmproj(*std::move(mmproj), candidate, checkpoint);
  }
  return {};
}

}  // namespace

std::string CanonicalGgufName(const std::string& name) {
  for (const auto& [gguf, canonical] : kWholeNames) {
    if (name == gguf) return std::string(canonical);
  }
  if (name.starts_with("blk.") && name.ends_with(".weight")) {
    return LayerName(name, "blk.", "layers.", kTextParts);
  }
  if (name.starts_with("v.blk.") && (name.ends_with(".weight") || name.ends_with(".bias"))) {
    return LayerName(name, "v.blk.", "vision.encoder.layers.", kVisionParts);
  }
  return "";
}

Result<Checkpoint> OpenGgufModel(const std::string& path, const OpenOptions& options) {
  GEMMA3_TRY(GgufSet set, OpenGgufFiles(path));
  Checkpoint checkpoint;
  ModelConfig& config = checkpoint.config;
  GEMMA3_TRY(config, ReadGgufTextConfig(set.metadata, set.tensors, &checkpoint.remarks));
  config.name = fs::path(path).filename().string();
  checkpoint.norms_store_offset = false;
  checkpoint.files = std::move(set.files);
  GEMMA3_CHECK_OK(TakeTensors(std::move(set.tensors), path, &checkpoint));
  GEMMA3_TRY(
      checkpoint.tokenizer_proto,
      ReadGgufTokenizer(set.metadata, &config, &checkpoint.tokenizer_missing, &checkpoint.remarks));
  GEMMA3_CHECK_OK(AddVision(path, set.metadata, options, &checkpoint));
  GEMMA3_CHECK_OK(CheckConfig(config, path));

  ShapeTable table = TextShapes(config.text);
  if (config.has_vision) {
    RepairMlpNames(config.vision, &checkpoint.tensors);
    table.merge(VisionShapes(config.vision, config.text));
  }
  if (const auto head = checkpoint.tensors.find("output.weight");
      head != checkpoint.tensors.end()) {
    if (head->second.shape != table.at("embed_tokens.weight")) {
      return Fail(ErrorCode::kBadModel, path, ": tensor output.weight should have shape ",
                  ShapeString(table.at("embed_tokens.weight")),
                  ", that of token_embd.weight; found ", ShapeString(head->second.shape));
    }
    checkpoint.tensors.erase(head);
    checkpoint.remarks.notes.push_back(path + ": output.weight repeats the embedding and was left out");
  }
  for (const auto& [name, view] : checkpoint.tensors) {
    if (!table.contains(name)) {
      return Fail(ErrorCode::kBadModel, path, ": tensor ", Shown(name),
                  " belongs to no layer of a "
                  "model of ",
                  config.text.num_layers, " layers");
    }
  }
  GEMMA3_CHECK_OK(CheckTensors(table, checkpoint.tensors, path));
  return checkpoint;
}

}  // namespace gemma3
