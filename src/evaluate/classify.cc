// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/evaluate/classify.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "src/base/status.h"
#include "src/chat/classify_prompt.h"
#include "src/image/preprocess.h"

namespace gemma3 {
namespace {

// P(Yes) of a softmax over the two logits alone.
double ProbabilityOfYes(std::span<const float> logits, const AnswerTokens& answers) {
  const double yes = logits[static_cast<size_t>(answers.yes)];
  const double no = logits[static_cast<size_t>(answers.no)];
  return 1 / (1 + std::exp(no - yes));
}

}  // namespace

Result<std::vector<PolicyScore>> ClassifyPicture(Runner& runner, const Tokenizer& tokenizer,
                                                 ImageForm form, const Image& picture,
                                                 std::span<const Policy> policies,
                                                 const ProgressCallback& on_progress) {
  const ModelConfig& config = runner.config();
  ImageEncoder* const encoder = runner.encoder();
  // Everything that can be refused is refused before the expensive work.
  if (policies.empty()) return Fail(ErrorCode::kInvalidArgument, "there is no policy to judge by");
  if (!encoder) {
    return Fail(ErrorCode::kUnsupported, config.name,
                " is a text-only model and cannot look at pictures; use ShieldGemma 2");
  }
  GEMMA3_TRY(const AnswerTokens answers, AnswerTokens::Find(tokenizer));
  if (static_cast<size_t>(std::max(answers.yes, answers.no)) >= config.text.vocab_size) {
    return Fail(ErrorCode::kBadModel, "tokenizer: Yes and No are the tokens ", answers.yes, " and ",
                answers.no, ", but the embedding has ", config.text.vocab_size, " rows");
  }
  GEMMA3_TRY(const std::vector<CropBox> views, PlanViews(picture, nullptr));
  std::vector<PromptLayout> prompts;
  Progress all{Progress::Stage::kPrefill, 0, 0};
  for (const Policy& policy : policies) {
    GEMMA3_TRY(PromptLayout prompt, LayOutClassification(policy, tokenizer, config, form));
    if (prompt.ids.size() > runner.context()) {
      return Fail(ErrorCode::kContextTooLong, "the prompt for the policy \"", policy.label,
                  "\" has ", prompt.ids.size(), " tokens and the context holds ", runner.context(),
                  "; shorten the policy or use a larger context");
    }
    all.total += prompt.ids.size();
    prompts.push_back(std::move(prompt));
  }

  Progress progress{Progress::Stage::kImage, 0, config.vision.num_layers};
  const ProgressCallback watch = [&](const Progress& state) {
    return !runner.cancel && (!on_progress || on_progress(state));
  };
  // Borrowed: nothing is remembered of it.
  const std::shared_ptr<const Image> shared(std::shared_ptr<const Image>(), &picture);
  std::vector<SoftTokenRows> rows;
  for (const CropBox& view : views) {
    const auto on_layer = [&](size_t) {
      ++progress.done;
      return watch(progress);
    };
    GEMMA3_TRY(SoftTokenRows encoded,
               encoder->Encode(shared, view, /*salt=*/"", on_layer, runner.adapters()));
    rows.push_back(std::move(encoded));
  }

  std::vector<PolicyScore> scores;
  for (size_t i = 0; i < policies.size(); ++i) {
    TokenSequence sequence{std::move(prompts[i].ids), {}, {}};
    for (const ImageSpan& span : prompts[i].images) {
      sequence.images.push_back({span.begin, span.count, rows[span.view]});
    }
    // What the cache holds already counts as done.
    const size_t begin = all.done;
    const size_t tokens = sequence.ids.size();
    const ProgressCallback watch_prompt = [&](const Progress& state) {
      all.done = begin + tokens - (state.total - state.done);
      return watch(all);
    };
    GEMMA3_TRY(const std::span<float> logits,
               runner.Prefill({.sequence = &sequence, .on_progress = watch_prompt}));
    GEMMA3_CHECK_OK(runner.CheckFinite(logits));
    all.done = begin + tokens;
    scores.push_back({policies[i].label, ProbabilityOfYes(logits, answers)});
  }
  return scores;
}

}  // namespace gemma3
