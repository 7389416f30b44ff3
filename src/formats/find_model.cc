// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Where other programs keep models.
#include "src/formats/find_model.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>
#include <utility>

#include "gemma3/model.h"
#include "src/base/file_map.h"
#include "src/base/json.h"
#include "src/base/shown.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxManifestBytes = 1 << 20;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool IsFile(const fs::path& path) {
  std::error_code error;  // also what a loop of symbolic links gives
  return fs::is_regular_file(path, error);
}

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// Sorted by name, so that the answer does not depend on the file system.
std::vector<fs::path> List(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

// A part of a name that may become a part of a path.
bool IsSafe(std::string_view part) {
  return !part.empty() && part != "." && part != ".." && part.size() <= 200 &&
         std::all_of(part.begin(), part.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '-' || c == '_' || c == '.';
         });
}

// The parts between `separator`, or nothing when one of them is not safe.
std::optional<std::vector<std::string>> SafeParts(const std::string& name, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(name);
  for (std::string part; std::getline(in, part, separator);) {
    if (!IsSafe(part)) return std::nullopt;
    parts.push_back(part);
  }
  if (parts.empty() || name.back() == separator) return std::nullopt;
  return parts;
}

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool IsMmproj(const fs::path& path) {
  return Lower(path.filename().string()).find("mmproj") != std::string::npos;
}

// Model files of a folder in the forms that can be opened; a folder with safetensors is one model.
std::vector<std::string> ModelsIn(const fs::path& folder) {
  if (IsFile(folder / "model.safetensors") || IsFile(folder / "model.safetensors.index.json")) {
    return {folder.string()};
  }
  std::vector<std::string> files;
  for (const fs::path& path : List(folder)) {
    const std::string name = path.filename().string();
    if (!name.ends_with(".gguf") || IsMmproj(path) || !IsFile(path)) continue;
    // Of a split file, the first part stands for all.
    const size_t of = name.rfind("-of-");
    if (of != std::string::npos && of >= 5 && name.substr(of - 5, 5) != "00001") continue;
    files.push_back(path.string());
  }
  return files;
}

// One model is the answer; several are a question to the user.
Result<std::optional<FoundModel>> OnlyOne(const std::vector<std::string>& models,
                                          const std::string& name) {
  if (models.empty()) return std::nullopt;
  if (models.size() == 1) return FoundModel{models.front(), ""};
  std::string list;
  for (size_t i = 0; i < models.size() && i < 20; ++i) list += "\n  " + models[i];
  return Fail(ErrorCode::kBadModel, name, " could be any of these; give the path of one:", list);
}

// --- Hugging Face ---

// config.json says that the snapshot is more than a tokenizer; a partial download lacks weights.
Result<std::optional<FoundModel>> InSnapshots(const fs::path& repository, const std::string& name) {
  const fs::path snapshots = repository / "snapshots";
  if (const auto ref = ReadFile((repository / "refs" / "main").string(), 4096)) {
    std::string commit = *ref;
    while (!commit.empty() && std::isspace(static_cast<unsigned char>(commit.back()))) {
      commit.pop_back();
    }
    if (IsSafe(commit) && IsFolder(snapshots / commit)) {
      const auto models = ModelsIn(snapshots / commit);
      if (!models.empty()) return OnlyOne(models, name);
    }
  }
  std::vector<std::pair<fs::file_time_type, fs::path>> newest;
  for (const fs::path& snapshot : List(snapshots)) {
    std::error_code error;
    const auto time = fs::last_write_time(snapshot, error);
    if (!error) newest.emplace_back(time, snapshot);
  }
  std::sort(newest.rbegin(), newest.rend());
  for (const auto& [time, snapshot] : newest) {
    const auto models = ModelsIn(snapshot);
    if (!models.empty()) return OnlyOne(models, name);
  }
  return Fail(ErrorCode::kBadModel, repository.string(), " holds no complete download of ", name,
              "; run the download again");
}

