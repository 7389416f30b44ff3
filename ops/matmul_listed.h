// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Some outputs of a matrix product: the logits of the few tokens that may come next.
#pragma once

#include <cstdint>
#include <span>

#include "ops/matmul.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// out[i] = output listed[i] of x * W^T, with the bits that MatMul gives it. Reads these rows of W
// alone; of packed types the groups that hold them. x: [w.cols]. listed: ascending, each below
// w.rows, which may repeat. out: [listed.size()], must not overlap x.
void MatMulListed(std::span<const float> x, const MatrixView& w, std::span<const int32_t> listed,
                  std::span<float> out, Compute compute, ThreadPool& pool);

}  // namespace gemma3
