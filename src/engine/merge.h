// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Adapters merged into the weights of a model.
#pragma once

#include <span>

#include "gemma3/error.h"
#include "gemma3/model.h"
#include "gemma3/options.h"
#include "src/base/aligned_buffer.h"
#include "src/formats/checkpoint.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// Replaces the tensors of `checkpoint`, the files that `model` was loaded from, that the adapters
// change: packed as options.weights says, or BF16. `memory` keeps them. Errors: kUnsupported for
// what does not merge (a bias of B: Gemma's matrices have none).
Status MergeAdapters(const Model& model, std::span<const AdapterUse> uses,
                     const LoadOptions& options, ThreadPool& pool, Checkpoint* checkpoint,
                     AlignedBuffers* memory);

}  // namespace gemma3