Result<std::optional<FoundModel>> InHuggingFace(const std::string& name, const std::string& hub) {
  const auto parts = SafeParts(name, '/');
  if (hub.empty() || !parts || parts->size() > 2) return std::nullopt;
  std::vector<fs::path> repositories;
  if (parts->size() == 2) {
    const fs::path repository = fs::path(hub) / ("models--" + (*parts)[0] + "--" + (*parts)[1]);
    if (IsFolder(repository)) repositories.push_back(repository);
  } else {
    for (const fs::path& path : List(hub)) {
      const std::string folder = path.filename().string();
      if (folder.starts_with("models--") && folder.ends_with("--" + parts->front()) &&
          folder.find("--", 8) == folder.size() - parts->front().size() - 2) {
        repositories.push_back(path);
      }
    }
    // Among several publishers of one name, Google's is meant.
    const fs::path google = fs::path(hub) / ("models--google--" + parts->front());
    if (std::find(repositories.begin(), repositories.end(), google) != repositories.end()) {
      repositories = {google};
    }
  }
  if (repositories.empty()) return std::nullopt;
  if (repositories.size() > 1) {
    return Fail(ErrorCode::kBadModel, name, " is in the Hugging Face cache from ",
                repositories.size(), " publishers; write publisher/", name);
  }
  return InSnapshots(repositories.front(), name);
}

// --- Ollama ---

// The path of a manifest below manifests/, with Ollama's defaults filled in.
std::optional<fs::path> ManifestPath(std::string name) {
  std::string tag = "latest";
  const size_t colon = name.rfind(':');
  if (colon != std::string::npos && name.find('/', colon) == std::string::npos) {
    tag = name.substr(colon + 1);
    name.resize(colon);
  }
  auto parts = SafeParts(name, '/');
  if (!parts || !IsSafe(tag) || parts->size() > 3) return std::nullopt;
  if (parts->size() == 1) parts->insert(parts->begin(), "library");
  if (parts->size() == 2) parts->insert(parts->begin(), "registry.ollama.ai");
  return fs::path((*parts)[0]) / (*parts)[1] / (*parts)[2] / tag;
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

Result<std::optional<FoundModel>> InOllama(const std::string& name, const std::string& root) {
  const auto relative = ManifestPath(name);
  if (root.empty() || !relative) return std::nullopt;
  const fs::path path = fs::path(root) / "manifests" / *relative;
  if (!IsFile(path)) return std::nullopt;
  const std::string where = path.string();
  GEMMA3_TRY(const std::string json, ReadFile(where, kMaxManifestBytes));
  GEMMA3_TRY(const auto layers, ParseOllamaManifest(json, where));

  std::vector<const OllamaLayer*> models, projectors;
  for (const OllamaLayer& layer : layers) {
    if (layer.media_type == "application/vnd.ollama.image.model") models.push_back(&layer);
    if (layer.media_type == "application/vnd.ollama.image.projector") projectors.push_back(&layer);
    if (layer.media_type == "application/vnd.ollama.image.adapter") {
      return Fail(ErrorCode::kUnsupported, where,
                  ": the model has a LoRA adapter, which this "
                  "library does not apply");
    }
  }
  // A Gemma 3 file imported from disk may carry the projector's label by mistake: alone, it can
  // only be the model.
  if (models.empty() && projectors.size() == 1) models.swap(projectors);
  if (models.size() != 1 || projectors.size() > 1) {
    return Fail(ErrorCode::kBadModel, where, ": ", models.size(), " model layers and ",
                projectors.size(), " projector layers; expected one model in GGUF form");
  }
  FoundModel found;
  GEMMA3_TRY(found.path, BlobPath(root, *models.front(), where));
  if (!projectors.empty()) {
    GEMMA3_TRY(found.mmproj, BlobPath(root, *projectors.front(), where));
  }
  return found;
}

// --- LM Studio and llama.cpp ---

Result<std::optional<FoundModel>> InLmStudio(const std::string& name, const std::string& root) {
  const auto parts = SafeParts(name, '/');
  if (root.empty() || !parts || parts->size() > 2) return std::nullopt;
  if (parts->size() == 2) return OnlyOne(ModelsIn(fs::path(root) / name), name);
  std::vector<std::string> models;
  for (const fs::path& publisher : List(root)) {
    const auto some = ModelsIn(publisher / name);
    models.insert(models.end(), some.begin(), some.end());
  }
  return OnlyOne(models, name);
}

Result<std::optional<FoundModel>> InLlamaCpp(const std::string& name, const std::string& root) {
  const auto parts = SafeParts(name, '/');
  if (root.empty() || !parts || parts->size() > 3) return std::nullopt;
  std::string flat = name;  // <org>_<repository>_<file>.gguf
  std::replace(flat.begin(), flat.end(), '/', '_');
  std::vector<std::string> models;
  for (const std::string& path : ModelsIn(root)) {
    const std::string file = fs::path(path).filename().string();
    const bool whole = file == flat || file == flat + ".gguf";
    if (whole || file.starts_with(flat + "_") || file.find("_" + flat + "_") != std::string::npos) {
      models.push_back(path);
    }
  }
  return OnlyOne(models, name);
}

}  // namespace

