// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What computes: one model's networks with the threads, the scratch memory and the pages that they
// take turns with.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "gemma3/config.h"
#include "gemma3/options.h"
#include "ops/matmul.h"
#include "src/generate/image_encoder.h"
#include "src/model/kv_pool.h"
#include "src/model/transformer.h"
#include "src/threading/thread_pool.h"
#include "src/threading/workspace.h"
#include "src/weights/weights.h"

namespace gemma3 {

struct MachineOptions {
  size_t threads = 1;
  Compute compute = Compute::kFast;
  ReferenceRounding reference = ReferenceRounding::kPublished;
  KvTypes kv;
  size_t max_batch = 512;  // rows of a step, at least one picture's soft tokens
  size_t kv_bytes = 0;     // that pages may take
  size_t image_cache_bytes = 0;
};

// Thread rule: one step at a time.
struct Machine {
  // Configuration and weights must outlive this. Throws std::bad_alloc, std::system_error.
  Machine(const ModelConfig& config, const ModelWeights& weights, const MachineOptions& options)
      : config(config),
        max_batch(options.max_batch),
        kv_types(options.kv),
        pool(options.threads),
        workspace(pool),
        transformer(config.text, weights.text, options.compute, options.reference),
        kv(std::make_shared<KvPool>(config.text, options.kv, options.kv_bytes)) {
    const size_t floats = Transformer::WorkspaceFloats(config.text, max_batch);
    workspace.Floats(floats);
    if (config.has_vision) {
      encoder.emplace(config, weights.vision, options.compute, options.image_cache_bytes, floats,
                      workspace);
    }
  }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  const ModelConfig& config;
  const size_t max_batch;
  const KvTypes kv_types;
  ThreadPool pool;
  Workspace workspace;
  const Transformer transformer;
  const std::shared_ptr<KvPool> kv;
  std::optional<ImageEncoder> encoder;  // of models that see
};

}  // namespace gemma3
