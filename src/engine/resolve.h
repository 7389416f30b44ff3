// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Options of a session as they are used.
#pragma once

#include <cstddef>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "gemma3/options.h"
#include "ops/matmul.h"
#include "src/generate/machine.h"
#include "src/model/kv_pool.h"

namespace gemma3 {

// Session options with every default filled in.
struct ResolvedOptions {
  SessionOptions session;  // without a 0 or kAuto that stands for something
  size_t context = 0;
  size_t threads = 0;
  size_t max_batch = 0;  // prefill batch, at least one picture's soft tokens
  Compute compute = Compute::kFast;
  KvTypes kv;
  size_t checkpoint_bytes = 0;
  size_t kv_bytes = 0;  // keys and values of all conversations, checkpoints included
};

// What they ask of the machine.
MachineOptions MachineOptionsOf(const ResolvedOptions& options);

// Errors: kInvalidArgument, naming the option, its range and the value given.
Result<ResolvedOptions> Resolve(const ModelConfig& config, const SessionOptions& options);

// Errors: kUnsupported for an embedding model, which generates no text, with what to use instead.
Status CheckGenerates(const ModelConfig& config);

}  // namespace gemma3
