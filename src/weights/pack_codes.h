// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Quantised matrices of Hugging Face folders (src/formats/grouped_codes.h) in the forms that the
// kernels read: the smallest that holds each weight exactly. Candidates, with q' and the terms s
// and m, in f16, of blocks of 32 columns (ops/packed.h):
//
//   form       carries                    q'                     s      m
//   kInt4      scale (code - zero)        code - zero: -8 to 7   scale
//   kInt4Min   the same, to 4 bits        code: 0 to 15          scale  -zero scale
//              scale code + bias          the same               scale  bias
//   kInt8      scale (code - zero)        code - zero            scale
//   kInt8Min   the same                   code - 128             scale  (128 - zero) scale
//              scale code + bias, 5, 6    code                   scale  bias
//              the same, 8 bits           code - 128             scale  bias + 128 scale
//   kBF16      any, where the scales have few enough bits (powers of two in FP8)
//   kF32       any
//
// Products of scale and code are exact in f32, so that both sides round once at most, and the same
// number. Scales in BF16 or F16 are exact in f16 from 2^-17 on (the largest weight of a group is
// then as small as 0.001 with 8 bits, 6e-5 with 4). So is MLX's m: bias is 128 to 255 times -scale
// wherever a group has weights of both signs, and the difference of two numbers within a factor of
// 2 needs no more bits than they have. Packed are only blocks whose 32 columns have one scale:
// groups of other sizes, or of columns in any order, become floats, and so does FP8.
//
// Two differences to the stored matrix are accepted before it becomes kF32, relative, in the
// Frobenius norm: 2^-16, which is what a few groups whose scales are below the range of f16 leave;
// and where there are biases 2^-9, which is what rounding each weight to BF16 might do, the type
// that Gemma is published in. Measured for MLX with F32 scales of normal weights: 2e-4 with 8 bits,
// 8e-4 with 6, 5e-4 with 4; quantising has changed them by 5e-3, 2e-2 and 9e-2.
#pragma once

#include <cstddef>

#include "gemma3/error.h"
#include "ops/matmul.h"
#include "src/base/tensor.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// The form of a matrix, chosen by its scales and zero points. Errors: kBadModel, saying where, for
// weights that are no finite numbers, or zero points that are not those that the file promises.
// `name` is that of the tensor.
Result<WeightType> ExactFormOf(const TensorView& matrix, const std::string& name, ThreadPool& pool);

// The form that it will probably be, to judge by its first scale and zero point: for plans.
WeightType LikelyFormOf(const TensorView& matrix);

// Writes PackedBytes(form, rows, cols) to `out`, aligned to kPackedAlign. `form` is a packed one
// that ExactFormOf has given.
void PackCodes(const TensorView& matrix, WeightType form, std::byte* out, ThreadPool& pool);

}  // namespace gemma3
