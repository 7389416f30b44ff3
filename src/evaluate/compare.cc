// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/evaluate/compare.h"

#include <algorithm>
#include <cmath>

#include "ops/select.h"
#include "src/base/status.h"
#include "src/evaluate/measure.h"

namespace gemma3 {
namespace {

// Tokens that both models read in turn. The logits of one of them are held meanwhile: 64 MB for 64
// rows of 262144. Both caches keep what they hold, so nothing is computed twice.
constexpr size_t kPieceTokens = 64;

// As that of ops/select.h, but with exponentials in double.
double LogSumExpInDouble(std::span<const float> x) {
  const double largest = *std::ranges::max_element(x);
  double sum = 0;
  for (const float value : x) sum += std::exp(value - largest);
  return largest + std::log(sum);
}

// Reads sequence.ids[from..); what stands before them is in the cache already, unless from is 0.
Status ReadPiece(Runner& runner, const TokenSequence& sequence, size_t from, size_t vocab,
                 const LogitsCallback& on_logits) {
  bool finite = true;
  const auto on_batch = [&](size_t first, Rows<const float> residual, const float*) {
    finite = finite &&
             ForEachLogits(runner, residual, vocab, [&](size_t row, std::span<const float> logits) {
               if (first + row >= from) on_logits(first + row, logits.first(vocab));
             });
  };
  GEMMA3_TRY(std::span<float> last,
             runner.Prefill({.sequence = &sequence, .on_batch = on_batch, .on_batch_from = from}));
  (void)last;
  if (!finite) return std::unexpected(runner.NotFinite());
  return {};
}

void AddToken(std::span<const float> logits, std::span<const float> other_logits, TokenId target,
              Comparison& result) {
  const auto score = [target](std::span<const float> row, ScoreResult& sum) {
    sum.sum_log_probability += row[static_cast<size_t>(target)] - LogSumExp(row);
    ++sum.tokens;
  };
  score(logits, result.score);
  score(other_logits, result.other_score);
  result.divergences.push_back(KlDivergence(other_logits, logits));
  result.same_top += ArgMax(logits) == ArgMax(other_logits);
}

}  // namespace

double KlDivergence(std::span<const float> p_logits, std::span<const float> q_logits) {
  const double p_total = LogSumExpInDouble(p_logits);
  const double q_total = LogSumExpInDouble(q_logits);
  double sum = 0;
  for (size_t i = 0; i < p_logits.size(); ++i) {
    const double log_p = p_logits[i] - p_total;
    const double log_q = q_logits[i] - q_total;
    sum += std::exp(log_p) * (log_p - log_q);
  }
  return sum < 0 ? 0 : sum;  // below 0 by rounding alone; NaN stays
}

Result<Comparison> CompareTokens(Runner& model, Runner& other, size_t vocab,
                                 std::span<const TokenId> ids,
                                 const ProgressCallback& on_progress) {
  GEMMA3_TRY(const size_t window, ScoreWindow(ids, std::min(model.context(), other.context())));
  Comparison result;
  std::vector<float> other_logits(kPieceTokens * vocab);
  const auto other_row = [&](size_t row) {
    return std::span(other_logits).subspan(row * vocab, vocab);
  };
  for (size_t begin = 0; begin < ids.size(); begin += window) {
    const auto targets = ids.subspan(begin, std::min(window, ids.size() - begin));
    TokenSequence sequence{{model.config().tokens.bos}, {}, {}};
    TokenSequence other_sequence{{other.config().tokens.bos}, {}, {}};
    for (size_t from = 0; from < targets.size(); from += kPieceTokens) {
      if (on_progress && !on_progress({Progress::Stage::kPrefill, begin + from, ids.size()})) {
        return Fail(ErrorCode::kCancelled, "cancelled by the caller");
      }
      // Position i predicts targets[i], so that the last target is never read.
      const size_t end = std::min(from + kPieceTokens, targets.size());
      for (size_t i = sequence.ids.size(); i < end; ++i) {
        sequence.ids.push_back(targets[i - 1]);
        other_sequence.ids.push_back(targets[i - 1]);
      }
      GEMMA3_CHECK_OK(ReadPiece(other, other_sequence, from, vocab,
                                [&](size_t position, std::span<const float> logits) {
                                  std::ranges::copy(logits, other_row(position - from).begin());
                                }));
      GEMMA3_CHECK_OK(ReadPiece(
          model, sequence, from, vocab, [&](size_t position, std::span<const float> logits) {
            AddToken(logits, other_row(position - from), targets[position], result);
          }));
    }
  }
  return result;
}

}  // namespace gemma3
