// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The folder in which what was computed of long prompts outlives the process: one state file
// (model/state_file.h) for each, named by its content.
//
// What is kept is the prompt without its end, where the question behind a document stands, so that
// another question finds it. Nothing here is ever an error: a file that does not serve is removed,
// and computing goes on without.
#pragma once

#include <string_view>

#include "src/engine/engine_state.h"

namespace gemma3 {

// Reads what the folder has of the prompt's beginning into the engine, where that is more than the
// engine holds. salt: joined with the adapters (JoinSalt), here and below.
void FindInPromptCache(EngineState& engine, const PromptPlan& prompt, std::string_view salt,
                       const AdapterSet* adapters);

// Keeps the beginning of a prompt that was answered, if it is long. `computed`: how many of its
// tokens were not found anywhere.
void KeepInPromptCache(EngineState& engine, const PromptPlan& prompt, std::string_view salt,
                       size_t computed, const AdapterSet* adapters);

}  // namespace gemma3
