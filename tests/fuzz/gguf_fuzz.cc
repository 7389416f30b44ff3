// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a GGUF file, up to the checks before weights are used: an error, or views that lie
// inside the bytes and a configuration within limits.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "src/base/remarks.h"
#include "src/base/spm_proto.h"
#include "src/formats/dequantize.h"
#include "src/formats/gguf.h"
#include "src/formats/gguf_config.h"
#include "src/formats/gguf_model.h"
#include "src/formats/gguf_vocabulary.h"
#include "src/formats/shape_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gemma3;
  static const std::string kName = "fuzz";
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  auto gguf = GgufFile::Parse(bytes, kName);
  if (!gguf) return 0;

  std::vector<float> values;
  TensorMap canonical;
  for (const auto& [name, view] : gguf->tensors()) {
    if (view.bytes > 0 &&
        (view.data < bytes.data() || view.data + view.bytes > bytes.data() + size)) {
      std::abort();
    }
    const TensorTypeInfo& info = InfoOf(view.type);
    const size_t blocks = std::min<size_t>(view.bytes / info.block_bytes, 64);
    values.resize(blocks * info.block_elems);
    Dequantize(view.type, view.data, values.size(), values.data());
    if (const std::string to = CanonicalGgufName(name); !to.empty()) canonical[to] = view;
  }

  (void)ReadMmprojConfig(*gguf, 32);
  (void)ReadSingleFileVisionConfig(*gguf);
  Remarks remarks;
  std::string missing;
  auto config = ReadGgufTextConfig(*gguf, gguf->tensors(), &remarks);
  if (!config) return 0;
  const auto proto = ReadGgufTokenizer(*gguf, &*config, &missing, &remarks);
  if (proto && !proto->empty() && !ParseSpmProto(*proto, "fuzz")) std::abort();
  if (!CheckConfig(*config, "fuzz")) return 0;
  if (config->text.layers.size() > 1024) std::abort();
  (void)CheckTensors(TextShapes(config->text), canonical, "fuzz");
  return 0;
}
