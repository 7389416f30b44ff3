// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/adapter_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include "src/automata/regex.h"
#include "src/base/ascii.h"
#include "src/base/json.h"
#include "src/base/ordered_json.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/gguf.h"
#include "src/formats/gguf_model.h"
#include "src/formats/hf_names.h"
#include "src/formats/lfs_pointer.h"
#include "src/formats/safetensors.h"
#include "src/formats/tokenizer_json.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxJsonBytes = 16 << 20;
constexpr char kConfig[] = "adapter_config.json";
constexpr char kPeftWeights[] = "adapter_model.safetensors";
constexpr char kMlxWeights[] = "adapters.safetensors";

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::unexpected<Error> Unplaced(const std::string& file, const std::string& key,
                                const std::string& why) {
  return Fail(ErrorCode::kUnsupported, file, ": tensor ", Shown(key), " ", why,
              "; an adapter of which a part is left out would be another one");
}

// A key of a file, taken apart: module, what it is, and the rest.
struct Key {
  std::string module;  // canonical
  std::string full;    // as PEFT's patterns see it
  std::string kind;    // "lora_A", ...; "" for a plain tensor
  std::string rest;    // "weight", "bias" or nothing
};

// Adapter names stand between the kind and the rest in raw state dicts: "lora_A.default.weight".
Key TakeApart(const std::string& name) {
  constexpr auto kKinds = std::to_array<std::string_view>(
      {"lora_embedding_A", "lora_embedding_B", "lora_magnitude_vector", "lora_A", "lora_B",
       "lora_a", "lora_b", "token_adapter", "trainable_tokens_delta", "modules_to_save",
       "base_layer", "m"});
  Key key;
  std::string_view rest = name;
  for (const std::string_view kind : kKinds) {
    const std::string marked = "." + std::string(kind);
    const size_t at = rest.rfind(marked);
    if (at == std::string_view::npos) continue;
    const std::string_view behind = rest.substr(at + marked.size());
    if (!behind.empty() && behind[0] != '.') continue;
    if (kind == "m" && !behind.empty()) continue;
    key.kind = kind;
    key.rest = behind.empty() ? "" : behind.substr(1);
    rest = rest.substr(0, at);
    break;
  }
  if (key.kind.empty()) {
    const size_t dot = rest.rfind('.');
    key.rest = dot == std::string_view::npos ? "" : rest.substr(dot + 1);
    rest = rest.substr(0, dot);
  } else if (const size_t dot = key.rest.rfind('.'); dot != std::string::npos) {
    key.rest = key.rest.substr(dot + 1);
  } else if (key.rest != "weight" && key.rest != "bias") {
    key.rest.clear();  // an adapter's name
  }
  constexpr std::string_view kPeft = "base_model.model.";
  key.full = rest.starts_with(kPeft) ? rest.substr(kPeft.size()) : rest;
  key.module = CanonicalHfName(std::string(rest) + ".weight");
  if (key.module.ends_with(".weight")) key.module.resize(key.module.size() - 7);
  return key;
}

// What stands behind the last point of a name.
std::string LastPart(const std::string& name) {
  const size_t dot = name.rfind('.');
  return dot == std::string::npos ? name : name.substr(dot + 1);
}

// ---- PEFT

struct PeftConfig {
  double alpha = 8;
  bool rslora = false, dora = false, lora_bias = false;
  std::vector<std::string> saved;                  // last parts of modules_to_save
  std::vector<std::string> targets;                // the same of target_modules, if it is a list
  bool scales_embeddings = false;                  // as versions from 0.18 on do, which say so
  std::vector<std::pair<TextDfa, double>> alphas;  // of patterns, of which the first counts
};

// Settings of other computations: on where they are neither null, false, 0 nor empty.
bool IsOn(const JsonValue& config, const char* key) {
  const auto value = config.Find(key);
  if (!value) return false;
  if (value->IsBool()) return *value->AsBool();
  if (value->IsNumber()) return value->AsDouble() != 0.0;
  if (value->IsArray() || value->IsObject()) return value->size() > 0;
  return true;
}

