// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What people take for a model, and this library does not read: other containers, compiled models,
// archives, failed downloads. Recognised by first bytes, names and files, to be refused by name and
// with what to use instead.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "src/formats/zip.h"

namespace gemma3 {

// A file that no reader knows. Always an error: in the worst case that nothing is known about it.
Error RefuseFile(const std::string& path, std::span<const std::byte> bytes);

// An archive without a GGUF file.
Error RefuseArchive(const std::string& path, const std::vector<ZipMember>& members);

// A folder without safetensors; nothing if it may be one that lacks them, or is unknown.
std::optional<Error> RefuseFolder(const std::string& folder);

// Whether the name is that of a piece of a file that was cut with no regard to its contents
// ("model.gguf.part1of2", "model.gguf.cat0"). How to join them; "" for other names.
std::string HowToJoin(const std::string& path);

// What to say about a model that a GGUF file (general.architecture) or a config.json (model_type)
// calls `name`: "Gemma 3n, a different architecture". "" for names that are not listed.
std::string_view ForeignArchitecture(std::string_view name);

}  // namespace gemma3
