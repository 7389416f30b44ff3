// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Gemma 3's configuration from GGUF metadata, with repairs of what published files leave out
// or state wrongly. Every repair leaves a note.
#pragma once

#include <string>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "src/base/remarks.h"
#include "src/base/tensor.h"
#include "src/formats/gguf.h"

namespace gemma3 {

// The prefix of the file's keys, its architecture: "gemma3." or "gemma-embedding.".
std::string ModelKeys(const GgufFile& gguf);

// The text part of a file of architecture "gemma3" or "gemma-embedding"; `bidirectional` where it
// is an embedding model, whatever it calls itself. `tensors` (under the file's own names) give the
// rows of the embedding and betray models that only look like Gemma 3.
// Errors: kBadModel; kUnsupported, saying what the file is, for anything else.
Result<ModelConfig> ReadGgufTextConfig(const GgufFile& gguf, const TensorMap& tensors,
                                       Remarks* remarks);

// What stands behind the trunk of an embedding model. `tensors`: under canonical names.
// Errors: kUnsupported for a file without the dense layers, saying where one with them is.
Result<EmbeddingConfig> ReadGgufEmbedding(const GgufFile& gguf, const TensorMap& tensors,
                                          const TextConfig& text);

// The tower from a separate file of architecture "clip". Errors: kUnsupported for another kind of
// projector; kBadModel where it does not fit a text model of width `text_hidden`.
Result<VisionConfig> ReadMmprojConfig(const GgufFile& gguf, size_t text_hidden);

// The tower from the keys of a single file that holds both parts (ollama/ollama).
Result<VisionConfig> ReadSingleFileVisionConfig(const GgufFile& gguf);

}  // namespace gemma3
