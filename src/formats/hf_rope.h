// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Rotary embedding in config.json, in each of the forms that transformers has written:
//   rope_theta, rope_local_base_freq      base frequencies of global and local layers
//   rope_scaling                          of global layers: {rope_type (or type), factor}
//   rope_parameters                       keyed by layer type: {rope_type, factor, rope_theta}
// Some files key rope_scaling by layer type, and some do not key rope_parameters: such an object
// is that of the global layers.
#pragma once

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "src/formats/hf_source.h"

namespace gemma3 {

// Sets the rope_* members. What several of the forms state has to agree. Errors: kBadModel;
// kUnsupported for scaling that Gemma 3 does not use.
Status ReadHfRope(const HfSource& text, TextConfig* config);

}  // namespace gemma3
