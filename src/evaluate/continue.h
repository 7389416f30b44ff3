// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What other implementations' raw generation does: ids behind ids.
#pragma once

#include <vector>

#include "gemma3/generation.h"
#include "src/evaluate/runner.h"

namespace gemma3 {

// Continues ids by greedy or sampled decoding, for max_tokens tokens or until the context is full.
// No token is forbidden and none stops. Errors: kInvalidArgument without max_tokens, and for stop
// strings, since there is no text to find them in; kInternal for logits that are no numbers.
Result<std::vector<TokenId>> ContinueSequence(Runner& runner, const TokenSequence& sequence,
                                              const GenerationOptions& options);

}  // namespace gemma3
