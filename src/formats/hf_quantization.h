// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Quantised Hugging Face folders. Which modules are quantised, and how, shows in their tensors;
// what config.json says of it is often stale or incomplete, and only helps where tensors leave a
// choice. So a model that was merged back to 16 bits loads, whatever quantization_config it still
// has, and a module that is quantised by a method that is not read is refused, even if nothing
// announces it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gemma3/error.h"
#include "src/base/json.h"
#include "src/base/remarks.h"
#include "src/base/tensor.h"
#include "src/formats/mlx.h"

namespace gemma3 {

// What a configuration says.
struct HfQuantization {
  bool present = false;
  std::string where;   // its place, for messages
  std::string method;  // quant_method in small letters; "mlx"
  std::optional<MlxQuantization> mlx = {};
  std::optional<Error> mlx_error = {};  // why there is none

  uint64_t bits = 0;                            // 0: it does not say, or several numbers
  uint64_t group_size = 0;                      // the same
  uint64_t block_rows = 128, block_cols = 128;  // of FP8 with scales for blocks
  std::optional<bool> symmetric = {};           // GPTQ's "sym"
  bool act_order = false;                       // GPTQ's "desc_act"
  std::string format;  // compressed-tensors' "format", GPTQ's "checkpoint_format", AWQ's "version"
  bool activations = false;  // activations are to be rounded as well
};

// Reads the entry "quantization" or "quantization_config" of a config.json, at the root or in
// text_config. Errors: kUnsupported for rotations that are to be computed while running
// (compressed-tensors' transform_config); kBadModel for wrong types.
Result<HfQuantization> ParseHfQuantization(const JsonValue& config);
// The same from a quantize_config.json, which GPTQ's tools put beside config.json.
Result<HfQuantization> ParseQuantizeConfig(const JsonValue& settings);

// Makes the tensors of each quantised module one, X.weight, of grouped codes (grouped_codes.h), and
// drops those that say how to round activations. Errors, naming file and tensor: kUnsupported, with
// what to load instead, for methods that are not read; kBadModel for tensors that do not belong
// together. `folder` is the model's, and may say of which other it was made.
Status JoinQuantizedModules(const HfQuantization& quantization, const std::string& folder,
                            TensorMap* tensors, Remarks* remarks);

// What to add to an error about tensors of a model whose method is not read; empty for others.
std::string ExplainMethod(const HfQuantization& quantization, const std::string& folder);

}  // namespace gemma3
