// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A named, typed, shaped view of bytes in a model file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace gemma3 {

// Element types of both containers (safetensors and GGUF). The block types are GGUF's; the codes
// are those of quantised Hugging Face folders, whose layouts are described by a GroupedCodes
// (src/formats/grouped_codes.h); the packed ones are this project's (ops/packed.h). Of these two a
// tensor is a whole matrix.
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
  kF8_E4M3,
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
  kGroupedCodes,
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

struct GroupedCodes;

// Never owns: `data` points into a mapped file that whoever made the view keeps alive. It need not
// be aligned to the element size.
struct TensorView {
  TensorType type = TensorType::kF32;
  std::vector<uint64_t> shape;  // slowest first (row-major), as Hugging Face writes it
  const std::byte* data = nullptr;
  size_t bytes = 0;
  const std::string* file = nullptr;  // for messages; lives as long as the data
  // Of kGroupedCodes only: how to read it, and which of the rows described there is the first here.
  // `data` and `bytes` are those of the codes, in whatever order they lie.
  std::shared_ptr<const GroupedCodes> grouped = {};
  size_t first_row = 0;
};

using TensorMap = std::map<std::string, TensorView>;

// The rows [first, first + count) of a matrix that is not packed; its columns gather all dimensions
// but the first. Of grouped codes, `data` is then a share of the codes and not those of the rows.
TensorView RowsOf(const TensorView& matrix, size_t first, size_t count);

// "[256, 1152]".
std::string ShapeString(std::span<const uint64_t> shape);

}  // namespace gemma3
