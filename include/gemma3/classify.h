// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Whether a picture violates safety policies.
//
// ShieldGemma 2 was trained to say whether a picture violates a safety policy. Any Gemma 3 model
// that sees gives numbers too, but only ShieldGemma's mean something.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gemma3/error.h"
#include "gemma3/generation.h"
#include "gemma3/image.h"
#include "gemma3/model.h"
#include "gemma3/options.h"

namespace gemma3 {

struct Policy {
  std::string label;  // what the caller calls it; the model does not see it
  // What the model reads. ShieldGemma's own have the form "No <subject>: The image shall not
  // contain content that <verb> ... (e.g., <examples>)." Always text: it cannot become a control
  // token.
  std::string text;
};

// The policies that ShieldGemma 2 was trained on: dangerous, sexual, violence, in this order.
std::vector<Policy> ShieldGemmaPolicies();

struct PolicyScore {
  std::string label;       // of the policy
  double probability = 0;  // that the picture violates it, in [0, 1]
};

// Thread rule: one thread at a time, except Cancel, which any thread (or a signal handler) may
// call.
class Classifier {
 public:
  // Threads and memory of its own. Errors: those of Engine::Create.
  static Result<Classifier> Create(const Model& model, const EngineOptions& options = {});
  Classifier(Classifier&&) noexcept;
  Classifier& operator=(Classifier&&) noexcept;
  ~Classifier();

  // How likely the picture violates each policy, in their order, as ShieldGemma 2 judges: P(Yes)
  // against P(No) as the first word of the answer. The picture is shown whole, without crops, and
  // encoded once. Errors: kUnsupported for a text-only model or a vocabulary without the words;
  // kInvalidArgument (no policy, or one without text or not UTF-8); kContextTooLong, kBadImage,
  // kCancelled.
  Result<std::vector<PolicyScore>> Classify(const Image& image, std::span<const Policy> policies,
                                            const ProgressCallback& on_progress = {});

  // Stops the running call; a no-op when none runs. Async-signal-safe.
  void Cancel() noexcept;

 private:
  struct Impl;
  explicit Classifier(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gemma3
