// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tests/support/mlx_writer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "src/base/half.h"
#include "src/base/status.h"
#include "src/formats/dequantize.h"
#include "src/formats/mlx.h"
#include "src/formats/safetensors.h"

namespace gemma3::testing {
namespace {

namespace fs = std::filesystem;

float Rounded(float value, TensorType type) {
  if (type == TensorType::kBF16) return FloatFromBf16(Bf16FromFloat(value));
  if (type == TensorType::kF16) return FloatFromHalf(HalfFromFloat(value));
  return value;
}

// Scale and bias of a group, as in mlx/backend/cpu/quantized.cpp: the end of the group that is
// farther from zero, and zero, become codes.
void ScaleAndBias(std::span<const float> group, uint64_t bits, float* scale, float* bias) {
  const auto [min, max] = std::ranges::minmax(group);
  const bool from_min = std::abs(min) > std::abs(max);
  const float edge = from_min ? min : max;
  const float levels = static_cast<float>((1u << bits) - 1);
  *scale = std::max((max - min) / levels, 1e-7f) * (from_min ? 1.0f : -1.0f);
  *bias = 0;
  const float zero_code = std::rint(edge / *scale);
  if (zero_code == 0) return;
  *scale = edge / zero_code;
  *bias = edge;
}

std::vector<float> Floats(const TensorView& view) {
  std::vector<float> values(view.bytes / InfoOf(view.type).block_bytes);
  Dequantize(view.type, view.data, values.size(), values.data());
  return values;
}

// [out, channel, row, column] to [out, row, column, channel].
std::vector<float> ChannelsLast(const std::vector<float>& values, std::span<const uint64_t> shape) {
  const uint64_t channels = shape[1], pixels = shape[2] * shape[3];
  std::vector<float> moved(values.size());
  for (uint64_t i = 0; i < values.size(); ++i) {
    const uint64_t out = i / (channels * pixels), c = i / pixels % channels, p = i % pixels;
    moved[(out * pixels + p) * channels + c] = values[i];
  }
  return moved;
}

}  // namespace

std::vector<std::byte> MlxMatrix::Words() const {
  std::vector<uint32_t> words(codes.size() * bits / 32);
  for (uint64_t i = 0; i < codes.size(); ++i) {  // rows are whole words
    for (uint64_t bit = 0; bit < bits; ++bit) {
      const uint64_t at = i * bits + bit;
      const uint32_t value = codes[i] >> bit & 1;
      words[at / 32] |= value << at % 32;
    }
  }
  std::vector<std::byte> bytes(words.size() * sizeof(uint32_t));
  std::memcpy(bytes.data(), words.data(), bytes.size());
  return bytes;
}

std::vector<float> MlxMatrix::Values() const {
  std::vector<float> values(codes.size());
  for (uint64_t i = 0; i < codes.size(); ++i) {
    const float product = scales[i / group_size] * static_cast<float>(codes[i]);
    values[i] = product + biases[i / group_size];
  }
  return values;
}

MlxMatrix QuantizeMlx(std::span<const float> values, uint64_t rows, uint64_t cols, uint64_t bits,
                      uint64_t group_size, TensorType scale_type) {
  MlxMatrix matrix{rows, cols, bits, group_size, scale_type, {}, {}, {}};
  const float last = static_cast<float>((1u << bits) - 1);
  for (uint64_t at = 0; at < values.size(); at += group_size) {
    const std::span<const float> group = values.subspan(at, group_size);
    float scale = 0, bias = 0;
    ScaleAndBias(group, bits, &scale, &bias);
    for (const float value : group) {
      const float code = std::clamp(std::rint((value - bias) / scale), 0.0f, last);
      matrix.codes.push_back(static_cast<uint8_t>(code));
    }
    matrix.scales.push_back(Rounded(scale, scale_type));
    matrix.biases.push_back(Rounded(bias, scale_type));
  }
  return matrix;
}

void AddMlx(const std::string& module, const MlxMatrix& matrix, TensorBank* bank) {
  bank->AddBytes(module + ".weight", TensorType::kU32,
                 {matrix.rows, matrix.cols * matrix.bits / 32}, matrix.Words());
  const std::vector<uint64_t> groups = {matrix.rows, matrix.cols / matrix.group_size};
  bank->Add(module + ".scales", matrix.scale_type, groups, matrix.scales);
  bank->Add(module + ".biases", matrix.scale_type, groups, matrix.biases);
}

TensorView MlxView(const std::string& module, const MlxMatrix& matrix, const TensorBank& bank) {
  TensorMap tensors;
  for (const char* part : {".weight", ".scales", ".biases"}) {
    tensors[module + part] = bank.views().at(module + part);
  }
  const MlxQuantization settings{{matrix.bits, matrix.group_size}, {}};
  if (!JoinMlxTensors(settings, "", &tensors)) return {};
  return tensors.at(module + ".weight");
}

Status WriteMlxFolder(const std::string& from, const std::string& to,
                      const MlxFolderOptions& options) {
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
    const bool is_module = name.ends_with(".weight") && view.shape.size() == 2;
    if (is_module && view.shape[1] % options.group_size == 0) {
      const std::string module = name.substr(0, name.size() - std::string(".weight").size());
      const MlxMatrix matrix = QuantizeMlx(Floats(view), view.shape[0], view.shape[1], options.bits,
                                           options.group_size, options.scale_type);
      if (options.dequantized) {
        bank.Add(name, TensorType::kF32, view.shape, matrix.Values());
        continue;
      }
      AddMlx(module, matrix, &bank);
      if (module.ends_with("embed_tokens")) AddMlx("language_model.lm_head", matrix, &bank);
    } else if (view.shape.size() == 4 && !options.dequantized) {
      const std::vector<uint64_t> shape = {view.shape[0], view.shape[2], view.shape[3],
                                           view.shape[1]};
      bank.Add(name, view.type, shape, ChannelsLast(Floats(view), view.shape));
    } else {
      bank.Add(name, view.type, view.shape, Floats(view));
    }
  }
  if (!options.dequantized) {
    std::ifstream in(from + "/config.json");
    auto config = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
    config["quantization"] = {{"group_size", options.group_size}, {"bits", options.bits}};
    config["quantization_config"] = config["quantization"];
    std::ofstream(to + "/config.json") << config.dump(2);
  }
  return WriteSafetensors(to + "/model.safetensors", bank.views());
}

}  // namespace gemma3::testing
