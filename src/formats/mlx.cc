// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/mlx.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "src/base/checked.h"
#include "src/base/half.h"
#include "src/base/shown.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

constexpr std::array<std::pair<uint64_t, TensorType>, 6> kTypes = {{
    {2, TensorType::kMlx2},
    {3, TensorType::kMlx3},
    {4, TensorType::kMlx4},
    {5, TensorType::kMlx5},
    {6, TensorType::kMlx6},
    {8, TensorType::kMlx8},
}};

std::optional<TensorType> TypeOf(uint64_t bits) {
  const auto it = std::ranges::find(kTypes, bits, &std::pair<uint64_t, TensorType>::first);
  return it == kTypes.end() ? std::nullopt : std::optional(it->second);
}

constexpr char kInstead[] =
    "; load the original BF16 model (and quantise it while loading) or a GGUF file";

// One object of settings; `fallback` has those that it leaves out.
Result<MlxSettings> ReadSettings(const JsonValue& object, const MlxSettings& fallback) {
  GEMMA3_TRY(const std::string mode, object.String("mode", "affine"));
  if (mode != "affine") {
    return Fail(ErrorCode::kUnsupported, object.Path(),
                ": the weights are quantised by MLX's mode \"", Shown(mode, 60),
                "\", and only \"affine\" can be read", kInstead);
  }
  MlxSettings settings;
  GEMMA3_TRY(settings.bits, object.Uint("bits", fallback.bits));
  GEMMA3_TRY(settings.group_size, object.Uint("group_size", fallback.group_size));
  if (!TypeOf(settings.bits)) {
    return Fail(ErrorCode::kUnsupported, object.Path(), ": bits is ", settings.bits,
                ", and MLX has 2, 3, 4, 5, 6 and 8", kInstead);
  }
  const uint64_t size = settings.group_size;
  if (size != 32 && size != 64 && size != 128) {
    return Fail(ErrorCode::kUnsupported, object.Path(), ": group_size is ", size,
                ", and MLX has 32, 64 and 128", kInstead);
  }
  return settings;
}

bool IsFloat(TensorType type) {
  return type == TensorType::kBF16 || type == TensorType::kF16 || type == TensorType::kF32;
}

float FloatAt(TensorType type, const std::byte* array, size_t i) {
  if (type == TensorType::kF32) return LoadLittle<float>(array + 4 * i);
  const auto bits = LoadLittle<uint16_t>(array + 2 * i);
  return type == TensorType::kF16 ? FloatFromHalf(bits) : FloatFromBf16(bits);
}

// The tensors of one module.
class Module {
 public:
  Module(const TensorMap& tensors, const std::string& name) : tensors_(tensors), name_(name) {}

  Result<TensorView> Join(const MlxSettings& settings, const std::string& config) const {
    GEMMA3_TRY(const TensorView weight, Part(".weight"));
    GEMMA3_TRY(const TensorView scales, Part(".scales"));
    GEMMA3_TRY(const TensorView biases, Part(".biases"));
    if (weight.type != TensorType::kU32 || weight.shape.size() != 2) {
      return Fail(ErrorCode::kBadModel, Where(weight, ".weight"),
                  " has scales of MLX, so it should be a matrix of U32; found ",
                  InfoOf(weight.type).name, " ", ShapeString(weight.shape));
    }
    const uint64_t rows = weight.shape[0];
    const auto row_bits = CheckedMul(weight.shape[1], 32);
    const uint64_t cols = row_bits ? *row_bits / settings.bits : 0;
    if (!row_bits || *row_bits % settings.bits != 0 || cols % settings.group_size != 0) {
      return Fail(ErrorCode::kBadModel, Where(weight, ".weight"), " of shape ",
                  ShapeString(weight.shape), " does not hold groups of ", settings.group_size,
                  " values of ", settings.bits, " bits, as ", config, " says");
    }
    const std::vector<uint64_t> expected = {rows, cols / settings.group_size};
    for (const auto& [view, part] : {std::pair(&scales, ".scales"), {&biases, ".biases"}}) {
      if (!IsFloat(view->type) || view->type != scales.type || view->shape != expected) {
        return Fail(ErrorCode::kBadModel, Where(*view, part), " should be ",
                    IsFloat(scales.type) ? InfoOf(scales.type).name : "BF16, F16 or F32", " ",
                    ShapeString(expected), " for a weight of shape ", ShapeString(weight.shape),
                    " with bits ", settings.bits, " and group_size ", settings.group_size, " (",
                    config, "); found ", InfoOf(view->type).name, " ", ShapeString(view->shape));
      }
    }
    TensorView joined = weight;
    joined.type = *TypeOf(settings.bits);  // one of them: ReadSettings
    joined.shape = {rows, cols};
    joined.groups = {scales.type, settings.group_size, scales.data, biases.data};
    return joined;
  }

