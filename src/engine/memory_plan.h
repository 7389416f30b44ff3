// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a model and a session will take, from sizes alone: the same numbers before anything is
// loaded and afterwards.
#pragma once

#include <cstddef>
#include <span>
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

// The most tiles of keys (kKvTile) in a batch of texts.
constexpr size_t EncodedTiles(size_t rows) { return rows / 8 + 1; }

// With a session. Errors: kOutOfMemory if that is more than options.session.max_memory_bytes.
Result<MemoryPlan> PlanMemory(const ModelConfig& config, const ModelSizes& sizes,
                              const ResolvedOptions& options);

// With an embedder that computes batches of `batch` tokens, or a longer text. Errors: kOutOfMemory
// if that is more than `limit`, unless it is 0.
Result<MemoryPlan> PlanEmbedding(const ModelConfig& config, const ModelSizes& sizes, size_t batch,
                                 size_t threads, Compute compute, size_t limit,
                                 std::span<const AdapterUse> adapters = {});

// "weights 7.23 GiB + KV cache 190 MiB + ... = 7.5 GiB"; parts of nothing are left out.
std::string DescribePlan(const MemoryPlan& plan);

}  // namespace gemma3
