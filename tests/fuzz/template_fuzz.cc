// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Any text as a chat template, and as what Ollama's store holds beside a model: it is recognised or
// not, and a table of languages has entries that can stand in a prompt.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "src/chat/languages.h"
#include "src/chat/template_kind.h"
#include "src/formats/chat_templates.h"
#include "src/stores/ollama.h"
#include "src/text/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gemma3;
  const std::string text(reinterpret_cast<const char*>(data), size);
  (void)RecognizeChatTemplate(text);
  const std::vector<Language> table = ParseLanguageTable(text);
  const Language* before = nullptr;
  size_t looked_up = 0;  // finding is linear
  for (const Language& language : table) {
    if (before && !(before->code < language.code)) std::abort();
    if (language.name.empty() || language.name.size() > 100) std::abort();
    if (FindInvalidUtf8(language.name) != std::string::npos) std::abort();
    if (++looked_up < 8 && FindLanguage(language.code, table, "x") != language) std::abort();
    before = &language;
  }
  (void)FindLanguage(text, table, "source");
  (void)FindLanguage(text, {}, "target");
  (void)ChatTemplateFromJson(text, "fuzz");

  if (const auto layers = ParseOllamaManifest(text, "fuzz")) {
    for (const OllamaLayer& layer : *layers) {
      if (layer.hex.size() != 64) std::abort();
    }
  }
  StoreDefaults defaults;
  Remarks remarks;
  (void)ReadOllamaParameters(text, "fuzz", &defaults, &remarks);
  if (defaults.top_k && *defaults.top_k < 0) std::abort();
  if (defaults.top_p && !(*defaults.top_p >= 0 && *defaults.top_p <= 1)) std::abort();
  if (defaults.temperature && !(*defaults.temperature >= 0)) std::abort();
  if (defaults.repeat_penalty && !(*defaults.repeat_penalty > 0)) std::abort();
  return 0;
}
