// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Where other programs keep models.
#include "src/stores/find_model.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "gemma3/model.h"
#include "src/base/ascii.h"
#include "src/base/file_map.h"
#include "src/base/guard.h"
#include "src/base/home.h"
#include "src/base/member_path.h"
#include "src/base/status.h"
#include "src/stores/model_files.h"
#include "src/stores/ollama.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

// A name, taken apart.
struct Name {
  std::string whole;               // without the tag
  std::vector<std::string> parts;  // of `whole`, all safe; empty where one is not
  std::string tag;                 // empty: none
  bool on_hub = false;             // it said hf.co: `parts` are without the host
};

bool DropPrefix(std::string_view* text, std::string_view prefix) {
  if (!EqualIgnoringCase(text->substr(0, prefix.size()), prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

// Splits off ":TAG" or "@TAG" at the end.
void SplitTag(std::string_view* name, std::string* tag) {
  const size_t mark = name->find_last_of(":@");
  if (mark == std::string_view::npos || mark == 0 || mark + 1 == name->size()) return;
  if (name->find('/', mark) != std::string_view::npos) return;
  *tag = name->substr(mark + 1);
  *name = name->substr(0, mark);
}

Name ParseName(std::string_view text) {
  Name name;
  if (!DropPrefix(&text, "https://")) DropPrefix(&text, "http://");
  for (const std::string_view host : {"hf.co/", "huggingface.co/", "www.huggingface.co/"}) {
    if (DropPrefix(&text, host)) {
      name.on_hub = true;
      break;
    }
  }
  SplitTag(&text, &name.tag);
  name.whole = text;
  for (std::string_view rest = text;;) {
    const size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (!IsSafePathPart(part) || name.parts.size() == 3) {
      name.parts.clear();
      return name;
    }
    name.parts.emplace_back(part);
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  if (name.tag.empty() && name.parts.size() == 3 &&
      AsciiLower(name.parts.back()).ends_with(".gguf")) {
    name.tag = std::move(name.parts.back());  // publisher/model/file.gguf
    name.parts.pop_back();
  }
  if (!name.tag.empty() && !IsSafePathPart(name.tag)) name.parts.clear();
  return name;
}

// What a search has seen that is no answer, said only where no other place has one.
using Problem = std::optional<Error>;

void Note(Problem* problem, std::unexpected<Error> error) {
  if (!*problem) *problem = std::move(error).error();
}

Result<std::optional<FoundModel>> AsFound(Result<std::optional<std::string>> path) {
  if (!path) return std::unexpected(std::move(path).error());
  if (!*path) return std::nullopt;
  return FoundModel{.path = **std::move(path)};
}

// The model of a folder, or the one that the tag means.
Result<std::optional<FoundModel>> InFolder(const fs::path& folder, const Name& name,
                                           Problem* problem) {
  if (name.tag.empty() && HoldsSafetensors(folder)) return FoundModel{.path = folder.string()};
  const std::vector<std::string> files = GgufModelsIn(folder);
  if (name.tag.empty()) return AsFound(OnlyOne(files, name.whole));
  const std::vector<std::string> tagged = FilesTagged(files, name.tag);
  if (!tagged.empty()) return AsFound(OnlyOne(tagged, name.whole));
  std::string list;
  for (const std::string& file : files) {
    const std::string label = QuantLabel(file);
    list +=
        (list.empty() ? "" : ", ") + (label.empty() ? fs::path(file).filename().string() : label);
  }
  Note(problem, Fail(ErrorCode::kBadModel, folder.string(), " holds no ", name.tag, "; ",
                     list.empty() ? "there is no GGUF file in it" : "there is " + list));
  return std::nullopt;
}

// --- Hugging Face ---

// A partial download lacks weights, so the reference may name a snapshot of no use.
Result<std::optional<FoundModel>> InSnapshots(const fs::path& repository, const Name& name,
                                              Problem* problem) {
  const fs::path snapshots = repository / "snapshots";
  std::vector<fs::path> in_order;
  if (auto commit = ReadFile((repository / "refs" / "main").string(), 4096)) {
    commit->erase(commit->find_last_not_of(" \t\r\n") + 1);
    if (IsSafePathPart(*commit) && IsFolder(snapshots / *commit)) {
      in_order.push_back(snapshots / *commit);
    }
  }
  std::vector<std::pair<fs::file_time_type, fs::path>> newest;
  for (const fs::path& snapshot : ListFolder(snapshots)) {
    std::error_code error;
    const auto time = fs::last_write_time(snapshot, error);
    if (!error) newest.emplace_back(time, snapshot);
  }
  std::sort(newest.rbegin(), newest.rend());
  for (auto& [time, snapshot] : newest) in_order.push_back(std::move(snapshot));

  bool complete = false;
  for (const fs::path& snapshot : in_order) {
    if (!HoldsSafetensors(snapshot) && GgufModelsIn(snapshot).empty()) continue;
    complete = true;
    GEMMA3_TRY(auto found, InFolder(snapshot, name, problem));
    if (found) return found;
  }
  if (!complete) {
    Note(problem, Fail(ErrorCode::kBadModel, repository.string(), " holds no complete download of ",
                       name.whole, "; run the download again"));
  }
  return std::nullopt;
}

Result<std::optional<FoundModel>> InHuggingFace(const Name& name, const std::string& hub,
                                                Problem* problem) {
  if (hub.empty() || name.parts.empty() || name.parts.size() > 2) return std::nullopt;
  std::vector<fs::path> repositories;
  if (name.parts.size() == 2) {
    repositories = EntriesNamed(hub, "models--" + name.parts[0] + "--" + name.parts[1]);
  } else {
    const std::string end = "--" + name.parts[0];
    for (const fs::path& path : ListFolder(hub)) {
      const std::string folder = path.filename().string();
      if (folder.starts_with("models--") && folder.size() > 8 + end.size() &&
          EqualIgnoringCase(std::string_view(folder).substr(folder.size() - end.size()), end) &&
          folder.find("--", 8) == folder.size() - end.size()) {
        repositories.push_back(path);
      }
    }
    // Among several publishers of one name, Google's is meant.
    const auto google = std::ranges::find_if(repositories, [](const fs::path& path) {
      return path.filename().string().starts_with("models--google--");
    });
    if (google != repositories.end()) repositories = {fs::path(*google)};
  }
  std::erase_if(repositories, [](const fs::path& path) { return !IsFolder(path); });
  if (repositories.empty()) return std::nullopt;
  if (repositories.size() > 1) {
    return Fail(ErrorCode::kBadModel, name.whole, " is in the Hugging Face cache from ",
                repositories.size(), " publishers; write publisher/", name.whole);
  }
  GEMMA3_TRY(auto found, InSnapshots(repositories.front(), name, problem));
  if (found && IsFolder(found->path)) {  // whose name is a hash
    std::string repository = repositories.front().filename().string().substr(8);
    if (const size_t dashes = repository.find("--"); dashes != std::string::npos) {
      repository.replace(dashes, 2, "/");
    }
    found->name = std::move(repository);
  }
  return found;
}

// --- The others ---

Result<std::optional<FoundModel>> InOllama(const Name& name, const std::string& root) {
  if (root.empty() || name.parts.empty()) return std::nullopt;
  if (!name.on_hub) return FindInOllama(name.parts, name.tag, root);
  if (name.parts.size() != 2) return std::nullopt;
  for (const char* host : {"hf.co", "huggingface.co"}) {
    GEMMA3_TRY(auto found, FindInOllama({host, name.parts[0], name.parts[1]}, name.tag, root));
    if (found) return found;
  }
  return std::nullopt;
}

Result<std::optional<FoundModel>> InLmStudio(const Name& name, const std::string& root,
                                             Problem* problem) {
  if (root.empty() || name.parts.empty() || name.parts.size() > 2) return std::nullopt;
  std::vector<fs::path> publishers =
      name.parts.size() == 2 ? EntriesNamed(root, name.parts[0]) : ListFolder(root);
  std::vector<fs::path> folders;
  for (const fs::path& publisher : publishers) {
    if (!IsFolder(publisher)) continue;
    for (fs::path& folder : EntriesNamed(publisher, name.parts.back())) {
      if (IsFolder(folder)) folders.push_back(std::move(folder));
    }
  }
  if (folders.size() > 1) {
    return Fail(ErrorCode::kBadModel, name.whole, " is in LM Studio's folder from ", folders.size(),
                " publishers; write publisher/", name.whole);
  }
  if (folders.empty()) return std::nullopt;
  return InFolder(folders.front(), name, problem);
}

Result<std::optional<FoundModel>> InLlamaCpp(const Name& name, const std::string& root,
                                             Problem* problem) {
  if (root.empty() || name.parts.empty()) return std::nullopt;
  std::string flat = AsciiLower(name.whole);  // <org>_<repository>_<file>.gguf
  std::replace(flat.begin(), flat.end(), '/', '_');
  std::vector<std::string> models;
  for (const std::string& path : GgufModelsIn(root)) {
    const std::string file = AsciiLower(fs::path(path).filename().string());
    const bool whole = file == flat || file == flat + ".gguf";
    if (whole || file.starts_with(flat + "_") || file.find("_" + flat + "_") != std::string::npos) {
      models.push_back(path);
    }
  }
  if (name.tag.empty() || models.empty()) return AsFound(OnlyOne(models, name.whole));
  std::vector<std::string> tagged = FilesTagged(models, name.tag);
  if (tagged.empty()) {  // the tag is a whole file name of the repository
    const std::string end = "_" + AsciiLower(name.tag);
    std::ranges::copy_if(models, std::back_inserter(tagged), [&](const std::string& path) {
      const std::string file = AsciiLower(path);
      return file.ends_with(end) || file.ends_with(end + ".gguf");
    });
  }
  if (!tagged.empty()) return AsFound(OnlyOne(tagged, name.whole));
  Note(problem, Fail(ErrorCode::kBadModel, root, " holds no ", name.tag, " of ", name.whole));
  return std::nullopt;
}

// A path of the file system, or a folder and a tag.
Result<std::optional<FoundModel>> AsPath(const std::string& text, Problem* problem) {
  std::error_code error;
  Name name;
  name.whole = text;
  if (ParseMemberPath(text)) return FoundModel{.path = text};
  if (!fs::exists(text, error)) {
    std::string_view folder = text;
    SplitTag(&folder, &name.tag);
    name.whole = folder;
    if (name.tag.empty() || !IsFolder(name.whole)) return std::nullopt;
    return InFolder(name.whole, name, problem);
  }
  if (!IsFolder(text) || HoldsSafetensors(text)) return FoundModel{.path = text};
  GEMMA3_TRY(auto found, InFolder(text, name, problem));
  if (!found) return FoundModel{.path = text};  // whoever opens it says what is missing
  return found;
}

}  // namespace

ModelPlaces ModelPlacesFromEnvironment() {
  const std::string home = Environment("HOME");
  const std::string cache = UserCacheFolder();

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

Result<FoundModel> LocateModel(const std::string& text, const ModelPlaces& places) {
  if (text.empty() || text.find('\0') != std::string::npos) {
    return Fail(ErrorCode::kInvalidArgument, "the model's name is empty or holds a zero byte");
  }
  Problem problem;
  GEMMA3_TRY(auto path, AsPath(text, &problem));
  if (path) return *std::move(path);

  const Name name = ParseName(text);
  GEMMA3_TRY(auto found, InHuggingFace(name, places.hugging_face, &problem));
  if (found) return *std::move(found);
  for (const std::string& root : places.ollama) {
    GEMMA3_TRY(auto model, InOllama(name, root));
    if (model) return *std::move(model);
  }
  for (const std::string& root : places.lm_studio) {
    GEMMA3_TRY(auto model, InLmStudio(name, root, &problem));
    if (model) return *std::move(model);
  }
  GEMMA3_TRY(auto flat, InLlamaCpp(name, places.llama_cpp, &problem));
  if (flat) return *std::move(flat);
  if (problem) return std::unexpected(*std::move(problem));

  std::string where;
  const auto add = [&](const char* what, const std::string& root) {
    if (root.empty()) return;
    where += (where.empty() ? " " : ", ") + std::string(what) + " (" + root + ")";
  };
  add("Hugging Face", places.hugging_face);
  for (const std::string& root : places.ollama) add("Ollama", root);
  for (const std::string& root : places.lm_studio) add("LM Studio", root);
  add("llama.cpp", places.llama_cpp);
  const bool repository = name.parts.size() == 2 && !text.starts_with('.');
  return Fail(ErrorCode::kIo, "there is no file or folder \"", text,
              "\", and no model of that name ", "in", where,
              "; to download a model, accept its terms on huggingface.co, then: ", "hf download ",
              repository ? name.whole : "google/gemma-3-1b-it");
}

Result<std::string> FindModel(const std::string& name) {
  return Guarded("find the model ", name, [&]() -> Result<std::string> {
    GEMMA3_TRY(FoundModel found, LocateModel(name, ModelPlacesFromEnvironment()));
    return std::move(found.path);
  });
}

}  // namespace gemma3
