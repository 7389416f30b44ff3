// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Quantised modules as compressed-tensors (vllm-project/compressed-tensors, written by
// llm-compressor) stores them, and the FP8 modules of it and others. For a weight [R, C] of b bits:
//
//   pack-quantized
//     X.weight_packed      I32 [R, ceil(C b / 32)]: a string of bits for each row
//     X.weight_shape       I64 [2]: R and C
//     X.weight_scale       BF16, F16 or F32 [R, groups]; [R, 1] for whole rows
//     X.weight_zero_point  I32 [ceil(R b / 32), groups]: a string of bits for each group; or not
//     there X.weight_g_idx       I32 [C]: the group of each input; or not there, or all -1: in
//     order
//   int-quantized, naive-quantized
//     X.weight             I8 [R, C]
//     X.weight_scale       as above, or one number
//     X.weight_zero_point  I8, shaped as the scale; or not there
//   float-quantized, naive-quantized; ModelOpt's FP8
//     X.weight             F8_E4M3 [R, C]
//     X.weight_scale       as above, or [ceil(R / 128), ceil(C / 128)] for blocks
//   quant_method "fp8"
//     X.weight             F8_E4M3 [R, C]
//     X.weight_scale_inv   as X.weight_scale: it is multiplied with too, whatever its name says
//
// Codes and zero points of b bits are stored 2^(b - 1) higher than they are; a module without zero
// points has zeros. A weight is (code - zero point) * scale.
#pragma once

#include <cstddef>

#include "gemma3/error.h"
#include "src/base/tensor.h"
#include "src/formats/hf_quantization.h"

namespace gemma3 {

// Joins all such modules. Errors: kBadModel. Returns their number.
Result<size_t> JoinCompressedTensors(const HfQuantization& quantization, TensorMap* tensors);

}  // namespace gemma3
