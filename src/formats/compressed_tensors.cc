// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/compressed_tensors.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/base/half.h"
#include "src/formats/module_tensors.h"

namespace gemma3 {
namespace {

constexpr uint64_t CeilDiv(uint64_t n, uint64_t divisor) {
  return n / divisor + (n % divisor != 0);
}

// Inputs of a group, where a row has `groups` of them.
std::optional<uint64_t> GroupInputs(uint64_t cols, uint64_t groups, uint64_t configured) {
  if (configured != 0 && CeilDiv(cols, configured) == groups) return configured;
  if (groups != 0 && cols % groups == 0) return cols / groups;
  return std::nullopt;
}

// Describes the scales in `part`.
Status ReadScales(const ModuleTensors& module, const char* part, uint64_t rows, uint64_t cols,
                  const HfQuantization& quantization, GroupedCodes* grouped) {
  const TensorView& scale = *module.Find(part);
  const size_t bytes = InfoOf(scale.type).block_bytes;
  grouped->scale_type = scale.type;
  grouped->scales = scale.data;
  grouped->groups = 1;
  grouped->group_inputs = cols;
  uint64_t count = 1;
  for (const uint64_t n : scale.shape) count *= n;  // bounded by the file
  if (IsFloatType(scale.type)) {
    if (count == 1) return {};  // one for the matrix: the steps are 0
    grouped->scale_row_step = bytes;
    grouped->scale_group_step = bytes;
    if (scale.shape == std::vector{rows} || scale.shape == std::vector{rows, uint64_t{1}})
      return {};
    if (scale.shape.size() == 2) {
      grouped->groups = scale.shape[1];
      grouped->scale_row_step = scale.shape[1] * bytes;
      if (scale.shape[0] == rows) {
        const auto inputs = GroupInputs(cols, scale.shape[1], quantization.group_size);
        if (inputs) {
          grouped->group_inputs = *inputs;
          return {};
        }
      }
      const uint64_t block_rows = quantization.block_rows, block_cols = quantization.block_cols;
      if (scale.shape[0] == CeilDiv(rows, block_rows) &&
          scale.shape[1] == CeilDiv(cols, block_cols)) {
        grouped->scale_rows = block_rows;
        grouped->group_inputs = block_cols;
        return {};
      }
    }
  }
  return module.Wrong(part, "BF16, F16 or F32 scales for the rows, groups or blocks of a matrix " +
                                ShapeString(std::vector{rows, cols}));
}

// Describes zero points of `bits`: packed ones, or bytes in the shape of the scales.
Status ReadZeros(const ModuleTensors& module, uint64_t rows, uint64_t bits, bool packed,
                 GroupedCodes* grouped) {
  constexpr char kPart[] = ".weight_zero_point";
  grouped->zero = 1 << (bits - 1);
  const TensorView* zeros = module.Find(kPart);
  if (!zeros) return {};
  const uint64_t groups = grouped->groups;
  const std::vector<uint64_t> words = {CeilDiv(rows * bits, 32), groups};
  if (packed && zeros->type == TensorType::kI32 && zeros->shape == words) {
    grouped->zero = 0;
    grouped->zeros = {.data = zeros->data,
                      .bits = bits,
                      .string_step = sizeof(uint32_t),
                      .word_step = groups * sizeof(uint32_t),
                      .of_rows = false};
    return {};
  }
  const bool one = grouped->scale_row_step == 0;
  if (zeros->type == TensorType::kI8 && grouped->scale_rows == 1 &&
      zeros->bytes == (one ? 1 : rows * groups)) {
    grouped->zero -= 128;  // what the numbers are read too high
    grouped->zeros = {
        .data = zeros->data, .bits = 8, .string_step = one ? 0 : groups, .is_signed = true};
    return {};
  }
  return module.Wrong(kPart,
                      (packed ? "I32 " + ShapeString(words) + ", or I8" : std::string("I8")) +
                          " with a zero point for each scale");
}

// Whether the indices name the groups of all inputs in order, as they are without g_idx.
Status ReadGroupIndex(const ModuleTensors& module, uint64_t cols, GroupedCodes* grouped) {
  constexpr char kPart[] = ".weight_g_idx";
  const TensorView* index = module.Find(kPart);
  if (!index) return {};
  if (index->type != TensorType::kI32 || index->shape != std::vector{cols}) {
    return module.Wrong(kPart, "I32 [" + std::to_string(cols) + "], the group of each input");
  }
  std::vector<uint32_t> groups(cols);
  uint64_t unset = 0;
  bool in_order = true;
  for (uint64_t i = 0; i < cols; ++i) {
    groups[i] = LoadLittle<uint32_t>(index->data + sizeof(uint32_t) * i);
    unset += groups[i] == UINT32_MAX;
    in_order = in_order && groups[i] == i / grouped->group_inputs;
  }
  if (in_order || unset == cols) return {};
  for (uint64_t i = 0; i < cols; ++i) {
    if (groups[i] < grouped->groups) continue;
    return Fail(ErrorCode::kBadModel, module.Where(kPart), ": input ", i, " is in group ",
                static_cast<int32_t>(groups[i]), " of ", grouped->groups);
  }
  grouped->group_of_input = std::move(groups);
  return {};
}

// Bits of a code, where a row of `cols` takes so many words. Rows of less than a word leave a
// choice, which the configuration has to make.
std::optional<uint64_t> BitsOf(uint64_t cols, uint64_t words, uint64_t configured) {
  std::optional<uint64_t> result;
  for (uint64_t bits = 1; bits <= 8; ++bits) {
    if (CeilDiv(cols * bits, 32) != words) continue;
    if (bits == configured) return bits;
    result = result ? 0 : bits;
  }
  return result == 0 ? std::nullopt : result;
}

Status JoinPacked(const std::string& name, const HfQuantization& quantization, TensorMap* tensors) {
  const ModuleTensors module(*tensors, name);
  constexpr char kPacked[] = ".weight_packed", kShape[] = ".weight_shape",
                 kScale[] = ".weight_scale";
  const TensorView packed = *module.Find(kPacked);
  if (!IsMatrixOf(packed, TensorType::kI32)) return module.Wrong(kPacked, "a matrix of I32");
  GEMMA3_TRY(const TensorView* shape, module.Need(kShape, kPacked));
  GEMMA3_CHECK_OK(module.Need(kScale, kPacked));
  if (shape->type != TensorType::kI64 || shape->shape != std::vector<uint64_t>{2}) {
    return module.Wrong(kShape, "I64 [2], the rows and columns of the matrix");
  }
  const auto rows = LoadLittle<uint64_t>(shape->data);
  const auto cols = LoadLittle<uint64_t>(shape->data + sizeof(uint64_t));
  std::optional<uint64_t> bits;
  if (rows == packed.shape[0] && cols != 0 && cols <= 32 * packed.shape[1]) {
    bits = BitsOf(cols, packed.shape[1], quantization.bits);
  }
  if (!bits) {
    return Fail(ErrorCode::kBadModel, module.Where(kPacked), " of shape ",
                ShapeString(packed.shape), " does not hold the matrix ",
                ShapeString(std::vector{rows, cols}), " that ", Shown(name), kShape,
                " says, with 1 to 8 bits a weight");
  }
  GroupedCodes grouped;
  grouped.name = "CT-int" + std::to_string(*bits);
  grouped.codes = {
      .data = packed.data, .bits = *bits, .string_step = packed.shape[1] * sizeof(uint32_t)};
  GEMMA3_CHECK_OK(ReadScales(module, kScale, rows, cols, quantization, &grouped));
  GEMMA3_CHECK_OK(ReadZeros(module, rows, *bits, true, &grouped));
  GEMMA3_CHECK_OK(ReadGroupIndex(module, cols, &grouped));
  PutJoined(name, packed, rows, cols, std::move(grouped),
            {kPacked, kShape, kScale, ".weight_zero_point", ".weight_g_idx"}, tensors);
  return {};
}

// A module of bytes: I8 or FP8.
Status JoinBytes(const std::string& name, const char* scale, const HfQuantization& quantization,
                 TensorMap* tensors) {
  const ModuleTensors module(*tensors, name);
  GEMMA3_TRY(const TensorView* part, module.Need(".weight", scale));
  const TensorView weight = *part;
  const bool float8 = weight.type == TensorType::kF8_E4M3;
  if (!IsMatrixOf(weight, float8 ? TensorType::kF8_E4M3 : TensorType::kI8)) {
    return module.Wrong(".weight",
                        "a matrix of I8 or F8_E4M3, since " + Shown(name) + scale + " is there");
  }
  const uint64_t rows = weight.shape[0], cols = weight.shape[1];
  GroupedCodes grouped;
  grouped.name = float8 ? "FP8" : "CT-int8";
  grouped.float8 = float8;
  grouped.codes = {.data = weight.data, .bits = 8, .string_step = cols, .is_signed = !float8};
  GEMMA3_CHECK_OK(ReadScales(module, scale, rows, cols, quantization, &grouped));
  if (!float8) {
    GEMMA3_CHECK_OK(ReadZeros(module, rows, 8, false, &grouped));
  } else if (module.Find(".weight_zero_point")) {
    return Fail(ErrorCode::kBadModel, module.Where(".weight_zero_point"),
                " is there, but weights of FP8 have no zero points");
  }
  PutJoined(name, weight, rows, cols, std::move(grouped), {".weight", scale, ".weight_zero_point"},
            tensors);
  return {};
}

}  // namespace

Result<size_t> JoinCompressedTensors(const HfQuantization& quantization, TensorMap* tensors) {
  size_t joined = 0;
  for (const std::string& name : ModulesWith(*tensors, ".weight_packed")) {
    GEMMA3_CHECK_OK(JoinPacked(name, quantization, tensors));
    ++joined;
  }
  for (const char* scale : {".weight_scale", ".weight_scale_inv"}) {
    for (const std::string& name : ModulesWith(*tensors, scale)) {
      // Not a quantised module; the scale is a tensor that has no place.
      const auto weight = tensors->find(name + ".weight");
      if (weight != tensors->end() && IsFloatType(weight->second.type)) continue;
      GEMMA3_CHECK_OK(JoinBytes(name, scale, quantization, tensors));
      ++joined;
    }
  }
  return joined;
}

}  // namespace gemma3
