// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Which models lie in a folder, and which of them a name means. Names are compared without regard
// to the case of ASCII letters where the exact spelling is not there.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"

namespace gemma3 {

// Whether a part of a name may become a part of a path: one component that leads nowhere else.
// Capitals, spaces and letters of any script are welcome.
bool IsSafePathPart(std::string_view part);

bool IsFile(const std::filesystem::path& path);
bool IsFolder(const std::filesystem::path& path);
// Entries of a folder, sorted by name, so that the answer does not depend on the file system.
std::vector<std::filesystem::path> ListFolder(const std::filesystem::path& folder);
// Entries called `name`: the one of exactly that spelling, else those of another case.
std::vector<std::filesystem::path> EntriesNamed(const std::filesystem::path& folder,
                                                std::string_view name);

// Whether the folder is a model in safetensors form.
bool HoldsSafetensors(const std::filesystem::path& folder);

// GGUF models of a folder and of its subfolders (publishers put large ones there), sorted. Of a
// split model the first part stands for all; vision parts (mmproj) are no models.
std::vector<std::string> GgufModelsIn(const std::filesystem::path& folder);

// What publishers write behind a colon for a file: its quantisation as its name ends in it, in the
// name's own spelling ("Q4_K_M", "UD-Q4_K_XL", "bf16"); empty where it ends in none.
std::string QuantLabel(const std::string& path);

// Those of `files` that `tag` means: a quantisation, else the end of a file's name, or the name.
std::vector<std::string> FilesTagged(const std::vector<std::string>& files, std::string_view tag);

// One file is the answer, none is none, and several are a question to the user: kBadModel, saying
// what `name` can be followed by.
Result<std::optional<std::string>> OnlyOne(const std::vector<std::string>& files,
                                           const std::string& name);

}  // namespace gemma3
