// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// GGUF files inside other files: a llamafile (mozilla-ai/llamafile) is a program and at the same
// time a zip archive in which GGUF files are stored as they are, as is a zip archive made by hand.
// Paths may name one of them (src/base/member_path.h).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gemma3/error.h"
#include "src/base/file_map.h"
#include "src/formats/zip.h"

namespace gemma3 {

// Whether the bytes begin like a zip archive, or like a program and end like one.
bool IsArchive(std::span<const std::byte> bytes);

// The names of members that are GGUF files.
std::vector<std::string> GgufMembers(const std::vector<ZipMember>& members);

// Maps a GGUF file: `path` itself; the member that it names; or, of an archive, its model: the one
// that its default arguments name (a llamafile has a member ".args"), else the only one that is no
// vision part, else the only one of architecture "gemma3". Other files are mapped whole. Errors:
// those of FileMap::Open and of zip.h; kBadModel where no member is the one, or several could be,
// naming them; kUnsupported for a member that is compressed.
Result<std::shared_ptr<const FileMap>> OpenGgufBytes(const std::string& path);

// Paths of the vision parts that are stored beside a model in its archive: what the default
// arguments name, else all that call themselves such. `path` is the archive or one of its members;
// empty for other files.
std::vector<std::string> VisionMembers(const std::string& path);

}  // namespace gemma3