// Settings of LoraConfig (src/peft/tuners/lora/config.py, 0.21 and older) that are read below or
// say nothing about what a trained adapter computes.
constexpr auto kKnownSettings = std::to_array<std::string_view>({"alpha_pattern",
                                                                 "auto_mapping",
                                                                 "base_model_name_or_path",
                                                                 "bias",
                                                                 "corda_config",
                                                                 "ensure_weight_tying",
                                                                 "eva_config",
                                                                 "exclude_modules",
                                                                 "inference_mode",
                                                                 "init_lora_weights",
                                                                 "layers_pattern",
                                                                 "layers_to_transform",
                                                                 "loftq_config",
                                                                 "lora_alpha",
                                                                 "lora_bias",
                                                                 "lora_dropout",
                                                                 "lora_ga_config",
                                                                 "megatron_config",
                                                                 "megatron_core",
                                                                 "modules_to_save",
                                                                 "peft_type",
                                                                 "peft_version",
                                                                 "qalora_group_size",
                                                                 "r",
                                                                 "rank_pattern",
                                                                 "revision",
                                                                 "target_modules",
                                                                 "task_type",
                                                                 "trainable_token_indices",
                                                                 "use_dora",
                                                                 "use_rslora",
                                                                 "velora_config"});

// Names of modules, or of the last parts of their paths.
Result<std::vector<std::string>> LastParts(const JsonValue& config, const char* key) {
  std::vector<std::string> parts;
  const auto list = config.Find(key);
  for (size_t i = 0; list && list->IsArray() && i < list->size(); ++i) {
    GEMMA3_TRY(const std::string name, (*list)[i].AsString());
    parts.push_back(LastPart(name));
  }
  return parts;
}

// Refuses an adapter that was trained beside a changed base. PEFT changes it again when it loads
// one of these; an adapter that was converted as it was saved says true here.
Status CheckInitialization(const JsonValue& config, const std::string& where) {
  const auto init = config.Find("init_lora_weights");
  if (!init || !init->IsString()) return {};
  GEMMA3_TRY(const std::string how, init->AsString());
  for (const char* changes_base : {"pissa", "olora", "corda", "loftq", "lora_ga"}) {
    if (!AsciiLower(how).starts_with(changes_base)) continue;
    return Fail(ErrorCode::kUnsupported, where, ": init_lora_weights is \"", Shown(how, 40),
                "\", which changes the base model before training, so the adapter does not fit the "
                "plain base: save it with path_initial_model_for_weight_conversion of PEFT; or, if "
                "MODEL is the changed base, write true there");
  }
  return {};
}

