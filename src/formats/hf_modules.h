// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The modules of a folder of sentence-transformers (UKPLab/sentence-transformers, models/): a list
// in modules.json, walked from the transformer over the mean and dense layers to the normalisation,
// each with a folder and a config.json of its own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "src/base/file_map.h"
#include "src/base/remarks.h"
#include "src/base/tensor.h"

namespace gemma3 {

// The folder that holds the transformer of `folder`: itself, or where its modules.json says, if
// there is one and no config.json. Errors: kBadModel, as all below.
Result<std::filesystem::path> TransformerFolder(const std::filesystem::path& folder);

struct HfModules {
  EmbeddingConfig config;
  std::vector<std::string> dense_files;  // the weights of config.dense
};

// Walks the modules; `transformer` holds the tokenizer's settings. `text` limits the length of
// texts. `stored` are the transformer's tensors: MLX keeps the dense layers with those, as dense.N,
// and may leave the list out. Errors: kUnsupported for a module or a setting that is not computed,
// and for a folder without a list.
Result<HfModules> ReadHfModules(const std::filesystem::path& folder,
                                const std::filesystem::path& transformer, const TextConfig& text,
                                const TensorMap& stored, Remarks* remarks);

// Adds the tensors of the dense layers, as dense.N.weight and dense.N.bias.
Status AddDenseTensors(const HfModules& modules, TensorMap* tensors,
                       std::vector<std::shared_ptr<const FileMap>>* files);

}  // namespace gemma3
