// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A Hugging Face model folder: weights in one safetensors file or in shards, under any of the
// prefixes that published checkpoints use, with the configuration and tokenizer beside them; also
// folders of MLX, quantised or not (mlx.h).
#pragma once

#include <string>

#include "gemma3/error.h"
#include "src/formats/checkpoint.h"

namespace gemma3 {

// Errors: those of OpenCheckpoint.
Result<Checkpoint> OpenHfFolder(const std::string& folder);

// The canonical name (checkpoint.h) of a Hugging Face tensor name, or "" when it is no part of the
// text model, the tower or the projector. "lm_head.weight" stands for the output head.
std::string CanonicalHfName(const std::string& name);

}  // namespace gemma3
