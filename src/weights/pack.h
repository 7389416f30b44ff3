// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a stored matrix becomes in memory: read in place, or rewritten once in a form that the
// kernels read at full speed.
#pragma once

#include <cstddef>

#include "gemma3/options.h"
#include "ops/matmul.h"
#include "src/base/tensor.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// How a matrix is used decides how far it may be rounded.
enum class MatrixRole {
  kLayer,      // multiplied with activations
  kTower,      // the same, in the vision tower, whose time is products alone
  kEmbedding,  // looked up by row, multiplied as the output head, or both
  kTable,      // only looked up by row: kept in floats
  kDense,      // behind the mean of an embedding model: F32, once for a whole text
};

// The type in memory of a matrix [rows, cols].
//   kAsStored  floats stay; GGUF's block types are repacked without loss (MXFP4 if Mxfp4FitsPacked
//   of
//              pack_iq.h; else it has to become BF16), and so are grouped codes, whose values
//              decide how (pack_codes.h): here they get the likely form
//   kBF16      block types and codes become bf16; floats stay
//   kInt8      int8
//   kInt4      int4; the embedding and the output head int8: behind the head no later layer makes
//   up
//              for an error, and published 4-bit files spare both as well
// Packed matrices stay as they are.
WeightType FormOf(const TensorView& stored, size_t rows, size_t cols, MatrixRole role,
                  WeightFormat wanted);

// Whether all values of an F16 matrix are numbers of BF16 too, as in files that were made from
// published weights. Then it loses nothing as BF16, which CPUs multiply at twice the speed or more.
bool HalvesFitBf16(const TensorView& matrix, ThreadPool& pool);

// Whether all values of a matrix in F32, F16 or BF16 are finite; true for other types. To be asked
// before packing: a scale would make a number of what is none.
bool FloatsAreFinite(const TensorView& matrix, ThreadPool& pool);

// A packed matrix as the type of a tensor, and back.
TensorType PackedTensorType(WeightType packed);
WeightType PackedWeightType(TensorType packed);

// The values of a row of a stored matrix, which is not packed and of a type that can be computed
// with (CheckTensors of shape_table.h).
void DequantizeRow(const TensorView& stored, size_t row, float* out);

// What was rewritten of a stored matrix, as a tensor of the same shape.
TensorView AsTensor(const MatrixView& rewritten, const TensorView& stored);

// Whether all scales and minima of a matrix of one of GGUF's block types are finite numbers. True
// for other types.
bool HasFiniteScales(const TensorView& matrix, ThreadPool& pool);

// Whether a matrix of this stored type is in `form` already.
bool IsInPlace(TensorType stored, WeightType form);

// Bytes of a matrix in this form.
size_t FormBytes(WeightType form, size_t rows, size_t cols);

// Writes the matrix to out, FormBytes(...) long and aligned to 64. Memory beside it: a piece of
// floats of a few megabytes. Grouped codes are requantised: PackCodes keeps them.
void PackMatrix(const TensorView& stored, size_t rows, size_t cols, WeightType form, std::byte* out,
                ThreadPool& pool);

}  // namespace gemma3
