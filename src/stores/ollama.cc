// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Ollama's store.
#include "src/stores/ollama.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <limits>
#include <utility>

#include "src/base/ascii.h"
#include "src/base/file_map.h"
#include "src/base/json.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/stores/model_files.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxManifestBytes = 1 << 20;
constexpr size_t kMaxTextBytes = 1 << 20;  // of a template, a system text, parameters
constexpr std::string_view kLayerPrefix = "application/vnd.ollama.image.";

// Parameters that say how Ollama's runner uses a machine and change no answer.
constexpr std::array<std::string_view, 15> kMachineParameters = {
    "num_thread", "num_gpu",    "num_batch",      "num_gqa",   "num_keep",
    "main_gpu",   "low_vram",   "use_mmap",       "use_mlock", "numa",
    "vocab_only", "logits_all", "embedding_only", "f16_kv",    "draft_num_predict"};

// The manifests of a model, one for each tag; nothing where there is none.
std::vector<fs::path> ManifestFolders(const std::vector<std::string>& parts,
                                      const std::string& root) {
  std::vector<std::vector<std::string>> candidates;
  if (parts.size() == 1) {
    candidates = {{"registry.ollama.ai", "library", parts[0]}};
  } else if (parts.size() == 2) {
    candidates = {{"registry.ollama.ai", parts[0], parts[1]}, {"hf.co", parts[0], parts[1]}};
  } else {
    candidates = {parts};
  }
  for (const auto& candidate : candidates) {
    std::vector<fs::path> folders = {fs::path(root) / "manifests"};
    for (const std::string& part : candidate) {
      std::vector<fs::path> next;
      for (const fs::path& folder : folders) {
        for (fs::path& entry : EntriesNamed(folder, part)) next.push_back(std::move(entry));
      }
      folders = std::move(next);
    }
    std::erase_if(folders, [](const fs::path& path) { return !IsFolder(path); });
    if (!folders.empty()) return folders;
  }
  return {};
}

// The manifest that the tag names.
Result<std::optional<fs::path>> FindManifest(const std::vector<fs::path>& folders,
                                             const std::string& tag) {
  std::vector<fs::path> manifests;
  for (const fs::path& folder : folders) {
    for (fs::path& path : EntriesNamed(folder, tag.empty() ? "latest" : tag)) {
      if (IsFile(path)) manifests.push_back(std::move(path));
    }
  }
  if (manifests.empty() && tag.empty()) {
    for (const fs::path& folder : folders) {
      for (fs::path& path : ListFolder(folder)) {
        if (IsFile(path)) manifests.push_back(std::move(path));
      }
    }
  }
  if (manifests.empty()) return std::nullopt;
  if (manifests.size() == 1) return manifests.front();
  std::string list;
  for (const fs::path& path : manifests) {
    list += (list.empty() ? "" : ", ") + path.parent_path().filename().string() + ":" +
            path.filename().string();
  }
  return Fail(ErrorCode::kBadModel,
              "Ollama's store has several models of that name, say which: ", list);
}

Result<std::string> BlobPath(const fs::path& root, const OllamaLayer& layer,
                             const std::string& manifest) {
  const fs::path blob = root / "blobs" / ("sha256-" + layer.hex);
  std::error_code error;
  const uint64_t size = fs::file_size(blob, error);
  if (error) {
    return Fail(ErrorCode::kBadModel, manifest, ": the blob ", blob.string(),
                " is not there; pull the model again");
  }
  if (size != layer.size) {
    return Fail(ErrorCode::kBadModel, blob.string(), " is ", size, " bytes, but ", manifest,
                " says ", layer.size, "; pull the model again");
  }
  return blob.string();
}

// What `ollama list` calls it: without the parts that are Ollama's defaults.
std::string NameOf(const fs::path& manifest) {
  const fs::path model = manifest.parent_path();
  const std::string owner = model.parent_path().filename().string();
  const std::string host = model.parent_path().parent_path().filename().string();
  std::string name = model.filename().string() + ":" + manifest.filename().string();
  if (host != "registry.ollama.ai") return host + "/" + owner + "/" + name;
  return owner == "library" ? name : owner + "/" + name;
}

