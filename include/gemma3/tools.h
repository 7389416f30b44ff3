// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Functions that a model may call, and the calls that it makes. Plain values: the library runs
// nothing. A call comes back to the program, which may do what it asks for and give the result back
// (Message::ToolResult).
//
// What tools say about themselves, and what they return, is text like any other. It can never
// become a control token.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemma3 {

struct Tool {
  std::string name;  // 1 to 128 letters, digits and _ - . / of ASCII; unique in its list
  std::string description = {};  // for the model; at most 64 KiB
  // JSON Schema of the arguments, an object, as JSON text. The order of its properties is the order
  // in which the model sees them. Empty: no arguments.
  std::string parameters = {};
};

// How calls are asked for. A model's answer is read in every style that models are known to use,
// whatever was asked for. Models with marks for calls of their own (FunctionGemma) have one style
// and ignore this.
enum class ToolStyle {
  kJson,    // {"name": "get_weather", "parameters": {"city": "Rome"}}
  kPython,  // [get_weather(city="Rome")]
};

// Whether the model calls. The prompt lists all tools whatever the choice, so that the choice can
// change from turn to turn without computing the prompt anew.
struct ToolChoice {
  enum class Mode {
    kAuto,      // the model decides; a call that it has begun is held to the tool's schema
    kNone,      // no call: what looks like one is text
    kRequired,  // one call at least, and nothing else; in the style that is asked for
  };
  Mode mode = Mode::kAuto;
  std::vector<std::string> names = {};  // which tools may be called; empty: all

  static ToolChoice Auto() { return {}; }
  static ToolChoice None() { return {Mode::kNone, {}}; }
  static ToolChoice Required() { return {Mode::kRequired, {}}; }
  static ToolChoice Named(std::string_view name) { return {Mode::kRequired, {std::string(name)}}; }
  static ToolChoice Subset(std::vector<std::string> names, Mode mode = Mode::kAuto) {
    return {mode, std::move(names)};
  }

  bool operator==(const ToolChoice&) const = default;
};

struct ToolOptions {
  std::vector<Tool> tools = {};  // at most 128; empty: the prompt says nothing of calls
  ToolChoice choice = {};
  ToolStyle style = ToolStyle::kJson;
  // Whether one answer may hold several calls. Where not, calls behind the first are dropped.
  bool parallel_tool_calls = true;
};

struct ToolCall {
  std::string id = {};           // "call_" and 24 letters or digits; unique in a conversation
  std::string name;              // of a tool that was offered
  std::string arguments = "{}";  // always an object as valid JSON text, without blanks. Numbers are
                                 // spelled as the model wrote them. They meet the tool's schema
                                 // but for what cannot be enforced (src/constrain/README.md), and
                                 // for calls in a form that is read and not enforced: check them.
  bool operator==(const ToolCall&) const = default;
};

}  // namespace gemma3
