// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a safetensors file: an error, or views that lie inside the bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "src/formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string kName = "fuzz";
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto tensors = gemma3::ParseSafetensors(bytes, kName);
  if (!tensors) return 0;
  for (const auto& [name, view] : *tensors) {
    if (view.bytes == 0) continue;
    if (view.data < bytes.data() || view.data + view.bytes > bytes.data() + size) std::abort();
  }
  return 0;
}
