// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// One value in a call, from tokens to JSON without blanks: the form in which this folder keeps
// values. What is written here is valid JSON if the strings are valid UTF-8, has no key twice, and
// keeps the order of keys and the spelling of numbers.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "src/chat/call_lexer.h"

namespace gemma3 {

class CallValue {
 public:
  static constexpr size_t kMaxDepth = 64;  // of arrays and objects inside each other

  enum class Status { kMore, kDone, kBad };
  // Takes the next token; none after kDone and kBad. Trailing commas are taken, as Python does.
  Status Push(const CallToken& token);

  // How many arrays and objects are open.
  size_t depth() const { return frames_.size(); }
  // Whether the next token should be a key of the innermost object.
  bool AtKey() const;
  // The key whose value the next token begins; nothing elsewhere.
  std::optional<std::string_view> AtValueOf() const;

  const std::string& json() const { return json_; }
  std::string Take() && { return std::move(json_); }

 private:
  enum class Expect { kFirst, kNext, kColon, kValue, kComma };
  struct Frame {
    bool object;
    Expect expect = Expect::kFirst;
    std::string key = {};
    std::unordered_set<std::string> keys = {};
  };
  Status PushKey(Frame& frame, const CallToken& token);
  Status PushValue(const CallToken& token);
  Status Close(char bracket);
  Status EndValue();

  std::vector<Frame> frames_;
  std::string json_;
};

// `text`, one value in JSON or as a model would write it, without blanks; nothing where it is no
// value, has a key twice, or is too deep.
std::optional<std::string> CompactJson(std::string_view text);

// ---- Reading what CallValue wrote
// ----------------------------------------------------------------

// The members of an object or the elements of an array that CallValue wrote, in order; false from
// `visit` ends the walk. Keys are decoded, values are slices of `json`. False where a visit said
// so.
using MemberVisitor = std::function<bool(const std::string& key, std::string_view value)>;
bool ForEachMember(std::string_view json, const MemberVisitor& visit);
bool ForEachElement(std::string_view json, const std::function<bool(std::string_view)>& visit);

// The text of a string that CallValue wrote.
std::string JsonStringText(std::string_view json);

// How a value is written for a model to read.
enum class Spelling {
  kSpaced,  // {"a": [1, true]}, as Python's json.dumps
  kPython,  // {"a": [1, True]}
};
// `json` as CallValue wrote it, spelled so.
std::string Spell(std::string_view json, Spelling spelling);

}  // namespace gemma3
