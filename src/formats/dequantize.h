// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What the block types of GGUF mean, in plain scalar code: the reference that packing and kernels
// are measured against.
#pragma once

#include <cstddef>
#include <cstdint>

#include "src/base/tensor.h"

namespace gemma3 {

// Writes the `count` values of `blocks` to `out`. `count` is a multiple of the type's block length;
// the type is F32, F16, BF16 or a block type. Bit for bit what ggml-org/ggml, src/ggml-quants.c
// gives, as long as the compiler does not fuse multiplications and additions (-ffp-contract=off).
// Returns false, writing nothing, for other types and other counts.
bool Dequantize(TensorType type, const std::byte* blocks, size_t count, float* out);

// Whether the scales and minima of `count` blocks are finite numbers. True for types without.
bool BlocksHaveFiniteScales(TensorType type, const std::byte* blocks, size_t count);

// The scale of a block of IQ1_M, as bits of f16: it is spread over the top bits of other fields.
uint16_t Iq1MScale(const std::byte* block);

}  // namespace gemma3
