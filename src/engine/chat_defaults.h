// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What the files of a model, and the store it lies in, say about talking to it.
#pragma once

#include "src/formats/checkpoint.h"
#include "src/stores/found_model.h"

namespace gemma3 {

// Sets checkpoint->config.chat_template from the templates of the files, or from the store's own
// where that says something else, and takes the store's defaults into the configuration. What is
// not Gemma's, or cannot be used, is named in checkpoint->remarks.
void TakeChatDefaults(const FoundModel& found, Checkpoint* checkpoint);

}  // namespace gemma3
