// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <utility>

#include "gemma3/classify.h"
#include "src/base/guard.h"
#include "src/base/status.h"
#include "src/engine/adapters.h"
#include "src/engine/memory_plan.h"
#include "src/engine/prompt_plan.h"
#include "src/evaluate/classify.h"
#include "src/evaluate/runner.h"

namespace gemma3 {

struct Classifier::Impl {
  Impl(const Model& model, const ResolvedOptions& options,
       std::shared_ptr<const AdapterSet> adapters)
      : model(model), options(options), runner(model.impl(), options, std::move(adapters)) {}

  const Model model;
  const ResolvedOptions options;
  Runner runner;
};

Classifier::Classifier(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Classifier::Classifier(Classifier&&) noexcept = default;
Classifier& Classifier::operator=(Classifier&&) noexcept = default;
Classifier::~Classifier() = default;

Result<Classifier> Classifier::Create(const Model& model, const EngineOptions& options) {
  return Guarded("start the classifier", "", [&]() -> Result<Classifier> {
    GEMMA3_CHECK_OK(CheckGenerates(model.config()));
    GEMMA3_TRY(const ResolvedOptions resolved, Resolve(model.config(), options));
    GEMMA3_CHECK_OK(PlanMemory(model.config(), model.impl().sizes(), resolved));
    GEMMA3_TRY(auto adapters, MakeAdapterSet(model, resolved.session.adapters));
    return Classifier(std::make_unique<Impl>(model, resolved, std::move(adapters)));
  });
}

Result<std::vector<PolicyScore>> Classifier::Classify(const Image& image,
                                                      std::span<const Policy> policies,
                                                      const ProgressCallback& on_progress) {
  impl_->runner.cancel = false;
  return Guarded("judge the picture", "", [&]() -> Result<std::vector<PolicyScore>> {
    GEMMA3_CHECK_OK(impl_->model.impl().CheckFilesUnchanged());
    GEMMA3_TRY(const Tokenizer* tokenizer, impl_->model.tokenizer());
    return ClassifyPicture(impl_->runner, *tokenizer, ImageFormOf(impl_->options), image, policies,
                           on_progress);
  });
}

void Classifier::Cancel() noexcept {
  if (impl_) impl_->runner.cancel.store(true, std::memory_order_relaxed);
}

}  // namespace gemma3
