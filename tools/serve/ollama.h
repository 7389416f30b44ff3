// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Ollama's API: POST /api/chat and /api/generate, and what it says of models.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tools/serve/ask.h"
#include "tools/serve/json_in.h"
#include "tools/serve/json_out.h"
#include "tools/serve/model_store.h"

namespace gemma3::serve {

// The version that is told: clients compare it with what they need.
inline constexpr const char* kOllamaVersion = "0.32.0";

Api<Ask> ReadOllamaChat(const JsonIn& body, const ModelView& model, const AskDefaults& defaults);
Api<Ask> ReadOllamaGenerate(const JsonIn& body, const ModelView& model,
                            const AskDefaults& defaults);

// Whether a request has nothing to answer: it loads the model, or with keep_alive 0 unloads it.
bool OnlyLoads(const JsonIn& body, bool chat);
bool WantsUnload(const JsonIn& body);
// The answer to such a request.
std::string LoadedJson(const std::string& model, bool chat, bool unloaded);

Json OllamaTags(std::span<const ListedModel> models);
Json OllamaRunning(std::span<const ListedModel> models);
Json OllamaShow(const ListedModel& model);

}  // namespace gemma3::serve
