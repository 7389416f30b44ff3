// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a safetensors file: an error, or views that lie inside the bytes; also those of
// MLX's matrices, whose last rows are read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "src/formats/hf_names.h"
#include "src/formats/mlx.h"
#include "src/formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string kName = "fuzz";
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  auto tensors = gemma3::ParseSafetensors(bytes, kName);
  if (!tensors) return 0;
  for (const auto& [name, view] : *tensors) {
    if (gemma3::CanonicalHfName(name).size() > name.size()) std::abort();
    if (view.bytes == 0) continue;
    if (view.data < bytes.data() || view.data + view.bytes > bytes.data() + size) std::abort();
  }
  const gemma3::MlxQuantization mlx{.usual = {.bits = 4, .group_size = 32}, .modules = {}};
  if (!gemma3::JoinMlxTensors(mlx, kName, &*tensors)) return 0;
  for (const auto& [name, view] : *tensors) {
    if (!gemma3::IsMlx(view.type) || view.shape[0] == 0) continue;
    std::vector<float> row(view.shape[1]);
    gemma3::DequantizeMlxRow(view, view.shape[0] - 1, row.data());
  }
  return 0;
}