ModelPlaces ModelPlacesFromEnvironment() {
  const std::string home = Environment("HOME");
  std::string cache = Environment("XDG_CACHE_HOME");
  if (cache.empty() && !home.empty()) cache = home + "/.cache";

  ModelPlaces places;
  places.hugging_face = Environment("HF_HUB_CACHE");
  if (places.hugging_face.empty()) {
    std::string hf_home = Environment("HF_HOME");
    if (hf_home.empty() && !cache.empty()) hf_home = cache + "/huggingface";
    if (!hf_home.empty()) places.hugging_face = hf_home + "/hub";
  }
  if (const std::string models = Environment("OLLAMA_MODELS"); !models.empty()) {
    places.ollama = {models};
  } else {
    if (!home.empty()) places.ollama.push_back(home + "/.ollama/models");
    places.ollama.push_back("/usr/share/ollama/.ollama/models");  // installed as a service
  }
  if (!home.empty()) {
    places.lm_studio = {home + "/.lmstudio/models", home + "/.cache/lm-studio/models"};
  }
  places.llama_cpp = Environment("LLAMA_CACHE");
#ifdef __APPLE__
  if (places.llama_cpp.empty() && !home.empty())
    places.llama_cpp = home + "/Library/Caches/llama.cpp";
#else
  if (places.llama_cpp.empty() && !cache.empty()) places.llama_cpp = cache + "/llama.cpp";
#endif
  return places;
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
    if (prefix) layer.hex = Lower(digest.substr(7));
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

Result<FoundModel> LocateModel(const std::string& name, const ModelPlaces& places) {
  if (name.empty() || name.find('\0') != std::string::npos) {
    return Fail(ErrorCode::kInvalidArgument, "the model's name is empty or holds a zero byte");
  }
  std::error_code error;
  if (fs::exists(name, error)) return FoundModel{name, ""};

  GEMMA3_TRY(auto found, InHuggingFace(name, places.hugging_face));
  if (found) return *std::move(found);
  for (const std::string& root : places.ollama) {
    GEMMA3_TRY(auto model, InOllama(name, root));
    if (model) return *std::move(model);
  }
  for (const std::string& root : places.lm_studio) {
    GEMMA3_TRY(auto model, InLmStudio(name, root));
    if (model) return *std::move(model);
  }
  GEMMA3_TRY(auto flat, InLlamaCpp(name, places.llama_cpp));
  if (flat) return *std::move(flat);

  std::string where;
  const auto add = [&](const char* what, const std::string& root) {
    if (!root.empty()) where += "\n  " + std::string(what) + "  " + root;
  };
  add("Hugging Face", places.hugging_face);
  for (const std::string& root : places.ollama) add("Ollama      ", root);
  for (const std::string& root : places.lm_studio) add("LM Studio   ", root);
  add("llama.cpp   ", places.llama_cpp);
  const std::string repository = name.find('/') != std::string::npos && name.front() != '/' &&
                                         name.front() != '.' && !name.ends_with(".gguf")
                                     ? name
                                     : "google/gemma-3-1b-it";
  return Fail(ErrorCode::kIo, "there is no file or folder \"", name,
              "\", and no model of that name ", "in", where,
              "\nTo download a model, accept its terms on huggingface.co, then: ", "hf download ",
              repository);
}

Result<std::string> FindModel(const std::string& name) {
  GEMMA3_TRY(FoundModel found, LocateModel(name, ModelPlacesFromEnvironment()));
  return std::move(found.path);
}

}  // namespace gemma3
