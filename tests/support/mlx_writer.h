// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Writing MLX folders, by the rules of MLX (src/formats/mlx.h) in their slowest and plainest form.
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

// A matrix quantised as MLX's affine mode does.
struct MlxMatrix {
  uint64_t rows = 0, cols = 0, bits = 0, group_size = 0;
  TensorType scale_type = TensorType::kBF16;
  std::vector<uint8_t> codes;         // [rows, cols]
  std::vector<float> scales, biases;  // [rows, cols / group_size], rounded to scale_type

  std::vector<std::byte> Words() const;  // the codes as bits of u32
  std::vector<float> Values() const;     // [rows, cols]
};
MlxMatrix QuantizeMlx(std::span<const float> values, uint64_t rows, uint64_t cols, uint64_t bits,
                      uint64_t group_size = 64, TensorType scale_type = TensorType::kBF16);

// Adds the three tensors of a module.
void AddMlx(const std::string& module, const MlxMatrix& matrix, TensorBank* bank);

// A view of one that is in a bank, as JoinMlxTensors makes it.
TensorView MlxView(const std::string& module, const MlxMatrix& matrix, const TensorBank& bank);

struct MlxFolderOptions {
  uint64_t bits = 8;
  uint64_t group_size = 64;
  TensorType scale_type = TensorType::kBF16;
  // The same values, but as F32 and without quantization: what the folder has to compute like.
  bool dequantized = false;
};

// Quantises the Hugging Face folder `from` as mlx-vlm does: every matrix whose rows are whole
// groups, but the projector's; the convolution in MLX's order; and a copy of the embedding as head.
Status WriteMlxFolder(const std::string& from, const std::string& to,
                      const MlxFolderOptions& options = {});

}  // namespace gemma3::testing
