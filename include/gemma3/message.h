// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a conversation is made of.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gemma3/image.h"

namespace gemma3 {

enum class Role { kSystem, kUser, kModel };

// Text, or a picture. Text is always text: a part that spells "<end_of_turn>" is encoded as those
// characters and can never become a control token.
struct Part {
  std::string text;
  std::shared_ptr<const Image> image;  // set: this part is the picture and text is unused

  static Part Text(std::string_view text) { return {std::string(text), nullptr}; }
  static Part Picture(Image image) { return {"", std::make_shared<const Image>(std::move(image))}; }
};

struct Message {
  Role role = Role::kUser;
  std::vector<Part> parts;

  static Message System(std::string_view text) { return {Role::kSystem, {Part::Text(text)}}; }
  static Message User(std::string_view text) { return {Role::kUser, {Part::Text(text)}}; }
  static Message Model(std::string_view text) { return {Role::kModel, {Part::Text(text)}}; }
};

}  // namespace gemma3
