// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Runs that look at a model from outside: logits of every position, log-probability of a text, and
// the time that work takes.
#pragma once

#include <span>
#include <vector>

#include "gemma3/session.h"
#include "src/engine/image_encoder.h"
#include "src/engine/runner.h"

namespace gemma3 {

// Logits of every position, [ids, vocab].
Result<std::vector<float>> AllLogits(Runner& runner, const ModelConfig& config,
                                     const TokenSequence& sequence, HiddenStates* hidden);

// Each window is BOS and as many ids as the context holds besides; every id is predicted once.
Result<ScoreResult> ScoreTokens(Runner& runner, const ModelConfig& config,
                                std::span<const TokenId> ids, const ProgressCallback& on_progress);

// encoder is null for a text-only model.
Result<Timings> TimeWork(Runner& runner, ImageEncoder* encoder, const ModelConfig& config,
                         const BenchWork& work);

}  // namespace gemma3
