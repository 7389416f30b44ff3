// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// generation_config.json: how the model's maker recommends to sample, and where answers end.
//
// Nothing here is needed to compute, so that no value keeps a model from loading: what cannot be
// meant is left at its default, with a warning. The meaning of the values is that of transformers
// and vLLM:
//   do_sample false          greedy: a temperature of 0 (a caller who sets one samples with it)
//   temperature 0            greedy
//   top_k 0 or -1, null      keeps all tokens
//   top_p 1, null            keeps all tokens; 0: the likeliest alone
//   min_p 0, null            off
//   repetition_penalty 1, null   off; looks at the whole text
//   eos_token_id             one id or a list; -1 and null: none
// A key that is absent leaves Gemma's published value.
#pragma once

#include <string>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "src/base/json.h"
#include "src/base/remarks.h"

namespace gemma3 {

// Reads the sampling settings of generation_config.json.
void ReadHfGeneration(const JsonValue& generation, GenerationDefaults* defaults, Remarks* remarks);

// Reads those that older models keep in config.json itself. There, transformers' own defaults are
// written out by some versions and mean nothing.
void ReadHfGenerationOfConfig(const JsonValue& config, GenerationDefaults* defaults,
                              Remarks* remarks);

// Adds the ids of eos_token_id that are not yet in `ids`.
void AddHfStopTokens(const JsonValue& object, std::vector<TokenId>* ids, Remarks* remarks);

}  // namespace gemma3
