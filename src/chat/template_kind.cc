// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Which chat template the files of a model hold.
#include "src/chat/template_kind.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "src/chat/languages.h"

namespace gemma3 {
namespace {

struct Mark {
  std::string_view text, name;
};

// What only templates of one family write. Earlier ones decide, because some families use marks of
// others for their own purposes.
constexpr std::array<Mark, 21> kOthers = {{
    {"<|turn>", "Gemma 4"},
    {"<|im_start|>", "ChatML"},
    {"<|im_user|>", "Kimi"},
    {"<|start_header_id|>", "Llama 3"},
    {"<|header_start|>", "Llama 4"},
    {"<<SYS>>", "Llama 2"},
    {"[INST]", "Mistral"},
    {"<|START_OF_TURN_TOKEN|>", "Command R"},
    {"<\xEF\xBD\x9CUser\xEF\xBD\x9C>", "DeepSeek"},  // with full-width bars
    {"<|start_of_role|>", "Granite"},
    {"<|channel|>", "Harmony"},
    {"[gMASK]", "GLM"},
    {"<|role_start|>", "Ling"},
    {"<|user|>", "Zephyr or Phi"},
    {"<|assistant|>", "Zephyr or Phi"},
    {"GPT4 Correct", "OpenChat"},
    {"### Instruction", "Alpaca"},
    {"### Response", "Alpaca"},
    {"ASSISTANT:", "Vicuna"},
    {"<start_of_turn>", "Gemma's marks in another order"},
    {"<end_of_turn>", "Gemma's marks in another order"},
}};

bool HoldsAll(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::ranges::all_of(
      parts, [&](std::string_view part) { return text.find(part) != std::string_view::npos; });
}
bool HoldsAny(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::ranges::any_of(
      parts, [&](std::string_view part) { return text.find(part) != std::string_view::npos; });
}

// Gemma's turns belong to "user" and "model", whatever the messages' roles are called; a template
// that opens other ones lays out what a model of Gemma's has not been taught.
bool HasOtherRoles(std::string_view text) {
  return HoldsAny(text, {"<start_of_turn>system", "<start_of_turn>developer",
                         "<start_of_turn>assistant", "<start_of_turn>tool"}) ||
         !HoldsAny(text, {"<start_of_turn>model", "'model'", "\"model\""});
}

}  // namespace

ChatTemplate RecognizeChatTemplate(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return {};
  using Kind = ChatTemplateKind;
  if (HoldsAll(text, {"<start_of_turn>", "<end_of_turn>"})) {
    if (HoldsAll(text, {"source_lang_code", "target_lang_code"})) {
      return {Kind::kTranslateGemma, "TranslateGemma", ParseLanguageTable(text)};
    }
    if (HoldsAny(text, {"<start_function_declaration>", "<start_function_call>"})) {
      return {Kind::kFunctionGemma, "FunctionGemma", {}};
    }
    if (HoldsAny(text, {"_SAFETY_POLICY>"})) return {Kind::kShieldGemma2, "ShieldGemma 2", {}};
    if (!HasOtherRoles(text)) return {Kind::kGemma3, "Gemma 3", {}};
    return {Kind::kOther, "Gemma's marks with other roles", {}};
  }
  for (const auto& [mark, name] : kOthers) {
    if (text.find(mark) != std::string_view::npos) return {Kind::kOther, std::string(name), {}};
  }
  return {Kind::kOther, "unknown", {}};
}

}  // namespace gemma3
