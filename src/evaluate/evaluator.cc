// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What each public call of an evaluator checks and refuses; the work is in measure.cc, compare.cc
// and continue.cc.
#include "gemma3/experimental/evaluator.h"

#include <algorithm>
#include <utility>

#include "src/base/guard.h"
#include "src/base/status.h"
#include "src/engine/adapters.h"
#include "src/engine/memory_plan.h"
#include "src/engine/resolve.h"
#include "src/evaluate/compare.h"
#include "src/evaluate/continue.h"
#include "src/evaluate/measure.h"
#include "src/evaluate/runner.h"

namespace gemma3 {

struct Evaluator::Impl {
  Impl(const Model& model, const ResolvedOptions& options,
       std::shared_ptr<const AdapterSet> adapters)
      : model(model), options(options), runner(model.impl(), options, std::move(adapters)) {}

  const Model model;
  const ResolvedOptions options;
  Runner runner;

  Result<TokenSequence> Sequence(const TokenInput& input);

  // Runs one public call that computes.
  template <class Fn>
  auto Call(const char* doing, const Fn& fn) -> decltype(fn()) {
    runner.cancel = false;
    return Guarded(doing, "", [&]() -> decltype(fn()) {
      GEMMA3_CHECK_OK(model.impl().CheckFilesUnchanged());
      runner.Clear();
      return fn();
    });
  }

