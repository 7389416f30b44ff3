// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A conversation as JSON, as saved states hold it:
//   {"messages": [{"role": "system" | "user" | "model" | "tool",
//                  "parts": [{"text": ...} | {"picture": {"width", "height", "views"}}],
//                  "ids": [...], "translation": {"from", "to"},
//                  "calls": [{"id", "name", "arguments"}], "call_id": ...}]}
// where ids and what is behind them may be missing. Of a picture, this has its size and which parts
// of it the model saw, [left, top, right, bottom] each; what it saw there stands elsewhere.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/message.h"
#include "src/base/status.h"

namespace gemma3 {

using PictureBox = std::array<uint64_t, 4>;  // left, top, right, bottom

struct SavedConversation {
  std::vector<Message> messages;               // pictures have their size and no pixels
  std::vector<std::vector<PictureBox>> views;  // of each picture, in order of appearance
};

std::string ConversationJson(const SavedConversation& conversation);

// `where` names the text in messages. Errors: kBadModel, naming what is missing or of the wrong
// kind.
Result<SavedConversation> ParseConversationJson(std::string_view json, const std::string& where);

}  // namespace gemma3
