// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/grouped_codes.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "src/base/float8.h"
#include "src/base/half.h"

namespace gemma3 {
namespace {

float FloatAt(TensorType type, const std::byte* at) {
  if (type == TensorType::kF32) return LoadLittle<float>(at);
  const auto bits = LoadLittle<uint16_t>(at);
  return type == TensorType::kF16 ? FloatFromHalf(bits) : FloatFromBf16(bits);
}

constexpr size_t kPlaces[8] = {0, 4, 1, 5, 2, 6, 3, 7};

// Where a number lies in its string: at a byte, and from there so many bits on.
struct Place {
  size_t byte, shift;
  bool crosses;  // into the next word
};

Place PlaceOf(const BitStrings& strings, size_t i) {
  if (strings.bits == 8) return {i / 4 * strings.word_step + i % 4, 0, false};
  if (strings.interleaved) i = i / 8 * 8 + kPlaces[i % 8];
  const size_t bit = i * strings.bits, shift = bit % 32;
  return {bit / 32 * strings.word_step, shift, shift + strings.bits > 32};
}

uint8_t FlipOf(const BitStrings& strings) { return strings.is_signed ? 0x80 : 0; }

uint8_t NumberIn(const BitStrings& strings, const std::byte* string, const Place& place) {
  const std::byte* at = string + place.byte;
  // Bytes are read as such: rows of them need not be whole words.
  if (strings.bits == 8) return LoadLittle<uint8_t>(at) ^ FlipOf(strings);
  uint64_t number = LoadLittle<uint32_t>(at) >> place.shift;
  if (place.crosses) {
    number |= uint64_t{LoadLittle<uint32_t>(at + strings.word_step)} << (32 - place.shift);
  }
  return static_cast<uint8_t>(number & ((1u << strings.bits) - 1));
}

}  // namespace

uint8_t NumberAt(const BitStrings& strings, size_t row, size_t column) {
  const size_t string = strings.of_rows ? row : column, i = strings.of_rows ? column : row;
  return NumberIn(strings, strings.data + string * strings.string_step, PlaceOf(strings, i));
}

bool HasSameLayout(const GroupedCodes& a, const GroupedCodes& b) {
  // The name tells the kind, whose arrays differ in sizes only, or in whether they are there.
  return a.name == b.name && a.group_inputs == b.group_inputs && a.groups == b.groups &&
         a.group_of_input == b.group_of_input && a.scale_type == b.scale_type &&
         a.scale_rows == b.scale_rows && a.scale_row_step == b.scale_row_step &&
         a.codes.string_step == b.codes.string_step && a.zero == b.zero &&
         (a.zeros.data == nullptr) == (b.zeros.data == nullptr) && a.zeros.bits == b.zeros.bits;
}

size_t StoredBytes(const TensorView& tensor) {
  size_t bytes = tensor.bytes;
  if (tensor.grouped) {
    for (const auto& other : tensor.grouped->others) bytes += other.size();
  }
  return bytes;
}

std::string StoredType(const TensorView& tensor) {
  return tensor.grouped ? tensor.grouped->name : InfoOf(tensor.type).name;
}

size_t ReadCodes(const TensorView& matrix, size_t row, size_t block, uint8_t* codes) {
  const BitStrings& strings = matrix.grouped->codes;
  const size_t first = block * kCodeBlock;
  const size_t count = std::min<size_t>(kCodeBlock, matrix.shape[1] - first);
  row += matrix.first_row;
  if (!strings.of_rows) {
    const Place place = PlaceOf(strings, row);
    for (size_t i = 0; i < count; ++i) {
      codes[i] = NumberIn(strings, strings.data + (first + i) * strings.string_step, place);
    }
    return count;
  }
  // The words of the block, one after the other; a block begins with a word.
  std::array<std::byte, kCodeBlock> words = {};
  const std::byte* from =
      strings.data + row * strings.string_step + block * strings.bits * strings.word_step;
  const size_t bytes = (count * strings.bits + 7) / 8;
  if (strings.word_step == 4) {
    std::memcpy(words.data(), from, bytes);
  } else {
    for (size_t w = 0; w < bytes; w += 4, from += strings.word_step) {
      std::memcpy(words.data() + w, from, 4);
    }
  }
  if (strings.bits == 8) {
    for (size_t i = 0; i < count; ++i) {
      codes[i] = std::to_integer<uint8_t>(words[i]) ^ FlipOf(strings);
    }
    return count;
  }
  // Eight codes are as many bytes as a code has bits.
  for (size_t i = 0; i < count; i += 8) {
    uint64_t eight = 0;
    std::memcpy(&eight, words.data() + i / 8 * strings.bits, strings.bits);
    for (size_t k = i; k < std::min(i + 8, count); ++k, eight >>= strings.bits) {
      codes[k] = static_cast<uint8_t>(eight & ((1u << strings.bits) - 1));
    }
  }
  return count;
}

size_t GroupOf(const GroupedCodes& grouped, size_t input) {
  if (grouped.group_of_input.empty()) return input / grouped.group_inputs;
  return grouped.group_of_input[input];
}

CodeTerms TermsOf(const TensorView& matrix, size_t row, size_t group) {
  const GroupedCodes& grouped = *matrix.grouped;
  row += matrix.first_row;
  const size_t at =
      row / grouped.scale_rows * grouped.scale_row_step + group * grouped.scale_group_step;
  CodeTerms terms{FloatAt(grouped.scale_type, grouped.scales + at), grouped.zero, 0};
  if (grouped.biases) terms.bias = FloatAt(grouped.scale_type, grouped.biases + at);
  if (grouped.zeros.data) terms.zero += NumberAt(grouped.zeros, row, group);
  return terms;
}

float ValueOf(const GroupedCodes& grouped, const CodeTerms& terms, uint8_t code) {
  if (grouped.float8) return terms.scale * kE4M3Values[code];
  if (grouped.biases) return terms.scale * static_cast<float>(code) + terms.bias;
  return terms.scale * static_cast<float>(code - terms.zero);
}

void DequantizeCodesRow(const TensorView& matrix, size_t row, float* out) {
  const GroupedCodes& grouped = *matrix.grouped;
  const size_t cols = matrix.shape[1];
  std::array<uint8_t, kCodeBlock> codes;
  CodeTerms terms;
  size_t current = grouped.groups;  // none
  for (size_t first = 0; first < cols; first += kCodeBlock) {
    const size_t count = ReadCodes(matrix, row, first / kCodeBlock, codes.data());
    for (size_t i = 0; i < count; ++i) {
      const size_t group = GroupOf(grouped, first + i);
      if (group != current) terms = TermsOf(matrix, row, current = group);
      out[first + i] = ValueOf(grouped, terms, codes[i]);
    }
  }
}

}  // namespace gemma3
