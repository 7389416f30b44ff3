// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// GGUF's IQ types with codebooks (src/formats/iq_grids.h), and MXFP4, in packed layouts
// (ops/packed.h) that give the very floats of their definitions.
//
//   type                    layout      q                                 f    s
//   IQ1_S, IQ1_M            kInt4Table  digit + 4 [shifted down]          1/8  2 code + 1
//   IQ2_XXS, IQ2_XS, IQ2_S  kInt4Table  digit + 4 [minus]                 1/8  2 code + 1
//   IQ3_XXS                 kInt4Table  digit + 8 [minus]                 1/4  2 code + 1
//   IQ3_S                   kInt4Table  digit + 8 [minus]                 1    2 code + 1
//   MXFP4                   kInt8       twice the number: 0, 1 ... 12, -1 ... -12
//
// An element needs 4 bits because an entry of a codebook cannot be multiplied as a whole. In memory
// files of 1.6 to 3.4 bits a weight are 4.63.
#pragma once

#include <cstddef>

#include "ops/matmul.h"
#include "src/base/tensor.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

constexpr bool IsIqGrid(TensorType type) {
  return type >= TensorType::kIQ1_S && type <= TensorType::kIQ3_S;
}

// Writes a matrix of an IQ type with a codebook as kInt4Table.
void PackIq(const TensorView& matrix, size_t rows, size_t cols, std::byte* out, ThreadPool& pool);

// Whether f16 holds the scales of all blocks of an MXFP4 matrix that are not zeros. They are powers
// of two from 2^-127 on; a matrix that does not fit is exact in BF16.
bool Mxfp4FitsPacked(const TensorView& matrix, ThreadPool& pool);

// Writes an MXFP4 matrix that fits as kInt8.
void PackMxfp4(const TensorView& matrix, size_t rows, size_t cols, std::byte* out,
               ThreadPool& pool);

}  // namespace gemma3
