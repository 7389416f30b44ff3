// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Names of files inside archives: "model.llamafile@name.gguf".
#pragma once

#include <optional>
#include <string>

namespace gemma3 {

struct MemberPath {
  std::string archive, member;
};

// The parts of "archive@member", where there is a file of the first name and nothing of the whole.
std::optional<MemberPath> ParseMemberPath(const std::string& path);

}  // namespace gemma3
