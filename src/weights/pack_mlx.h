// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// MLX's matrices (src/formats/mlx.h) in the packed layouts with a scale and a minimum
// (ops/packed.h): for each block of 32 columns a scale s and a minimum m in f16, and q' of 4 or 8
// bits, so that s q' + m is the stored scale * q + bias.
//
//   bits of q  layout    q'       s      m
//   2 to 4     kInt4Min  q        scale  bias
//   5, 6       kInt8Min  q        scale  bias
//   8          kInt8Min  q - 128  scale  bias + 128 scale
//
// Without loss where s and m are exact in f16: products of scale and code are exact in f32, so that
// both forms round once, and the same number. With scales in BF16 or F16 they are exact as long as
// scales are at least 2^-17 (the largest weight of a group is then as small as 0.001 with 8 bits,
// 6e-5 with 4). That holds for the sum too: bias is 128 to 255 times -scale wherever a group has
// weights of both signs, and the difference of two numbers within a factor of 2 needs no more bits
// than they have.
//
// The 4.5 bits a weight of a file with 4 bits and groups of 64 are 5 in memory.
#pragma once

#include <cstddef>

#include "ops/matmul.h"
#include "src/base/tensor.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// The layout of the table above.
constexpr WeightType MlxPackedType(TensorType mlx) {
  return mlx <= TensorType::kMlx4 ? WeightType::kInt4Min : WeightType::kInt8Min;
}

// Whether PackMlx keeps the matrix: exactly, or, where halves do not hold all scales and minima
// (they are smaller, or F32), with a difference to the stored matrix of at most 2^-9 of it, in the
// Frobenius norm. That is what rounding each weight to BF16 might do, the type that Gemma is
// published in. Measured for F32 scales of normal weights: 2e-4 with 8 bits, 8e-4 with 6, 5e-4 with
// 4; quantising has changed them by 5e-3, 2e-2 and 9e-2. A matrix that does not fit should become
// F32.
bool MlxFitsPacked(const TensorView& matrix, ThreadPool& pool);

// Writes PackedBytes(MlxPackedType(matrix.type), rows, cols) to `out`, aligned to kPackedAlign.
void PackMlx(const TensorView& matrix, std::byte* out, ThreadPool& pool);

}  // namespace gemma3
