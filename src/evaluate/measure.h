// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Runs that look at a model from outside: logits of every position, log-probability of a text, and
// the time that work takes.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "gemma3/experimental/evaluator.h"
#include "src/evaluate/runner.h"

namespace gemma3 {

using LogitsCallback = std::function<void(size_t row, std::span<const float> logits)>;

// Calls fn for each row of the residual stream, [rows, hidden], without holding all logits at once.
// Ends at a row of which one of the first `vocab` is not finite: false. Rows of the table beyond
// the vocabulary may hold anything.
bool ForEachLogits(Runner& runner, Rows<const float> residual, size_t vocab,
                   const LogitsCallback& fn);

// Logits of every position, [ids, vocab]. Errors: kInternal for logits that are no numbers.
Result<std::vector<float>> AllLogits(Runner& runner, const TokenSequence& sequence,
                                     HiddenStates* hidden);

// How many ids are predicted from one BOS: a context full, less BOS.
// Errors: kInvalidArgument where there is nothing to predict, or no room to.
Result<size_t> ScoreWindow(std::span<const TokenId> ids, size_t context);

// Every id is predicted once, in windows. Ids from `vocab` on have no probability.
Result<ScoreResult> ScoreTokens(Runner& runner, size_t vocab, std::span<const TokenId> ids,
                                const ProgressCallback& on_progress);

Result<Timings> TimeWork(Runner& runner, const BenchWork& work);

}  // namespace gemma3