Result<PeftConfig> ReadPeftConfig(const std::string& text, const std::string& where,
                                  AdapterFile* file) {
  GEMMA3_TRY(const JsonValue config, JsonValue::Parse(text, where, {.python_numbers = true}));
  GEMMA3_TRY(const std::string type, config.String("peft_type", "LORA"));
  if (type != "LORA") {
    return Fail(ErrorCode::kUnsupported, where, ": an adapter of type ", Shown(type, 40),
                "; only LORA is computed");
  }
  for (const auto& [key, what] : {std::pair("fan_in_fan_out", "transposed base matrices"),
                                  {"layer_replication", "layers that are there twice"},
                                  {"target_parameters", "adapters of bare parameters"},
                                  {"alora_invocation_tokens", "an activated LoRA (aLoRA)"},
                                  {"use_qalora", "QA-LoRA"},
                                  {"arrow_config", "Arrow"},
                                  {"use_bdlora", "block-diagonal LoRA"},
                                  {"kasa_config", "KaSA"},
                                  {"monteclora_config", "MonteCLoRA"}}) {
    if (!IsOn(config, key)) continue;
    return Fail(ErrorCode::kUnsupported, where, ": ", key, " is set: ", what,
                ", which is not computed");
  }
  PeftConfig peft;
  GEMMA3_TRY(peft.alpha, config.Double("lora_alpha", 8));
  GEMMA3_TRY(peft.rslora, config.Bool("use_rslora", false));
  GEMMA3_TRY(peft.dora, config.Bool("use_dora", false));
  GEMMA3_TRY(peft.lora_bias, config.Bool("lora_bias", false));
  GEMMA3_TRY(const std::string bias, config.String("bias", "none"));
  if (bias != "none") {
    file->remarks.notes.push_back(where + ": bias is \"" + Shown(bias, 20) + "\"");
  }
  GEMMA3_CHECK_OK(CheckInitialization(config, where));
  // "0.17.1": versions before 0.18 wrote none, or added the embedding's delta behind its scale.
  GEMMA3_TRY(const std::string version, config.String("peft_version", ""));
  unsigned major = 0, minor = 0;
  const char* const end = version.data() + version.size();
  const char* at = std::from_chars(version.data(), end, major).ptr;
  if (at < end) std::from_chars(at + 1, end, minor);
  peft.scales_embeddings = major > 0 || minor >= 18;
  GEMMA3_TRY(file->base_model, config.String("base_model_name_or_path", ""));
  GEMMA3_TRY(file->ties_head, config.Bool("ensure_weight_tying", false));

  if (peft.alpha == 0) {
    file->remarks.warnings.push_back(where + ": lora_alpha is 0: the adapter changes nothing");
  }
  GEMMA3_TRY(peft.saved, LastParts(config, "modules_to_save"));
  GEMMA3_TRY(peft.targets, LastParts(config, "target_modules"));
  const auto members = config.Members();
  for (const auto& [key, value] : members) {
    const bool known = std::ranges::find(kKnownSettings, key) != kKnownSettings.end();
    if (known || !IsOn(config, key.c_str())) continue;
    file->remarks.warnings.push_back(where + ": the setting " + Shown(key, 40) +
                                     " is not known here, and passed over");
  }

  // Of patterns that match one module the first counts, so their order matters.
  const auto ordered = OrderedJson::Parse(text, 32, kMaxJsonBytes);
  const auto pattern = config.Find("alpha_pattern");
  if (pattern && pattern->size() > 0) {
    if (!ordered || !pattern->IsObject()) {
      return Fail(ErrorCode::kBadModel, pattern->Path(), " should be an object");
    }
    const uint32_t node = ordered->Find(OrderedJson::kRoot, "alpha_pattern");
    for (const std::string& key : (*ordered)[node].keys) {
      const auto value = pattern->Find(key);
      if (!value) continue;
      GEMMA3_TRY(const double alpha, value->AsDouble());
      auto modules = CompileModulePattern(key);
      if (!modules) return Fail(modules.error().code, where, ": ", modules.error().message);
      peft.alphas.emplace_back(*std::move(modules), alpha);
    }
  }
  // Rows of the embedding that were trained: ids, or ids for each module.
  if (const auto tokens = config.Find("trainable_token_indices")) {
    const auto read = [&](const std::string& module, const JsonValue& list) -> Status {
      if (!list.IsArray()) return Fail(ErrorCode::kBadModel, list.Path(), " should be a list");
      std::vector<uint64_t>& ids = file->token_ids[module];
      for (size_t i = 0; i < list.size(); ++i) {
        GEMMA3_TRY(const uint64_t id, list[i].AsUint());
        ids.push_back(id);
      }
      return {};
    };
    if (tokens->IsArray()) {
      GEMMA3_CHECK_OK(read("embed_tokens", *tokens));
    } else {
      const auto members = tokens->Members();
      for (const auto& [module, list] : members) {
        GEMMA3_CHECK_OK(read(LastPart(module), list));
      }
    }
  }
  return peft;
}

// A factor and its sister, wherever they come in the file.
struct Halves {
  std::optional<TensorView> a, b, bias, magnitude;
  std::string a_key, b_key, full, magnitude_key;
};

double ScaleOf(const PeftConfig& config, const std::string& module, uint64_t rank) {
  const auto own = std::ranges::find_if(
      config.alphas, [&](const auto& alpha) { return alpha.first.Matches(module); });
  const double alpha = own == config.alphas.end() ? config.alpha : own->second;
  const auto r = static_cast<double>(rank);
  return alpha / (config.rslora ? std::sqrt(r) : r);
}

// What the settings say is in the file, and without which the adapter would be another one.
Status CheckPromises(const PeftConfig& config, const std::string& path, AdapterFile& file) {
  const auto& whole = file.whole;
  const auto warn = [&](const char* setting, const std::string& name) {
    file.remarks.warnings.push_back(path + ": " + setting + " of " + kConfig + " names " +
                                    Shown(name, 60) + ", of which the file holds nothing");
  };
  for (const std::string& name : config.saved) {
    // One of two tables that are tied stands for both.
    const bool table = name == "lm_head" || name == "embed_tokens";
    const bool there =
        std::ranges::any_of(whole, [&](const auto& e) { return LastPart(e.first) == name; }) ||
        (table && file.ties_head && (whole.contains("lm_head") || whole.contains("embed_tokens")));
    if (there) continue;
    if (!table) {
      warn("modules_to_save", name);
      continue;
    }
    return Fail(ErrorCode::kBadModel, path, ": modules_to_save of ", kConfig, " names ", name,
                ", but the file does not hold it: save the adapter with it");
  }
  for (const std::string& name : config.targets) {
    const bool there =
        std::ranges::any_of(file.factors, [&](const auto& e) { return LastPart(e.first) == name; });
    if (!there && !file.factors.empty()) warn("target_modules", name);
  }
  for (const auto& [module, ids] : file.token_ids) {
    const bool there = file.token_rows.contains(module) ||
                       (module == "lm_head" && file.token_rows.contains("embed_tokens"));
    if (ids.empty() || there) continue;
    return Fail(ErrorCode::kBadModel, path, ": trainable_token_indices of ", kConfig,
                " has tokens of ", Shown(module, 60), ", but the file holds no rows of them");
  }
  return {};
}

