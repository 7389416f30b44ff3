// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/chat/template_kind.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/text/tokenizers.h"

namespace gemma3 {
namespace {

using Kind = ChatTemplateKind;

// The template of the published models, which the demo model comes with.
std::string Gemma3Template() {
  return nlohmann::json::parse(
      ReadTestFile(SourcePath("tools/demo/tiny-gemma3/chat_template.json")))["chat_template"];
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

void ExpectKind(const std::string& text, Kind kind, const std::string& name) {
  const ChatTemplate chat = RecognizeChatTemplate(text);
  EXPECT_EQ(chat.kind, kind) << text;
  EXPECT_EQ(chat.name, name) << text;
}

TEST(RecognizeChatTemplate, Gemma3InAllItsCopies) {
  const std::string published = Gemma3Template();
  const std::string turns =
      "{{ '<start_of_turn>user\n' + m['content'] | trim + '<end_of_turn>\n<start_of_turn>model\n' "
      "}}";
  for (const std::string& text : {
           published,
           "{# of a fine-tune #}\n" + published,
           Replaced(published, "{{ raise_exception(\"Invalid content type\") }}", ""),
           Replaced(published, "messages[0]['role'] == 'system'", "false"),
           Replaced(published, " | trim", ""),
           // With tools as text, as servers have it.
           published + "{%- if tools %}{{ tools | tojson }}{%- endif %}",
           "{{ bos_token }}{% for m in messages %}" + turns + "{% endfor %}",
           // Ollama's, in Go's template language.
           std::string(
               "{{- range $i, $_ := .Messages }}{{ if eq .Role \"user\" }}<start_of_turn>user\n"
               "{{ .Content }}<end_of_turn>\n<start_of_turn>model\n{{ end }}{{ end }}"),
       }) {
    ExpectKind(text, Kind::kGemma3, "Gemma 3");
  }
}

TEST(RecognizeChatTemplate, GemmasKin) {
  const std::string gemma = Gemma3Template();
  ExpectKind(gemma + "{{ '<start_function_declaration>' }}", Kind::kFunctionGemma, "FunctionGemma");
  ExpectKind(Replaced(gemma, "Conversation roles", "<BEGIN_SAFETY_POLICY> Conversation roles"),
             Kind::kShieldGemma2, "ShieldGemma 2");
  const std::string translate =
      "{%- set languages = {\n  \"aa\": \"Afar\",\n  'de': 'German',\n  \"pt-BR\": "
      "\"Portuguese\"\n} "
      "-%}" +
      gemma + "{{ content['source_lang_code'] | replace(\"_\", \"-\") }}{{ c.target_lang_code }}";
  ExpectKind(translate, Kind::kTranslateGemma, "TranslateGemma");
  EXPECT_EQ(RecognizeChatTemplate(translate).languages,
            (std::vector<Language>{{"aa", "Afar"}, {"de", "German"}, {"pt-BR", "Portuguese"}}));
}

TEST(RecognizeChatTemplate, OtherTurnsThanGemmas) {
  const struct {
    const char *text, *name;
  } kCases[] = {
      {"{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}", "ChatML"},
      {"<|start_header_id|>{{ .Role }}<|end_header_id|>", "Llama 3"},
      {"{{ '[INST] <<SYS>>\n' + s + '<</SYS>>' }}", "Llama 2"},
      {"{{ '[INST] ' + m.content + ' [/INST]' }}", "Mistral"},
      {"{{ '<|turn>' + role + '\n' }}{{ '<turn|>' }}", "Gemma 4"},
      {"{{ '<|user|>\n' + m.content + '<|end|>' }}", "Zephyr or Phi"},
      {"### Instruction:\n{{ .Prompt }}\n### Response:\n", "Alpaca"},
      {"USER: {{ .Prompt }} ASSISTANT: ", "Vicuna"},
      {"{{ .Prompt }}", "unknown"},
      {"{{ '<start_of_turn>' + m.role }}", "Gemma's marks in another order"},
      {"<start_of_turn>system\n{{ s }}<end_of_turn>\n<start_of_turn>model\n",
       "Gemma's marks with other roles"},
      {"{{ '<start_of_turn>' + m.role + '\n' + m.content + '<end_of_turn>\n' }}",
       "Gemma's marks with other roles"},
  };
  for (const auto& [text, name] : kCases) ExpectKind(text, Kind::kOther, name);
  ExpectKind("", Kind::kNone, "");
  ExpectKind(" \n\t", Kind::kNone, "");
}

}  // namespace
}  // namespace gemma3
