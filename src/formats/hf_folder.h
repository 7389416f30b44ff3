// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A Hugging Face model folder: weights in one safetensors file or in shards, under any of the
// prefixes that published checkpoints use, with the configuration and tokenizer beside them; also
// folders of MLX (mlx.h), and quantised ones of other tools (hf_quantization.h).
#pragma once

#include <string>

#include "gemma3/error.h"
#include "src/formats/checkpoint.h"

namespace gemma3 {

// `weights`: the file of the folder that holds them; empty: to be found (hf_weight_files.h).
// `headers_only`: as in OpenOptions. Errors: those of OpenCheckpoint.
Result<Checkpoint> OpenHfFolder(const std::string& folder, const std::string& weights = {},
                                bool headers_only = false);

}  // namespace gemma3
