// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Gemma 3's chat template: from messages to token ids.
#include "src/chat/template.h"

#include <string>
#include <string_view>
#include <utility>

#include "src/base/status.h"
#include "src/chat/languages.h"
#include "src/chat/translation.h"
#include "src/text/utf8.h"

namespace gemma3 {
namespace {

Status CheckText(std::string_view text, const std::string& where) {
  const size_t at = FindInvalidUtf8(text);
  if (at == std::string_view::npos) return {};
  return Fail(ErrorCode::kInvalidArgument, where, " is not valid UTF-8 at byte ", at);
}

std::string Place(size_t message, size_t part) {
  return "message " + std::to_string(message + 1) + ", part " + std::to_string(part + 1);
}

// The text in front of the first turn, or nothing without a system message.
Result<std::string> SystemPrefix(const Message& message) {
  std::string prefix;
  for (size_t i = 0; i < message.parts.size(); ++i) {
    const Part& part = message.parts[i];
    if (part.image != nullptr) {
      return Fail(ErrorCode::kInvalidArgument,
                  "the system message has a picture; pictures belong to user messages");
    }
    GEMMA3_CHECK_OK(CheckText(part.text, Place(0, i)));
    prefix.append(part.text);
  }
  prefix.append("\n\n");
  return prefix;
}

// Adds parts to a prompt and counts the pictures in it.
class PartWriter {
 public:
  PartWriter(PromptBuilder& builder, std::span<const size_t> crops)
      : builder_(builder), crops_(crops) {}

  Status Add(const Part& part, const std::string& where, bool trim) {
    if (part.image != nullptr) {
      const size_t crops = pictures_ < crops_.size() ? crops_[pictures_] : 0;
      ++pictures_;
      return builder_.Picture(crops);
    }
    GEMMA3_CHECK_OK(CheckText(part.text, where));
    builder_.Text(trim ? TrimUnicodeWhitespace(part.text) : std::string_view(part.text));
    return {};
  }

 private:
  PromptBuilder& builder_;
  std::span<const size_t> crops_;
  size_t pictures_ = 0;
};

// The words of a request in front of its part.
Result<std::string> BeforeTranslated(const Message& message, size_t index,
                                     const ModelConfig& config) {
  if (message.parts.size() != 1) {
    return Fail(ErrorCode::kInvalidArgument, "message ", index + 1, " has ", message.parts.size(),
                " parts; a translation request is one text or one picture");
  }
  const std::span<const Language> table = config.chat_template.languages;
  GEMMA3_TRY(const Language from,
             FindLanguage(message.translation->from, table, "source language"));
  GEMMA3_TRY(const Language to, FindLanguage(message.translation->to, table, "target language"));
  return message.parts[0].image ? BeforeTranslatedPicture(from, to)
                                : BeforeTranslatedText(from, to);
}

// What TranslateGemma's own template refuses.
Status CheckForTranslateGemma(std::span<const Message> messages) {
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role == Role::kSystem) {
      return Fail(ErrorCode::kInvalidArgument, "TranslateGemma takes no system message");
    }
    if (messages[i].role == Role::kUser && !messages[i].translation) {
      return Fail(ErrorCode::kInvalidArgument, "message ", i + 1,
                  " names no languages: TranslateGemma takes the codes of a source and a target "
                  "language with each text (the options from and to, e.g. de and en)");
    }
  }
  return {};
}

// Ids come from programs; they may hold no turn and no picture of their own.
Status CheckGenerated(std::span<const TokenId> ids, const ChatTokens& tokens,
                      const ModelConfig& config, size_t message) {
  for (const TokenId id : ids) {
    for (const TokenId mark : {tokens.bos, tokens.start_of_turn, tokens.end_of_turn}) {
      if (id == mark) {
        return Fail(ErrorCode::kInvalidArgument, "message ", message + 1, ": its ids hold ", id,
                    ", which marks turns");
      }
    }
    const bool of_pictures = id == config.tokens.image_soft_token ||
                             id == config.tokens.start_of_image || id == config.tokens.end_of_image;
    if (config.has_vision && of_pictures) {
      return Fail(ErrorCode::kInvalidArgument, "message ", message + 1, ": its ids hold ", id,
                  ", which marks pictures");
    }
  }
  return {};
}

}  // namespace