Status TakePeft(TensorMap tensors, const PeftConfig& config, const std::string& path,
                AdapterFile* file) {
  std::map<std::string, Halves> halves;
  for (auto& [name, view] : tensors) {
    const Key key = TakeApart(name);
    if (key.module.empty()) return Unplaced(path, name, "belongs to no module of Gemma 3");
    Halves& module = halves[key.module];
    std::optional<TensorView>* slot = nullptr;
    if (key.kind == "lora_A" || key.kind == "lora_embedding_A") {
      slot = &module.a;
      module.a_key = name;
      module.full = key.full;
    } else if (key.kind == "lora_B" && key.rest == "bias") {
      slot = &module.bias;
    } else if (key.kind == "lora_B" || key.kind == "lora_embedding_B") {
      slot = &module.b;
      module.b_key = name;
    } else if (key.kind == "lora_magnitude_vector") {
      slot = &module.magnitude;
      module.magnitude_key = name;
    } else if (key.kind == "token_adapter" || key.kind == "trainable_tokens_delta") {
      if (!file->token_rows.emplace(key.module, ReplacedTensor{view, name}).second) {
        return Unplaced(path, name, "is there twice");
      }
      continue;
    } else if (key.rest == "weight" && !LastPart(key.module).starts_with("lora_") &&
               (key.kind.empty() || key.kind == "modules_to_save" || key.kind == "base_layer")) {
      if (!file->whole.emplace(key.module, ReplacedTensor{view, name}).second) {
        return Unplaced(path, name, "is there twice");
      }
      continue;
    } else {
      return Unplaced(path, name, "is no part of a LoRA adapter that is computed");
    }
    const bool embedding = key.kind.starts_with("lora_embedding");
    if (embedding != (key.module == "embed_tokens") && key.kind != "lora_magnitude_vector") {
      return Unplaced(path, name, "adapts another kind of module than it is");
    }
    if (*slot) return Unplaced(path, name, "is there twice");
    *slot = std::move(view);
  }
  size_t without_bias = 0;
  std::string first_without_bias;
  for (auto& [module, half] : halves) {
    if (!half.a && !half.b && !half.bias && !half.magnitude) continue;
    if (!half.a || !half.b) {
      const std::string& there = half.a ? half.a_key : half.b ? half.b_key : half.magnitude_key;
      return Fail(ErrorCode::kBadModel, path, ": tensor ", Shown(there), " has no ",
                  half.a ? "B" : "A", " beside it");
    }
    if (half.a->shape.size() != 2) return Unplaced(path, half.a_key, "is no matrix");
    if (config.dora && !half.magnitude) {
      return Fail(ErrorCode::kBadModel, path, ": tensor ", Shown(half.a_key), " stands alone: in ",
                  kConfig, " use_dora is set, but no magnitude is beside it");
    }
    for (const auto& [there, on, part, setting] :
         {std::tuple(half.magnitude.has_value(), config.dora, "magnitude", "use_dora"),
          {half.bias.has_value(), config.lora_bias, "bias of B", "lora_bias"}}) {
      if (!there || on) continue;
      return Fail(ErrorCode::kBadModel, path, ": tensor ", Shown(half.a_key), " has a ", part,
                  " beside it, but ", setting, " is not set in ", kConfig,
                  ": which of the two is right?");
    }
    if (config.lora_bias && !half.bias && module != "embed_tokens" && ++without_bias == 1) {
      first_without_bias = Shown(half.a_key);
    }
    const double scale = ScaleOf(config, half.full, half.a->shape[0]);
    file->factors[module] = {.a = *half.a,
                             .b = *half.b,
                             .scale = scale,
                             .bias = half.bias,
                             .magnitude = half.magnitude,
                             .key = half.a_key};
  }
  if (without_bias > 0) {
    file->remarks.warnings.push_back(path + ": lora_bias is set in " + kConfig + ", but " +
                                     std::to_string(without_bias) + " matrices have no bias (" +
                                     first_without_bias + "): it is taken as 0");
  }
  if (file->factors.contains("embed_tokens") && !config.scales_embeddings) {
    file->remarks.warnings.push_back(
        path +
        ": an adapter of the embedding by a version of PEFT before 0.18, or by one that is not "
        "named: if it was trained when PEFT did not scale it, it is far too strong here");
  }
  // A table that is not of modules_to_save is the base's, which is one where it is tied.
  const bool saved = std::ranges::any_of(file->whole, [&](const auto& table) {
    return std::ranges::find(config.saved, table.first) != config.saved.end();
  });
  file->ties_tables = !file->whole.empty() && (file->ties_head || !saved);
  GEMMA3_CHECK_OK(CheckPromises(config, path, *file));
  for (const auto& [module, rows] : file->token_rows) {
    if (!file->token_ids.contains(module)) {
      return Fail(ErrorCode::kBadModel, path, ": tensor ", Shown(rows.key),
                  " has trained rows, but trainable_token_indices of ", kConfig,
                  " does not say of which tokens");
    }
  }
  return {};
}

