// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What the files of a model, and the store it lies in, say about talking to it.
#include "src/engine/chat_defaults.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "src/chat/template_kind.h"

namespace gemma3 {
namespace {

// Turns like Gemma 3's, whatever is said in them.
bool IsGemmas(const ChatTemplate& chat) {
  return chat.kind != ChatTemplateKind::kNone && chat.kind != ChatTemplateKind::kOther;
}

void TakeTemplates(const FoundModel& found, Checkpoint* checkpoint) {
  std::vector<StoredTemplate> templates = checkpoint->chat_templates;
  if (found.chat_template) {
    templates.insert(templates.begin(), {"Ollama's " + found.name, *found.chat_template});
  }
  ChatTemplate& chosen = checkpoint->config.chat_template;
  Remarks& remarks = checkpoint->remarks;
  const std::string* other = nullptr;
  std::string other_name;
  for (const StoredTemplate& stored : templates) {
    ChatTemplate chat = RecognizeChatTemplate(stored.text);
    if (chat.kind == ChatTemplateKind::kOther && !other) {
      other = &stored.where;
      other_name = chat.name;
    }
    // The first one counts. Only plain turns, which Ollama's template can say no more than, leave
    // it to the file to say which of Gemma's kin it holds.
    const bool plain = chosen.kind == ChatTemplateKind::kGemma3 && found.chat_template;
    if (chosen.kind == ChatTemplateKind::kNone || (plain && IsGemmas(chat))) {
      chosen = std::move(chat);
    }
  }
  if (other) {
    remarks.warnings.push_back(
        *other + " holds a chat template that is not Gemma's (it seems to be: " + other_name +
        "); the model may have been trained with those turns, but chats are "
        "laid out with Gemma's");
  }
}

void TakeStoreDefaults(const FoundModel& found, Checkpoint* checkpoint) {
  const StoreDefaults& wanted = found.defaults;
  ModelConfig& config = checkpoint->config;
  std::string used;
  const auto use = [&](const auto& from, auto& to, const char* name) {
    if (!from) return;
    to = *from;
    used += (used.empty() ? "" : ", ") + std::string(name);
  };
  GenerationDefaults& generation = config.generation;
  use(wanted.temperature, generation.temperature, "temperature");
  use(wanted.top_k, generation.top_k, "top-k");
  use(wanted.top_p, generation.top_p, "top-p");
  use(wanted.min_p, generation.min_p, "min-p");
  use(wanted.repeat_penalty, generation.repeat_penalty, "repeat-penalty");
  use(wanted.repeat_last_n, generation.repeat_last_n, "repeat-last-n");
  constexpr size_t kOllamasLastN = 64;
  if (wanted.repeat_penalty && !wanted.repeat_last_n) generation.repeat_last_n = kOllamasLastN;
  if (wanted.context) {
    const size_t context = std::min(*wanted.context, config.text.max_context);
    use(std::optional(context), config.default_context, "context");
    if (context < *wanted.context) {
      checkpoint->remarks.notes.push_back(
          "Ollama's " + found.name + " asks for a context of " + std::to_string(*wanted.context) +
          " tokens; the model was trained for " + std::to_string(context));
    }
  }
  // Marks never come up as text; as tokens they end an answer.
  const SpecialTokens& tokens = config.tokens;
  const std::pair<std::string_view, TokenId> marks[] = {{"<end_of_turn>", tokens.end_of_turn},
                                                        {"<start_of_turn>", tokens.start_of_turn},
                                                        {"<eos>", tokens.eos}};
  for (const std::string& stop : wanted.stop) {
    const auto mark =
        std::ranges::find(marks, std::string_view(stop), [](const auto& m) { return m.first; });
    if (mark == std::end(marks)) {
      generation.stop.push_back(stop);
    } else if (std::ranges::find(generation.stop_tokens, mark->second) ==
               generation.stop_tokens.end()) {
      generation.stop_tokens.push_back(mark->second);
    }
  }
  if (!generation.stop.empty()) used += (used.empty() ? "" : ", ") + std::string("stop");
  if (wanted.system && !wanted.system->empty()) {
    if (config.chat_template.kind == ChatTemplateKind::kTranslateGemma) {
      checkpoint->remarks.warnings.push_back("Ollama's " + found.name +
                                             " has a system text, which TranslateGemma takes none "
                                             "of; it is left out");
    } else {
      use(wanted.system, config.system, "system");
    }
  }
  if (!used.empty()) config.defaults_from = "Ollama's " + found.name + ": " + used;
}

}  // namespace

void TakeChatDefaults(const FoundModel& found, Checkpoint* checkpoint) {
  if (!found.name.empty()) checkpoint->config.name = found.name;
  TakeTemplates(found, checkpoint);
  TakeStoreDefaults(found, checkpoint);
  Remarks& remarks = checkpoint->remarks;
  remarks.warnings.insert(remarks.warnings.end(), found.remarks.warnings.begin(),
                          found.remarks.warnings.end());
  remarks.notes.insert(remarks.notes.end(), found.remarks.notes.begin(), found.remarks.notes.end());
}

}  // namespace gemma3
