// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/gptq.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/base/half.h"
#include "src/formats/module_tensors.h"

namespace gemma3 {
namespace {

constexpr char kCodes[] = ".qweight", kZeros[] = ".qzeros", kScales[] = ".scales",
               kIndex[] = ".g_idx";

constexpr char kInstead[] =
    "; load the original BF16 model (and quantise it while loading) or a GGUF file";

// One module, with the sizes that its parts say.
class Joiner {
 public:
  Joiner(const ModuleTensors& module, const HfQuantization& quantization)
      : module_(module), quantization_(quantization) {}

  Status Read() {
    const TensorView& codes = *module_.Find(kCodes);
    GEMMA3_TRY(const TensorView* zeros, module_.Need(kZeros, kCodes));
    GEMMA3_TRY(const TensorView* scales, module_.Need(kScales, kCodes));
    if (!IsMatrixOf(codes, TensorType::kI32)) return module_.Wrong(kCodes, "a matrix of I32");
    if (!IsFloatType(scales->type) || !IsMatrixOf(*scales, scales->type)) {
      return module_.Wrong(kScales, "a matrix of F16, BF16 or F32");
    }
    if (!IsMatrixOf(*zeros, TensorType::kI32)) return module_.Wrong(kZeros, "a matrix of I32");
    rows_ = scales->shape[1];
    grouped_.groups = scales->shape[0];
    const size_t scale_bytes = InfoOf(scales->type).block_bytes;
    grouped_.scale_type = scales->type;
    grouped_.scales = scales->data;
    grouped_.scale_row_step = scale_bytes;
    grouped_.scale_group_step = rows_ * scale_bytes;
    const bool awq = codes.shape[1] * 8 == rows_;
    if (!awq && codes.shape[1] != rows_) {
      return Fail(
          ErrorCode::kUnsupported, module_.Where(kCodes), " of shape ", ShapeString(codes.shape),
          " with scales of shape ", ShapeString(scales->shape),
          " is laid out neither as GPTQ's nor as AWQ's version gemm; other versions are not "
          "read",
          kInstead);
    }
    GEMMA3_CHECK_OK(awq ? ReadAwq(codes, *zeros) : ReadGptq(codes, *zeros));
    GEMMA3_CHECK_OK(ReadGroups());
    return {};
  }

  uint64_t rows() const { return rows_; }
  uint64_t cols() const { return cols_; }
  GroupedCodes&& Take() { return std::move(grouped_); }

 private:
  Status ReadAwq(const TensorView& codes, const TensorView& zeros) {
    cols_ = codes.shape[0];
    const std::vector<uint64_t> expected = {grouped_.groups, rows_ / 8};
    if (zeros.shape != expected) return module_.Wrong(kZeros, "I32 " + ShapeString(expected));
    grouped_.name = "AWQ-4";
    grouped_.codes = {.data = codes.data,
                      .bits = 4,
                      .string_step = rows_ / 8 * sizeof(uint32_t),
                      .of_rows = false,
                      .interleaved = true};
    grouped_.zeros = grouped_.codes;
    grouped_.zeros.data = zeros.data;
    return {};
  }

  Status ReadGptq(const TensorView& codes, const TensorView& zeros) {
    size_t bits = 0;
    for (const size_t b : {2, 3, 4, 8}) {
      if (rows_ * b == 32 * zeros.shape[1]) bits = b;
    }
    if (bits == 0 || zeros.shape[0] != grouped_.groups || codes.shape[0] * 32 % bits != 0) {
      return Fail(ErrorCode::kBadModel, module_.Where(kZeros), " of shape ",
                  ShapeString(zeros.shape), " does not belong to ", Shown(module_.name()), kCodes,
                  " of shape ", ShapeString(codes.shape), " and ", grouped_.groups,
                  " groups, with 2, 3, 4 or 8 bits");
    }
    cols_ = codes.shape[0] * 32 / bits;
    grouped_.name = "GPTQ-" + std::to_string(bits);
    grouped_.codes = {.data = codes.data,
                      .bits = bits,
                      .string_step = sizeof(uint32_t),
                      .word_step = rows_ * sizeof(uint32_t)};
    grouped_.zeros = {.data = zeros.data,
                      .bits = bits,
                      .string_step = zeros.shape[1] * sizeof(uint32_t),
                      .of_rows = false};
    return ReadZeroFormat();
  }

