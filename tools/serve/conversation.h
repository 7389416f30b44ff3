// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A conversation as clients send it, made one that Gemma's turns can say. Nothing is left out:
//   - system texts, wherever they stand, are joined with blank lines into the one in front;
//   - two turns of one speaker in a row become one, with a blank line between;
//   - a conversation that the model begins has an empty user's turn before it;
//   - one that ends with the model's text is gone on with.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/engine.h"
#include "gemma3/message.h"
#include "tools/serve/api_error.h"

namespace gemma3::serve {

class Conversation {
 public:
  void System(std::string_view text);
  void User(std::vector<Part> parts);
  void Model(std::vector<Part> parts, std::vector<ToolCall> calls);
  // Without call_id it is of the first call of this name that has no result yet; without a name,
  // too, of the first that has none.
  void Result(const std::string& call_id, const std::string& name, std::vector<Part> parts);
  bool empty() const { return messages_.empty() && system_.empty(); }

  // default_system: where the client gave none. Errors: 400 for a conversation that cannot be
  // answered, with `param`.
  Api<Prompt> Finish(const std::string& default_system, const std::string& param) &&;

 private:
  Message& Turn(Role role);
  std::string OpenCall(const std::string& name);

  std::vector<std::string> system_;
  std::vector<Message> messages_;
  // Of the model's last turn: which calls of a name may still have no result, by their ids; and
  // whose results have come.
  std::map<std::string, std::deque<std::string>, std::less<>> open_;
  std::set<std::string> answered_;
};

// Adds words to the last user's message, as `run --json-schema` does.
void AddToLastUser(Prompt& prompt, std::string_view words);

}  // namespace gemma3::serve
