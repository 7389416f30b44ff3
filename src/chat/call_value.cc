// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/chat/call_value.h"

namespace gemma3 {
namespace {

using Kind = CallToken::Kind;

// JSON's word for a literal of JSON or Python; empty for any other word.
std::string_view JsonLiteral(std::string_view word) {
  if (word == "true" || word == "True") return "true";
  if (word == "false" || word == "False") return "false";
  if (word == "null" || word == "None") return "null";
  return {};
}

// Where the value that begins at `at` ends. Values that CallValue wrote have no blanks, and their
// brackets match.
size_t EndOfValue(std::string_view json, size_t at) {
  size_t depth = 0;
  for (size_t i = at; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '"') {
      for (++i; i < json.size() && json[i] != '"'; ++i) {
        if (json[i] == '\\') ++i;
      }
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return i;
      --depth;
    } else if (c == ',' && depth == 0) {
      return i;
    }
  }
  return json.size();
}

}  // namespace

bool CallValue::AtKey() const {
  return !frames_.empty() && frames_.back().object &&
         (frames_.back().expect == Expect::kFirst || frames_.back().expect == Expect::kNext);
}

std::optional<std::string_view> CallValue::AtValueOf() const {
  if (frames_.empty() || !frames_.back().object || frames_.back().expect != Expect::kValue) {
    return std::nullopt;
  }
  return frames_.back().key;
}

CallValue::Status CallValue::Push(const CallToken& token) {
  if (frames_.empty()) return PushValue(token);
  Frame& frame = frames_.back();
  switch (frame.expect) {
    case Expect::kFirst:
    case Expect::kNext:
      if (token.Is(frame.object ? '}' : ']')) return Close(token.text[0]);
      if (frame.expect == Expect::kNext) json_ += ',';  // not before: a trailing one is left out
      return frame.object ? PushKey(frame, token) : PushValue(token);
    case Expect::kColon:
      if (!token.Is(':')) return Status::kBad;
      json_ += ':';
      frame.expect = Expect::kValue;
      return Status::kMore;
    case Expect::kValue:
      return PushValue(token);
    case Expect::kComma:
      if (token.Is(frame.object ? '}' : ']')) return Close(token.text[0]);
      if (!token.Is(',')) return Status::kBad;
      frame.expect = Expect::kNext;
      return Status::kMore;
  }
  return Status::kBad;
}

CallValue::Status CallValue::PushKey(Frame& frame, const CallToken& token) {
  if (token.kind != Kind::kString || !frame.keys.insert(token.text).second) return Status::kBad;
  AppendJsonString(token.text, json_);
  frame.key = token.text;
  frame.expect = Expect::kColon;
  return Status::kMore;
}

CallValue::Status CallValue::PushValue(const CallToken& token) {
  switch (token.kind) {
    case Kind::kString:
      AppendJsonString(token.text, json_);
      return EndValue();
    case Kind::kNumber:
      json_ += token.text;
      return EndValue();
    case Kind::kWord: {
      const std::string_view literal = JsonLiteral(token.text);
      if (literal.empty()) return Status::kBad;
      json_ += literal;
      return EndValue();
    }
    case Kind::kPunctuation:
      if (!token.Is('{') && !token.Is('[')) return Status::kBad;
      if (frames_.size() == kMaxDepth) return Status::kBad;
      json_ += token.text;
      frames_.push_back({.object = token.Is('{')});
      return Status::kMore;
  }
  return Status::kBad;
}

CallValue::Status CallValue::Close(char bracket) {
  json_ += bracket;
  frames_.pop_back();
  return EndValue();
}

CallValue::Status CallValue::EndValue() {
  if (frames_.empty()) return Status::kDone;
  frames_.back().expect = Expect::kComma;
  return Status::kMore;
}

std::optional<std::string> CompactJson(std::string_view text) {
  CallLexer lexer;
  CallValue value;
  CallValue::Status status = CallValue::Status::kMore;
  const auto take = [&](const CallToken& token) {
    if (status != CallValue::Status::kMore) return false;  // something behind the value
    status = value.Push(token);
    return status != CallValue::Status::kBad;
  };
  for (const char c : text) {
    if (!lexer.Push(c, take)) return std::nullopt;
  }
  if (!lexer.Push('\n', take)) return std::nullopt;  // ends a number or a word
  if (status != CallValue::Status::kDone) return std::nullopt;
  return std::move(value).Take();
}

bool ForEachMember(std::string_view json, const MemberVisitor& visit) {
  size_t at = 1;
  while (at + 1 < json.size()) {
    size_t key_end = at + 1;
    for (; key_end < json.size() && json[key_end] != '"'; ++key_end) {
      if (json[key_end] == '\\') ++key_end;
    }
    const size_t begin = key_end + 2;  // behind quote and colon
    if (begin > json.size()) return false;
    const size_t end = EndOfValue(json, begin);
    if (!visit(JsonStringText(json.substr(at, key_end + 1 - at)),
               json.substr(begin, end - begin))) {
      return false;
    }
    at = end + 1;
  }
  return true;
}

bool ForEachElement(std::string_view json, const std::function<bool(std::string_view)>& visit) {
  size_t at = 1;
  while (at + 1 < json.size()) {
    const size_t end = EndOfValue(json, at);
    if (!visit(json.substr(at, end - at))) return false;
    at = end + 1;
  }
  return true;
}

std::string JsonStringText(std::string_view json) {
  CallLexer lexer;
  std::string text;
  for (const char c : json) {
    (void)lexer.Push(c, [&](CallToken& token) {
      text = std::move(token.text);
      return true;
    });
  }
  return text;
}

std::string Spell(std::string_view json, Spelling spelling) {
  std::string spelled;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '"') {
      const size_t begin = i;
      for (++i; i < json.size() && json[i] != '"'; ++i) {
        if (json[i] == '\\') ++i;
      }
      spelled += json.substr(begin, i + 1 - begin);
    } else if (c == ',' || c == ':') {
      (spelled += c) += ' ';
    } else if (spelling == Spelling::kPython && (c == 't' || c == 'f' || c == 'n')) {
      const std::string_view word = c == 't' ? "True" : c == 'f' ? "False" : "None";
      spelled += word;
      i += word.size() - 1;  // null has as many letters as None
    } else {
      spelled += c;
    }
  }
  return spelled;
}

}  // namespace gemma3