  // Published embedding tables are padded with rows that stand for no token.
  size_t TokensKnown(const Tokenizer& tokenizer) const {
    return std::min(model.config().text.vocab_size, tokenizer.vocab_size());
  }
};

Evaluator::Evaluator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;
Evaluator::~Evaluator() = default;

Result<Evaluator> Evaluator::Create(const Model& model, const EngineOptions& options) {
  return Guarded("start the evaluator", "", [&]() -> Result<Evaluator> {
    GEMMA3_CHECK_OK(CheckGenerates(model.config()));
    GEMMA3_TRY(const ResolvedOptions resolved, Resolve(model.config(), options));
    GEMMA3_CHECK_OK(PlanMemory(model.config(), model.impl().sizes(), resolved));
    GEMMA3_TRY(auto adapters, MakeAdapterSet(model, resolved.session.adapters));
    return Evaluator(std::make_unique<Impl>(model, resolved, std::move(adapters)));
  });
}

// Finds the runs of soft tokens and, when all is well, encodes a picture for each.
Result<TokenSequence> Evaluator::Impl::Sequence(const TokenInput& input) {
  const ModelConfig& config = model.config();
  TokenSequence sequence{input.ids, {}, {}};
  if (input.ids.empty()) return Fail(ErrorCode::kInvalidArgument, "input_ids is empty");
  if (input.ids.size() > runner.context()) {
    return Fail(ErrorCode::kContextTooLong, input.ids.size(), " tokens do not fit the context of ",
                runner.context());
  }
  const bool pictures = !input.pixel_values.empty();
  if (pictures && !runner.encoder()) {
    return Fail(ErrorCode::kUnsupported, model.path(), " is a text-only model");
  }
  for (size_t i = 0; i < input.ids.size(); ++i) {
    const TokenId id = input.ids[i];
    if (pictures && id == config.tokens.image_soft_token) {
      const size_t count = config.vision.tokens_per_image;
      const size_t index = sequence.images.size();
      const bool whole = i + count <= input.ids.size() &&
                         std::all_of(input.ids.begin() + i, input.ids.begin() + i + count,
                                     [&](TokenId other) { return other == id; });
      if (!whole || index == input.pixel_values.size()) {
        return Fail(ErrorCode::kInvalidArgument, "input_ids[", i, "]: ",
                    whole ? "more pictures than pixel_values"
                          : "a run of image tokens that is not a multiple of tokens_per_image");
      }
      sequence.images.push_back({i, count, nullptr});
      i += count - 1;
    } else if (id < 0 || static_cast<size_t>(id) >= config.text.vocab_size) {
      return Fail(ErrorCode::kInvalidArgument, "input_ids[", i, "] is ", id,
                  ", outside the vocabulary of ", config.text.vocab_size);
    }
  }
  if (sequence.images.size() != input.pixel_values.size()) {
    return Fail(ErrorCode::kInvalidArgument, "input_ids has places for ", sequence.images.size(),
                " pictures, pixel_values holds ", input.pixel_values.size());
  }
  for (const std::vector<float>& pixels : input.pixel_values) {
    GEMMA3_CHECK_OK(runner.encoder()->CheckPixels(pixels));
  }
  for (size_t i = 0; i < sequence.images.size(); ++i) {
    GEMMA3_TRY(
        sequence.images[i].rows,
        runner.encoder()->EncodePixels(
            input.pixel_values[i], [&](size_t) { return !runner.cancel; }, runner.adapters()));
  }
  return sequence;
}

Result<std::vector<float>> Evaluator::Logits(const TokenInput& input, HiddenStates* hidden) {
  return impl_->Call("compute the logits", [&]() -> Result<std::vector<float>> {
    GEMMA3_TRY(const TokenSequence sequence, impl_->Sequence(input));
    return AllLogits(impl_->runner, sequence, hidden);
  });
}

Result<std::vector<TokenId>> Evaluator::ContinueIds(const TokenInput& input,
                                                    const GenerationOptions& options) {
  return impl_->Call("continue the ids", [&]() -> Result<std::vector<TokenId>> {
    GEMMA3_TRY(const TokenSequence sequence, impl_->Sequence(input));
    return ContinueSequence(impl_->runner, sequence, options);
  });
}

Result<ScoreResult> Evaluator::Score(std::string_view text, const ProgressCallback& on_progress) {
  return impl_->Call("score the text", [&]() -> Result<ScoreResult> {
    GEMMA3_TRY(const Tokenizer* tokenizer, impl_->model.tokenizer());
    GEMMA3_TRY(const std::vector<TokenId> ids, tokenizer->Encode(text));
    return ScoreTokens(impl_->runner, impl_->TokensKnown(*tokenizer), ids, on_progress);
  });
}

Result<Comparison> Evaluator::Compare(Evaluator& other, std::string_view text,
                                      const ProgressCallback& on_progress) {
  return impl_->Call("compare the models", [&]() -> Result<Comparison> {
    if (other.impl_ == impl_) {
      return Fail(ErrorCode::kInvalidArgument, "an evaluator cannot be compared with itself");
    }
    other.impl_->runner.cancel = false;
    other.impl_->runner.Clear();
    GEMMA3_CHECK_OK(other.impl_->model.impl().CheckFilesUnchanged());
    GEMMA3_TRY(const Tokenizer* tokenizer, impl_->model.tokenizer());
    GEMMA3_TRY(const Tokenizer* other_tokenizer, other.impl_->model.tokenizer());
    GEMMA3_TRY(const std::vector<TokenId> ids, tokenizer->Encode(text));
    GEMMA3_TRY(const std::vector<TokenId> other_ids, other_tokenizer->Encode(text));
    if (ids != other_ids) {
      return Fail(ErrorCode::kInvalidArgument, impl_->model.path(), " and ",
                  other.impl_->model.path(),
                  " have different vocabularies: only predictions of the same tokens compare");
    }
    const size_t vocab =
        std::min(impl_->TokensKnown(*tokenizer), other.impl_->TokensKnown(*other_tokenizer));
    for (const TokenId id : ids) {
      if (static_cast<size_t>(id) >= vocab) {
        return Fail(ErrorCode::kBadModel, "token ", id, " of the text is outside the ", vocab,
                    " embeddings of ", impl_->model.path(), " or ", other.impl_->model.path(),
                    ": the tokenizer belongs to another model");
      }
    }
    return CompareTokens(impl_->runner, other.impl_->runner, vocab, ids, on_progress);
  });
}

Result<Timings> Evaluator::Bench(const BenchWork& work) {
  return impl_->Call("measure", [&]() -> Result<Timings> { return TimeWork(impl_->runner, work); });
}

const EngineOptions& Evaluator::options() const { return impl_->options.session; }
const Model& Evaluator::model() const { return impl_->model; }

void Evaluator::Cancel() noexcept {
  if (impl_) impl_->runner.cancel.store(true, std::memory_order_relaxed);
}

}  // namespace gemma3
