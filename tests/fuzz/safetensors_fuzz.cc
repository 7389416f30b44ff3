// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a safetensors file: an error, or views that lie inside the bytes; also those of
// quantised modules, whatever the configuration says of them, with every row read.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "src/formats/grouped_codes.h"
#include "src/formats/hf_names.h"
#include "src/formats/hf_quantization.h"
#include "src/formats/safetensors.h"

namespace {

// The last one leaves everything to the tensors.
constexpr const char* kSettings[] = {
    R"({"bits":4,"group_size":32})",
    R"({"bits":3,"group_size":64,"m":{"bits":8}})",
    R"({"quant_method":"compressed-tensors","config_groups":{"a":{"weights":
        {"num_bits":3,"group_size":16,"block_structure":[2,3]},"input_activations":{"x":1}}}})",
    R"({"quant_method":"fp8","weight_block_size":[4,4]})",
    R"({"quant_method":"gptq","sym":false,"desc_act":true,"group_size":24})",
    R"({"quant_method":"gptq","sym":true,"checkpoint_format":"gptq_v2"})",
    R"({"quant_method":"awq","group_size":8,"version":"gemm"})",
    R"({"quant_method":"something"})"};

void ReadAllRows(const gemma3::TensorView& view) {
  if (!view.grouped || view.shape[1] > 1 << 16) return;
  std::vector<float> row(view.shape[1]);
  const uint64_t rows = view.shape[0];
  for (uint64_t r = 0; r < std::min<uint64_t>(rows, 64); ++r) {
    gemma3::DequantizeCodesRow(view, r, row.data());
    gemma3::DequantizeCodesRow(gemma3::RowsOf(view, rows - 1 - r, 1), 0, row.data());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string kName = "fuzz";
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto tensors = gemma3::ParseSafetensors(bytes, kName);
  if (!tensors) return 0;
  for (const auto& [name, view] : *tensors) {
    if (gemma3::CanonicalHfName(name).size() > name.size()) std::abort();
    if (view.bytes == 0) continue;
    if (view.data < bytes.data() || view.data + view.bytes > bytes.data() + size) std::abort();
  }
  static const std::vector<gemma3::HfQuantization> kConfigs = [] {
    std::vector<gemma3::HfQuantization> configs;
    for (const char* settings : kSettings) {
      const auto json = gemma3::JsonValue::Parse(
          "{\"quantization_config\":" + std::string(settings) + "}", kName);
      configs.push_back(gemma3::ParseHfQuantization(json.value()).value());
    }
    return configs;
  }();
  for (const gemma3::HfQuantization& config : kConfigs) {
    gemma3::TensorMap joined = *tensors;
    gemma3::Remarks remarks;
    if (!gemma3::JoinQuantizedModules(config, kName, &joined, &remarks)) continue;
    for (const auto& [name, view] : joined) ReadAllRows(view);
  }
  return 0;
}
