// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// From the files of a model to a LoadedModel, or to what their headers say.
#pragma once

#include <memory>
#include <vector>

#include "gemma3/error.h"
#include "gemma3/model.h"
#include "gemma3/options.h"
#include "src/engine/loaded_model.h"
#include "src/formats/checkpoint.h"
#include "src/stores/find_model.h"

namespace gemma3 {

// Opens a folder or a file of any kind that this library reads, packed files too.
// `headers_only`: as in OpenOptions.
Result<Checkpoint> OpenModelFiles(const FoundModel& found, const LoadOptions& options,
                                  bool headers_only = false);

// The tensors as the files store them.
std::vector<TensorInfo> ListTensors(const Checkpoint& checkpoint);

// What loading will take. Errors: kOutOfMemory if it is more than options.max_memory_bytes.
Result<ModelSizes> PlanLoading(const Checkpoint& checkpoint, const LoadOptions& options);

// Refuses what does not fit the limit before it packs anything, and takes packed matrices from
// options.cache_folder, or keeps them there.
Result<std::shared_ptr<LoadedModel>> LoadModelFiles(const FoundModel& found,
                                                    const LoadOptions& options);

}  // namespace gemma3
