// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// config.json and its side files (huggingface/transformers, models/gemma3/configuration_gemma3.py):
// the old and the new form, flat (text only) and nested (with a vision tower), with the defaults
// that published files rely on.
#pragma once

#include <string>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "src/base/remarks.h"
#include "src/formats/hf_quantization.h"

namespace gemma3 {

// The text of each file; empty where it does not exist.
struct HfConfigTexts {
  std::string config = {};        // config.json; needed
  std::string generation = {};    // generation_config.json
  std::string preprocessor = {};  // preprocessor_config.json
  std::string processor = {};     // processor_config.json
};

struct HfConfig {
  ModelConfig config;  // name is empty; has_vision says what the configuration promises
  HfQuantization quantization = {};
  Remarks remarks = {};
};

// `folder` names the model in messages. Sizes are not yet checked against limits: CheckConfig does
// that once the embedding's true rows are known.
// Errors: kBadModel for damaged files; kUnsupported, saying what it is, for other models and for
// variants of the architecture that Gemma 3 does not use.
Result<HfConfig> ParseHfConfig(const HfConfigTexts& texts, const std::string& folder);

}  // namespace gemma3
