// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/hf_modules.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "src/base/json.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/embedding.h"
#include "src/formats/lfs_pointer.h"
#include "src/formats/safetensors.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxJsonBytes = 4 << 20;
constexpr size_t kMaxTokenizerConfigBytes = 128 << 20;
constexpr size_t kMaxModules = 32;

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

Result<JsonValue> ReadJson(const fs::path& path) {
  GEMMA3_TRY(const std::string text, ReadFile(path.string(), kMaxJsonBytes));
  return JsonValue::Parse(text, path.string(), {.python_numbers = true});
}

// A JSON object; nothing where there is no such file.
Result<std::optional<JsonValue>> ReadObjectIfThere(const fs::path& path) {
  if (!Exists(path)) return std::nullopt;
  GEMMA3_TRY(JsonValue value, ReadJson(path));
  if (value.IsObject()) return value;
  return Fail(ErrorCode::kBadModel, path.string(), " should hold a JSON object");
}

Result<JsonValue> ReadObject(const fs::path& path) {
  GEMMA3_TRY(auto value, ReadObjectIfThere(path));
  if (value) return *std::move(value);
  return Fail(ErrorCode::kBadModel, path.string(), " is missing; is the download complete?");
}

struct Module {
  std::string type;  // the class, without where it is defined
  std::string path;  // its folder, "" for the model's own
  std::string where;
};

// Inside the folder, however the file spells it.
bool IsInside(const fs::path& path) {
  return path.is_relative() && std::ranges::find(path, fs::path("..")) == path.end();
}

Result<std::vector<Module>> ReadList(const fs::path& folder) {
  GEMMA3_TRY(const JsonValue list, ReadJson(folder / "modules.json"));
  if (!list.IsArray() || list.size() == 0 || list.size() > kMaxModules) {
    return Fail(ErrorCode::kBadModel, list.Path(), " should be a list of 1 to ", kMaxModules,
                " modules");
  }
  std::vector<Module> modules;
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonValue item = list[i];
    GEMMA3_TRY(const std::string type, item.String("type", ""));
    GEMMA3_TRY(std::string path, item.String("path", ""));
    if (type.empty() || !IsInside(path)) {
      return Fail(ErrorCode::kBadModel, item.Path(),
                  " should be {type, path}, with a path inside the folder");
    }
    modules.push_back({type.substr(type.rfind('.') + 1), std::move(path), item.Path()});
  }
  if (modules[0].type != "Transformer") {
    return Fail(ErrorCode::kUnsupported, modules[0].where, " is a module of type ",
                Shown(modules[0].type, 60), "; expected Transformer first");
  }
  return modules;
}

// Mean pooling, as older versions write it (a flag for each way) and newer ones (a name or
// several).
Status CheckPooling(const JsonValue& config) {
  constexpr std::string_view kFlag = "pooling_mode_", kMean = "pooling_mode_mean_tokens";
  std::string modes;
  const auto add = [&](const std::string& mode) { modes += (modes.empty() ? "" : ", ") + mode; };
  if (const auto named = config.Find("pooling_mode"); named && !named->IsArray()) {
    GEMMA3_TRY(modes, named->AsString());
  } else if (named) {
    for (size_t i = 0; i < named->size(); ++i) {
      GEMMA3_TRY(const std::string mode, (*named)[i].AsString());
      add(mode);
    }
  }
  const auto members = config.Members();
  for (const auto& [key, value] : members) {
    if (!key.starts_with(kFlag)) continue;
    GEMMA3_TRY(const bool on, value.AsBool());
    if (on) add(key == kMean ? "mean" : key);
  }
  if (modes != "mean") {
    return Fail(ErrorCode::kUnsupported, config.Path(), " asks for pooling by \"",
                Shown(modes, 120), "\"; expected the mean of all tokens");
  }
  GEMMA3_TRY(const bool include_prompt, config.Bool("include_prompt", true));
  if (!include_prompt) {
    return Fail(ErrorCode::kUnsupported, config.Path(),
                ": include_prompt is false, a mean without the prompt's tokens, which is not "
                "computed");
  }
  return {};
}

Result<DenseConfig> ReadDense(const JsonValue& config) {
  DenseConfig dense;
  GEMMA3_TRY(dense.inputs, config.Uint("in_features", 0));
  GEMMA3_TRY(dense.outputs, config.Uint("out_features", 0));
  GEMMA3_TRY(dense.bias, config.Bool("bias", true));
  // The class has Tanh where its file is silent.
  GEMMA3_TRY(std::string activation, config.String("activation_function", "Tanh"));
  activation = activation.substr(activation.rfind('.') + 1);
  if (activation != "Identity" && activation != "Tanh") {
    return Fail(ErrorCode::kUnsupported, config.Path(), ": activation_function is ",
                Shown(activation, 60), "; Identity and Tanh are computed");
  }
  if (activation == "Tanh") dense.activation = DenseActivation::kTanh;
  for (const char* key : {"module_input_name", "module_output_name"}) {
    GEMMA3_TRY(const std::string name, config.String(key, "sentence_embedding"));
    if (name == "sentence_embedding") continue;
    return Fail(ErrorCode::kUnsupported, config.Path(), ": ", key, " is \"", Shown(name, 60),
                "\"; dense layers are computed behind the mean");
  }
  GEMMA3_TRY(const bool residual, config.Bool("use_residual", false));
  if (residual) {
    return Fail(ErrorCode::kUnsupported, config.Path(),
                ": use_residual is true, which is not computed");
  }
  return dense;
}