// ---- MLX

Status TakeMlx(TensorMap tensors, const JsonValue& config, const std::string& path,
               AdapterFile* file) {
  GEMMA3_TRY(const std::string type, config.String("fine_tune_type", "lora"));
  if (type != "lora" && type != "dora") {
    return Fail(ErrorCode::kUnsupported, config.Path(), ": fine_tune_type is \"", Shown(type, 40),
                "\", which is no adapter; lora and dora are");
  }
  const auto parameters = config.Find("lora_parameters");
  double scale = 20;  // MLX's own
  if (parameters && parameters->Find("scale")) {
    GEMMA3_TRY(scale, parameters->Double("scale", scale));
  } else {
    file->remarks.warnings.push_back(config.Path() +
                                     ": lora_parameters has no scale; 20 is taken, as MLX does");
  }
  std::map<std::string, Halves> halves;
  for (auto& [name, view] : tensors) {
    const Key key = TakeApart(name);
    if (key.module.empty()) return Unplaced(path, name, "belongs to no module of Gemma 3");
    Halves& module = halves[key.module];
    std::optional<TensorView>* slot = nullptr;
    if (key.kind == "lora_a") {
      slot = &module.a;
      module.a_key = name;
    } else if (key.kind == "lora_b") {
      slot = &module.b;
      module.b_key = name;
    } else if (key.kind == "m") {
      slot = &module.magnitude;
      module.magnitude_key = name;
    } else {
      return Unplaced(path, name, "is no part of an adapter of MLX");
    }
    if (*slot) return Unplaced(path, name, "is there twice");
    *slot = std::move(view);
  }
  for (auto& [module, half] : halves) {
    if (!half.a || !half.b) {
      const std::string& there = half.a ? half.a_key : half.b ? half.b_key : half.magnitude_key;
      return Fail(ErrorCode::kBadModel, path, ": tensor ", Shown(there), " has no ",
                  half.a ? "lora_b" : "lora_a", " beside it");
    }
    if (half.magnitude.has_value() != (type == "dora")) {
      return Fail(ErrorCode::kBadModel, path, ": tensor ", Shown(half.a_key),
                  half.magnitude ? " has a magnitude m" : " has no magnitude m",
                  " beside it, but fine_tune_type in ", kConfig, " is \"", type, "\"");
    }
    file->factors[module] = {.a = *half.a,
                             .b = *half.b,
                             .a_transposed = true,
                             .b_transposed = true,
                             .scale = scale,
                             .magnitude = half.magnitude,
                             .key = half.a_key};
  }
  // Its layers multiply with the adapted table where it is the head.
  file->ties_head = file->factors.contains("embed_tokens");
  return {};
}

// ---- GGUF

