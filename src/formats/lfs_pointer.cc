// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/lfs_pointer.h"

#include <filesystem>
#include <system_error>

#include "src/base/file_map.h"
#include "src/base/status.h"

namespace gemma3 {

Status RefuseLfsPointer(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error || size > 1024) return {};
  const auto text = ReadFile(path, 1024);
  if (!text || !text->starts_with("version https://git-lfs")) return {};
  return Fail(ErrorCode::kBadModel, path,
              " is a Git LFS pointer, not the file itself; run \"git lfs pull\" in the folder or "
              "download with the Hugging Face client");
}

}  // namespace gemma3
