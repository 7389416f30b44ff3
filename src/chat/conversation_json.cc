// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/chat/conversation_json.h"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "src/base/json.h"

namespace gemma3 {
namespace {

constexpr std::array<std::pair<Role, const char*>, 4> kRoles = {{{Role::kSystem, "system"},
                                                                 {Role::kUser, "user"},
                                                                 {Role::kModel, "model"},
                                                                 {Role::kTool, "tool"}}};

Result<JsonValue> Member(const JsonValue& object, std::string_view key) {
  const auto member = object.Find(key);
  if (!member) return Fail(ErrorCode::kBadModel, object.Path(), " has no \"", key, "\"");
  return *member;
}

Result<std::vector<PictureBox>> ParseViews(const JsonValue& json) {
  if (!json.IsArray()) return Fail(ErrorCode::kBadModel, json.Path(), " is no array");
  std::vector<PictureBox> views(json.size());
  for (size_t i = 0; i < views.size(); ++i) {
    if (!json[i].IsArray() || json[i].size() != views[i].size()) {
      return Fail(ErrorCode::kBadModel, json[i].Path(), " is no array of four numbers");
    }
    for (size_t side = 0; side < views[i].size(); ++side) {
      GEMMA3_TRY(views[i][side], json[i][side].AsUint());
    }
  }
  return views;
}

Result<Part> ParsePart(const JsonValue& json, std::vector<std::vector<PictureBox>>& views) {
  if (const auto text = json.Find("text")) {
    GEMMA3_TRY(const std::string value, text->AsString());
    return Part::Text(value);
  }
  GEMMA3_TRY(const JsonValue picture, Member(json, "picture"));
  GEMMA3_TRY(const JsonValue width, Member(picture, "width"));
  GEMMA3_TRY(const JsonValue height, Member(picture, "height"));
  Image image;
  GEMMA3_TRY(image.width, width.AsUint());
  GEMMA3_TRY(image.height, height.AsUint());
  GEMMA3_TRY(const JsonValue boxes, Member(picture, "views"));
  GEMMA3_TRY(std::vector<PictureBox> parsed, ParseViews(boxes));
  views.push_back(std::move(parsed));
  return Part::Picture(std::move(image));
}

Result<Message> ParseMessage(const JsonValue& json, std::vector<std::vector<PictureBox>>& views) {
  Message message;
  GEMMA3_TRY(const JsonValue role, Member(json, "role"));
  GEMMA3_TRY(const std::string name, role.AsString());
  const auto known = std::ranges::find_if(kRoles, [&](const auto& r) { return r.second == name; });
  if (known == kRoles.end()) {
    return Fail(ErrorCode::kBadModel, role.Path(), " is ", role.Excerpt(),
                ", expected system, user, model or tool");
  }
  message.role = known->first;
  GEMMA3_TRY(const JsonValue parts, Member(json, "parts"));
  if (!parts.IsArray()) return Fail(ErrorCode::kBadModel, parts.Path(), " is no array");
  for (size_t i = 0; i < parts.size(); ++i) {
    GEMMA3_TRY(Part part, ParsePart(parts[i], views));
    message.parts.push_back(std::move(part));
  }
  if (const auto ids = json.Find("ids")) {
    if (!ids->IsArray()) return Fail(ErrorCode::kBadModel, ids->Path(), " is no array");
    for (size_t i = 0; i < ids->size(); ++i) {
      GEMMA3_TRY(const uint64_t id, (*ids)[i].AsUint());
      if (id > uint64_t{std::numeric_limits<TokenId>::max()}) {
        return Fail(ErrorCode::kBadModel, (*ids)[i].Path(), " is no token");
      }
      message.ids.push_back(static_cast<TokenId>(id));
    }
  }
  if (const auto translation = json.Find("translation")) {
    message.translation.emplace();
    GEMMA3_TRY(message.translation->from, translation->String("from", ""));
    GEMMA3_TRY(message.translation->to, translation->String("to", ""));
  }
  if (const auto calls = json.Find("calls")) {
    if (!calls->IsArray()) return Fail(ErrorCode::kBadModel, calls->Path(), " is no array");
    for (size_t i = 0; i < calls->size(); ++i) {
      ToolCall& call = message.calls.emplace_back();
      GEMMA3_TRY(call.id, (*calls)[i].String("id", ""));
      GEMMA3_TRY(call.name, (*calls)[i].String("name", ""));
      GEMMA3_TRY(call.arguments, (*calls)[i].String("arguments", "{}"));
    }
  }
  GEMMA3_TRY(message.call_id, json.String("call_id", ""));
  return message;
}

}  // namespace

std::string ConversationJson(const SavedConversation& conversation) {
  using Json = nlohmann::ordered_json;
  Json all = Json::array();
  auto views = conversation.views.begin();
  for (const Message& message : conversation.messages) {
    Json json;
    for (const auto& [role, name] : kRoles) {
      if (role == message.role) json["role"] = name;
    }
    json["parts"] = Json::array();
    for (const Part& part : message.parts) {
      if (part.image) {
        json["parts"].push_back({{"picture",
                                  {{"width", part.image->width},
                                   {"height", part.image->height},
                                   {"views", *views++}}}});
      } else {
        json["parts"].push_back({{"text", part.text}});
      }
    }
    if (!message.ids.empty()) json["ids"] = message.ids;
    if (message.translation) {
      json["translation"] = {{"from", message.translation->from}, {"to", message.translation->to}};
    }
    for (const ToolCall& call : message.calls) {
      json["calls"].push_back(
          {{"id", call.id}, {"name", call.name}, {"arguments", call.arguments}});
    }
    if (!message.call_id.empty()) json["call_id"] = message.call_id;
    all.push_back(std::move(json));
  }
  return Json{{"messages", std::move(all)}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<SavedConversation> ParseConversationJson(std::string_view json, const std::string& where) {
  GEMMA3_TRY(const JsonValue root, JsonValue::Parse(json, where));
  GEMMA3_TRY(const JsonValue list, Member(root, "messages"));
  if (!list.IsArray()) return Fail(ErrorCode::kBadModel, list.Path(), " is no array");
  SavedConversation conversation;
  for (size_t i = 0; i < list.size(); ++i) {
    GEMMA3_TRY(Message message, ParseMessage(list[i], conversation.views));
    conversation.messages.push_back(std::move(message));
  }
  return conversation;
}

}  // namespace gemma3
