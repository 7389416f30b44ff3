// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A whole model in one file, with its matrices in the layout that the kernels read (ops/packed.h),
// so that it is mapped and computed with at once. What `gemma3 convert` and the cache of packed
// weights write.
//
// The container is safetensors with data at multiples of 64. Besides the model's tensors under
// their canonical names (packed matrices as U8 [bytes]) it holds, as U8 tensors: config.json,
// generation_config.json, preprocessor_config.json and tokenizer.model as in a Hugging Face folder,
// and gemma3.packed, a JSON object:
//   {"version": 2, "name": model name, "norms_store_offset": bool,
//    "matrices": {canonical name: {"type": "int8" | "int4" | ..., "shape": [rows, cols]}, ...}}
// A change of the packed layout is a new version; files of another version are refused.
#pragma once

#include <string>

#include "gemma3/error.h"
#include "src/formats/checkpoint.h"

namespace gemma3 {

inline constexpr char kPackedFileSuffix[] = ".gemma3";

// Errors: kIo, kBadModel.
Result<Checkpoint> OpenPackedFile(const std::string& path);

// Writes `checkpoint`, whose tensors may be packed ones. Block types of GGUF that are left are
// expanded to F32. The file appears whole or not at all. Errors: kIo.
Status WritePackedFile(const std::string& path, const Checkpoint& checkpoint);

}  // namespace gemma3
