// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/engine/chat_defaults.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "gemma3/session.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/model_writer.h"
#include "tests/support/temp_folder.h"

namespace gemma3 {
namespace {

const std::string kGemma =
    "<start_of_turn>user\n{{ .Prompt }}<end_of_turn>\n<start_of_turn>model\n";
const std::string kChatMl = "<|im_start|>{{ m.role }}<|im_end|>";
const std::string kTranslate = kGemma + "source_lang_code target_lang_code {'de': 'German'}";

Checkpoint Take(std::vector<StoredTemplate> templates, const FoundModel& found = {}) {
  Checkpoint checkpoint;
  checkpoint.config.name = "file";
  checkpoint.config.text.max_context = 1000;
  checkpoint.chat_templates = std::move(templates);
  TakeChatDefaults(found, &checkpoint);
  return checkpoint;
}

FoundModel Ollama(const std::string& text) {
  return {.path = "blob", .name = "m:latest", .chat_template = text};
}

TEST(TakeChatDefaults, OneLineForATemplateThatIsNotGemmas) {
  EXPECT_TRUE(Take({}).remarks.warnings.empty());
  EXPECT_EQ(Take({}).config.chat_template.kind, ChatTemplateKind::kNone);
  const Checkpoint gemma = Take({{"a", kGemma}, {"b", kGemma}});
  EXPECT_TRUE(gemma.remarks.warnings.empty());
  EXPECT_EQ(gemma.config.chat_template.kind, ChatTemplateKind::kGemma3);

  const Checkpoint other = Take({{"a.jinja", kChatMl}, {"b.json", kChatMl}});
  ASSERT_EQ(other.remarks.warnings.size(), 1u);
  EXPECT_NE(other.remarks.warnings[0].find("a.jinja holds"), std::string::npos);
  EXPECT_NE(other.remarks.warnings[0].find("ChatML"), std::string::npos);
  EXPECT_EQ(other.config.chat_template.kind, ChatTemplateKind::kOther);
  // Whichever of several files holds it.
  const Checkpoint second = Take({{"a.jinja", kGemma}, {"b.json", kChatMl}});
  ASSERT_EQ(second.remarks.warnings.size(), 1u);
  EXPECT_NE(second.remarks.warnings[0].find("b.json holds"), std::string::npos);
  EXPECT_EQ(second.config.chat_template.kind, ChatTemplateKind::kGemma3);

  const Checkpoint functions = Take({{"a", kGemma + "<start_function_call>"}});
  EXPECT_TRUE(functions.remarks.warnings.empty());
  EXPECT_EQ(functions.config.chat_template.kind, ChatTemplateKind::kFunctionGemma);
}

TEST(TakeChatDefaults, AStoresTemplateComesFirst) {
  const Checkpoint other = Take({{"gguf", kGemma}}, Ollama(kChatMl));
  ASSERT_EQ(other.remarks.warnings.size(), 1u);
  EXPECT_NE(other.remarks.warnings[0].find("Ollama's m:latest holds"), std::string::npos);
  EXPECT_EQ(other.config.name, "m:latest");
  // Plain turns leave it to the file to say which of Gemma's kin it holds.
  const Checkpoint translate = Take({{"gguf", kTranslate}}, Ollama(kGemma));
  EXPECT_EQ(translate.config.chat_template.kind, ChatTemplateKind::kTranslateGemma);
  EXPECT_TRUE(translate.remarks.warnings.empty());
}

TEST(TakeChatDefaults, AStoresDefaultsBecomeTheModels) {
  FoundModel found = Ollama(kGemma);
  found.defaults.system = "Be brief.";
  found.defaults.temperature = 0.0f;
  found.defaults.repeat_penalty = 1.25f;
  found.defaults.context = 4000;
  found.defaults.stop = {"END", "<end_of_turn>", "<start_of_turn>", "<eos>"};
  found.remarks.warnings = {"something"};
  const Checkpoint checkpoint = Take({}, found);
  const ModelConfig& config = checkpoint.config;
  EXPECT_EQ(config.system, "Be brief.");
  EXPECT_EQ(config.generation.temperature, 0);
  EXPECT_EQ(config.generation.top_k, 64);
  EXPECT_EQ(config.generation.repeat_penalty, 1.25f);
  EXPECT_EQ(config.generation.repeat_last_n, 64u);  // Ollama's own default
  EXPECT_EQ(config.default_context, 1000u);         // not beyond the trained one
  // Marks never come up as text; as tokens they end the answer.
  EXPECT_EQ(config.generation.stop, (std::vector<std::string>{"END"}));
  EXPECT_EQ(config.generation.stop_tokens, (std::vector<TokenId>{1, 106, 105}));
  EXPECT_EQ(config.defaults_from,
            "Ollama's m:latest: temperature, repeat-penalty, context, stop, system");
  EXPECT_EQ(checkpoint.remarks.warnings, (std::vector<std::string>{"something"}));

  EXPECT_EQ(Take({}, Ollama(kGemma)).config.defaults_from, "");
  // TranslateGemma has no place for it.
  found.remarks = {};
  const Checkpoint translate = Take({{"gguf", kTranslate}}, found);
  EXPECT_EQ(translate.config.system, "");
  ASSERT_EQ(translate.remarks.warnings.size(), 1u);
  EXPECT_NE(translate.remarks.warnings[0].find("system text"), std::string::npos);
}

// From a store on disk to a session.
TEST(TakeChatDefaults, AModelOfOllamasBeginsAsItsMakerWants) {
  const testing::TempFolder folder;
  std::string layers;
  char digit = '0';
  const auto add = [&](const std::string& kind, const std::string& content) {
    const std::string hex(64, digit++);
    folder.Write("blobs/sha256-" + hex, content);
    layers +=
        (layers.empty() ? "" : ",") + ("{\"mediaType\":\"application/vnd.ollama.image." + kind) +
        "\",\"digest\":\"sha256:" + hex + "\",\"size\":" + std::to_string(content.size()) + "}";
  };
  add("model", testing::MakeGguf(testing::TinyTextConfig(), 1).Finish());
  add("system", "Be brief.");
  add("template", kGemma);
  add("params", R"({"stop":["END"],"temperature":0,"num_ctx":32,"mirostat":1})");
  folder.Write("manifests/registry.ollama.ai/library/brief/latest",
               "{\"layers\":[" + layers + "]}");
  const char* before = std::getenv("OLLAMA_MODELS");
  const std::string saved = before ? before : "";
  setenv("OLLAMA_MODELS", folder.path().c_str(), 1);
  const auto model = Model::Load("brief");
  saved.empty() ? unsetenv("OLLAMA_MODELS") : setenv("OLLAMA_MODELS", saved.c_str(), 1);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->config().name, "brief:latest");
  EXPECT_EQ(model->config().generation.temperature, 0);
  EXPECT_EQ(model->config().generation.stop, (std::vector<std::string>{"END"}));
  ASSERT_EQ(model->warnings().size(), 1u);
  EXPECT_NE(model->warnings()[0].find("mirostat"), std::string::npos);
  auto session = Session::Create(*model);
  ASSERT_TRUE(session) << session.error().message;
  ASSERT_EQ(session->messages().size(), 1u);
  EXPECT_EQ(session->messages()[0].role, Role::kSystem);
  EXPECT_EQ(session->messages()[0].parts[0].text, "Be brief.");
  EXPECT_EQ(session->usage().context_tokens, 32u);
}

}  // namespace
}  // namespace gemma3
