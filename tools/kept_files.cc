// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/kept_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "src/base/file_writer.h"
#include "src/base/json.h"
#include "src/base/status.h"
#include "src/formats/safetensors.h"
#include "tools/text.h"

namespace gemma3::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPackedSuffix = ".gemma3";
constexpr std::string_view kStateSuffix = ".gemma3-state";
constexpr std::string_view kStateMagic = "gemma3st";  // a saved state begins so

// 32 hexadecimal digits, as the hashes that name kept files.
bool IsHashName(std::string_view name) {
  return name.size() == 32 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// "1B" by the sizes that Google published; else the sizes.
std::string ModelBySize(uint64_t hidden, size_t layers) {
  static constexpr struct {
    uint64_t hidden;
    size_t layers;
    const char* name;
  } kSizes[] = {{640, 18, "Gemma 3 270M"},
                {1152, 26, "Gemma 3 1B"},
                {2560, 34, "Gemma 3 4B"},
                {3840, 48, "Gemma 3 12B"},
                {5376, 62, "Gemma 3 27B"}};
  for (const auto& size : kSizes) {
    if (size.hidden == hidden && size.layers == layers) return size.name;
  }
  return Format("a model of %zu layers, width %zu", layers, static_cast<size_t>(hidden));
}

// Of packed weights, from the index in their file (src/weights/packed_file.h); nothing for a file
// that is something else, such as a whole model.
std::optional<std::string> DescribePacked(const std::string& path) {
  const Result<SafetensorsSet> set = OpenSafetensors(path);
  if (!set || set->tensors.contains("gemma3.config")) return std::nullopt;
  const auto index = set->tensors.find("gemma3.packed");
  if (index == set->tensors.end()) return std::nullopt;
  const auto& [unused, view] = *index;
  const auto json = JsonValue::Parse({reinterpret_cast<const char*>(view.data), view.bytes}, path);
  if (!json) return std::nullopt;
  const auto source = json->String("source", "");
  if (!source || source->empty()) return std::nullopt;

  std::map<std::string, uint64_t> bytes_of_type;
  uint64_t hidden = 0;
  size_t layers = 0;
  const std::optional<JsonValue> matrices = json->Find("matrices");
  if (!matrices) return "weights";
  for (const auto& [name, matrix] : matrices->Members()) {
    const auto tensor = set->tensors.find(name);
    const auto type = matrix.String("type", "");
    if (tensor != set->tensors.end() && type) bytes_of_type[*type] += tensor->second.bytes;
    if (!name.starts_with("layers.") || !name.ends_with(".self_attn.q_proj.weight")) continue;
    ++layers;
    const auto shape = matrix.Find("shape");
    if (!shape || !shape->IsArray() || shape->size() != 2) continue;
    if (const auto cols = (*shape)[1].AsUint()) hidden = *cols;
  }
  // Files of before have no name in them.
  auto model = json->String("model", "");
  std::string text = model && !model->empty() ? *model : ModelBySize(hidden, layers);
  const auto most =
      std::ranges::max_element(bytes_of_type, {}, [](const auto& e) { return e.second; });
  if (most != bytes_of_type.end()) text += ", " + most->first;
  return text;
}

// Nothing for what is no saved state. Its title and the number of its tokens belong here, once the
// library tells them without reading the whole file.
std::optional<std::string> DescribeState(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char magic[kStateMagic.size()];
  if (!file.read(magic, sizeof magic) || std::string_view(magic, sizeof magic) != kStateMagic) {
    return std::nullopt;
  }
  return "";
}

std::optional<KeptFile> Examine(const std::string& path, const std::string& name, KeptKinds kinds) {
  struct stat info = {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  KeptFile file;
  file.path = path;
  file.bytes = static_cast<uint64_t>(info.st_size);
  file.used = std::max(info.st_atime, info.st_mtime);
  const size_t dot = name.find('.');
  const bool has_hash = IsHashName(std::string_view(name).substr(0, dot));
  const std::string_view suffix =
      dot == std::string::npos ? "" : std::string_view(name).substr(dot);
  std::optional<std::string> description;
  if (kinds.packed && has_hash && suffix == kPackedSuffix) {
    file.kind = KeptFile::Kind::kPacked;
    description = DescribePacked(path);
  } else if (kinds.prompts && name.ends_with(kStateSuffix)) {
    file.kind =
        has_hash && suffix == kStateSuffix ? KeptFile::Kind::kPrompt : KeptFile::Kind::kSaved;
    description = DescribeState(path);
  } else if (has_hash && IsAbandoned(path)) {
    const bool is_state = suffix.starts_with(kStateSuffix);
    if (!(is_state ? kinds.prompts : kinds.packed)) return std::nullopt;
    if (!is_state && !suffix.starts_with(kPackedSuffix)) return std::nullopt;
    file.kind = KeptFile::Kind::kLeftover;
    description = "left by a process that ended early";
  }
  if (!description) return std::nullopt;
  file.description = *std::move(description);
  return file;
}

}  // namespace

Result<std::vector<KeptFile>> FindKeptFiles(const std::string& folder, KeptKinds kinds) {
  std::vector<KeptFile> files;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    auto file = Examine(entry->path().string(), entry->path().filename().string(), kinds);
    if (file) files.push_back(*std::move(file));
  }
  if (error) return Fail(ErrorCode::kIo, "cannot read the folder ", folder, ": ", error.message());
  std::ranges::stable_sort(files, std::greater<>(), &KeptFile::used);
  return files;
}

std::string AgeText(time_t then, time_t now) {
  static constexpr struct {
    time_t seconds;
    const char* name;
  } kUnits[] = {{365 * 24 * 3600, "year"}, {24 * 3600, "day"}, {3600, "hour"}, {60, "minute"}};
  const time_t age = now - then;
  for (const auto& unit : kUnits) {
    if (age < unit.seconds) continue;
    const auto count = static_cast<long>(age / unit.seconds);
    return Format("%ld %s%s ago", count, unit.name, count == 1 ? "" : "s");
  }
  return "just now";
}

}  // namespace gemma3::cli
