// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// From GGUF files to a Checkpoint.
#include "src/formats/gguf_model.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/gguf.h"
#include "src/formats/gguf_config.h"
#include "src/formats/gguf_vocabulary.h"
#include "src/formats/llamafile.h"
#include "src/formats/mmproj_files.h"
#include "src/formats/shape_table.h"
#include "src/formats/stray_tensors.h"

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

constexpr std::array<Name, 21> kWholeNames = {{
    {"token_embd.weight", "embed_tokens.weight"},
    {"output_norm.weight", "norm.weight"},
    {"output.weight", "lm_head.weight"},
    // Behind the mean of an embedding model, in llama.cpp's spelling and in that of older files.
    {"dense_2.weight", "dense.0.weight"},
    {"dense_3.weight", "dense.1.weight"},
    {"dense.0.weight", "dense.0.weight"},
    {"dense.1.weight", "dense.1.weight"},
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

// Whether a name that is not known lies inside the text model, the tower or the projector.
bool IsInside(std::string_view name) {
  constexpr auto kRoots = std::to_array<std::string_view>(
      {"blk.", "v.", "mm.", "token_embd.", "output.", "output_norm."});
  return std::ranges::any_of(kRoots, [&](std::string_view root) { return name.starts_with(root); });
}

// Moves what is known into `checkpoint`; the rest is refused, or named in a warning.
Status TakeTensors(TensorMap tensors, const std::string& file, Checkpoint* checkpoint) {
  StrayTensors strays;
  for (auto& [name, view] : tensors) {
    const std::string canonical = CanonicalGgufName(name);
    if (canonical.empty()) {
      if (IsInside(name)) return RefuseInside(file, name);
      strays.Add(name);
    } else if (!checkpoint->tensors.emplace(canonical, std::move(view)).second) {
      return Fail(ErrorCode::kBadModel, file, ": tensor ", Shown(name),
                  " is there twice, under two names");
    }
  }
  if (!strays.empty()) {
    checkpoint->remarks.warnings.push_back(file + ": " + strays.Describe() +
                                           " are no part of Gemma 3 and were left out");
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

// A vision part of another file that fits a text model.
struct Candidate {
  std::string path;
  GgufSet set;
  size_t shared = 0;  // words of the model's stem
};

// Errors: why it does not fit.
Result<Candidate> TryMmproj(const std::string& path, const std::string& model, size_t width) {
  GEMMA3_TRY(GgufSet set, OpenGgufFiles(path));
  GEMMA3_CHECK_OK(ReadMmprojConfig(set.metadata, width));
  for (const auto& [name, view] : set.tensors) {
    if (CanonicalGgufName(name) != "projector.mm_input_projection_weight") continue;
    if (view.shape.size() == 2 && view.shape[1] == width) continue;
    return Fail(ErrorCode::kBadModel, path, ": its projector is of shape ", ShapeString(view.shape),
                ", but the text model's hidden size is ", width);
  }
  return Candidate{path, std::move(set), SharedStem(path, model)};
}

// Whether two files hold one tower in two types, as model pages offer it: vectors are always stored
// whole, so they are equal to the last bit.
bool AreOneTower(const Candidate& a, const Candidate& b) {
  if (StemOf(a.path) != StemOf(b.path) || a.set.tensors.size() != b.set.tensors.size())
    return false;
  for (const auto& [name, view] : a.set.tensors) {
    if (view.shape.size() != 1) continue;
    const auto other = b.set.tensors.find(name);
    if (other == b.set.tensors.end() || other->second.type != view.type ||
        other->second.bytes != view.bytes ||
        std::memcmp(other->second.data, view.data, view.bytes) != 0) {
      return false;
    }
  }
  return true;
}

// Which type of a tower is preferred: BF16 is the published one, F16 as small and as good.
int TypeRank(const Candidate& candidate) {
  constexpr std::array kBest = {TensorType::kBF16, TensorType::kF16, TensorType::kF32,
                                TensorType::kQ8_0};
  for (const auto& [name, view] : candidate.set.tensors) {
    if (!CanonicalGgufName(name).ends_with("self_attn.q_proj.weight")) continue;
    return static_cast<int>(std::ranges::find(kBest, view.type) - kBest.begin());
  }
  return kBest.size();
}

// The file beside the model that is its vision part: of those that fit the one that shares the most
// of its stem, or the only one. Null: there is none.
Result<std::optional<Candidate>> ChooseMmproj(const std::string& model, size_t width,
                                              Remarks* remarks) {
  std::vector<Candidate> fitting;
  for (const std::string& path : MmprojFilesBeside(model)) {
    auto candidate = TryMmproj(path, model, width);
    if (candidate) {
      fitting.push_back(*std::move(candidate));
    } else if (SharedStem(path, model) > 0) {
      remarks->warnings.push_back("the vision part beside the model cannot be used: " +
                                  candidate.error().message);
    } else {
      remarks->notes.push_back("not the vision part of this model: " + candidate.error().message);
    }
  }
  size_t most = 0;
  for (const Candidate& candidate : fitting) most = std::max(most, candidate.shared);
  std::erase_if(fitting, [&](const Candidate& candidate) { return candidate.shared < most; });
  if (fitting.empty()) return std::nullopt;
  const auto chosen = std::ranges::min_element(fitting, {}, TypeRank);
  for (const Candidate& candidate : fitting) {
    if (&candidate == &*chosen || AreOneTower(candidate, *chosen)) continue;
    return Fail(ErrorCode::kInvalidArgument, "several files beside ", model,
                " may be its vision part: ", chosen->path, ", ", candidate.path,
                "; choose one with --mmproj");
  }
  if (most == 0 && !StemOf(chosen->path).empty() && !StemOf(model).empty()) {
    remarks->warnings.push_back("the vision part is " + chosen->path +
                                ", the only one beside the model, although its name is not the "
                                "model's; if it belongs to another model, pictures are understood "
                                "wrongly: choose with --mmproj");
  } else {
    remarks->notes.push_back("vision part: " + chosen->path);
  }
  return std::move(*chosen);
}

// The one of an archive's vision parts that fits. Null: there is none.
Result<std::optional<Candidate>> ChooseMember(const std::vector<std::string>& members,
                                              const std::string& model, size_t width,
                                              Remarks* remarks) {
  std::optional<Candidate> chosen;
  for (const std::string& path : members) {
    auto candidate = TryMmproj(path, model, width);
    if (!candidate) {
      remarks->warnings.push_back("the vision part in the archive cannot be used: " +
                                  candidate.error().message);
      continue;
    }
    if (chosen) {
      return Fail(ErrorCode::kInvalidArgument, "several files in ", model,
                  " may be its vision part: ", chosen->path, ", ", path,
                  "; choose one with --mmproj");
    }
    remarks->notes.push_back("vision part: " + path);
    chosen = *std::move(candidate);
  }
  return chosen;
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
  // Of an archive, what lies inside; files beside it are of other models.
  if (const auto members = VisionMembers(path); !members.empty()) {
    GEMMA3_TRY(auto mmproj,
               ChooseMember(members, path, config.text.hidden_size, &checkpoint->remarks));
    if (!mmproj) return {};
    return AddMmproj(std::move(mmproj->set), mmproj->path, checkpoint);
  }
  GEMMA3_TRY(auto mmproj, ChooseMmproj(path, config.text.hidden_size, &checkpoint->remarks));
  if (!mmproj) return {};
  return AddMmproj(std::move(mmproj->set), mmproj->path, checkpoint);
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
      ReadGgufTokenizer(set.metadata, &config, &checkpoint.tokenizer_missing, &checkpoint.remarks,
                        /*ids_only=*/options.headers_only));
  GEMMA3_TRY(auto chat_template, set.metadata.String("tokenizer.chat_template"));
  if (chat_template) checkpoint.chat_templates.push_back({path, *std::move(chat_template)});
  if (config.text.bidirectional) {
    GEMMA3_TRY(config.embedding, ReadGgufEmbedding(set.metadata, checkpoint.tensors, config.text));
  } else {
    GEMMA3_CHECK_OK(AddVision(path, set.metadata, options, &checkpoint));
  }
  GEMMA3_CHECK_OK(CheckConfig(config, path));

  const auto head = checkpoint.tensors.find("lm_head.weight");
  config.text.tie_word_embeddings = head == checkpoint.tensors.end();
  if (config.has_vision) RepairMlpNames(config.vision, &checkpoint.tensors);
  const ShapeTable table = ShapesOf(config);
  if (head != checkpoint.tensors.end() && head->second.shape != table.at("lm_head.weight")) {
    return Fail(ErrorCode::kBadModel, path, ": tensor output.weight should have shape ",
                ShapeString(table.at("lm_head.weight")), ", that of token_embd.weight; found ",
                ShapeString(head->second.shape));
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
