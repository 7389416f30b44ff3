// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What the tests of requests share: a model to ask, and bodies that are read, answers to tell.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "gemma3/engine.h"
#include "tools/serve/json_in.h"
#include "tools/serve/json_out.h"
#include "tools/serve/openai_fields.h"

namespace gemma3::serve {

inline ModelView View() {
  return {.id = "tiny", .system = "", .end_tokens = {1, 106}, .context = 100, .has_vision = true};
}

inline JsonIn In(const Json& json) {
  auto parsed = JsonIn::ParseObject(json.dump());
  EXPECT_TRUE(parsed) << parsed.error().message;
  return *std::move(parsed);
}

inline std::string Shown(const Prompt& prompt) {
  std::string text;
  for (const Message& message : prompt.messages) {
    static constexpr const char* kNames[] = {"system", "user", "model", "tool"};
    text += (text.empty() ? "" : " | ") + std::string(kNames[static_cast<int>(message.role)]) + ":";
    for (const Part& part : message.parts) text += " " + (part.image ? "[picture]" : part.text);
    for (const ToolCall& call : message.calls) text += " " + call.name + call.arguments;
  }
  return text + (prompt.continues ? " ..." : "");
}

inline constexpr const char* kPixel =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg==";

inline GenerationResult AnswerOf(const std::string& text,
                                 StopReason reason = StopReason::kEndOfTurn) {
  GenerationResult result;
  result.text = text;
  result.stop_reason = reason;
  result.prompt_tokens = 11;
  result.cached_tokens = 4;
  result.tokens = 3;
  return result;
}

inline std::vector<Json> EventsOf(const std::string& stream) {
  std::vector<Json> events;
  for (size_t at = 0; (at = stream.find("data: ", at)) != std::string::npos;) {
    const size_t end = stream.find('\n', at);
    const std::string data = stream.substr(at + 6, end - at - 6);
    if (data != "[DONE]") events.push_back(Json::parse(data));
    at = end;
  }
  return events;
}

}  // namespace gemma3::serve
