// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Matrix products with low-rank additions: out = W x, then for some rows out += s B (A x).
//
// A and B keep the float type that they were stored in and become f32, exactly, as they are read:
// what a step of decoding costs is mostly their bytes. Sums are in f32.
//
// Promise: as in matmul.h, the bits of a row depend on that row and its matrices alone.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "ops/matmul.h"
#include "ops/rows.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// B [outputs, rank] in panels of kLoraPanel outputs, each [rank, kLoraPanel], the last one filled
// up with zeros: one stream, where the rows of B are too short to be vectors and its columns too
// far apart to be read side by side.
inline constexpr size_t kLoraPanel = 64;
struct LoraPanels {
  WeightType type = WeightType::kF32;  // kF32, kF16 or kBF16
  size_t outputs = 0, rank = 0;
  const std::byte* data = nullptr;

  size_t bytes() const;
  float At(size_t output, size_t k) const;
};
// Writes panels.bytes() bytes, rounded to the type. b: [rank, outputs].
void PackLoraPanels(const float* b, const LoraPanels& panels, std::byte* out);

struct LoraTerm {
  MatrixView a;                  // [rank, inputs], kF32, kF16 or kBF16
  LoraPanels b;                  //
  float scale = 1;               // of B
  const float* ratio = nullptr;  // [outputs], factors of the rows of B, or none
};

// What is done to rows [begin, begin + count) of a product: out = gain * out + bias, where there
// are such, and then out += scale * ratio * B (A x) for each term, in their order.
struct LoraRun {
  size_t begin = 0, count = 0;
  std::span<const LoraTerm> terms = {};
  const float* gain = nullptr;  // [outputs] or none
  const float* bias = nullptr;  // [outputs] or none
  Rows<float> low = {};         // for what the terms' A give: [count, sum of their ranks]
};

// runs: in rising order without overlap; all tasks have runs of the same rows, perhaps empty ones.
struct LoraTask {
  MatMulTask product;
  std::vector<LoraRun> runs;
};

// As MatMul of the products, with what the runs add.
void MatMul(Rows<const float> x, std::span<const LoraTask> tasks, Compute compute,
            ThreadPool& pool);

// ---- For products that do more than this (mlp.cc)

// The first halves of run number i of several products, as tasks that are computed exactly.
void AppendFirstHalves(std::span<const std::span<const LoraRun>> runs, size_t i,
                       std::vector<MatMulTask>* tasks);
// Whether they go into one region with the products, which then does not wait for them: where
// there is little work, and the one run is the whole batch.
bool JoinsFirstHalves(size_t rows, std::span<const LoraRun> runs);
// Does what is above to a part of a product, when the first halves are there: out is its rows from
// first_row on and its outputs from first_col on.
void AddLora(std::span<const LoraRun> runs, size_t first_row, size_t first_col, Rows<float> out);
// The same to all of `out`.
void AddLora(std::span<const LoraRun> runs, Rows<float> out, ThreadPool& pool);

}  // namespace gemma3
