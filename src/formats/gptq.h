// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Quantised modules as GPTQ's tools (AutoGPTQ, GPTQModel, AutoRound) and AutoAWQ store them. For a
// weight [R, C] of b bits, with inputs first, unlike everywhere else:
//
//             GPTQ                                      AWQ, version "gemm", 4 bits
//   X.qweight I32 [C b / 32, R]: a string of bits       I32 [C, R / 8]: a string for each input,
//   over
//             for each output, over the inputs          the outputs, in the order 0 2 4 6 1 3 5 7
//   X.qzeros  I32 [groups, R b / 32]: a string for      the same, in that order
//             each group, over the outputs
//   X.scales  F16 [groups, R]                           the same
//   X.g_idx   I32 [C]: the group of each input; or      not there
//             not there: in order
//
// A weight is (code - zero point) * scale. GPTQ's first format (checkpoint_format "gptq", or none)
// stores zero points less one, its second ("gptq_v2") as they are. Symmetric files (sym) have the
// zero point 2^(b - 1) everywhere, so that their data tell the format, whatever they call it.
#pragma once

#include <cstddef>

#include "gemma3/error.h"
#include "src/base/tensor.h"
#include "src/formats/hf_quantization.h"

namespace gemma3 {

// Joins all such modules. Errors: kBadModel for tensors that do not belong together; kUnsupported
// for other layouts under the same names. Returns their number.
Result<size_t> JoinGptq(const HfQuantization& quantization, TensorMap* tensors);

}  // namespace gemma3
