// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Files with matrices in the layout that the kernels read (ops/packed.h), so that they are mapped
// and computed with at once. There are two kinds: a whole model, which `gemma3 convert` writes and
// which stands alone, and matrices of a model whose own files are still needed, which the store of
// packed matrices keeps (packed_store.h).
//
// The container is safetensors with data at multiples of 64. Tensors have their canonical names,
// packed matrices as U8 [bytes]; besides there are, as U8 tensors:
//   gemma3.packed   a JSON object: {"version": 3,
//                    "matrices": {canonical name: {"type": "int8" | "int4" | ..., "shape": [...]}},
//                    of a whole model: "norms_store_offset": bool, "tokenizer_missing": text,
//                      "notes": [...], "warnings": [...]: those of the model it was made from
//                    of matrices alone: "source": text, "model": text (may be
//                      missing), "shares_head": bool}
//   gemma3.config   of a whole model: its configuration (config_json.h)
//   gemma3.tokenizer  of a whole model that has one: a SentencePiece ModelProto
// A change of the packed layouts or of the fields is a new version; files of another version are
// refused.
#pragma once

#include <memory>
#include <string>

#include "gemma3/error.h"
#include "gemma3/generation.h"
#include "src/base/file_map.h"
#include "src/formats/checkpoint.h"

namespace gemma3 {

inline constexpr char kPackedFileSuffix[] = ".gemma3";

// ---- A whole model

// Errors: kIo; kBadModel, for a file of another version too; kUnsupported for matrices alone.
Result<Checkpoint> OpenPackedFile(const std::string& path, const OpenOptions& options = {});

// Writes `checkpoint`, whose tensors may be packed ones. Block types of GGUF that are left are
// expanded to F32. The file appears whole or not at all. Progress: Stage::kWriting.
// Errors: kIo, kCancelled.
Status WritePackedFile(const std::string& path, const Checkpoint& checkpoint,
                       const ProgressCallback& on_progress = {});

// ---- Matrices alone

struct PackedMatrices {
  std::string source;  // what identifies the files and the way that they were made from
  std::string model;   // its name, for people who look what is kept
  // The stored output head repeats the embedding and is not among them.
  bool shares_head = false;
  TensorMap tensors;
  std::shared_ptr<const FileMap> file;  // keeps the views alive
};

// Errors: kIo; kBadModel, for a file of another version or kind too.
Result<PackedMatrices> OpenPackedMatrices(const std::string& path);

// As WritePackedFile. `matrices.file` is not used.
Status WritePackedMatrices(const std::string& path, const PackedMatrices& matrices,
                           const ProgressCallback& on_progress = {});

}  // namespace gemma3
