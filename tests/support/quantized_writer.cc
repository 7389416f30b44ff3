// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tests/support/quantized_writer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "src/base/float8.h"
#include "src/base/half.h"
#include "src/base/status.h"
#include "src/formats/dequantize.h"
#include "src/formats/hf_quantization.h"
#include "src/formats/safetensors.h"

namespace gemma3::testing {
namespace {

namespace fs = std::filesystem;

float Rounded(float value, TensorType type) {
  if (type == TensorType::kBF16) return FloatFromBf16(Bf16FromFloat(value));
  if (type == TensorType::kF16) return FloatFromHalf(HalfFromFloat(value));
  return value;
}

bool IsFloat8(const QuantizedOptions& options) {
  return options.layout == CodeLayout::kFloat8 || options.layout == CodeLayout::kScaleInv;
}

int NearestE4M3(float value) {
  // Magnitudes ascend with their codes, up to the last number.
  const auto begin = kE4M3Values.begin(), last = begin + 0x7e;
  const auto above = std::lower_bound(begin, last, std::abs(value));
  auto code = static_cast<int>(above - begin);
  if (code > 0 && std::abs(value) - above[-1] < *above - std::abs(value)) --code;
  return value < 0 ? code | 0x80 : code;
}

// Numbers of b bits, set one bit at a time.
class Words {
 public:
  explicit Words(uint64_t count) : words_(count) {}
  // Bit `bit` of the string whose words are `first`, `first + step`, ...
  void Set(uint64_t first, uint64_t step, uint64_t bit, bool value) {
    if (value) words_[first + bit / 32 * step] |= uint32_t{1} << bit % 32;
  }
  void SetNumber(uint64_t first, uint64_t step, uint64_t i, uint64_t bits, int number) {
    for (uint64_t b = 0; b < bits; ++b) Set(first, step, i * bits + b, number >> b & 1);
  }
  std::vector<std::byte> bytes() const {
    std::vector<std::byte> bytes(words_.size() * sizeof(uint32_t));
    std::memcpy(bytes.data(), words_.data(), bytes.size());
    return bytes;
  }

