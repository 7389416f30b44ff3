// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Whether a picture violates policies: one prompt for each, and the odds of Yes against No.
#pragma once

#include <span>
#include <vector>

#include "gemma3/classify.h"
#include "gemma3/generation.h"
#include "gemma3/image.h"
#include "gemma3/tokenizer.h"
#include "src/chat/prompt_builder.h"
#include "src/evaluate/runner.h"
#include "src/generate/image_encoder.h"

namespace gemma3 {

// Scores in the order of the policies. The picture is encoded once, without crops, and the prompts
// share their beginning in the runner's cache. Leaves the last prompt there. Progress counts layers
// of the tower, then prompt tokens over all policies. Errors: as for
// Classifier::Classify.
Result<std::vector<PolicyScore>> ClassifyPicture(Runner& runner, const Tokenizer& tokenizer,
                                                 ImageForm form, const Image& picture,
                                                 std::span<const Policy> policies,
                                                 const ProgressCallback& on_progress);

}  // namespace gemma3
