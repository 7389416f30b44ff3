// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/weights/pack_codes.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ops/packed.h"
#include "ops/quantize.h"
#include "src/base/float8.h"
#include "src/base/half.h"
#include "src/base/status.h"
#include "src/formats/grouped_codes.h"

namespace gemma3 {
namespace {

static_assert(kCodeBlock == kPackedBlock);

constexpr std::array kPackedForms = {WeightType::kInt4, WeightType::kInt4Min, WeightType::kInt8,
                                     WeightType::kInt8Min};

// What is added to the codes of a group to give the q' of a form.
int ShiftOf(const GroupedCodes& grouped, WeightType form, const CodeTerms& terms) {
  if (!PackedFormatOf(form).min) return -terms.zero;
  return form == WeightType::kInt8Min && (grouped.codes.bits == 8 || !grouped.biases) ? -128 : 0;
}

// The second term, which makes s q' + m the weight.
double MinOf(const GroupedCodes& grouped, WeightType form, const CodeTerms& terms) {
  const double scale = terms.scale;
  const int shift = ShiftOf(grouped, form, terms);
  return grouped.biases ? terms.bias - shift * scale : -(shift + terms.zero) * scale;
}

// Whether the values that the codes may have are numbers of the form.
bool CodesFit(const GroupedCodes& grouped, WeightType form, const CodeTerms& terms) {
  const PackedFormat format = PackedFormatOf(form);
  if (!format.min && grouped.biases) return false;
  const int shift = ShiftOf(grouped, form, terms);
  const int last = (1 << grouped.codes.bits) - 1 + shift;
  if (!format.nibbles) return shift >= -128 && last <= 127;
  return format.min ? last <= 15 : shift >= -8 && last <= 7;
}

bool IsHalf(double value) {
  return FloatFromHalf(HalfFromFloat(static_cast<float>(value))) == value;
}

bool TermsFit(const GroupedCodes& grouped, WeightType form, const CodeTerms& terms) {
  return IsHalf(terms.scale) && (!PackedFormatOf(form).min || IsHalf(MinOf(grouped, form, terms)));
}

// Whether scale times any code of so many bits has at most the 8 bits of a BF16 mantissa.
bool ProductsFitBf16(const GroupedCodes& grouped, const CodeTerms& terms) {
  if (grouped.biases) return false;
  const int code_bits = grouped.float8 ? 4 : static_cast<int>(grouped.codes.bits);
  const uint32_t bits = std::bit_cast<uint32_t>(terms.scale);
  const float magnitude = std::abs(terms.scale);
  if (magnitude == 0) return true;
  if (magnitude < 0x1p-100f || magnitude > 0x1p100f) return false;  // no question of the exponent
  const int zeros = std::countr_zero(bits | 0x800000u);
  return 24 - std::min(zeros, 23) + code_bits <= 8;
}

// Whether every block of 32 columns has one scale.
bool BlocksAreUniform(const TensorView& matrix) {
  const GroupedCodes& grouped = *matrix.grouped;
  return matrix.shape[1] % kPackedBlock == 0 && grouped.group_of_input.empty() &&
         (grouped.groups == 1 || grouped.group_inputs % kPackedBlock == 0);
}

// The largest magnitude that a code may have.
float LargestCode(const GroupedCodes& grouped, const CodeTerms& terms) {
  if (grouped.float8) return 448;
  return static_cast<float>((1 << grouped.codes.bits) + std::abs(terms.zero));
}

bool IsFinite(const GroupedCodes& grouped, const CodeTerms& terms) {
  return std::isfinite(terms.scale * LargestCode(grouped, terms) + std::abs(terms.bias)) &&
         std::isfinite(terms.scale * LargestCode(grouped, terms) - std::abs(terms.bias));
}

// A set of forms that are still possible, by bits of the place in kPackedForms; and kBF16.
constexpr unsigned kBf16Bit = 1u << kPackedForms.size();

unsigned Bit(size_t form) { return 1u << form; }

struct Possible {
  unsigned codes = 2 * kBf16Bit - 1;  // forms that hold the codes,
  unsigned exact = 2 * kBf16Bit - 1;  // and the terms as well
};

Possible PossibleForms(const GroupedCodes& grouped, const CodeTerms& terms) {
  Possible possible;
  for (size_t form = 0; form < kPackedForms.size(); ++form) {
    if (!CodesFit(grouped, kPackedForms[form], terms)) {
      possible.codes &= ~Bit(form);
    } else if (!TermsFit(grouped, kPackedForms[form], terms)) {
      possible.exact &= ~Bit(form);
    }
  }
  if (!ProductsFitBf16(grouped, terms)) possible.exact &= ~kBf16Bit;
  return possible;
}

void ReadBlock(const TensorView& matrix, WeightType form, size_t row, size_t b,
               PackedCodes& block) {
  const GroupedCodes& grouped = *matrix.grouped;
  const CodeTerms terms = TermsOf(matrix, row, GroupOf(grouped, b * kPackedBlock));
  const PackedFormat format = PackedFormatOf(form);
  block.d = HalfFromFloat(terms.scale);
  if (format.min) block.e = HalfFromFloat(static_cast<float>(MinOf(grouped, form, terms)));
  const std::span<uint8_t> stored = std::span(block.stored).first(kCodeBlock);
  ReadCodes(matrix, row, b, stored.data());
  // Equal weights need no scale. In blocks of zeros MLX leaves one that is too small for f16.
  const uint8_t code = stored[0];
  if (grouped.biases && !TermsFit(grouped, form, terms) &&
      std::ranges::count(stored, code) == kCodeBlock) {
    block.d = 0;
    block.e = HalfFromFloat(ValueOf(grouped, terms, code));
  }
  const int zero = format.zero_shift < 0 ? 0 : 1 << format.zero_shift;
  const int shift = ShiftOf(grouped, form, terms) + zero;
  if (shift == 0) return;
  for (uint8_t& value : stored) value = static_cast<uint8_t>(value + shift);
}

// How far the packed matrix is from the stored one: the squares of the norms of difference and
// matrix. Row by row, so that the sums do not depend on the threads.
std::pair<double, double> Distance(const TensorView& matrix, WeightType form, ThreadPool& pool) {
  const size_t rows = matrix.shape[0], cols = matrix.shape[1];
  const PackedFormat format = PackedFormatOf(form);
  const int zero = format.zero_shift < 0 ? 0 : 1 << format.zero_shift;
  std::vector<double> squares(rows), differences(rows);
  pool.ParallelFor(rows, [&](size_t row, size_t thread) {
    auto* weights = reinterpret_cast<float*>(pool.Scratch(thread, cols * sizeof(float)).data());
    DequantizeCodesRow(matrix, row, weights);
    PackedCodes block;
    for (size_t b = 0; b < cols / kPackedBlock; ++b) {
      ReadBlock(matrix, form, row, b, block);
      const float scale = FloatFromHalf(block.d);
      const float min = format.min ? FloatFromHalf(block.e) : 0;
      for (const uint8_t stored : std::span(block.stored).first(kPackedBlock)) {
        const double weight = *weights++;
        const double difference = scale * static_cast<float>(stored - zero) + min - weight;
        squares[row] += weight * weight;
        differences[row] += difference * difference;
      }
    }
  });
  double square = 0, difference = 0;
  for (size_t row = 0; row < rows; ++row) {
    square += squares[row];
    difference += differences[row];
  }
  return {difference, square};
}

std::unexpected<Error> Damaged(const TensorView& matrix, const std::string& name, size_t row,
                               const std::string& what) {
  return Fail(ErrorCode::kBadModel, matrix.file ? *matrix.file + ": " : "", "tensor ", name, " (",
              matrix.grouped->name, "): row ", row, " has ", what);
}

// What is wrong with a row, or nothing.
std::string FaultOf(const TensorView& matrix, size_t row) {
  const GroupedCodes& grouped = *matrix.grouped;
  for (size_t group = 0; group < grouped.groups; ++group) {
    const CodeTerms terms = TermsOf(matrix, row, group);
    if (!IsFinite(grouped, terms)) return "a scale that is not finite, or too large";
    if (grouped.symmetric && terms.zero != 1 << (grouped.codes.bits - 1)) {
      return "the zero point " + std::to_string(terms.zero) + ", but the configuration says sym, " +
             "which means " + std::to_string(1 << (grouped.codes.bits - 1));
    }
  }
  if (!grouped.float8) return "";
  std::array<uint8_t, kCodeBlock> codes;
  for (size_t first = 0; first < matrix.shape[1]; first += kCodeBlock) {
    const size_t count = ReadCodes(matrix, row, first / kCodeBlock, codes.data());
    if (std::any_of(codes.begin(), codes.begin() + count, IsNanE4M3)) return "a weight of NaN";
  }
  return "";
}

}  // namespace

Result<WeightType> ExactFormOf(const TensorView& matrix, const std::string& name,
                               ThreadPool& pool) {
  const GroupedCodes& grouped = *matrix.grouped;
  const size_t rows = matrix.shape[0];
  std::atomic<size_t> bad_row = rows;
  std::atomic<unsigned> codes = Possible{}.codes, exact = Possible{}.exact;
  pool.ParallelFor(rows, [&](size_t row, size_t) {
    if (!FaultOf(matrix, row).empty()) {
      size_t least = bad_row;
      while (row < least && !bad_row.compare_exchange_weak(least, row)) {
      }
      return;
    }
    Possible possible;
    for (size_t group = 0; group < grouped.groups; ++group) {
      const Possible forms = PossibleForms(grouped, TermsOf(matrix, row, group));
      possible.codes &= forms.codes;
      possible.exact &= forms.exact;
    }
    codes &= possible.codes;
    exact &= possible.exact;
  });
  if (bad_row < rows) return Damaged(matrix, name, bad_row, FaultOf(matrix, bad_row));

  if (BlocksAreUniform(matrix) && !grouped.float8) {
    for (size_t form = 0; form < kPackedForms.size(); ++form) {
      if (codes & exact & Bit(form)) return kPackedForms[form];
    }
    for (size_t form = 0; form < kPackedForms.size(); ++form) {
      // Rounding a second term would cost more than a scale that is below the range of f16 does.
      if (!(codes & Bit(form)) || (PackedFormatOf(kPackedForms[form]).min && !grouped.biases)) {
        continue;
      }
      const auto [difference, square] = Distance(matrix, kPackedForms[form], pool);
      if (difference <= (grouped.biases ? 0x1p-18 : 0x1p-32) * square) return kPackedForms[form];
      break;
    }
  }
  return exact & kBf16Bit ? WeightType::kBF16 : WeightType::kF32;
}

WeightType LikelyFormOf(const TensorView& matrix) {
  const GroupedCodes& grouped = *matrix.grouped;
  const bool packs = BlocksAreUniform(matrix) && !grouped.float8;
  if (packs && grouped.biases) {
    return grouped.codes.bits <= 4 ? WeightType::kInt4Min : WeightType::kInt8Min;
  }
  const Possible possible = PossibleForms(grouped, TermsOf(matrix, 0, 0));
  for (size_t form = 0; packs && form < kPackedForms.size(); ++form) {
    if (possible.codes & possible.exact & Bit(form)) return kPackedForms[form];
  }
  return possible.exact & kBf16Bit ? WeightType::kBF16 : WeightType::kF32;
}

void PackCodes(const TensorView& matrix, WeightType form, std::byte* out, ThreadPool& pool) {
  const auto read = [&](size_t row, size_t block, PackedCodes& codes) {
    ReadBlock(matrix, form, row, block, codes);
  };
  Pack(form, matrix.shape[0], matrix.shape[1], read, out, pool);
}

}  // namespace gemma3
