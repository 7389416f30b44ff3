// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The names that Hugging Face checkpoints give to the tensors of Gemma 3.
#pragma once

#include <string>
#include <string_view>

namespace gemma3 {

// The canonical name (checkpoint.h) of a tensor of the text model, the tower or the projector, or
// of one that lies inside them and may be no part of Gemma 3; "" for any other.
//
// Around the names proper there may stand, in any number and order, "model." and "language_model."
// (the classes of huggingface/transformers, modeling_gemma3.py, and of those around it), the
// tower's two names, and modules that only pass on to the one inside: those of parallel training,
// compilation and activation checkpoints, and PEFT's around its base model.
std::string CanonicalHfName(std::string_view name);

}  // namespace gemma3
