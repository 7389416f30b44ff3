// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/evaluate/measure.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>

#include "ops/select.h"
#include "src/base/finite.h"
#include "src/base/status.h"
#include "src/base/stopwatch.h"

namespace gemma3 {
namespace {

// Rows whose logits are computed at a time: a row of 262144 logits takes a megabyte.
constexpr size_t kLogitRows = 32;

}  // namespace

bool ForEachLogits(Runner& runner, Rows<const float> residual, size_t vocab,
                   const LogitsCallback& fn) {
  const size_t rows = runner.config().text.vocab_size;
  std::vector<float> normed(kLogitRows * residual.cols);
  std::vector<float> logits(kLogitRows * rows);
  for (size_t begin = 0; begin < residual.rows; begin += kLogitRows) {
    const size_t count = std::min(kLogitRows, residual.rows - begin);
    const Rows<float> normed_rows(normed.data(), count, residual.cols);
    const Rows<float> logit_rows(logits.data(), count, rows);
    runner.transformer().FinalNorm(residual.Slice(begin, count), normed_rows, runner.pool());
    const LogitsPart part{normed_rows.rows, runner.adapters()};
    runner.transformer().Logits(normed_rows, {&part, 1}, logit_rows, runner.pool());
    for (size_t r = 0; r < count; ++r) {
      const std::span<const float> row(logit_rows.row(r), rows);
      if (!AllFinite(row.first(vocab))) return false;
      fn(begin + r, row);
    }
  }
  return true;
}

Result<std::vector<float>> AllLogits(Runner& runner, const TokenSequence& sequence,
                                     HiddenStates* hidden) {
  const size_t tokens = sequence.ids.size();
  const size_t width = runner.config().text.hidden_size;
  const size_t vocab = runner.config().text.vocab_size;
  std::vector<float> logits(tokens * vocab);
  if (hidden) {
    hidden->first.resize(tokens * width);
    hidden->last.resize(tokens * width);
  }
  bool finite = true;
  const auto on_batch = [&](size_t first, Rows<const float> residual, const float* first_layer) {
    if (hidden) {
      std::memcpy(&hidden->first[first * width], first_layer,
                  residual.rows * width * sizeof(float));
      runner.transformer().FinalNorm(
          residual, Rows<float>(&hidden->last[first * width], residual.rows, width), runner.pool());
    }
    finite =
        finite &&
        ForEachLogits(runner, residual, vocab, [&](size_t row, std::span<const float> values) {
          std::ranges::copy(values, logits.begin() + static_cast<ptrdiff_t>((first + row) * vocab));
        });
  };
  GEMMA3_TRY(std::span<float> last, runner.Prefill({.sequence = &sequence,
                                                    .on_progress = {},
                                                    .on_batch = on_batch,
                                                    .want_first_layer = hidden != nullptr}));
  (void)last;
  if (!finite) return std::unexpected(runner.NotFinite());
  return logits;
}

Result<size_t> ScoreWindow(std::span<const TokenId> ids, size_t context) {
  if (ids.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "the text is empty: there is nothing to predict");
  }
  if (context < 2) {
    return Fail(ErrorCode::kInvalidArgument, "context must be at least 2 to score text");
  }
  return context - 1;
}

Result<ScoreResult> ScoreTokens(Runner& runner, size_t vocab, std::span<const TokenId> ids,
                                const ProgressCallback& on_progress) {
  GEMMA3_TRY(const size_t window, ScoreWindow(ids, runner.context()));
  ScoreResult result;
  bool finite = true;
  for (size_t begin = 0; begin < ids.size(); begin += window) {
    const std::span<const TokenId> targets =
        ids.subspan(begin, std::min(window, ids.size() - begin));
    TokenSequence sequence;
    sequence.ids.push_back(runner.config().tokens.bos);
    sequence.ids.insert(sequence.ids.end(), targets.begin(), targets.end());
    const auto on_batch = [&](size_t first, Rows<const float> residual, const float*) {
      finite =
          finite &&
          ForEachLogits(runner, residual, vocab, [&](size_t row, std::span<const float> logits) {
            const size_t position = first + row;
            if (position >= targets.size()) return;  // predicts what lies behind
            const float logit = logits[static_cast<size_t>(targets[position])];
            result.sum_log_probability += logit - LogSumExp(logits.first(vocab));
            ++result.tokens;
          });
    };
    const auto watch = [&](const Progress& p) {
      return !on_progress || on_progress({Progress::Stage::kPrefill,
                                          begin + std::min(p.done, targets.size()), ids.size()});
    };
    GEMMA3_TRY(std::span<float> last,
               runner.Prefill({.sequence = &sequence, .on_progress = watch, .on_batch = on_batch}));
    (void)last;
    if (!finite) return std::unexpected(runner.NotFinite());
  }
  return result;
}

Result<Timings> TimeWork(Runner& runner, const BenchWork& work) {
  ImageEncoder* const encoder = runner.encoder();
  const ModelConfig& config = runner.config();
  using Clock = std::chrono::steady_clock;
  if (work.prompt_tokens == 0) {
    return Fail(ErrorCode::kInvalidArgument, "prompt_tokens must be at least 1");
  }
  if (work.prompt_tokens + work.decode_tokens > runner.context()) {
    return Fail(ErrorCode::kContextTooLong, work.prompt_tokens, " + ", work.decode_tokens,
                " tokens do not fit the context of ", runner.context());
  }
  if (work.images > 0 && !encoder) {
    return Fail(ErrorCode::kUnsupported, config.name, " is a text-only model");
  }
  Timings timings;
  std::minstd_rand random(1);
  if (work.images > 0) {
    const VisionConfig& vision = config.vision;
    std::vector<float> pixels(vision.num_channels * vision.image_size * vision.image_size);
    for (float& value : pixels) {
      value = static_cast<float>(random() % 256) / 127.5f - 1.0f;
    }
    const auto start = Clock::now();
    for (size_t i = 0; i < work.images; ++i) {
      GEMMA3_TRY(SoftTokenRows rows,
                 encoder->EncodePixels(pixels, [&](size_t) { return !runner.cancel; }));
      (void)rows;
    }
    timings.image_seconds = SecondsSince(start);
  }

  TokenSequence sequence;
  for (size_t i = 0; i < work.prompt_tokens; ++i) {
    sequence.ids.push_back(static_cast<TokenId>(random() % config.text.vocab_size));
  }
  const auto prefill_start = Clock::now();
  GEMMA3_TRY(std::span<float> logits, runner.Prefill({.sequence = &sequence}));
  timings.prefill_seconds = SecondsSince(prefill_start);
  const auto decode_start = Clock::now();
  for (size_t i = 0; i < work.decode_tokens; ++i) {
    GEMMA3_TRY(logits, runner.Append(static_cast<TokenId>(ArgMax(logits))));
  }
  timings.decode_seconds = SecondsSince(decode_start);
  return timings;
}

}  // namespace gemma3
