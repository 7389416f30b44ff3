// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Which reader a path is for.
#include <filesystem>
#include <string>
#include <utility>

#include "src/base/member_path.h"
#include "src/base/status.h"
#include "src/formats/checkpoint.h"
#include "src/formats/foreign.h"
#include "src/formats/gguf.h"
#include "src/formats/gguf_model.h"
#include "src/formats/hf_folder.h"
#include "src/formats/llamafile.h"
#include "src/formats/zip.h"

namespace gemma3 {
namespace {

namespace fs = std::filesystem;

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
  if (ParseMemberPath(path)) return OpenGgufModel(path, options);
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
    if (auto refusal = RefuseFolder(path)) return std::unexpected(*std::move(refusal));
    return OpenHfFolder(path, "", options.headers_only);
  }

  GEMMA3_TRY(const auto file, FileMap::Open(path));
  if (IsGguf(file->bytes())) {
    auto checkpoint = OpenGgufModel(path, options);
    // The first piece of a file begins like the whole.
    const std::string join = checkpoint ? "" : HowToJoin(path);
    if (!join.empty()) return Fail(ErrorCode::kBadModel, join);
    return checkpoint;
  }
  if (IsArchive(file->bytes())) {
    GEMMA3_TRY(const auto members, ReadZipDirectory(file->bytes(), path));
    if (!GgufMembers(members).empty()) return OpenGgufModel(path, options);
    return std::unexpected(RefuseArchive(path, members));
  }
  if (path.ends_with(".safetensors") || path.ends_with(".safetensors.index.json")) {
    const fs::path parent = fs::path(path).parent_path();
    return OpenHfFolder(parent.empty() ? "." : parent.string(), fs::path(path).filename().string(),
                        options.headers_only);
  }
  return std::unexpected(RefuseFile(path, file->bytes()));
}

}  // namespace gemma3
