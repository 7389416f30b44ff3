// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/evaluate/continue.h"

#include "src/base/status.h"
#include "src/decode/sampler.h"

namespace gemma3 {

Result<std::vector<TokenId>> ContinueSequence(Runner& runner, const TokenSequence& sequence,
                                              const GenerationOptions& options) {
  if (options.max_tokens == 0) {
    return Fail(ErrorCode::kInvalidArgument, "max_tokens must be set to continue raw ids");
  }
  if (!options.stop.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "stop strings end text; raw ids are continued without any");
  }
  const ModelConfig& config = runner.config();
  GEMMA3_TRY(Sampler sampler,
             Sampler::Create(options, config.generation, config.text.vocab_size, {}));
  GEMMA3_TRY(std::span<float> logits, runner.Prefill({.sequence = &sequence}));
  std::vector<TokenId> ids = sequence.ids;
  for (size_t place = 0;; ++place) {
    GEMMA3_CHECK_OK(runner.CheckFinite(logits));
    ids.push_back(sampler.Sample(logits, ids, place));
    if (place + 1 == options.max_tokens || runner.size() == runner.context()) break;
    GEMMA3_TRY(logits, runner.Append(ids.back()));
  }
  ids.erase(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(sequence.ids.size()));
  return ids;
}

}  // namespace gemma3