  // How much less than the zero points is stored.
  Status ReadZeroFormat() {
    const std::string& format = quantization_.format;
    const int centre = 1 << (grouped_.codes.bits - 1);
    const int first = NumberAt(grouped_.zeros, 0, 0);
    if (quantization_.symmetric.value_or(false)) {
      if (first != centre && first != centre - 1) {
        return Fail(ErrorCode::kBadModel, module_.Where(kZeros), " begins with ", first,
                    ", but the configuration says sym: zero points should be ", centre,
                    ", stored as that or one less");
      }
      grouped_.symmetric = true;  // the others are looked at when they are read
      grouped_.zero = centre - first;
      return {};
    }
    if (!quantization_.present) {
      return Fail(ErrorCode::kBadModel, module_.Where(kZeros),
                  ": no quantization_config or quantize_config.json says whether zero points are "
                  "stored less one");
    }
    if (quantization_.method != "gptq") {
      return Fail(ErrorCode::kUnsupported, module_.Where(kZeros), ": the zero points that ",
                  Shown(quantization_.method, 60),
                  " stores where they differ (sym false) are not known well enough to read",
                  kInstead);
    }
    grouped_.zero = format == "gptq_v2" ? 0 : 1;
    return {};
  }

  Status ReadGroups() {
    const uint64_t groups = grouped_.groups, configured = quantization_.group_size;
    const auto needed = [&](uint64_t inputs) { return (cols_ - 1) / inputs + 1; };
    if (configured != 0 && needed(configured) == groups) {
      grouped_.group_inputs = configured;
    } else if (cols_ % groups == 0) {
      grouped_.group_inputs = cols_ / groups;
    } else {
      return Fail(ErrorCode::kBadModel, module_.Where(kScales), ": ", groups,
                  " groups do not divide the ", cols_,
                  " inputs, and the configuration's group_size ", configured,
                  " does not explain them");
    }
    const TensorView* index = module_.Find(kIndex);
    if (!index) return {};
    if (index->type != TensorType::kI32 || index->shape != std::vector{cols_}) {
      return module_.Wrong(kIndex, "I32 [" + std::to_string(cols_) + "], the group of each input");
    }
    std::vector<uint32_t> group_of_input(cols_);
    std::optional<uint64_t> moved;
    for (uint64_t i = 0; i < cols_; ++i) {
      const uint32_t group = LoadLittle<uint32_t>(index->data + sizeof(uint32_t) * i);
      if (group >= groups) {
        return Fail(ErrorCode::kBadModel, module_.Where(kIndex), ": input ", i, " is in group ",
                    static_cast<int32_t>(group), " of ", groups);
      }
      if (!moved && group != i / grouped_.group_inputs) moved = i;
      group_of_input[i] = group;
    }
    if (!moved) return {};
    if (!quantization_.act_order) {
      return Fail(ErrorCode::kBadModel, module_.Where(kIndex), ": input ", *moved, " is in group ",
                  group_of_input[*moved], ", but without desc_act groups are in order, ",
                  grouped_.group_inputs, " inputs each");
    }
    grouped_.group_of_input = std::move(group_of_input);
    return {};
  }

  const ModuleTensors& module_;
  const HfQuantization& quantization_;
  uint64_t rows_ = 0, cols_ = 0;
  GroupedCodes grouped_;
};

}  // namespace

Result<size_t> JoinGptq(const HfQuantization& quantization, TensorMap* tensors) {
  const std::vector<std::string> names = ModulesWith(*tensors, kCodes);
  const std::string& format = quantization.format;
  if (!names.empty() && format != "" && format != "gptq" && format != "gptq_v2" &&
      format != "gemm") {
    return Fail(ErrorCode::kUnsupported, quantization.where, ": the weights are laid out as \"",
                Shown(format, 60),
                "\"; of GPTQ the formats gptq and gptq_v2, of AWQ the version gemm can be read",
                kInstead);
  }
  for (const std::string& name : names) {
    const ModuleTensors module(*tensors, name);
    Joiner joiner(module, quantization);
    GEMMA3_CHECK_OK(joiner.Read());
    const TensorView codes = *module.Find(kCodes);
    PutJoined(name, codes, joiner.rows(), joiner.cols(), joiner.Take(),
              {kCodes, kZeros, kScales, kIndex}, tensors);
  }
  return names.size();
}

}  // namespace gemma3