Result<AdapterFile> OpenGgufAdapter(const std::string& path) {
  GEMMA3_TRY(GgufSet set, OpenGgufFiles(path));
  AdapterFile file;
  const GgufFile& metadata = set.metadata;
  GEMMA3_TRY(const auto type, metadata.String("general.type"));
  if (!type || type == "model") {
    return Fail(ErrorCode::kUnsupported, path, " looks like a whole model, not an adapter");
  }
  if (type != "adapter") {
    return Fail(ErrorCode::kUnsupported, path, " is no adapter: its general.type is \"",
                Shown(*type, 40), "\", expected \"adapter\"");
  }
  GEMMA3_TRY(const auto kind, metadata.String("adapter.type"));
  if (kind != "lora") {
    return Fail(ErrorCode::kUnsupported, path, ": an adapter of type \"",
                Shown(kind.value_or(""), 40), "\"; only lora is computed");
  }
  GEMMA3_TRY(const auto architecture, metadata.String("general.architecture"));
  if (architecture != "gemma3" && architecture != "gemma-embedding") {
    return Fail(ErrorCode::kUnsupported, path, " is an adapter of a model of architecture \"",
                Shown(architecture.value_or(""), 60), "\", expected \"gemma3\"");
  }
  if (metadata.Has("adapter.alora.invocation_tokens")) {
    return Fail(ErrorCode::kUnsupported, path,
                ": an activated LoRA (aLoRA), which is not computed");
  }
  GEMMA3_TRY(const auto alpha, metadata.Float("adapter.lora.alpha"));
  std::map<std::string, Halves> halves;
  for (auto& [name, view] : set.tensors) {
    const bool is_a = name.ends_with(".lora_a"), is_b = name.ends_with(".lora_b");
    const std::string base = name.substr(0, name.rfind('.'));
    std::string module = CanonicalGgufName(base);
    if (module.ends_with(".weight")) module.resize(module.size() - 7);
    if (module.empty() || (!is_a && !is_b)) {
      return Unplaced(path, name, "belongs to no module of Gemma 3");
    }
    Halves& half = halves[module];
    (is_a ? half.a : half.b) = std::move(view);
    (is_a ? half.a_key : half.b_key) = name;
  }
  for (auto& [module, half] : halves) {
    if (!half.a || !half.b) {
      return Fail(ErrorCode::kBadModel, path, ": tensor ", Shown(half.a ? half.a_key : half.b_key),
                  " has no ", half.a ? "lora_b" : "lora_a", " beside it");
    }
    if (half.b->shape.size() != 2) return Unplaced(path, half.b_key, "is no matrix");
    const auto rank = static_cast<double>(half.b->shape[1]);
    file.factors[module] = {.a = *half.a,
                            .b = *half.b,
                            // Of the embedding, a row for each token.
                            .a_transposed = module == "embed_tokens",
                            .scale = alpha.value_or(0) == 0 ? 1 : *alpha / rank,
                            .key = half.a_key};
  }
  file.files = std::move(set.files);
  return file;
}

// ---- Folders

// Tokens that the tokenizer beside an adapter adds.
Status ReadTokens(const fs::path& folder, AdapterFile* file) {
  std::vector<std::shared_ptr<const FileMap>> maps;
  const auto open = [&](const char* name) -> Result<NamedText> {
    NamedText text{{}, (folder / name).string()};
    if (!Exists(folder / name)) return text;
    GEMMA3_CHECK_OK(RefuseLfsPointer(text.name));
    GEMMA3_TRY(auto map, FileMap::Open(text.name));
    text.text = {reinterpret_cast<const char*>(map->bytes().data()), map->bytes().size()};
    maps.push_back(std::move(map));
    return text;
  };
  TokenizerTexts texts;
  GEMMA3_TRY(texts.tokenizer, open("tokenizer.json"));
  GEMMA3_TRY(texts.added, open("added_tokens.json"));
  Remarks ignored;
  GEMMA3_TRY(const std::vector<NamedToken> tokens, ReadAddedTokens(texts, &ignored));
  for (const NamedToken& token : tokens) file->added_tokens.push_back(token.content);
  return {};
}

// Whether the settings are MLX's.
bool IsMlx(const JsonValue& config) {
  return !config.Find("peft_type") &&
         (config.Find("lora_parameters") || config.Find("fine_tune_type"));
}

Result<JsonValue> ParseConfig(const std::string& text, const std::string& name) {
  GEMMA3_TRY(JsonValue config, JsonValue::Parse(text, name, {.python_numbers = true}));
  if (config.IsObject()) return config;
  return Fail(ErrorCode::kBadModel, name, " should hold a JSON object");
}