 private:
  std::vector<uint32_t> words_;
};

template <class T, class From>
std::vector<std::byte> BytesOf(const std::vector<From>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    const T value = static_cast<T>(values[i]);
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  }
  return bytes;
}

// [rows, cols] to [cols, rows].
template <class T>
std::vector<T> Transposed(const std::vector<T>& values, uint64_t rows, uint64_t cols) {
  std::vector<T> result(values.size());
  for (uint64_t r = 0; r < rows; ++r) {
    for (uint64_t c = 0; c < cols; ++c) result[c * rows + r] = values[r * cols + c];
  }
  return result;
}

// AutoAWQ puts output order[k] of eight into place k of a word.
constexpr uint64_t kAwqOrder[8] = {0, 2, 4, 6, 1, 3, 5, 7};

void AddPacked(const std::string& module, const QuantizedMatrix& m, TensorBank* bank) {
  const uint64_t bits = m.options.bits;
  const uint64_t row_words = (m.cols * bits + 31) / 32, column_words = (m.rows * bits + 31) / 32;
  Words codes(m.rows * row_words), zeros(column_words * m.groups);
  for (uint64_t r = 0; r < m.rows; ++r) {
    for (uint64_t c = 0; c < m.cols; ++c) {
      codes.SetNumber(r * row_words, 1, c, bits, m.codes[r * m.cols + c]);
    }
    for (uint64_t g = 0; g < m.groups; ++g) {
      zeros.SetNumber(g, m.groups, r, bits, m.zeros[r * m.groups + g]);
    }
  }
  bank->AddBytes(module + ".weight_packed", TensorType::kI32, {m.rows, row_words}, codes.bytes());
  bank->AddBytes(module + ".weight_shape", TensorType::kI64, {2},
                 BytesOf<int64_t>(std::vector{m.rows, m.cols}));
  bank->Add(module + ".weight_scale", m.options.scale_type, {m.rows, m.groups}, m.scales);
  if (!m.options.symmetric) {
    bank->AddBytes(module + ".weight_zero_point", TensorType::kI32, {column_words, m.groups},
                   zeros.bytes());
  }
  if (m.options.act_order) {
    bank->AddBytes(module + ".weight_g_idx", TensorType::kI32, {m.cols},
                   BytesOf<int32_t>(m.group_of_input));
  }
}

void AddInt8(const std::string& module, const QuantizedMatrix& m, TensorBank* bank) {
  std::vector<int> codes = m.codes, zeros = m.zeros;
  for (int& code : codes) code -= 128;
  for (int& zero : zeros) zero -= 128;
  bank->AddBytes(module + ".weight", TensorType::kI8, {m.rows, m.cols}, BytesOf<int8_t>(codes));
  bank->Add(module + ".weight_scale", m.options.scale_type, {m.rows, m.groups}, m.scales);
  if (!m.options.symmetric) {
    bank->AddBytes(module + ".weight_zero_point", TensorType::kI8, {m.rows, m.groups},
                   BytesOf<int8_t>(zeros));
  }
}

void AddFloat8(const std::string& module, const QuantizedMatrix& m, TensorBank* bank) {
  bank->AddBytes(module + ".weight", TensorType::kF8_E4M3, {m.rows, m.cols},
                 BytesOf<uint8_t>(m.codes));
  const uint64_t block = std::max<uint64_t>(m.options.block, 1);
  std::vector<float> scales;
  for (uint64_t r = 0; r < m.rows; r += block) {
    for (uint64_t g = 0; g < m.groups; ++g) scales.push_back(m.scales[r * m.groups + g]);
  }
  const char* part =
      m.options.layout == CodeLayout::kFloat8 ? ".weight_scale" : ".weight_scale_inv";
  bank->Add(module + part, m.options.scale_type, {(m.rows + block - 1) / block, m.groups}, scales);
}

void AddGptq(const std::string& module, const QuantizedMatrix& m, TensorBank* bank) {
  const uint64_t bits = m.options.bits, zero_words = m.rows * bits / 32;
  Words codes(m.cols * bits / 32 * m.rows), zeros(m.groups * zero_words);
  const int less = m.options.layout == CodeLayout::kGptq ? 1 : 0;
  for (uint64_t r = 0; r < m.rows; ++r) {
    for (uint64_t c = 0; c < m.cols; ++c) {
      codes.SetNumber(r, m.rows, c, bits, m.codes[r * m.cols + c]);
    }
    for (uint64_t g = 0; g < m.groups; ++g) {
      zeros.SetNumber(g * zero_words, 1, r, bits, m.zeros[r * m.groups + g] - less);
    }
  }
  bank->AddBytes(module + ".qweight", TensorType::kI32, {m.cols * bits / 32, m.rows},
                 codes.bytes());
  bank->AddBytes(module + ".qzeros", TensorType::kI32, {m.groups, zero_words}, zeros.bytes());
  bank->AddBytes(module + ".g_idx", TensorType::kI32, {m.cols}, BytesOf<int32_t>(m.group_of_input));
  bank->Add(module + ".scales", m.options.scale_type, {m.groups, m.rows},
            Transposed(m.scales, m.rows, m.groups));
}

void AddAwq(const std::string& module, const QuantizedMatrix& m, TensorBank* bank) {
  const uint64_t words = m.rows / 8;
  Words codes(m.cols * words), zeros(m.groups * words);
  for (uint64_t word = 0; word < words; ++word) {
    for (uint64_t place = 0; place < 8; ++place) {
      const uint64_t r = 8 * word + kAwqOrder[place];
      for (uint64_t c = 0; c < m.cols; ++c) {
        codes.SetNumber(c * words + word, 1, place, 4, m.codes[r * m.cols + c]);
      }
      for (uint64_t g = 0; g < m.groups; ++g) {
        zeros.SetNumber(g * words + word, 1, place, 4, m.zeros[r * m.groups + g]);
      }
    }
  }
  bank->AddBytes(module + ".qweight", TensorType::kI32, {m.cols, words}, codes.bytes());
  bank->AddBytes(module + ".qzeros", TensorType::kI32, {m.groups, words}, zeros.bytes());
  bank->Add(module + ".scales", m.options.scale_type, {m.groups, m.rows},
            Transposed(m.scales, m.rows, m.groups));
}

std::vector<float> Floats(const TensorView& view) {
  std::vector<float> values(view.bytes / InfoOf(view.type).block_bytes);
  Dequantize(view.type, view.data, values.size(), values.data());
  return values;
}

}  // namespace

