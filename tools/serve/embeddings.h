// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Vectors of texts, as OpenAI's (/v1/embeddings) and Ollama's clients (/api/embed, /api/embeddings)
// ask for them.
#pragma once

#include <string>
#include <vector>

#include "gemma3/embedder.h"
#include "tools/serve/ask.h"
#include "tools/serve/json_in.h"

namespace gemma3::serve {

struct EmbedAsk {
  std::vector<std::string> texts;
  EmbedOptions options;
  bool base64 = false;  // how vectors are told
  bool single = false;  // one vector and no list: Ollama's old form
};

// input: a text, or up to 2048 of them, or token ids of the model's own vocabulary;
// encoding_format, dimensions; and which task prompt goes before each text: prompt_name, input_type
// ("query", "document"; none by default, as other servers do). Errors: 400 with `param`.
Api<EmbedAsk> ReadEmbeddings(const JsonIn& body, const ModelView& model);
// Ollama's: texts that are too long are cut unless `truncate` is false.
Api<EmbedAsk> ReadOllamaEmbed(const JsonIn& body, bool old_form);

std::string EmbeddingsJson(const EmbedAsk& ask, const Embeddings& embeddings,
                           const std::string& model);
// seconds: that the whole took.
std::string OllamaEmbedJson(const EmbedAsk& ask, const Embeddings& embeddings,
                            const std::string& model, double seconds);

}  // namespace gemma3::serve