// A parameter's number in [min, max]; a remark and nothing for anything else.
std::optional<double> NumberIn(const JsonValue& value, double min, double max, Remarks* remarks) {
  if (const auto number = value.AsDouble(); number && *number >= min && *number <= max) {
    return *number;
  }
  remarks->warnings.push_back(value.Path() + " is no number from " + std::to_string(min) + " to " +
                              std::to_string(max) + " and is left out");
  return std::nullopt;
}

}  // namespace

Status ReadOllamaParameters(std::string_view json, const std::string& where,
                            StoreDefaults* defaults, Remarks* remarks) {
  GEMMA3_TRY(const JsonValue root, JsonValue::Parse(json, where));
  if (!root.IsObject()) return Fail(ErrorCode::kBadModel, where, ": expected a JSON object");
  constexpr double kLarge = 1e9;
  std::string unused, machine;
  for (const auto& [key, value] : root.Members()) {
    if (value.IsNull()) continue;
    const auto number = [&](double min, double max) { return NumberIn(value, min, max, remarks); };
    if (key == "temperature") {
      if (const auto x = number(0, kLarge)) defaults->temperature = static_cast<float>(*x);
    } else if (key == "top_k") {  // negative: all
      if (const auto x = number(-kLarge, kLarge)) {
        defaults->top_k = static_cast<int>(std::max(0.0, *x));
      }
    } else if (key == "top_p") {
      // Beyond 1 is 1; 0 would keep nothing, and those who take it keep the likeliest.
      if (const auto x = number(0, kLarge)) {
        defaults->top_p = static_cast<float>(std::clamp(*x, 1e-6, 1.0));
      }
    } else if (key == "min_p") {
      if (const auto x = number(0, 1)) defaults->min_p = static_cast<float>(*x);
    } else if (key == "repeat_penalty") {
      if (const auto x = number(1e-3, kLarge)) defaults->repeat_penalty = static_cast<float>(*x);
    } else if (key == "repeat_last_n") {  // -1: the whole context
      if (const auto x = number(-1, kLarge)) {
        defaults->repeat_last_n =
            *x < 0 ? std::numeric_limits<size_t>::max() : static_cast<size_t>(*x);
      }
    } else if (key == "num_ctx") {
      if (const auto x = number(1, kLarge)) defaults->context = static_cast<size_t>(*x);
    } else if (key == "stop") {
      const size_t count = value.IsArray() ? value.size() : 1;
      for (size_t i = 0; i < count; ++i) {
        const auto text = (value.IsArray() ? value[i] : value).AsString();
        if (text && !text->empty()) {
          defaults->stop.push_back(*text);
        } else {
          remarks->warnings.push_back(value.Path() + ": a stop string is no text and is left out");
        }
      }
    } else if (key == "num_predict") {
      // Below 0 means until the model ends its answer, as it is here anyway.
      const auto x = value.AsDouble();
      if (!x || *x >= 0) unused += (unused.empty() ? "" : ", ") + key;
    } else if (std::ranges::find(kMachineParameters, key) != kMachineParameters.end()) {
      machine += (machine.empty() ? "" : ", ") + key;
    } else {
      unused += (unused.empty() ? "" : ", ") + Shown(key, 40);
    }
  }
  if (!unused.empty()) {
    remarks->warnings.push_back(where + ": parameters that are not used here: " + unused);
  }
  if (!machine.empty()) {
    remarks->notes.push_back(where + ": parameters for another program's machine: " + machine);
  }
  return {};
}

