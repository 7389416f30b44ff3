// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/conversation.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

namespace gemma3::serve {
namespace {

// The template trims each text, so the blank line has to stand within one.
void Append(std::vector<Part>& to, std::vector<Part> more) {
  if (!to.empty() && !more.empty() && !to.back().image && !more.front().image) {
    to.back().text += "\n\n" + more.front().text;
    more.erase(more.begin());
  }
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

Message& Conversation::Turn(Role role) {
  // The model's turn goes on only where it has not called anything yet.
  const bool same = !messages_.empty() && messages_.back().role == role &&
                    (role != Role::kModel || messages_.back().calls.empty());
  if (!same) messages_.push_back({role, {}});
  return messages_.back();
}

void Conversation::System(std::string_view text) { system_.emplace_back(text); }

void Conversation::User(std::vector<Part> parts) {
  Append(Turn(Role::kUser).parts, std::move(parts));
}

void Conversation::Model(std::vector<Part> parts, std::vector<ToolCall> calls) {
  if (messages_.empty()) Turn(Role::kUser);
  Message& message = Turn(Role::kModel);
  Append(message.parts, std::move(parts));
  message.calls = std::move(calls);
  open_.clear();
  answered_.clear();
  for (size_t i = 0; i < message.calls.size(); ++i) {
    ToolCall& call = message.calls[i];
    // Ollama's and Google's calls may have none; no client's id has a blank.
    if (call.id.empty()) call.id = "call " + std::to_string(i);
    open_[call.name].push_back(call.id);
  }
}

// The id of the first call of this name in the model's last turn that has no result; empty: none.
std::string Conversation::OpenCall(const std::string& name) {
  std::deque<std::string>& ids = open_[name];
  while (!ids.empty() && answered_.contains(ids.front())) ids.pop_front();
  return ids.empty() ? std::string() : ids.front();
}

void Conversation::Result(const std::string& call_id, const std::string& name,
                          std::vector<Part> parts) {
  Message& message = messages_.emplace_back();
  message.role = Role::kTool;
  message.call_id = call_id.empty() && !name.empty() ? OpenCall(name) : call_id;
  message.parts = std::move(parts);
  answered_.insert(message.call_id);
}

Api<Prompt> Conversation::Finish(const std::string& default_system, const std::string& param) && {
  if (empty()) return Refuse(400, param + ": there is nothing to answer", param, "invalid_value");
  Prompt prompt;
  if (messages_.empty()) Turn(Role::kUser);
  std::string system;
  for (const std::string& text : system_) {
    if (!system.empty() && !text.empty()) system += "\n\n";
    system += text;
  }
  if (system_.empty()) system = default_system;
  if (!system.empty()) prompt.messages.push_back(Message::System(system));
  prompt.messages.insert(prompt.messages.end(), std::make_move_iterator(messages_.begin()),
                         std::make_move_iterator(messages_.end()));
  const Message& last = prompt.messages.back();
  if (last.role == Role::kModel && !last.calls.empty()) {
    return Refuse(400, param + ": it ends with calls that have no results", param, "invalid_value");
  }
  prompt.continues = last.role == Role::kModel;
  return prompt;
}

void AddToLastUser(Prompt& prompt, std::string_view words) {
  for (size_t i = prompt.messages.size(); i-- > 0;) {
    if (prompt.messages[i].role != Role::kUser) continue;
    std::vector<Part>& parts = prompt.messages[i].parts;
    if (parts.empty() || parts.back().image) parts.push_back(Part::Text(""));
    if (!parts.back().text.empty()) parts.back().text += "\n\n";
    parts.back().text += words;
    return;
  }
}

}  // namespace gemma3::serve
