// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Names and sizes of the element types.
#include "src/base/tensor.h"

#include <array>

namespace gemma3 {

const TensorTypeInfo& InfoOf(TensorType type) {
  // In the order of the enumeration. Block sizes of GGUF's types: ggml-org/ggml,
  // src/ggml-common.h.
  static constexpr std::array<TensorTypeInfo, 43> kInfo = {{
      {"F32", 1, 4},
      {"F16", 1, 2},
      {"BF16", 1, 2},
      {"F64", 1, 8},
      {"I8", 1, 1},
      {"I16", 1, 2},
      {"I32", 1, 4},
      {"I64", 1, 8},
      {"U8", 1, 1},
      {"U16", 1, 2},
      {"U32", 1, 4},
      {"U64", 1, 8},
      {"BOOL", 1, 1},
      {"F8_E4M3", 1, 1},
      {"Q8_0", 32, 34},
      {"Q4_0", 32, 18},
      {"Q4_1", 32, 20},
      {"Q5_0", 32, 22},
      {"Q5_1", 32, 24},
      {"Q2_K", 256, 84},
      {"Q3_K", 256, 110},
      {"Q4_K", 256, 144},
      {"Q5_K", 256, 176},
      {"Q6_K", 256, 210},
      {"IQ4_NL", 32, 18},
      {"IQ4_XS", 256, 136},
      {"IQ1_S", 256, 50},
      {"IQ1_M", 256, 56},
      {"IQ2_XXS", 256, 66},
      {"IQ2_XS", 256, 74},
      {"IQ2_S", 256, 82},
      {"IQ3_XXS", 256, 98},
      {"IQ3_S", 256, 110},
      {"MXFP4", 32, 17},
      {"codes", 1, 1},
      {"int8", 32, 34},
      {"int4", 32, 18},
      {"int8-min", 32, 36},
      {"int4-min", 32, 20},
      {"int8-k", 256, 274},
      {"int8-k-min", 256, 292},
      {"int4-k", 256, 148},
      {"int4-table", 256, 148},
  }};
  static_assert(kInfo.size() == static_cast<size_t>(TensorType::kPackedInt4Table) + 1);
  return kInfo[static_cast<size_t>(type)];
}

TensorView RowsOf(const TensorView& matrix, size_t first, size_t count) {
  const size_t rows = matrix.shape[0];
  TensorView part = matrix;
  part.shape[0] = count;
  part.data += matrix.bytes / rows * first;
  part.bytes = matrix.bytes / rows * count;
  if (matrix.grouped) part.first_row += first;
  return part;
}

std::string ShapeString(std::span<const uint64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i != 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

}  // namespace gemma3
