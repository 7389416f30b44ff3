// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Activation functions and sums.
#pragma once

#include "ops/rows.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// gelu_tanh(x) = 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), for every finite x without
// overflow. The error is at most 8 * 2^-24 of the result for x >= 0, and (8 + 4 |t|) 2^-24 of it
// for x < 0, where t = 2 sqrt(2/pi) (x + 0.044715 x^3): the result itself falls as exp(t), so
// that this is at most 8 * 2^-24 |x|. NaN gives NaN.

// These two on the calling thread: they are done where the values have just been computed (mlp.h).

// gate = gelu_tanh(gate) * up. gate, up: [rows, cols].
void GeluMul(Rows<float> gate, Rows<const float> up);

// x = gelu_tanh(x).
void Gelu(Rows<float> x);

// x += y.
void AddTo(Rows<float> x, Rows<const float> y, ThreadPool& pool);

}  // namespace gemma3