Status ReadPrompts(const fs::path& folder, EmbeddingConfig* config, Remarks* remarks) {
  GEMMA3_TRY(const auto file, ReadObjectIfThere(folder / "config_sentence_transformers.json"));
  const auto prompts = file ? file->Find("prompts") : std::nullopt;
  if (prompts && !prompts->IsObject()) {
    return Fail(ErrorCode::kBadModel, prompts->Path(), " should be an object");
  }
  config->prompts = PublishedTaskPrompts();
  if (prompts && prompts->size() > 0) {
    config->prompts.clear();
    const auto members = prompts->Members();
    for (const auto& [name, value] : members) {
      GEMMA3_TRY(std::string text, value.AsString());
      config->prompts.push_back({name, std::move(text)});
    }
  }
  if (!file) return {};
  if (const auto cut = file->Find("truncate_dim")) {
    GEMMA3_TRY(const uint64_t dimensions, cut->AsUint());
    remarks->warnings.push_back(cut->Path() + " is " + std::to_string(dimensions) +
                                ": vectors are whole here unless so many dimensions are asked for");
  }
  GEMMA3_TRY(config->default_prompt, file->String("default_prompt_name", ""));
  const std::string& name = config->default_prompt;
  if (name.empty() ||
      std::ranges::find(config->prompts, name, &TaskPrompt::name) != config->prompts.end()) {
    return {};
  }
  return Fail(ErrorCode::kBadModel, file->Path(), ": default_prompt_name is \"", Shown(name, 60),
              "\", which is none of the prompts");
}

// What stands around a text, and how long it may be.
Status ReadLimits(const fs::path& folder, const fs::path& transformer, const TextConfig& text,
                  EmbeddingConfig* config, Remarks* remarks) {
  config->max_tokens = text.max_context;
  bool is_stated = false;
  for (const fs::path& place : {transformer, folder}) {
    GEMMA3_TRY(const auto file, ReadObjectIfThere(place / "sentence_bert_config.json"));
    if (!file) continue;
    is_stated = file->Find("max_seq_length").has_value();
    GEMMA3_TRY(const uint64_t longest, file->Uint("max_seq_length", config->max_tokens));
    config->max_tokens = std::min<size_t>(config->max_tokens, longest);
    GEMMA3_TRY(const std::string task, file->String("transformer_task", "feature-extraction"));
    if (task != "feature-extraction") {
      return Fail(ErrorCode::kUnsupported, file->Path(), ": transformer_task is \"",
                  Shown(task, 40), "\"; expected \"feature-extraction\"");
    }
    GEMMA3_TRY(const bool lower, file->Bool("do_lower_case", false));
    if (lower) {
      return Fail(ErrorCode::kUnsupported, file->Path(),
                  ": do_lower_case is true; texts are not changed to lower case here");
    }
    break;
  }
  const fs::path path = transformer / "tokenizer_config.json";
  if (!Exists(path)) return {};
  // Its list of tokens is long, and is not looked at here.
  GEMMA3_TRY(const std::string tokenizer, ReadFile(path.string(), kMaxTokenizerConfigBytes));
  if (!is_stated) {
    GEMMA3_TRY(const auto longest, JsonValue::ParseMember(tokenizer, "model_max_length",
                                                          path.string(), {.python_numbers = true}));
    // Where there is no limit, it is a very large number.
    const double limit = longest && longest->IsNumber() ? longest->AsDouble().value_or(0) : 0;
    if (limit >= 1 && limit < static_cast<double>(config->max_tokens)) {
      config->max_tokens = static_cast<size_t>(limit);
    }
  }
  for (const auto& [key, member] : {std::pair("add_bos_token", &EmbeddingConfig::add_bos),
                                    {"add_eos_token", &EmbeddingConfig::add_eos}}) {
    GEMMA3_TRY(const auto value,
               JsonValue::ParseMember(tokenizer, key, path.string(), {.python_numbers = true}));
    if (!value) continue;
    GEMMA3_TRY(config->*member, value->AsBool());
    if (config->*member) continue;
    remarks->warnings.push_back(value->Path() +
                                " is false, and so texts are embedded; EmbeddingGemma was trained "
                                "with BOS and EOS around each");
  }
  return {};
}

// Layers that MLX stores with the transformer: their shapes are all that is known of them.
std::vector<DenseConfig> StoredDense(const TensorMap& stored) {
  std::vector<DenseConfig> dense;
  for (;;) {
    const std::string name = "dense." + std::to_string(dense.size());
    const auto it = stored.find(name + ".weight");
    if (it == stored.end() || it->second.shape.size() != 2) return dense;
    dense.push_back({.inputs = it->second.shape[1],
                     .outputs = it->second.shape[0],
                     .bias = stored.contains(name + ".bias")});
  }
}

