// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What folders and GGUF files of EmbeddingGemma have in common.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"

namespace gemma3 {

// The published task prompts (config_sentence_transformers.json of google/embeddinggemma-300m), for
// files that hold none.
std::vector<TaskPrompt> PublishedTaskPrompts();

// TextConfig::sliding_window of a bidirectional model whose file states `window`: half of it and
// the token itself. The published window of 512 was saved halved, as 257, by some versions of
// transformers. Errors: kUnsupported for another odd number, which may be either.
Result<size_t> SeenOnEitherSide(size_t window, const std::string& where);

// Where to get a model with all of its layers, for messages.
inline constexpr char kWholeEmbeddingModel[] =
    "the folder google/embeddinggemma-300m is whole, and so is Ollama's embeddinggemma";

}  // namespace gemma3
