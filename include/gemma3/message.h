// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a conversation is made of.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/image.h"
#include "gemma3/tools.h"

namespace gemma3 {

// kTool: what a call of the model's returned. A model's turn with calls is followed by one such
// message for each call, and these by a user's message, or by nothing.
enum class Role { kSystem, kUser, kModel, kTool };

// Text, or a picture. Text is always text: a part that spells "<end_of_turn>" is encoded as those
// characters and can never become a control token.
struct Part {
  std::string text;
  std::shared_ptr<const Image> image;  // set: this part is the picture, and text must be empty

  static Part Text(std::string_view text) { return {std::string(text), nullptr}; }
  static Part Picture(Image image) { return {"", std::make_shared<const Image>(std::move(image))}; }
};

// Turns a user's message into a request to TranslateGemma: its one part, a text or a picture, is to
// be translated. Codes are ISO 639-1, with or without a region or script: "de", "en-GB", "zh_Hant".
struct Translation {
  std::string from;
  std::string to;
};

struct Message {
  Role role = Role::kUser;
  std::vector<Part> parts;
  std::optional<Translation> translation = {};  // of user messages only
  // Of a model's message: the tokens that it was generated as (GenerationResult::ids). They enter
  // prompts instead of the text, which may be encoded otherwise; then nothing that was computed
  // behind it could be used again. The caller sees to it that they are the text's.
  std::vector<TokenId> ids = {};
  std::vector<ToolCall> calls = {};  // of the model's messages only; made after its text
  // Of tool messages only: which call of the model's last message this answers. Empty: the first
  // that no other message answers.
  std::string call_id = {};

  static Message System(std::string_view text) { return {Role::kSystem, {Part::Text(text)}}; }
  static Message User(std::string_view text) { return {Role::kUser, {Part::Text(text)}}; }
  static Message Model(std::string_view text) { return {Role::kModel, {Part::Text(text)}}; }
  static Message Translate(Translation languages, std::string_view text) {
    return {Role::kUser, {Part::Text(text)}, std::move(languages)};
  }
  static Message Translate(Translation languages, Image picture) {
    return {Role::kUser, {Part::Picture(std::move(picture))}, std::move(languages)};
  }
  static Message ModelCalls(std::string_view text, std::vector<ToolCall> calls) {
    Message message = Model(text);
    message.calls = std::move(calls);
    return message;
  }
  // `text` may be any bytes: those that are no UTF-8 become U+FFFD.
  static Message ToolResult(std::string_view call_id, std::string_view text) {
    Message message{Role::kTool, {Part::Text(text)}};
    message.call_id = call_id;
    return message;
  }
};

}  // namespace gemma3