std::vector<float> QuantizedMatrix::Values() const {
  std::vector<float> values(codes.size());
  for (uint64_t r = 0; r < rows; ++r) {
    for (uint64_t c = 0; c < cols; ++c) {
      const uint64_t i = r * cols + c, g = r * groups + group_of_input[c];
      const float code = IsFloat8(options) ? kE4M3Values[static_cast<size_t>(codes[i])]
                                           : static_cast<float>(codes[i] - zeros[g]);
      values[i] = scales[g] * code;
    }
  }
  return values;
}

QuantizedMatrix QuantizeMatrix(std::span<const float> values, uint64_t rows, uint64_t cols,
                               const QuantizedOptions& options) {
  QuantizedMatrix m{options, rows, cols, 1, {}, {}, {}, {}};
  const bool float8 = IsFloat8(options);
  const uint64_t size = float8 ? options.block : options.group_size;
  m.groups = size == 0 ? 1 : (cols + size - 1) / size;
  for (uint64_t c = 0; c < cols; ++c) {
    const uint64_t place = options.act_order ? (c * 7 + 3) % cols : c;  // any order
    m.group_of_input.push_back(static_cast<uint32_t>(size == 0 ? 0 : place / size));
  }
  const float last = static_cast<float>((1 << options.bits) - 1);
  const int centre = 1 << (options.bits - 1);
  const uint64_t block = std::max<uint64_t>(options.block, 1);
  for (uint64_t r = 0; r < rows; ++r) {
    for (uint64_t g = 0; g < m.groups; ++g) {
      float min = 0, max = 0;
      for (uint64_t at = r / block * block; at < std::min(rows, r / block * block + block); ++at) {
        for (uint64_t c = 0; c < cols; ++c) {
          if (m.group_of_input[c] != g) continue;
          min = std::min(min, values[at * cols + c]);
          max = std::max(max, values[at * cols + c]);
        }
      }
      const float largest = std::max(-min, max);
      float scale = float8              ? largest / 448
                    : options.symmetric ? largest / static_cast<float>(centre)
                                        : (max - min) / last;
      if (options.powers_of_two) scale = std::exp2(std::ceil(std::log2(scale)));
      scale = Rounded(scale, options.scale_type);
      m.scales.push_back(scale);
      const float zero = std::clamp(std::rint(-min / scale), 1.0f, last);  // GPTQ stores one less
      m.zeros.push_back(options.symmetric ? centre : static_cast<int>(zero));
    }
    for (uint64_t c = 0; c < cols; ++c) {
      const uint64_t g = r * m.groups + m.group_of_input[c];
      const float code = values[r * cols + c] / m.scales[g];
      m.codes.push_back(float8
                            ? NearestE4M3(code)
                            : static_cast<int>(std::clamp(
                                  std::rint(code) + static_cast<float>(m.zeros[g]), 0.0f, last)));
    }
  }
  return m;
}

void AddQuantized(const std::string& module, const QuantizedMatrix& matrix, TensorBank* bank) {
  switch (matrix.options.layout) {
    case CodeLayout::kPacked:
      return AddPacked(module, matrix, bank);
    case CodeLayout::kInt8:
      return AddInt8(module, matrix, bank);
    case CodeLayout::kFloat8:
    case CodeLayout::kScaleInv:
      return AddFloat8(module, matrix, bank);
    case CodeLayout::kGptq:
    case CodeLayout::kGptqV2:
      return AddGptq(module, matrix, bank);
    case CodeLayout::kAwq:
      return AddAwq(module, matrix, bank);
  }
}

