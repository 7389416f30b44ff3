// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Any text as each of the small files of a model folder: an error, or a configuration within
// limits.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "src/base/spm_proto.h"
#include "src/formats/hf_config.h"
#include "src/formats/safetensors.h"
#include "src/formats/shape_table.h"
#include "src/formats/tokenizer_json.h"
#include "src/formats/vocabulary.h"
#include "src/stores/ollama.h"
#include "src/weights/config_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gemma3;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (auto config = ParseHfConfig({.config = text}, "fuzz");
      config && CheckConfig(config->config, "fuzz")) {
    if (config->config.text.layers.size() > 1024) std::abort();
    TextShapes(config->config.text);
    if (config->config.has_vision) VisionShapes(config->config.vision, config->config.text);
  }
  if (auto config = ParseConfigJson(text, "fuzz"); config && CheckConfig(*config, "fuzz")) {
    TextShapes(config->text);
    if (!ParseConfigJson(ConfigJson(*config), "fuzz")) std::abort();
  }
  const std::string model = R"({"model_type":"gemma3","text_config":{},"vision_config":{}})";
  (void)ParseHfConfig(
      {.config = model, .generation = text, .preprocessor = text, .processor = text}, "fuzz");
  (void)ParseSafetensorsIndex(text, "fuzz");
  if (const auto vocabulary = VocabularyFromTokenizerJson(text, "fuzz")) {
    if (const auto proto = BuildSpmProto(*vocabulary, "fuzz")) {
      if (!ParseSpmProto(*proto, "fuzz")) std::abort();
    }
  }
  (void)ParseSpmProto(text, "fuzz");
  return 0;
}
