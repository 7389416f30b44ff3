// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// One unit of calls, token by token. It is one of
//
//   [f(a=1), g()]                  a list of Python calls
//   f(a=1), print(f(a=1))          one Python call, "bare"
//   {"name": "f", "parameters": {"a": 1}}
//   {"name": "f", "arguments": "{\"a\": 1}"}
//   {"type": "function", "function": {"name": "f", "arguments": {}}}
//   {"tool_calls": [...]}, {"tool_call": {...}}
//   [{...}, {...}]                 a list of the objects above but the last two
//
// with literals of JSON or Python alike. All of it is read or nothing: names are those of tools
// that may be called, arguments are complete, no key comes twice, and an object has no other keys
// than a call has. What cannot become a unit any more is refused at the first token that says so.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "src/chat/call_lexer.h"
#include "src/chat/call_value.h"
#include "src/chat/tool_set.h"

namespace gemma3 {

struct ReadCall {
  std::string name;
  std::string arguments;  // a JSON object without blanks
};

// The arguments of a call of `tool` where they were given as one value, a JSON object, a string
// that holds one, null or nothing. Nothing where they are anything else, or null where some are
// required.
std::optional<std::string> ArgumentsFrom(std::optional<std::string_view> value,
                                         const ToolSet::Entry& tool);

// Keeps a reference to the tools.
class CallUnit {
 public:
  explicit CallUnit(const ToolSet& tools) : tools_(tools) {}

  using Status = CallValue::Status;
  Status Push(const CallToken& token);

  // Whether a word that begins so may come next.
  bool MayBegin(std::string_view word) const;
  // Whether a tool that may be called has been named as one names it in a call.
  bool begun() const { return begun_; }
  bool bare() const { return bare_; }

  std::vector<ReadCall> TakeCalls() { return std::move(calls_); }

 private:
  enum class State {
    kStart,
    kListFirst,   // behind "["
    kListName,    // behind "[f(), "
    kListComma,   // behind "[f()"
    kPrintName,   // behind "print("
    kPrintClose,  // behind "print(f()"
    kOpen,        // behind "f"
    kArgument,    // behind "f(" or "f(a=1, "
    kWord,        // behind "f(a": a keyword, or a positional True
    kValue,       // inside a value
    kComma,       // behind "f(a=1"
    kJson,
  };
  Status PushName(const CallToken& token);
  Status PushArgument(const CallToken& token);
  Status PushValue(const CallToken& token);
  Status PushJson(const CallToken& token);
  Status EndArgument();
  Status EndCall();
  bool ReadObject(std::string_view json, bool wrapped);

  const ToolSet& tools_;
  State state_ = State::kStart;
  bool in_list_ = false, in_print_ = false, bare_ = false, begun_ = false;
  std::vector<ReadCall> calls_;

  // Of the Python call that is open.
  const ToolSet::Entry* tool_ = nullptr;
  std::vector<std::string> positional_;                        // JSON
  std::vector<std::pair<std::string, std::string>> keywords_;  // name, JSON
  std::unordered_set<std::string> keys_;
  std::string keyword_;  // of the argument that is open; empty: positional

  CallValue value_;        // of that argument, or the whole unit where it is JSON
  size_t call_depth_ = 1;  // kJson: where the members of a call are
  size_t name_depth_ = 1;  // and where its name is: deeper inside of "function" or "tool_calls"
};

}  // namespace gemma3
