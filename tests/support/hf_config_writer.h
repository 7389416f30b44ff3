// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A configuration as the JSON files of a Hugging Face folder, for tests; what hf_config.h reads
// back.
#pragma once

#include <string>

#include "gemma3/config.h"

namespace gemma3::testing {

// config.json in the form that transformers writes today; nested when the model has a tower.
std::string HfConfigJson(const ModelConfig& config);

// generation_config.json.
std::string HfGenerationJson(const ModelConfig& config);

// preprocessor_config.json, for the pan-and-scan settings.
std::string HfPreprocessorJson(const ModelConfig& config);

}  // namespace gemma3::testing
