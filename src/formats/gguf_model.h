// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A GGUF model: the text part in one file or in parts, the vision part in the same file (Ollama's
// form) or in an mmproj file (llama.cpp's form).
#pragma once

#include <string>

#include "gemma3/error.h"
#include "src/formats/checkpoint.h"

namespace gemma3 {

// Without options.mmproj, a vision part of fitting width is looked for beside the model, in files
// with "mmproj" in their name (mmproj_files.h); none is needed. Errors: those of OpenCheckpoint;
// kInvalidArgument if several may be meant.
Result<Checkpoint> OpenGgufModel(const std::string& path, const OpenOptions& options);

// The canonical name (checkpoint.h) of a GGUF tensor name of either form, or "" when it is no part
// of the text model, the tower or the projector.
// MLP matrices of the tower come out as ffn_up -> fc1, ffn_down -> fc2, to be corrected by shape.
std::string CanonicalGgufName(const std::string& name);

}  // namespace gemma3