// Dense layers and normalisation, in the order of the list. stored: those that lie with the
// transformer, of which folders may be missing.
Status WalkModules(const fs::path& folder, const std::vector<Module>& list,
                   const std::vector<DenseConfig>& stored, HfModules* modules) {
  bool pooled = false;
  modules->config.normalize = false;
  for (size_t i = 1; i < list.size(); ++i) {
    const Module& module = list[i];
    const fs::path config = folder / module.path / "config.json";
    const bool lies_elsewhere = !stored.empty() && !Exists(config);
    if (module.type == "Dropout") continue;  // nothing where nobody trains
    if (module.type == "Pooling" && !pooled) {
      pooled = true;
      if (lies_elsewhere) continue;
      GEMMA3_TRY(const JsonValue settings, ReadObject(config));
      GEMMA3_CHECK_OK(CheckPooling(settings));
    } else if (module.type == "Dense" && pooled && !modules->config.normalize) {
      std::vector<DenseConfig>& dense = modules->config.dense;
      if (lies_elsewhere && dense.size() < stored.size()) {
        dense.push_back(stored[dense.size()]);
        continue;
      }
      GEMMA3_TRY(const JsonValue settings, ReadObject(config));
      GEMMA3_TRY(const DenseConfig read, ReadDense(settings));
      dense.push_back(read);
      if (!stored.empty()) continue;
      modules->dense_files.push_back((folder / module.path / "model.safetensors").string());
    } else if (module.type == "Normalize" && pooled && !modules->config.normalize) {
      modules->config.normalize = true;
    } else {
      return Fail(ErrorCode::kUnsupported, module.where, " is a module of type ",
                  Shown(module.type, 60),
                  ", which is not computed there; expected Transformer, Pooling, Dense, Normalize");
    }
  }
  if (pooled) return {};
  return Fail(ErrorCode::kUnsupported, (folder / "modules.json").string(),
              ": no module of type Pooling, so there is no vector for a text");
}

}  // namespace

Result<fs::path> TransformerFolder(const fs::path& folder) {
  if (Exists(folder / "config.json") || !Exists(folder / "modules.json")) return folder;
  GEMMA3_TRY(const std::vector<Module> list, ReadList(folder));
  return list[0].path.empty() ? folder : folder / list[0].path;
}

Result<HfModules> ReadHfModules(const fs::path& folder, const fs::path& transformer,
                                const TextConfig& text, const TensorMap& stored, Remarks* remarks) {
  HfModules modules;
  std::vector<DenseConfig> dense = StoredDense(stored);
  if (Exists(folder / "modules.json")) {
    GEMMA3_TRY(const std::vector<Module> list, ReadList(folder));
    GEMMA3_CHECK_OK(WalkModules(folder, list, dense, &modules));
  } else if (dense.empty()) {
    return Fail(ErrorCode::kUnsupported, folder.string(),
                " is an embedding model without modules.json, which says what makes a vector of "
                "its states (1_Pooling, 2_Dense, 3_Dense); vectors without those layers would be "
                "others: ",
                kWholeEmbeddingModel);
  }
  if (modules.config.dense.empty()) modules.config.dense = std::move(dense);
  GEMMA3_CHECK_OK(ReadPrompts(folder, &modules.config, remarks));
  GEMMA3_CHECK_OK(ReadLimits(folder, transformer, text, &modules.config, remarks));
  return modules;
}

Status AddDenseTensors(const HfModules& modules, TensorMap* tensors,
                       std::vector<std::shared_ptr<const FileMap>>* files) {
  for (size_t i = 0; i < modules.dense_files.size(); ++i) {
    const std::string& path = modules.dense_files[i];
    if (!Exists(path)) {
      const bool pickle = Exists(fs::path(path).parent_path() / "pytorch_model.bin");
      if (pickle) {
        return Fail(ErrorCode::kUnsupported, path,
                    " is missing, and a PyTorch .bin file lies in its place, which can run code "
                    "when opened; save the model as safetensors");
      }
      return Fail(ErrorCode::kBadModel, path, " is missing; is the download complete?");
    }
    GEMMA3_CHECK_OK(RefuseLfsPointer(path));
    GEMMA3_TRY(SafetensorsSet set, OpenSafetensors(path));
    for (auto& [name, view] : set.tensors) {
      const std::string_view part = name;
      if (part != "linear.weight" && !(part == "linear.bias" && modules.config.dense[i].bias)) {
        return Fail(ErrorCode::kUnsupported, path, ": tensor ", Shown(name),
                    " is no part of a dense layer as its config.json describes it");
      }
      const std::string canonical =
          "dense." + std::to_string(i) + std::string(part.substr(part.rfind('.')));
      tensors->emplace(canonical, std::move(view));
    }
    files->insert(files->end(), std::make_move_iterator(set.files.begin()),
                  std::make_move_iterator(set.files.end()));
  }
  return {};
}

}  // namespace gemma3
