// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/member_path.h"

#include <filesystem>
#include <system_error>
#include <utility>

namespace gemma3 {

std::optional<MemberPath> ParseMemberPath(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(path, error)) return std::nullopt;
  for (size_t at = path.find('@'); at != std::string::npos; at = path.find('@', at + 1)) {
    std::string archive = path.substr(0, at);
    if (at + 1 < path.size() && fs::is_regular_file(archive, error)) {
      return MemberPath{std::move(archive), path.substr(at + 1)};
    }
  }
  return std::nullopt;
}

}  // namespace gemma3
