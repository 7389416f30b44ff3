// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a model computes and reads, by its configuration: turns measured rates into shares of the
// machine's limits. A multiply-add counts as two operations.
#pragma once

#include <cstddef>

#include "gemma3/bench.h"
#include "gemma3/config.h"

namespace gemma3::cli {

// Weights of all matrices inside the layers: those that every prompt token is multiplied with. The
// embedding is looked up, and the output matrix is used for the last token only.
double LayerParameters(const TextConfig& config);

// Operations of a prompt of `tokens`: the layers' matrices for each token, attention over the keys
// that each token sees, and the output matrix once.
double PrefillFlops(const TextConfig& config, size_t tokens);

// Bytes read for one token when `depth` tokens are in the cache: all matrices once, and the keys
// and values that the token sees, its own included.
double DecodeBytes(const TextConfig& config, const ModelWork& work, size_t depth);

// Operations of one picture through tower and projector.
double ImageFlops(const VisionConfig& vision, const TextConfig& text);

// What bounds multiplications of a kind: bf16 products can be computed in f32 as well, so that the
// better of the two counts for them.
struct Peak {
  double rate = 0;  // operations a second; 0: not measured
  const char* name = "";
};
Peak PeakOf(const MachineLimits& limits, Multiply multiply);

}  // namespace gemma3::cli
