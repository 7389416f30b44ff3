// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The quantised matrices of MLX (ml-explore/mlx, mode "affine"; written by mlx-lm and mlx-vlm). A
// quantised module X has three tensors:
//
//   X.weight            U32 [rows, cols * bits / 32]
//   X.scales, X.biases  BF16, F16 or F32 [rows, cols / group_size]
//
// The words of a row are one string of bits, the lowest bit of the first word first; the code q of
// column c is its bits [c * bits, (c + 1) * bits), unsigned. Its weight is scale * q + bias. The
// scale may be negative: q counts from whichever end of the group is farther from zero.
//
// The bits, and the size of the groups, are in config.json, with exceptions for single modules.
// Which modules are quantised is not: that shows in whether X.scales is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gemma3/error.h"
#include "src/base/json.h"
#include "src/base/tensor.h"

namespace gemma3 {

struct MlxSettings {
  uint64_t bits = 0;        // 2, 3, 4, 5, 6 or 8
  uint64_t group_size = 0;  // 32, 64 or 128
};

struct MlxQuantization {
  MlxSettings usual;
  std::map<std::string, MlxSettings> modules;  // the exceptions, by the module's name in the file
};

// Reads the object "quantization" of a config.json. Errors: kUnsupported for other modes, bits and
// group sizes; kBadModel for wrong types.
Result<MlxQuantization> ParseMlxQuantization(const JsonValue& quantization);

// Makes the three tensors of each quantised module one, X.weight, of grouped codes
// (grouped_codes.h) and shape [rows, cols]. `config` names the file that `quantization` is from.
// Errors: kBadModel, naming file and tensor, for tensors that do not belong together, or to
// `quantization`. Returns how many modules there were.
Result<size_t> JoinMlxTensors(const std::optional<MlxQuantization>& quantization,
                              const std::string& config, TensorMap* tensors);

// MLX keeps the kernel of a convolution as [out, row, column, channel]; everyone else, and `shape`,
// as [out, channel, row, column]. If `kernel` shows by its shape to be MLX's, makes it a view of
// the returned bytes, in the usual order. Else leaves it and returns null.
std::shared_ptr<const std::vector<std::byte>> MakeChannelsFirst(std::span<const uint64_t> shape,
                                                                TensorView* kernel);

}  // namespace gemma3
