// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/hf_weight_files.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/lfs_pointer.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kExtension = ".safetensors";

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// Adapters as PEFT and MLX write them.
bool IsAdapter(std::string_view name) {
  return name.starts_with("adapter_model.") || name == "adapters.safetensors" ||
         name.ends_with("_adapters.safetensors");
}

bool IsIndex(std::string_view name) {
  return name.find(".safetensors.index.") != std::string_view::npos && name.ends_with(".json");
}

// One of several parts, NAME-0000k-of-0000n.safetensors.
struct Part {
  std::string stem;  // NAME
  uint64_t number, count;
};

std::optional<Part> PartOf(std::string_view name) {
  constexpr std::string_view kOf = "-of-";
  if (!name.ends_with(kExtension)) return std::nullopt;
  name.remove_suffix(kExtension.size());
  const size_t of = name.rfind(kOf);
  if (of == std::string_view::npos) return std::nullopt;
  const size_t dash = name.rfind('-', of == 0 ? 0 : of - 1);
  if (dash == std::string_view::npos) return std::nullopt;
  const auto number = [](std::string_view digits, uint64_t* value) {
    const char* end = digits.data() + digits.size();
    const auto [at, error] = std::from_chars(digits.data(), end, *value);
    return error == std::errc() && at == end && !digits.empty();
  };
  Part part{std::string(name.substr(0, dash)), 0, 0};
  if (!number(name.substr(dash + 1, of - dash - 1), &part.number) ||
      !number(name.substr(of + kOf.size()), &part.count)) {
    return std::nullopt;
  }
  return part;
}

// What there is in a folder, by name.
struct Contents {
  std::vector<std::string> indexes, wholes, adapters;
  std::map<std::string, std::vector<std::string>> parts;  // by stem
};

Contents ListContents(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::ranges::sort(names);
  Contents contents;
  for (const std::string& name : names) {
    if (IsAdapter(name)) {
      contents.adapters.push_back(name);
    } else if (IsIndex(name)) {
      contents.indexes.push_back(name);
    } else if (const auto part = PartOf(name)) {
      contents.parts[part->stem].push_back(name);
    } else if (name.ends_with(kExtension)) {
      contents.wholes.push_back(name);
    }
  }
  return contents;
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
    adapter |= name == "adapter_config.json" || IsAdapter(name);
  }
  const std::string head = folder.string() +
                           " holds no model.safetensors and no "
                           "model.safetensors.index.json";
  if (!any) return Fail(ErrorCode::kBadModel, folder.string(), " is empty");
  if (gguf) return Fail(ErrorCode::kBadModel, head, "; give the path of the .gguf file instead");
  if (adapter) {
    return Fail(ErrorCode::kUnsupported, head,
                ", only an adapter (LoRA), which is no model: load its base model, and this with "
                "--lora");
  }
  if (incomplete) return Fail(ErrorCode::kBadModel, head, ", only an unfinished download");
  if (torch) {
    return Fail(ErrorCode::kUnsupported, head,
                ", only PyTorch .bin files, which can run code when opened; use a safetensors "
                "version of the model");
  }
  return Fail(ErrorCode::kBadModel, head, "; is this the model's folder?");
}

std::unexpected<Error> ExplainSeveral(const fs::path& folder,
                                      const std::vector<std::string>& names) {
  std::string list;
  for (size_t i = 0; i < names.size() && i < 8; ++i) {
    list += (i == 0 ? "" : ", ") + Shown(names[i], 80);
  }
  return Fail(ErrorCode::kBadModel, folder.string(), " holds no model.safetensors, but ",
              names.size(), " files that may be the model: ", list,
              "; give the path of the right one");
}

Result<SafetensorsSet> OpenParts(const fs::path& folder, const std::vector<std::string>& names) {
  std::vector<std::string> paths;
  uint64_t count = 0;
  for (const std::string& name : names) {
    paths.push_back((folder / name).string());
    GEMMA3_CHECK_OK(RefuseLfsPointer(paths.back()));
    count = std::max(count, PartOf(name)->count);
  }
  if (names.size() != count) {
    return Fail(ErrorCode::kBadModel, folder.string(),
                " holds no model.safetensors.index.json and ", names.size(), " of ", count,
                " parts, first ", Shown(names.front(), 80), "; is the download complete?");
  }
  return OpenSafetensorsFiles(paths);
}

Result<SafetensorsSet> OpenNamed(const fs::path& folder, const std::string& name) {
  const std::string path = (folder / name).string();
  GEMMA3_CHECK_OK(RefuseLfsPointer(path));
  return IsIndex(name) ? OpenSafetensorsShards(path) : OpenSafetensors(path);
}

}  // namespace

Result<SafetensorsSet> OpenHfWeights(const fs::path& folder, const std::string& file,
                                     Remarks* remarks) {
  if (IsAdapter(file)) {
    return Fail(
        ErrorCode::kUnsupported, (folder / file).string(),
        " is an adapter (LoRA), which is no model: load its base model, and this with --lora");
  }
  const Contents contents = ListContents(folder);
  const auto open = [&]() -> Result<SafetensorsSet> {
    if (!file.empty() && !PartOf(file)) return OpenNamed(folder, file);
    for (const char* usual : {"model.safetensors", "model.safetensors.index.json"}) {
      if (Exists(folder / usual)) return OpenNamed(folder, usual);
    }
    std::vector<std::string> candidates = contents.indexes;
    if (candidates.empty()) {
      candidates = contents.wholes;
      for (const auto& [stem, names] : contents.parts) candidates.push_back(names.front());
    }
    if (candidates.empty()) return ExplainNoWeights(folder);
    if (candidates.size() > 1) return ExplainSeveral(folder, candidates);
    remarks->notes.push_back(folder.string() + ": the weights are those of " +
                             Shown(candidates[0], 80));
    if (const auto part = PartOf(candidates[0])) {
      return OpenParts(folder, contents.parts.at(part->stem));
    }
    return OpenNamed(folder, candidates[0]);
  };
  auto weights = open();
  if (weights && !contents.adapters.empty()) {
    remarks->warnings.push_back((folder / contents.adapters[0]).string() +
                                ": an adapter lies beside the model and is not applied; use it "
                                "with --lora");
  }
  return weights;
}

}  // namespace gemma3
