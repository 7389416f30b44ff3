// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The safetensors container (huggingface/safetensors, README "Format"): a length, a JSON header,
// and one buffer of tensor bytes. Reading is as strict as the reference reader; data need not be
// aligned.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gemma3/error.h"
#include "gemma3/generation.h"
#include "src/base/file_map.h"
#include "src/base/tensor.h"

namespace gemma3 {

// Checks the whole of `bytes` as a safetensors file and returns views into it. `file` names it in
// messages and becomes TensorView::file; both must outlive the views.
// Errors: kBadModel for every rule the file breaks (header length, UTF-8, JSON, repeated names,
// holes, overlaps, sizes, truncation, bytes left over); kUnsupported for an element type that is
// valid but that this library does not read (8-bit floats but E4M3, smaller ones, complex).
Result<TensorMap> ParseSafetensors(std::span<const std::byte> bytes, const std::string& file);

// Tensors of one or more files, and the maps that keep them alive.
struct SafetensorsSet {
  TensorMap tensors;
  std::vector<std::shared_ptr<const FileMap>> files;
};

Result<SafetensorsSet> OpenSafetensors(const std::string& path);
// All of these together. Errors: those of each; kBadModel when a tensor is in two of them.
Result<SafetensorsSet> OpenSafetensorsFiles(std::span<const std::string> paths);

// The file names and tensor places of a model.safetensors.index.json.
// Errors: kBadModel for a name that is not a plain file name in the same folder.
Result<std::map<std::string, std::string>> ParseSafetensorsIndex(std::string_view json,
                                                                 const std::string& where);

// Opens every shard that the index at `index_path` names. Errors: those above; kBadModel when a
// tensor is missing from its shard, or is in two of them.
Result<SafetensorsSet> OpenSafetensorsShards(const std::string& index_path);

// Writes a file as the reference writer does: tensors by falling element size, then by name, header
// padded so that the data starts at a multiple of 8. The file appears whole or not at all
// (FileWriter). Errors: kIo; kInvalidArgument for a block type or a view whose
// bytes do not fit its shape.
//
// A larger `alignment` (a power of two) is for files that are mapped and computed with in place:
// the data starts at such an address, and tensors whose size is a multiple of it come first, so
// that all of them lie at one too.
//
// Progress: Stage::kWriting, every few megabytes. Cancelling (kCancelled) leaves nothing behind.
Status WriteSafetensors(const std::string& path, const TensorMap& tensors, size_t alignment = 8,
                        const ProgressCallback& on_progress = {});

}  // namespace gemma3