Result<PromptLayout> LayOutChat(std::span<const Message> messages, const Tokenizer& tokenizer,
                                const ModelConfig& config, const TemplateOptions& options) {
  GEMMA3_TRY(const ChatTokens tokens, ChatTokens::Find(tokenizer));
  PromptBuilder builder(tokenizer, config, options.image_form, options.memo);
  PartWriter parts(builder, options.crops);

  if (config.chat_template.kind == ChatTemplateKind::kTranslateGemma) {
    GEMMA3_CHECK_OK(CheckForTranslateGemma(messages));
  }
  std::string prefix;
  const size_t first = !messages.empty() && messages[0].role == Role::kSystem ? 1 : 0;
  if (first == 1) {
    GEMMA3_TRY(prefix, SystemPrefix(messages[0]));
  }
  if (messages.size() == first) {
    return Fail(ErrorCode::kInvalidArgument, "the conversation has no user message");
  }

  GEMMA3_CHECK_OK(builder.Control(tokens.bos));
  for (size_t i = first; i < messages.size(); ++i) {
    const Message& message = messages[i];
    const size_t turn = i - first;
    const Role expected = turn % 2 == 0 ? Role::kUser : Role::kModel;
    if (message.role != expected) {
      return Fail(ErrorCode::kInvalidArgument, "message ", i + 1, " should be the ",
                  expected == Role::kUser ? "user's" : "model's",
                  ": roles must alternate user, model, user, ... after an optional system message");
    }
    GEMMA3_CHECK_OK(builder.BeginTurn());
    GEMMA3_CHECK_OK(builder.Control(tokens.start_of_turn));
    builder.Text(message.role == Role::kUser ? "user\n" : "model\n");
    if (turn == 0) builder.Text(prefix);
    if (message.role == Role::kUser && message.translation) {
      GEMMA3_TRY(const std::string words, BeforeTranslated(message, i, config));
      builder.Text(words);
    }

    const size_t answer = turn / 2;
    std::span<const TokenId> generated;
    if (message.role == Role::kModel) {
      const bool given = answer < options.answers.size() && !options.answers[answer].empty();
      generated = given ? options.answers[answer] : message.ids;
    }
    const bool ended = !generated.empty() && generated.back() == tokens.end_of_turn;
    if (!generated.empty()) {
      GEMMA3_CHECK_OK(CheckGenerated(ended ? generated.first(generated.size() - 1) : generated,
                                     tokens, config, i));
      GEMMA3_CHECK_OK(builder.Ids(generated));
    } else {
      for (size_t p = 0; p < message.parts.size(); ++p) {
        GEMMA3_CHECK_OK(parts.Add(message.parts[p], Place(i, p), /*trim=*/true));
      }
    }
    if (!ended) GEMMA3_CHECK_OK(builder.Control(tokens.end_of_turn));
    builder.Text("\n");
  }
  if (options.add_generation_prompt) {
    GEMMA3_CHECK_OK(builder.Control(tokens.start_of_turn));
    builder.Text("model\n");
  }
  return std::move(builder).Finish();
}

Result<PromptLayout> LayOutRaw(std::span<const Part> parts, const Tokenizer& tokenizer,
                               const ModelConfig& config, const TemplateOptions& options) {
  GEMMA3_TRY(const ChatTokens tokens, ChatTokens::Find(tokenizer));
  PromptBuilder builder(tokenizer, config, options.image_form, options.memo);
  PartWriter writer(builder, options.crops);
  GEMMA3_CHECK_OK(builder.Control(tokens.bos));
  for (size_t i = 0; i < parts.size(); ++i) {
    GEMMA3_CHECK_OK(writer.Add(parts[i], "part " + std::to_string(i + 1), /*trim=*/false));
  }
  return std::move(builder).Finish();
}

}  // namespace gemma3
