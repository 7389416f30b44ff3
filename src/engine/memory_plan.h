// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a model and a session will take, from sizes alone: the same numbers before anything is
// loaded and afterwards.
#pragma once

#include <cstddef>
#include <string>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "gemma3/options.h"
#include "src/engine/resolve.h"

namespace gemma3 {

// The part that is the model's alone, whatever session uses it.
struct ModelSizes {
  size_t weights = 0;  // mapped and owned
  bool has_tokenizer = false;
};

// Without a session: no cache, activations or vision.
MemoryPlan PlanModel(const ModelConfig& config, const ModelSizes& sizes);

// With a session. Errors: kOutOfMemory if that is more than options.session.max_memory_bytes.
Result<MemoryPlan> PlanMemory(const ModelConfig& config, const ModelSizes& sizes,
                              const ResolvedOptions& options);

// "weights 7.23 GiB + KV cache 190 MiB + ... = 7.5 GiB"; parts of nothing are left out.
std::string DescribePlan(const MemoryPlan& plan);

}  // namespace gemma3
