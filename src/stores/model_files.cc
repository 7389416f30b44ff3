// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Which models lie in a folder, and which of them a name means.
#include "src/stores/model_files.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "src/base/ascii.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kGguf = ".gguf";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The length of "-00001-of-00003" at the end of a stem; 0 where there is none.
size_t SplitSuffix(std::string_view stem) {
  constexpr std::string_view kForm = "-00000-of-00000";
  if (stem.size() <= kForm.size()) return 0;
  const std::string_view end = stem.substr(stem.size() - kForm.size());
  for (size_t i = 0; i < kForm.size(); ++i) {
    if (kForm[i] == '0' ? !IsDigit(end[i]) : ToLower(end[i]) != kForm[i]) return 0;
  }
  return kForm.size();
}

// The file's name without its folder, ending and part number.
std::string Stem(const std::string& path) {
  std::string stem = fs::path(path).filename().string();
  if (AsciiLower(std::string_view(stem)).ends_with(kGguf)) stem.resize(stem.size() - kGguf.size());
  stem.resize(stem.size() - SplitSuffix(stem));
  return stem;
}

// "q4_0", "iq3_xxs", "ud-q4_k_xl", "mxfp4_moe", "bf16"...
bool IsQuantisation(std::string_view text) {
  std::string lower = AsciiLower(text);
  if (lower.starts_with("ud-")) lower.erase(0, 3);
  for (const std::string_view whole : {"bf16", "f16", "f32", "fp16", "fp32"}) {
    if (lower == whole) return true;
  }
  size_t at = 0;
  for (const std::string_view family : {"mxfp", "iq", "tq", "q"}) {
    if (at == 0 && lower.starts_with(family)) at = family.size();
  }
  if (at == 0 || at == lower.size() || !IsDigit(lower[at])) return false;
  while (at < lower.size() && IsDigit(lower[at])) ++at;
  // Then groups such as "_k", "_xxs" and "_0".
  while (at < lower.size()) {
    if (lower[at] != '_') return false;
    const size_t begin = ++at;
    while (at < lower.size() && (IsDigit(lower[at]) || (lower[at] >= 'a' && lower[at] <= 'z')))
      ++at;
    if (at == begin) return false;
  }
  return true;
}

void AddGgufModels(const fs::path& folder, std::vector<std::string>* files) {
  std::set<std::string> split;  // stems of models in parts that are in the list already
  for (const fs::path& path : ListFolder(folder)) {
    const std::string name = AsciiLower(path.filename().string());
    if (!name.ends_with(kGguf) || name.find("mmproj") != std::string::npos || !IsFile(path)) {
      continue;
    }
    const std::string stem = name.substr(0, name.size() - kGguf.size());
    const size_t suffix = SplitSuffix(stem);
    if (suffix != 0 && !split.insert(stem.substr(0, stem.size() - suffix)).second) continue;
    files->push_back(path.string());
  }
}

}  // namespace

bool IsSafePathPart(std::string_view part) {
  return !part.empty() && part != "." && part != ".." && part.size() <= 200 &&
         std::ranges::all_of(
             part, [](unsigned char c) { return c >= ' ' && c != 0x7f && c != '/' && c != '\\'; });
}

bool IsFile(const fs::path& path) {
  std::error_code error;  // also what a loop of symbolic links gives
  return fs::is_regular_file(path, error);
}

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

std::vector<fs::path> ListFolder(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  std::ranges::sort(entries);
  return entries;
}

std::vector<fs::path> EntriesNamed(const fs::path& folder, std::string_view name) {
  std::error_code error;
  if (fs::exists(folder / name, error)) return {folder / name};
  std::vector<fs::path> same = ListFolder(folder);
  std::erase_if(same, [&](const fs::path& path) {
    return !EqualIgnoringCase(path.filename().string(), name);
  });
  return same;
}

bool HoldsSafetensors(const fs::path& folder) {
  return IsFile(folder / "model.safetensors") || IsFile(folder / "model.safetensors.index.json");
}

std::vector<std::string> GgufModelsIn(const fs::path& folder) {
  std::vector<std::string> files;
  AddGgufModels(folder, &files);
  for (const fs::path& path : ListFolder(folder)) {
    if (IsFolder(path)) AddGgufModels(path, &files);
  }
  return files;
}

std::string QuantLabel(const std::string& path) {
  const std::string stem = Stem(path);
  for (size_t at = stem.find_first_of("-._"); at != std::string::npos;
       at = stem.find_first_of("-._", at + 1)) {
    const std::string rest = stem.substr(at + 1);
    if (IsQuantisation(rest)) return rest;
  }
  return IsQuantisation(stem) ? stem : "";
}

std::vector<std::string> FilesTagged(const std::vector<std::string>& files, std::string_view tag) {
  const std::string wanted = AsciiLower(tag);
  const auto those = [&](auto matches) {
    std::vector<std::string> found;
    std::ranges::copy_if(files, std::back_inserter(found), matches);
    return found;
  };
  auto found = those([&](const std::string& file) {
    const std::string name = AsciiLower(fs::path(file).filename().string());
    return name == wanted || name == wanted + std::string(kGguf) ||
           AsciiLower(Stem(file)) == wanted;
  });
  if (found.empty()) {
    found = those([&](const std::string& file) {
      return EqualIgnoringCase(QuantLabel(file), tag) ||
             EqualIgnoringCase(fs::path(file).parent_path().filename().string(), tag);
    });
  }
  if (found.empty()) {
    found = those([&](const std::string& file) {
      const std::string stem = AsciiLower(Stem(file));
      return stem.ends_with("-" + wanted) || stem.ends_with("." + wanted);
    });
  }
  return found;
}

Result<std::optional<std::string>> OnlyOne(const std::vector<std::string>& files,
                                           const std::string& name) {
  if (files.empty()) return std::nullopt;
  if (files.size() == 1) return files.front();
  // By quantisation where that tells them apart, else by file.
  std::set<std::string> labels;
  for (const std::string& file : files) {
    if (std::string label = AsciiLower(QuantLabel(file)); !label.empty()) labels.insert(label);
  }
  const bool by_label = labels.size() == files.size();
  constexpr size_t kShown = 20;
  std::string list;
  for (size_t i = 0; i < std::min(files.size(), kShown); ++i) {
    const std::string choice =
        by_label ? QuantLabel(files[i]) : fs::path(files[i]).filename().string();
    list += "\n  " + name + ":" + choice + (i + 1 < files.size() ? "," : "");
  }
  if (files.size() > kShown) list += "\n  and " + std::to_string(files.size() - kShown) + " more";
  return Fail(ErrorCode::kBadModel, name, " could be any of ", files.size(),
              " files; name one, or give its path:", list);
}

}  // namespace gemma3
