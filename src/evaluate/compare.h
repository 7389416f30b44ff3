// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Two models at one text: how far apart their predictions are.
#pragma once

#include <cstddef>
#include <span>

#include "gemma3/experimental/evaluator.h"
#include "src/evaluate/runner.h"

namespace gemma3 {

// sum(p * log(p / q)) in nats, where p and q are the softmax of two rows of logits, which are of
// one size and not empty. Exactly 0 for equal rows. In double throughout: near 0 it is the small
// rest of large terms that cancel.
double KlDivergence(std::span<const float> p_logits, std::span<const float> q_logits);

// In windows as ScoreTokens has them, of the smaller context. `vocab` is how many tokens both
// models know: ids from there on have no probability.
Result<Comparison> CompareTokens(Runner& model, Runner& other, size_t vocab,
                                 std::span<const TokenId> ids, const ProgressCallback& on_progress);

}  // namespace gemma3
