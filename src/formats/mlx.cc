// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/mlx.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "src/base/checked.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/grouped_codes.h"

namespace gemma3 {
namespace {

constexpr uint64_t kBits[] = {2, 3, 4, 5, 6, 8};

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
  if (std::ranges::find(kBits, settings.bits) == std::end(kBits)) {
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
    const size_t scale_bytes = InfoOf(scales.type).block_bytes;
    GroupedCodes grouped;
    grouped.name = "MLX-" + std::to_string(settings.bits);
    grouped.codes = {.data = weight.data,
                     .bits = settings.bits,
                     .string_step = weight.shape[1] * sizeof(uint32_t)};
    grouped.group_inputs = settings.group_size;
    grouped.groups = cols / settings.group_size;
    grouped.scale_type = scales.type;
    grouped.scales = scales.data;
    grouped.scale_row_step = grouped.groups * scale_bytes;
    grouped.scale_group_step = scale_bytes;
    grouped.biases = biases.data;
    grouped.others = {{scales.data, scales.bytes}, {biases.data, biases.bytes}};
    TensorView joined = weight;
    joined.type = TensorType::kGroupedCodes;
    joined.shape = {rows, cols};
    joined.grouped = std::make_shared<GroupedCodes>(std::move(grouped));
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

Result<size_t> JoinMlxTensors(const std::optional<MlxQuantization>& quantization,
                              const std::string& config, TensorMap* tensors) {
  size_t joined = 0;
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
    GEMMA3_TRY(TensorView view, Module(*tensors, module).Join(settings, config));
    tensors->erase(module + ".scales");
    tensors->erase(module + ".biases");
    tensors->at(module + ".weight") = std::move(view);
    ++joined;
  }
  return joined;
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

}  // namespace gemma3
