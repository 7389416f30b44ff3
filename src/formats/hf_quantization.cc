// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/hf_quantization.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/compressed_tensors.h"
#include "src/formats/gptq.h"
#include "src/formats/module_tensors.h"

namespace gemma3 {
namespace {

constexpr char kInstead[] =
    "; load the original BF16 model (and quantise it while loading) or a GGUF file";

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// A size, where null, -1 and other words mean that there is none.
Result<uint64_t> SizeOrNone(const JsonValue& object, std::string_view key) {
  const auto value = object.Find(key);
  if (!value || !value->IsUnsigned()) return 0;
  return value->AsUint();
}

bool IsThere(const JsonValue& object, std::string_view key) {
  const auto value = object.Find(key);
  return value && (!(value->IsObject() || value->IsArray()) || value->size() != 0);
}

// "128x128" or [128, 128].
Status ReadBlock(const std::optional<JsonValue>& value, HfQuantization* result) {
  if (!value) return {};
  if (value->IsArray() && value->size() == 2) {
    GEMMA3_TRY(result->block_rows, (*value)[0].AsUint());
    GEMMA3_TRY(result->block_cols, (*value)[1].AsUint());
  } else {
    GEMMA3_TRY(const std::string text, value->AsString());
    const size_t x = text.find('x');
    result->block_rows = std::strtoull(text.c_str(), nullptr, 10);
    result->block_cols =
        x == std::string::npos ? 0 : std::strtoull(text.c_str() + x + 1, nullptr, 10);
  }
  if (result->block_rows != 0 && result->block_cols != 0) return {};
  return Fail(ErrorCode::kBadModel, value->Path(), " should be two sizes above 0");
}

// compressed-tensors: modules fall into groups with settings of their own. Bits and sizes are kept
// if they are the same in all.
Status ReadConfigGroups(const JsonValue& object, HfQuantization* result) {
  if (IsThere(object, "transform_config")) {
    return Fail(ErrorCode::kUnsupported, object.Path(),
                ".transform_config: the weights belong to rotated activations, and rotating is not "
                "computed",
                kInstead);
  }
  const auto groups = object.Find("config_groups");
  if (!groups) return {};
  bool first = true;
  for (const auto& [name, group] : groups->Members()) {
    result->activations |= IsThere(group, "input_activations");
    const auto weights = group.Find("weights");
    if (!weights) continue;
    GEMMA3_TRY(const uint64_t bits, SizeOrNone(*weights, "num_bits"));
    GEMMA3_TRY(const uint64_t size, SizeOrNone(*weights, "group_size"));
    result->bits = first || bits == result->bits ? bits : 0;
    result->group_size = first || size == result->group_size ? size : 0;
    first = false;
    GEMMA3_CHECK_OK(ReadBlock(weights->Find("block_structure"), result));
  }
  return {};
}

Result<HfQuantization> ReadSettings(const JsonValue& object, const std::string& unnamed) {
  HfQuantization result;
  result.present = true;
  result.where = object.Path();
  const auto method = object.Find("quant_method");
  if (!method && unnamed.empty() && (object.Find("group_size") || object.Find("bits"))) {
    result.method = "mlx";
    auto mlx = ParseMlxQuantization(object);
    if (mlx) {
      result.mlx = *std::move(mlx);
    } else {
      result.mlx_error = mlx.error();
    }
    return result;
  }
  result.method = unnamed;
  if (method) {
    GEMMA3_TRY(result.method, method->AsString());
    result.method = Lower(result.method);
  }
  if (result.method == "compressed-tensors" || result.method == "modelopt") {
    GEMMA3_TRY(result.format, object.String("format", ""));
    GEMMA3_CHECK_OK(ReadConfigGroups(object, &result));
  } else if (result.method == "fp8") {
    GEMMA3_CHECK_OK(ReadBlock(object.Find("weight_block_size"), &result));
    result.activations = true;
  } else if (result.method == "gptq" || result.method == "awq" ||
             result.method.ends_with("auto-round") || result.method.ends_with("auto_round")) {
    GEMMA3_TRY(result.group_size, SizeOrNone(object, "group_size"));
    GEMMA3_TRY(result.act_order, object.Bool("desc_act", false));
    if (object.Find("sym")) {
      GEMMA3_TRY(result.symmetric, object.Bool("sym", false));
    }
    const char* key = result.method == "awq" ? "version" : "checkpoint_format";
    GEMMA3_TRY(result.format, object.String(key, ""));
    result.format = Lower(result.format);
    GEMMA3_TRY(const bool marlin, object.Bool("is_marlin_format", false));
    if (marlin) result.format = "marlin";
  }
  return result;
}

// Names that only one method gives its tensors.
struct Sign {
  std::string_view suffix;
  TensorType type;  // kBool: any
  const char* method;
};
constexpr std::array<Sign, 22> kSigns = {{
    {".weight.absmax", TensorType::kBool, "bitsandbytes"},
    {".weight.quant_map", TensorType::kBool, "bitsandbytes"},
    {".weight.quant_state.bitsandbytes__nf4", TensorType::kBool, "bitsandbytes"},
    {".weight.quant_state.bitsandbytes__fp4", TensorType::kBool, "bitsandbytes"},
    {".SCB", TensorType::kBool, "bitsandbytes"},
    {".weight_scale_2", TensorType::kBool, "ModelOpt to NVFP4"},
    {".weight_global_scale", TensorType::kBool, "compressed-tensors to NVFP4"},
    {".weight_packed", TensorType::kU8, "compressed-tensors to MXFP4"},
    {".weight_scale", TensorType::kU8, "compressed-tensors to MXFP8 or MXFP4"},
    {".scale_packed", TensorType::kBool, "compressed-tensors for Marlin (2:4 sparse)"},
    {".bitmask", TensorType::kBool, "compressed-tensors as sparse matrices"},
    {".compressed", TensorType::kBool, "compressed-tensors as sparse matrices"},
    {".W_q", TensorType::kBool, "HQQ"},
    {".trellis", TensorType::kBool, "ExLlama (EXL3)"},
    {".q_weight", TensorType::kBool, "ExLlama (EXL2)"},
    {".codebooks", TensorType::kBool, "AQLM"},
    {".centroids", TensorType::kBool, "VPTQ"},
    {".dense_weights", TensorType::kBool, "SpQR"},
    {".weight._data", TensorType::kBool, "Quanto"},
    {"_qdata", TensorType::kBool, "torchao"},
    {".weight_scales", TensorType::kBool, "EETQ"},
    {".B", TensorType::kI32, "GPTQ for Marlin"},
}};

// "gemma-3-4b-it", if `folder` is, or lies in a cache under, a name such as
// gemma-3-4b-it-unsloth-bnb-4bit.
std::string Sibling(const std::string& folder) {
  const size_t end = folder.rfind("-bnb-4bit");
  if (end == std::string::npos) return "";
  std::string name = folder.substr(0, end);
  if (const size_t slash = name.find_last_of("/\\"); slash != std::string::npos) {
    name.erase(0, slash + 1);
  }
  if (const size_t owner = name.rfind("--"); owner != std::string::npos) name.erase(0, owner + 2);
  if (name.ends_with("-unsloth")) name.resize(name.size() - std::string_view("-unsloth").size());
  return name;
}

std::string WhatInstead(std::string_view method, const std::string& folder) {
  if (method != "bitsandbytes") return kInstead;
  const std::string sibling = Sibling(folder);
  return "; such files are made for training. Load " +
         (sibling.empty() ? std::string("the model of the same name without -bnb-4bit")
                          : Shown(sibling) + ", the model of the same name without -bnb-4bit,") +
         " or a GGUF file";
}

Status RefuseOthers(const std::string& folder, const TensorMap& tensors) {
  for (const auto& [name, view] : tensors) {
    for (const Sign& sign : kSigns) {
      if (!name.ends_with(sign.suffix) ||
          (sign.type != TensorType::kBool && view.type != sign.type)) {
        continue;
      }
      return Fail(ErrorCode::kUnsupported, view.file ? *view.file : folder, ": tensor ",
                  Shown(name), " says that the weights are quantised by ", sign.method,
                  ", which cannot be read", WhatInstead(sign.method, folder));
    }
  }
  return {};
}

// Scales of activations and of a key/value cache: nothing here rounds those.
bool IsRunTimeScale(std::string_view name) {
  constexpr std::array<std::string_view, 14> kParts = {".input_scale",
                                                       ".input_global_scale",
                                                       ".input_zero_point",
                                                       ".output_scale",
                                                       ".output_global_scale",
                                                       ".output_zero_point",
                                                       ".activation_scale",
                                                       ".k_scale",
                                                       ".v_scale",
                                                       ".q_scale",
                                                       ".prob_scale",
                                                       ".k_zero_point",
                                                       ".v_zero_point",
                                                       ".kv_scale"};
  return std::ranges::any_of(kParts, [&](std::string_view part) { return name.ends_with(part); });
}

// Calibrated modules that were saved in 16 bits: the weight is as it was before.
void DropScalesOfPlainWeights(TensorMap* tensors, Remarks* remarks, const std::string& folder) {
  size_t dropped = 0;
  for (const char* part : {".weight_scale", ".weight_zero_point"}) {
    for (const std::string& module : ModulesWith(*tensors, part)) {
      const auto weight = tensors->find(module + ".weight");
      if (weight == tensors->end() || !IsFloatType(weight->second.type)) continue;
      tensors->erase(module + part);
      ++dropped;
    }
  }
  if (dropped == 0) return;
  remarks->notes.push_back(folder + ": " + std::to_string(dropped) +
                           " scales and zero points belong to weights that are not quantised (yet) "
                           "and were left out");
}

// Says which matrices grow in memory.
void NoteFloats(const TensorMap& tensors, const std::string& folder, Remarks* remarks) {
  size_t float8 = 0, others = 0;
  std::string first;
  for (const auto& [name, view] : tensors) {
    if (!view.grouped) continue;
    const GroupedCodes& grouped = *view.grouped;
    if (grouped.float8) {
      ++float8;
    } else if (!grouped.group_of_input.empty() ||
               (grouped.groups > 1 && grouped.group_inputs % 32) ||
               (grouped.scale_type == TensorType::kF32 && !grouped.biases)) {
      if (others++ == 0) first = name;
    }
  }
  constexpr char kSmaller[] = "; with --weights bf16 or int8 they are rounded and take less";
  if (float8 != 0) {
    remarks->notes.push_back(folder + ": " + std::to_string(float8) +
                             " matrices of FP8 become BF16 in memory where their scales are powers "
                             "of two, and F32 elsewhere, so that no weight is rounded" +
                             kSmaller);
  }
  if (others != 0) {
    remarks->notes.push_back(folder + ": " + std::to_string(others) + " matrices, first " +
                             Shown(first) +
                             ", have scales that no packed form holds (of inputs in any order, of "
                             "groups of unusual size, or in F32) and become F32 in memory" +
                             kSmaller);
  }
}

bool IsRead(const std::string& method) {
  constexpr std::array<std::string_view, 9> kMethods = {
      "mlx",        "compressed-tensors", "modelopt",        "fp8", "gptq", "awq",
      "auto-round", "auto_round",         "intel/auto-round"};
  return std::ranges::find(kMethods, method) != kMethods.end();
}

}  // namespace

Result<HfQuantization> ParseHfQuantization(const JsonValue& config) {
  for (const auto& object : {std::optional(config), config.Find("text_config")}) {
    if (!object) continue;
    for (const char* key : {"quantization", "quantization_config"}) {
      if (const auto settings = object->Find(key)) return ReadSettings(*settings, "");
    }
  }
  return HfQuantization{};
}

Result<HfQuantization> ParseQuantizeConfig(const JsonValue& settings) {
  return ReadSettings(settings, "gptq");
}

Status JoinQuantizedModules(const HfQuantization& quantization, const std::string& folder,
                            TensorMap* tensors, Remarks* remarks) {
  GEMMA3_CHECK_OK(RefuseOthers(folder, *tensors));
  GEMMA3_TRY(const size_t gptq, JoinGptq(quantization, tensors));
  if (quantization.method == "compressed-tensors") {
    DropScalesOfPlainWeights(tensors, remarks, folder);
  }
  GEMMA3_TRY(const size_t compressed, JoinCompressedTensors(quantization, tensors));
  if (quantization.mlx_error && !ModulesWith(*tensors, ".scales").empty()) {
    return std::unexpected(*quantization.mlx_error);
  }
  GEMMA3_TRY(
      const size_t mlx,
      JoinMlxTensors(quantization.mlx,
                     quantization.present ? quantization.where : folder + "/config.json", tensors));
  const size_t joined = gptq + compressed + mlx;
  // Names of tensors that others use too, and perhaps another meaning.
  if (joined != 0 && !quantization.method.empty() && !IsRead(quantization.method)) {
    return Fail(ErrorCode::kUnsupported, folder, ": ", joined, " matrices are quantised",
                ExplainMethod(quantization, folder));
  }
  size_t run_time = 0;
  if (compressed != 0 || quantization.method == "compressed-tensors" ||
      quantization.method == "modelopt" || quantization.method == "fp8") {
    run_time =
        std::erase_if(*tensors, [](const auto& entry) { return IsRunTimeScale(entry.first); });
  }
  if (run_time != 0 || (compressed != 0 && quantization.activations)) {
    remarks->notes.push_back(folder +
                             ": activations and keys are to be rounded too, says the model; here "
                             "only its weights are used as they were quantised, which is closer to "
                             "the original");
  }
  if (quantization.present && joined == 0) {
    remarks->notes.push_back(
        quantization.where + " says that the weights are quantised by " +
        (quantization.method.empty() ? "an unnamed method" : Shown(quantization.method, 60)) +
        ", but no tensor shows it; they are read as they are");
  }
  NoteFloats(*tensors, folder, remarks);
  return {};
}

std::string ExplainMethod(const HfQuantization& quantization, const std::string& folder) {
  if (!quantization.present || IsRead(quantization.method)) return "";
  return "; " + quantization.where + " says that the weights are quantised by " +
         (quantization.method.empty() ? "an unnamed method" : Shown(quantization.method, 60)) +
         ", which cannot be read" + WhatInstead(quantization.method, folder);
}

}  // namespace gemma3