 private:
  Result<TensorView> Part(const char* part) const {
    if (const auto it = tensors_.find(name_ + part); it != tensors_.end()) return it->second;
    const TensorView& scales = tensors_.at(name_ + ".scales");
    return Fail(ErrorCode::kBadModel, Where(scales, part), " is missing, but ", Shown(name_),
                ".scales is there; is the download complete?");
  }

  std::string Where(const TensorView& view, const char* part) const {
    return (view.file ? *view.file + ": " : std::string()) + "tensor " + Shown(name_ + part);
  }

  const TensorMap& tensors_;
  const std::string& name_;
};

}  // namespace

Result<MlxQuantization> ParseMlxQuantization(const JsonValue& quantization) {
  MlxQuantization result;
  GEMMA3_TRY(result.usual, ReadSettings(quantization, {}));
  for (const auto& [name, member] : quantization.Members()) {
    // Besides objects there are the settings themselves, and booleans: whether a module is
    // quantised, which its tensors tell as well.
    if (!member.IsObject()) continue;
    GEMMA3_TRY(result.modules[name], ReadSettings(member, result.usual));
  }
  return result;
}

Status JoinMlxTensors(const std::optional<MlxQuantization>& quantization, const std::string& config,
                      TensorMap* tensors) {
  constexpr std::string_view kScales = ".scales";
  std::vector<std::string> modules;
  for (const auto& [name, view] : *tensors) {
    if (name.ends_with(kScales)) modules.push_back(name.substr(0, name.size() - kScales.size()));
  }
  for (const std::string& module : modules) {
    if (!quantization) {
      const auto weight = tensors->find(module + ".weight");
      if (weight == tensors->end() || weight->second.type != TensorType::kU32) continue;
      return Fail(ErrorCode::kBadModel, config, ": tensor ", Shown(module),
                  ".scales says that the model is quantised, but there is no entry "
                  "\"quantization\" to say how");
    }
    const auto exception = quantization->modules.find(module);
    const MlxSettings& settings =
        exception == quantization->modules.end() ? quantization->usual : exception->second;
    GEMMA3_TRY(TensorView joined, Module(*tensors, module).Join(settings, config));
    tensors->erase(module + ".scales");
    tensors->erase(module + ".biases");
    tensors->at(module + ".weight") = std::move(joined);
  }
  return {};
}

std::shared_ptr<const std::vector<std::byte>> MakeChannelsFirst(std::span<const uint64_t> shape,
                                                                TensorView* kernel) {
  if (shape.size() != 4 || std::ranges::equal(kernel->shape, shape)) return nullptr;
  const uint64_t out = shape[0], channels = shape[1], rows = shape[2], columns = shape[3];
  if (kernel->shape != std::vector<uint64_t>{out, rows, columns, channels}) return nullptr;
  // Floats, or a type that is refused later: in any case elements of whole bytes.
  const size_t size = InfoOf(kernel->type).block_bytes;
  const size_t pixels = rows * columns;
  auto bytes = std::make_shared<std::vector<std::byte>>(kernel->bytes);
  for (size_t o = 0; o < out; ++o) {
    for (size_t p = 0; p < pixels; ++p) {
      for (size_t c = 0; c < channels; ++c) {
        std::memcpy(bytes->data() + ((o * channels + c) * pixels + p) * size,
                    kernel->data + ((o * pixels + p) * channels + c) * size, size);
      }
    }
  }
  kernel->shape.assign(shape.begin(), shape.end());
  kernel->data = bytes->data();
  return bytes;
}

MlxGroup MlxGroupOf(const TensorView& matrix, size_t row, size_t block) {
  const MlxGroups& groups = matrix.groups;
  const size_t i = row * (matrix.shape[1] / groups.inputs) + block * kMlxBlock / groups.inputs;
  return {FloatAt(groups.type, groups.scales, i), FloatAt(groups.type, groups.biases, i)};
}

void ReadMlxCodes(const TensorView& matrix, size_t row, size_t block, uint8_t* codes) {
  const size_t block_bytes = InfoOf(matrix.type).block_bytes;
  const size_t bits = block_bytes * 8 / kMlxBlock;
  const std::byte* from = matrix.data + (row * (matrix.shape[1] / kMlxBlock) + block) * block_bytes;
  // Eight codes are as many bytes as there are bits.
  for (size_t i = 0; i < kMlxBlock; i += 8, from += bits) {
    uint64_t eight = 0;
    std::memcpy(&eight, from, bits);
    for (size_t k = 0; k < 8; ++k) {
      codes[i + k] = static_cast<uint8_t>((eight >> (k * bits)) & ((1u << bits) - 1));
    }
  }
}

void DequantizeMlxRow(const TensorView& matrix, size_t row, float* out) {
  std::array<uint8_t, kMlxBlock> codes;
  for (size_t block = 0; block < matrix.shape[1] / kMlxBlock; ++block) {
    const MlxGroup group = MlxGroupOf(matrix, row, block);
    ReadMlxCodes(matrix, row, block, codes.data());
    for (const uint8_t code : codes) *out++ = group.scale * static_cast<float>(code) + group.bias;
  }
}

}  // namespace gemma3
