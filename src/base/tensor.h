// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A named, typed, shaped view of bytes in a model file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace gemma3 {

// Element types of both containers (safetensors and GGUF). The block types are GGUF's and MLX's
// (src/formats/mlx.h); the packed ones are this project's (ops/packed.h), whole matrices at a time.
enum class TensorType : uint8_t {
  kF32,
  kF16,
  kBF16,
  kF64,
  kI8,
  kI16,
  kI32,
  kI64,
  kU8,
  kU16,
  kU32,
  kU64,
  kBool,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
  kIQ4_XS,
  kIQ1_S,
  kIQ1_M,
  kIQ2_XXS,
  kIQ2_XS,
  kIQ2_S,
  kIQ3_XXS,
  kIQ3_S,
  kMXFP4,
  kMlx2,
  kMlx3,
  kMlx4,
  kMlx5,
  kMlx6,
  kMlx8,
  kPackedInt8,
  kPackedInt4,
  kPackedInt8Min,
  kPackedInt4Min,
  kPackedInt8K,
  kPackedInt8KMin,
  kPackedInt4K,
  kPackedInt4Table,
};

// Elements in a block and bytes of a block; 1 element a block for the plain types.
struct TensorTypeInfo {
  const char* name;
  size_t block_elems;
  size_t block_bytes;
};
const TensorTypeInfo& InfoOf(TensorType type);

// Packed matrices are padded as a whole; the block sizes of their types only say about how large
// they are.
constexpr bool IsPacked(TensorType type) { return type >= TensorType::kPackedInt8; }

constexpr bool IsMlx(TensorType type) {
  return type >= TensorType::kMlx2 && type <= TensorType::kMlx8;
}

// What the codes of an MLX matrix are multiplied with and added to, in arrays of their own: one
// scale and one bias for a group of inputs. Lifetime and alignment as in TensorView.
struct MlxGroups {
  TensorType type = TensorType::kBF16;  // of both arrays
  size_t inputs = 0;                    // of a group
  const std::byte* scales = nullptr;    // [rows, cols / inputs]
  const std::byte* biases = nullptr;    // the same
};

// Never owns: `data` points into a mapped file that whoever made the view keeps alive. It need not
// be aligned to the element size.
struct TensorView {
  TensorType type = TensorType::kF32;
  std::vector<uint64_t> shape;  // slowest first (row-major), as Hugging Face writes it
  const std::byte* data = nullptr;
  size_t bytes = 0;
  const std::string* file = nullptr;  // for messages; lives as long as the data
  MlxGroups groups = {};              // of MLX's types only
};

using TensorMap = std::map<std::string, TensorView>;

// Bytes of each of the arrays in `groups`; 0 for other types than MLX's.
size_t GroupBytes(const TensorView& tensor);

// The rows [first, first + count) of a matrix that is not packed; its columns gather all dimensions
// but the first.
TensorView RowsOf(const TensorView& matrix, size_t first, size_t count);

// "[256, 1152]".
std::string ShapeString(std::span<const uint64_t> shape);

}  // namespace gemma3
