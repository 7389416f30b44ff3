// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Quantised matrices as the tools of Hugging Face's world store them: codes of a few bits in one
// tensor, and in others what a group of codes has in common. MLX, compressed-tensors, GPTQ, AWQ and
// the FP8 formats differ in names, in the order of things and in the formula; the readers of each
// (mlx.h, compressed_tensors.h, gptq.h) describe a matrix by a GroupedCodes, and all that comes
// later knows nothing else.
//
//   weight[row, input] = scale * (code - zero)      integers with a zero point
//                        scale * code + bias        MLX
//                        scale * E4M3(code)         FP8
//
// with the scale, zero point or bias of the row's part of the group that the input belongs to.
// code - zero is an integer; each float operation is rounded to f32. With scales in BF16 or F16
// none of the products rounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "src/base/tensor.h"

namespace gemma3 {

// Numbers of a few bits, one for each row and column. They form strings: a string is a sequence of
// words of 32 bits, the lowest bit of its first word first, and number i is its bits
// [i * bits, (i + 1) * bits). A string is a row's, with a number for each column, or a column's,
// with one for each row.
struct BitStrings {
  const std::byte* data = nullptr;
  size_t bits = 0;         // of a number, 1 to 8
  size_t string_step = 0;  // bytes from a string to the next one
  size_t word_step = 4;    // bytes from a word to the next one of its string
  bool of_rows = true;
  // AWQ's order, with 4 bits: number i of eight lies in the place {0, 4, 1, 5, 2, 6, 3, 7}[i].
  bool interleaved = false;
  // Two's complement, read as unsigned numbers that are 128 higher. Only of 8 bits.
  bool is_signed = false;
};
uint8_t NumberAt(const BitStrings& strings, size_t row, size_t column);

struct GroupedCodes {
  std::string name;  // "GPTQ-4", for people
  BitStrings codes;
  bool float8 = false;  // the codes are E4M3 numbers

  size_t group_inputs = 0;               // of a group; the last one may have fewer
  size_t groups = 0;                     // of a row
  std::vector<uint32_t> group_of_input;  // each below `groups`; empty: in order

  TensorType scale_type = TensorType::kBF16;  // BF16, F16 or F32
  const std::byte* scales = nullptr;
  size_t scale_rows = 1;        // rows with common scales
  size_t scale_row_step = 0;    // bytes from the scales of such rows to the next
  size_t scale_group_step = 0;  // bytes from a group to the next

  const std::byte* biases = nullptr;  // laid out as the scales; then there are no zero points
  BitStrings zeros;                   // a number for each row and group, if data is not null
  int zero = 0;                       // is added to it
  bool symmetric = false;             // the file promises that zero points are 2^(bits - 1)

  // The stored tensors beside that of the codes.
  std::vector<std::span<const std::byte>> others;
};

// Whether the same bytes at other addresses mean the same.
bool HasSameLayout(const GroupedCodes& a, const GroupedCodes& b);

// All bytes that are stored for a tensor of any type, and the name of its type.
size_t StoredBytes(const TensorView& tensor);
std::string StoredType(const TensorView& tensor);

// ---- The values of a matrix of grouped codes. Rows count from the view's first.

inline constexpr size_t kCodeBlock = 32;  // columns in as many words as a code has bits

// Writes the codes of a block of a row: 32, or what is left of the row. Returns how many.
size_t ReadCodes(const TensorView& matrix, size_t row, size_t block, uint8_t* codes);

size_t GroupOf(const GroupedCodes& grouped, size_t input);

// What the codes of a group of a row have in common.
struct CodeTerms {
  float scale = 0;
  int zero = 0;
  float bias = 0;
};
CodeTerms TermsOf(const TensorView& matrix, size_t row, size_t group);

// The weight of a code.
float ValueOf(const GroupedCodes& grouped, const CodeTerms& terms, uint8_t code);

// Writes a row as floats.
void DequantizeCodesRow(const TensorView& matrix, size_t row, float* out);

}  // namespace gemma3
