// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Which reader a path is for.
#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <string_view>

#include "src/base/status.h"
#include "src/formats/checkpoint.h"
#include "src/formats/gguf.h"
#include "src/formats/gguf_model.h"
#include "src/formats/hf_folder.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

// First bytes of files that people take for a model, and what to tell them.
struct Other {
  std::string_view magic;
  const char* what;
};
constexpr std::array<Other, 6> kOthers = {{
    {std::string_view("PK\x03\x04"), "a zip archive (a MediaPipe .task file or a PyTorch file)"},
    {std::string_view("SBS\n"), "a gemma.cpp .sbs file"},
    {std::string_view("\x80\x02"), "a Python pickle, which can run code when opened"},
    {std::string_view("\x80\x04"), "a Python pickle, which can run code when opened"},
    {std::string_view("version https://git-lfs"),
     "a Git LFS pointer, not the file itself; run \"git lfs pull\""},
    {std::string_view("TFL3"), "a TensorFlow Lite file"},
}};

// The model of a folder that holds one GGUF model and no safetensors; "" otherwise.
std::string OnlyGguf(const fs::path& folder) {
  std::string found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json")) return "";
    if (!name.ends_with(".gguf") || name.find("mmproj") != std::string::npos) continue;
    // Of a split file, the first part stands for all.
    if (name.find("-of-") != std::string::npos && name.find("-00001-of-") == std::string::npos) {
      continue;
    }
    if (!found.empty()) return "";
    found = it->path().string();
  }
  return found;
}

}  // namespace

Result<Checkpoint> OpenCheckpoint(const std::string& path, const OpenOptions& options) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    return Fail(ErrorCode::kIo, "there is no file or folder ", path);
  }
  if (fs::is_directory(status)) {
    if (const std::string file = OnlyGguf(path); !file.empty()) return OpenGgufModel(file, options);
    if (!options.mmproj.empty()) {
      return Fail(ErrorCode::kInvalidArgument, "a separate vision part (", options.mmproj,
                  ") goes with a GGUF file; ", path, " is a folder of another form");
    }
    return OpenHfFolder(path, "", options.headers_only);
  }

  GEMMA3_TRY(const auto file, FileMap::Open(path));
  const std::string_view head(reinterpret_cast<const char*>(file->bytes().data()),
                              std::min<size_t>(file->bytes().size(), 64));
  if (IsGguf(file->bytes())) return OpenGgufModel(path, options);
  for (const auto& [magic, what] : kOthers) {
    if (head.starts_with(magic)) {
      return Fail(ErrorCode::kUnsupported, path, " is ", what,
                  "; expected a Hugging Face folder with safetensors files, or a GGUF file");
    }
  }
  if (path.ends_with(".safetensors") || path.ends_with(".safetensors.index.json")) {
    const fs::path parent = fs::path(path).parent_path();
    return OpenHfFolder(parent.empty() ? "." : parent.string(), fs::path(path).filename().string(),
                        options.headers_only);
  }
  return Fail(ErrorCode::kUnsupported, path,
              " is no model file that this library knows; expected a Hugging Face folder with "
              "safetensors files, or a GGUF file");
}

}  // namespace gemma3