Result<std::vector<OllamaLayer>> ParseOllamaManifest(std::string_view json,
                                                     const std::string& where) {
  GEMMA3_TRY(const JsonValue root, JsonValue::Parse(json, where));
  const auto list = root.Find("layers");
  if (!list || !list->IsArray()) {
    return Fail(ErrorCode::kBadModel, where, ": \"layers\" is missing or not a list");
  }
  std::vector<OllamaLayer> layers;
  for (size_t i = 0; i < list->size(); ++i) {
    const JsonValue item = (*list)[i];
    OllamaLayer layer;
    GEMMA3_TRY(layer.media_type, item.String("mediaType", ""));
    GEMMA3_TRY(layer.size, item.Uint("size", 0));
    GEMMA3_TRY(const std::string digest, item.String("digest", ""));
    // The digest becomes a file name: anything but "sha256:" and 64 hex digits could lead elsewhere
    // (CVE-2024-37032).
    const bool prefix = digest.starts_with("sha256:") || digest.starts_with("sha256-");
    if (prefix) layer.hex = AsciiLower(digest.substr(7));
    const bool hex = std::all_of(layer.hex.begin(), layer.hex.end(),
                                 [](unsigned char c) { return std::isxdigit(c) != 0; });
    if (layer.hex.size() != 64 || !hex) {
      return Fail(ErrorCode::kBadModel, item.Path(), ": digest is \"", Shown(digest, 100),
                  "\", expected sha256: and 64 hexadecimal digits");
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

Result<std::optional<FoundModel>> FindInOllama(const std::vector<std::string>& parts,
                                               const std::string& tag, const std::string& root) {
  GEMMA3_TRY(const auto manifest, FindManifest(ManifestFolders(parts, root), tag));
  if (!manifest) return std::nullopt;
  const std::string where = manifest->string();
  GEMMA3_TRY(const std::string json, ReadFile(where, kMaxManifestBytes));
  GEMMA3_TRY(const auto layers, ParseOllamaManifest(json, where));

  FoundModel found;
  found.name = NameOf(*manifest);
  const std::string shown = "Ollama's " + found.name;
  std::vector<const OllamaLayer*> models, projectors;
  std::string unknown;
  const auto read = [&](const OllamaLayer& layer) -> Result<std::string> {
    GEMMA3_TRY(const std::string blob, BlobPath(root, layer, where));
    return ReadFile(blob, kMaxTextBytes);
  };
  for (const OllamaLayer& layer : layers) {
    const std::string_view type = layer.media_type;
    const std::string_view kind =
        type.starts_with(kLayerPrefix) ? type.substr(kLayerPrefix.size()) : type;
    if (kind == "model") {
      models.push_back(&layer);
    } else if (kind == "projector") {
      projectors.push_back(&layer);
    } else if (kind == "adapter") {
      return Fail(ErrorCode::kUnsupported, where,
                  ": the model has a LoRA adapter, which this library does not apply");
    } else if (kind == "tensor") {
      return Fail(ErrorCode::kUnsupported, where,
                  ": the model is stored as single tensors, which this library does not read; use "
                  "one that was made from a GGUF file");
    } else if (kind == "template" || kind == "prompt") {
      GEMMA3_TRY(found.chat_template, read(layer));
    } else if (kind == "system") {
      GEMMA3_TRY(found.defaults.system, read(layer));
    } else if (kind == "params") {
      GEMMA3_TRY(const std::string parameters, read(layer));
      GEMMA3_CHECK_OK(ReadOllamaParameters(parameters, shown, &found.defaults, &found.remarks));
    } else if (kind == "messages") {
      found.remarks.warnings.push_back(
          shown + " begins with example messages (MESSAGE), which are left out");
    } else if (kind != "license") {
      unknown += (unknown.empty() ? "" : ", ") + Shown(type, 100);
    }
  }
  if (!unknown.empty()) {
    found.remarks.warnings.push_back(shown + " has layers that are not used here: " + unknown);
  }
  // A Gemma 3 file imported from disk may carry the projector's label by mistake: alone, it can
  // only be the model.
  if (models.empty() && projectors.size() == 1) models.swap(projectors);
  if (models.size() != 1 || projectors.size() > 1) {
    return Fail(ErrorCode::kBadModel, where, ": ", models.size(), " model layers and ",
                projectors.size(), " projector layers; expected one model in GGUF form");
  }
  GEMMA3_TRY(found.path, BlobPath(root, *models.front(), where));
  if (!projectors.empty()) {
    GEMMA3_TRY(found.mmproj, BlobPath(root, *projectors.front(), where));
  }
  return found;
}

}  // namespace gemma3
