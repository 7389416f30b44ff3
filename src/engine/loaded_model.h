// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a Model handle points to.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gemma3/model.h"
#include "ops/matmul.h"
#include "src/formats/checkpoint.h"
#include "src/model/kv_pool.h"
#include "src/weights/weights.h"

namespace gemma3 {

struct LoadedModel {
  std::string path;
  Checkpoint checkpoint;
  ModelWeights weights;
  std::optional<Tokenizer> tokenizer;
  std::string tokenizer_missing;  // why there is none
  std::vector<TensorInfo> tensors;

  // To be called before weights are read, since those that lie in a mapped file are read from it
  // each time. Errors: those of FileMap::CheckUnchanged.
  Status CheckFilesUnchanged() const {
    return weights.mapped_bytes == 0 ? Status() : checkpoint.CheckFilesUnchanged();
  }
};

// Session options with every default filled in.
struct ResolvedOptions {
  SessionOptions session;
  size_t context = 0;
  size_t threads = 0;
  size_t max_batch = 0;  // prefill batch, at least one picture's soft tokens
  Compute compute = Compute::kFast;
  KvTypes kv;
  size_t checkpoint_bytes = 0;
};

// Errors: kInvalidArgument, naming the option, its range and the value given.
Result<ResolvedOptions> Resolve(const ModelConfig& config, const SessionOptions& options);

MemoryPlan PlanMemory(const LoadedModel& model, const ResolvedOptions& options);

// "weights 7.76 GB + KV cache 0.20 GB + ... = 8.1 GB".
std::string DescribePlan(const MemoryPlan& plan);

}  // namespace gemma3