TensorView JoinedView(const std::string& module, const QuantizedMatrix& matrix,
                      const TensorBank& bank) {
  TensorMap tensors;
  for (const auto& [name, view] : bank.views()) {
    if (name.starts_with(module + ".")) tensors.emplace(name, view);
  }
  const auto config = JsonValue::Parse(
      "{\"quantization_config\": " + QuantizationConfig(matrix.options) + "}", "config.json");
  Remarks remarks;
  if (!config) return {};
  const auto quantization = ParseHfQuantization(*config);
  if (!quantization || !JoinQuantizedModules(*quantization, "", &tensors, &remarks)) return {};
  return tensors.at(module + ".weight");
}

std::string QuantizationConfig(const QuantizedOptions& options) {
  const int64_t group = options.group_size == 0 ? -1 : static_cast<int64_t>(options.group_size);
  nlohmann::json json;
  switch (options.layout) {
    case CodeLayout::kPacked:
    case CodeLayout::kInt8:
    case CodeLayout::kFloat8: {
      const bool packed = options.layout == CodeLayout::kPacked;
      const bool float8 = options.layout == CodeLayout::kFloat8;
      nlohmann::json weights = {{"num_bits", options.bits},
                                {"type", float8 ? "float" : "int"},
                                {"symmetric", options.symmetric},
                                {"strategy", group == -1 ? "channel" : "group"}};
      if (!float8 && group != -1) weights["group_size"] = group;
      if (options.block != 0) weights["block_structure"] = {options.block, options.block};
      json = {{"quant_method", "compressed-tensors"},
              {"format", packed   ? "pack-quantized"
                         : float8 ? "float-quantized"
                                  : "int-quantized"},
              {"ignore", {"lm_head"}}};
      json["config_groups"]["group_0"] = {{"targets", {"Linear"}}, {"weights", weights}};
      if (!packed) json["config_groups"]["group_0"]["input_activations"] = {{"num_bits", 8}};
      break;
    }
    case CodeLayout::kScaleInv:
      json = {{"quant_method", "fp8"}, {"activation_scheme", "dynamic"}};
      if (options.block != 0) json["weight_block_size"] = {options.block, options.block};
      break;
    case CodeLayout::kGptq:
    case CodeLayout::kGptqV2:
      json = {{"quant_method", "gptq"},
              {"bits", options.bits},
              {"group_size", group},
              {"sym", options.symmetric},
              {"desc_act", options.act_order}};
      if (options.layout == CodeLayout::kGptqV2) json["checkpoint_format"] = "gptq_v2";
      break;
    case CodeLayout::kAwq:
      json = {{"quant_method", "awq"},
              {"bits", 4},
              {"group_size", group},
              {"zero_point", true},
              {"version", "gemm"}};
      break;
  }
  return json.dump();
}

Status WriteQuantizedFolder(const std::string& from, const std::string& to,
                            const QuantizedOptions& options) {
  std::error_code error;
  fs::create_directories(to, error);
  for (fs::directory_iterator it(from, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".safetensors") continue;
    fs::copy_file(it->path(), fs::path(to) / it->path().filename(),
                  fs::copy_options::overwrite_existing, error);
  }
  GEMMA3_TRY(const SafetensorsSet source, OpenSafetensors(from + "/model.safetensors"));
  TensorBank bank;
  for (const auto& [name, view] : source.tensors) {
    const bool is_linear = name.ends_with(".weight") && view.shape.size() == 2 &&
                           name.find("layers.") != std::string::npos;
    if (!is_linear || (name.find("vision") != std::string::npos && !options.tower)) {
      bank.Add(name, view.type, view.shape, Floats(view));
      continue;
    }
    const std::string module = name.substr(0, name.size() - std::string(".weight").size());
    const QuantizedMatrix matrix =
        QuantizeMatrix(Floats(view), view.shape[0], view.shape[1], options);
    if (options.dequantized) {
      bank.Add(name, TensorType::kF32, view.shape, matrix.Values());
    } else {
      AddQuantized(module, matrix, &bank);
    }
  }
  if (!options.dequantized) {
    std::ifstream in(from + "/config.json");
    auto config = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
    config["quantization_config"] = nlohmann::json::parse(QuantizationConfig(options));
    std::ofstream(to + "/config.json") << config.dump(2);
  }
  return WriteSafetensors(to + "/model.safetensors", bank.views());
}

}  // namespace gemma3::testing
