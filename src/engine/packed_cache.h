// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A folder of packed models (src/weights/packed_file.h), found by the content of the files they
// were made from. Several processes may use one: files appear whole, and a mapped file outlives its
// name.
#pragma once

#include <cstddef>
#include <string>

#include "gemma3/model.h"
#include "src/formats/checkpoint.h"

namespace gemma3 {

// Where the packed form of this checkpoint is kept: a name made of a hash of its files (their
// sizes, headers and samples of their data) and of the wanted form. Reads a few megabytes.
std::string PackedCachePath(const Checkpoint& checkpoint, const LoadOptions& options);

// Notes that the file is used now. In its access time: whoever has it mapped takes another
// modification time for other content (FileMap::CheckUnchanged).
void MarkUsed(const std::string& path);

// Makes room: removes the packed files used longest ago until all take at most `max_bytes`. The
// file at `keep` stays.
void TrimPackedCache(const std::string& folder, size_t max_bytes, const std::string& keep);

}  // namespace gemma3
