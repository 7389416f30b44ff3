// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Writing quantised Hugging Face folders, by the layouts of src/formats/compressed_tensors.h and
// gptq.h in their slowest and plainest form: one bit, one index at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gemma3/error.h"
#include "src/base/tensor.h"
#include "tests/support/model_writer.h"

namespace gemma3::testing {

enum class CodeLayout { kPacked, kInt8, kFloat8, kScaleInv, kGptq, kGptqV2, kAwq };

struct QuantizedOptions {
  CodeLayout layout = CodeLayout::kPacked;
  uint64_t bits = 4;
  uint64_t group_size = 32;  // 0: a scale for each row; kFloat8 and kScaleInv: see block
  bool symmetric = true;
  bool act_order = false;  // groups of inputs in another order
  uint64_t block = 0;      // FP8: a scale for each block of so many rows and columns
  TensorType scale_type = TensorType::kBF16;
  bool powers_of_two = false;  // scales are
  bool tower = false;          // the vision tower is quantised as well
  // The same values, but as F32 and without quantization_config: what it has to compute like.
  bool dequantized = false;
};

// A matrix of codes, each with its scale and zero point.
struct QuantizedMatrix {
  QuantizedOptions options;
  uint64_t rows = 0, cols = 0, groups = 0;
  std::vector<uint32_t> group_of_input;
  std::vector<int> codes;     // [rows, cols], unsigned; FP8: the byte
  std::vector<float> scales;  // [rows, groups], rounded to scale_type
  std::vector<int> zeros;     // [rows, groups], of unsigned codes

  std::vector<float> Values() const;  // [rows, cols]
};
QuantizedMatrix QuantizeMatrix(std::span<const float> values, uint64_t rows, uint64_t cols,
                               const QuantizedOptions& options);

// Adds the tensors of a module.
void AddQuantized(const std::string& module, const QuantizedMatrix& matrix, TensorBank* bank);

// The same as one tensor, as JoinQuantizedModules makes it.
TensorView JoinedView(const std::string& module, const QuantizedMatrix& matrix,
                      const TensorBank& bank);

// The entry "quantization_config" that tools write.
std::string QuantizationConfig(const QuantizedOptions& options);

// Quantises the matrices of the layers of the Hugging Face folder `from`.
Status WriteQuantizedFolder(const std::string& from, const std::string& to,
                            const QuantizedOptions& options);

}  // namespace gemma3::testing