std::unexpected<Error> RefusePickle(const std::string& path) {
  return Fail(
      ErrorCode::kUnsupported, path,
      " is a PyTorch file, which can run code when opened; save the adapter as safetensors");
}

Result<AdapterFile> OpenFolder(const fs::path& folder, const std::string& weights_name) {
  const fs::path config_path = folder / kConfig;
  if (!Exists(config_path)) {
    return Fail(ErrorCode::kBadModel, folder.string(), " holds no ", kConfig,
                Exists(folder / "config.json") ? ": it looks like a whole model, not an adapter"
                                               : ": is it the folder of a LoRA adapter?");
  }
  GEMMA3_TRY(const std::string text, ReadFile(config_path.string(), kMaxJsonBytes));
  GEMMA3_TRY(const JsonValue config, ParseConfig(text, config_path.string()));
  std::string name = weights_name;
  if (name.empty()) name = IsMlx(config) ? kMlxWeights : kPeftWeights;
  const std::string path = (folder / name).string();
  if (!Exists(path)) {
    if (Exists(folder / "adapter_model.bin")) {
      return RefusePickle((folder / "adapter_model.bin").string());
    }
    if (name == kPeftWeights && Exists(folder / kMlxWeights)) {
      return Fail(ErrorCode::kUnsupported, folder.string(), " holds ", kMlxWeights,
                  ", as MLX names it, but its ", kConfig,
                  " is not that of mlx-lm: it has no lora_parameters");
    }
    return Fail(ErrorCode::kBadModel, folder.string(), " holds no ", name,
                "; is the download complete?");
  }
  GEMMA3_CHECK_OK(RefuseLfsPointer(path));
  GEMMA3_TRY(SafetensorsSet set, OpenSafetensors(path));
  GEMMA3_TRY(AdapterFile file,
             ReadAdapterTensors(text, config_path.string(), std::move(set.tensors), path));
  file.files = std::move(set.files);
  GEMMA3_CHECK_OK(ReadTokens(folder, &file));
  return file;
}

}  // namespace

Result<TextDfa> CompileModulePattern(const std::string& pattern) {
  auto modules = CompilePattern("^(?:.*\\.)?(?:" + pattern + ")$");
  if (modules) return modules;
  return Fail(ErrorCode::kUnsupported, "the pattern \"", Shown(pattern, 80),
              "\" is not understood");
}

Result<AdapterFile> ReadAdapterTensors(const std::string& text, const std::string& config_name,
                                       TensorMap tensors, const std::string& tensors_name) {
  AdapterFile file;
  GEMMA3_TRY(const JsonValue config, ParseConfig(text, config_name));
  if (IsMlx(config)) {
    GEMMA3_CHECK_OK(TakeMlx(std::move(tensors), config, tensors_name, &file));
    return file;
  }
  GEMMA3_TRY(const PeftConfig peft, ReadPeftConfig(text, config_name, &file));
  GEMMA3_CHECK_OK(TakePeft(std::move(tensors), peft, tensors_name, &file));
  return file;
}

Result<AdapterFile> OpenAdapterFile(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    return Fail(ErrorCode::kIo, "there is no file or folder ", path, " with an adapter");
  }
  Result<AdapterFile> file = [&]() -> Result<AdapterFile> {
    const fs::path normal = fs::path(path).lexically_normal();
    if (fs::is_directory(status)) return OpenFolder(normal, "");
    const std::string filename = normal.filename().string();
    const bool is_config = filename == kConfig;
    if (is_config || path.ends_with(".safetensors")) {
      const fs::path parent = normal.parent_path();
      return OpenFolder(parent.empty() ? fs::path(".") : parent, is_config ? "" : filename);
    }
    for (const char* pickle : {".bin", ".pt", ".pth"}) {
      if (path.ends_with(pickle)) return RefusePickle(path);
    }
    return OpenGgufAdapter(path);
  }();
  if (!file) return file;
  file->path = path;
  const fs::path normal = fs::path(path).lexically_normal();
  file->name =
      (normal.has_filename() ? normal.filename() : normal.parent_path().filename()).string();
  if (file->factors.empty() && file->whole.empty() && file->token_rows.empty()) {
    return Fail(ErrorCode::kBadModel, path,
                " holds no LoRA tensors: an adapter that was saved empty, which would change "
                "nothing");
  }
  return file;
}

}  // namespace gemma3
