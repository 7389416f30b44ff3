// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a Model handle points to.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gemma3/model.h"
#include "src/engine/memory_plan.h"
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

  ModelSizes sizes() const {
    return {weights.mapped_bytes + weights.owned_bytes, tokenizer.has_value()};
  }

  // To be called before weights are read, since those that lie in a mapped file are read from it
  // each time. Errors: those of FileMap::CheckUnchanged.
  Status CheckFilesUnchanged() const {
    return weights.mapped_bytes == 0 ? Status() : checkpoint.CheckFilesUnchanged();
  }
};

}  // namespace gemma3
