// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// JsonValue over nlohmann::json.
#include "src/base/json.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <nlohmann/json.hpp>
#include <set>

#include "src/base/json_fault.h"
#include "src/base/shown.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

using Json = nlohmann::json;

const Json& Node(const void* node) { return *static_cast<const Json*>(node); }

// The greatest nesting of brackets outside strings. Runs before the parser, so that a file of a
// million brackets costs nothing.
size_t Depth(std::string_view text) {
  size_t depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > deepest) deepest = depth;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

// Goes through the members of an object without parsing their values.
class MemberScanner {
 public:
  explicit MemberScanner(std::string_view text) : text_(text) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // byte order mark
    damaged_ = !Take('{');
  }

  // False at the end of the object and where it is damaged. `key` is as it is written.
  bool Next(std::string_view* key, std::string_view* value) {
    if (damaged_ || Take('}')) return false;
    if (!first_ && !Take(',')) return Damaged();
    first_ = false;
    SkipSpace();
    const size_t key_begin = at_;
    if (!SkipString()) return Damaged();
    *key = text_.substr(key_begin + 1, at_ - key_begin - 2);
    if (!Take(':')) return Damaged();
    SkipSpace();
    const size_t begin = at_;
    if (!SkipValue() || at_ == begin) return Damaged();
    *value = text_.substr(begin, at_ - begin);
    return true;
  }
  bool damaged() const { return damaged_; }
  size_t offset() const { return at_; }

 private:
  bool Damaged() {
    damaged_ = true;
    return false;
  }
  void SkipSpace() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  bool Take(char c) {
    SkipSpace();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool SkipString() {
    if (at_ == text_.size() || text_[at_] != '"') return false;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') return ++at_, true;
      if (text_[at_] == '\\') ++at_;
    }
    at_ = text_.size();
    return false;
  }
  // A string, anything in brackets, or all up to what ends a number or a word.
  bool SkipValue() {
    size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        if (!SkipString()) return false;
        if (depth == 0) return true;
        continue;
      }
      if (depth == 0 && (c == ',' || c == '}' || c == ']')) return true;
      ++at_;
      if (c == '[' || c == '{') ++depth;
      if ((c == ']' || c == '}') && --depth == 0) return true;
    }
    return false;
  }

  std::string_view text_;
  size_t at_ = 0;
  bool first_ = true;
  bool damaged_ = false;
};

// Puts quotes around Python's NaN, Infinity and -Infinity. Outside strings, JSON has no word that
// begins with a capital.
std::string QuotePythonNumbers(std::string_view text) {
  std::string quoted;
  size_t copied = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == 'N' || c == 'I' || c == '-') {
      for (const std::string_view word : {"NaN", "Infinity", "-Infinity"}) {
        if (!text.substr(i).starts_with(word)) continue;
        const size_t next = text.find_first_not_of(" \t\r\n", i + word.size());
        if (next != std::string_view::npos && text[next] == ':') break;  // a key is no number
        quoted.append(text.substr(copied, i - copied)).append("\"").append(word).append("\"");
        i += word.size() - 1;
        copied = i + 1;
        break;
      }
    }
  }
  return quoted.append(text.substr(copied));
}

// Short enough for a message, whatever the file holds.
std::string ExcerptOf(const Json& node) {
  if (node.is_object()) return "an object";
  if (node.is_array()) return "an array";
  return Shown(node.dump(-1, ' ', false, Json::error_handler_t::replace), 60);
}

// Empties arrays and objects from the inside out. The library's destructor asks for memory for what
// they hold, and where there is none the process would end. As deep as max_depth at most.
void Empty(Json& node) {
  if (!node.is_structured()) return;
  for (Json& child : node) Empty(child);
  node.clear();
}

}  // namespace

struct JsonValue::Document {
  Document() = default;
  ~Document() { Empty(root); }
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  std::string where;
  Json root;
};

Result<JsonValue> JsonValue::Parse(std::string_view text, const std::string& where,
                                   const JsonOptions& options) {
  if (Depth(text) > options.max_depth) {
    return Fail(ErrorCode::kBadModel, where, ": JSON is nested deeper than ", options.max_depth,
                " levels");
  }
  std::string quoted;
  if (options.python_numbers) text = quoted = QuotePythonNumbers(text);
  auto document = std::make_shared<Document>();
  document->where = where;
  try {
    if (!options.reject_duplicate_keys) {
      document->root = Json::parse(text.begin(), text.end());
    } else {
      std::vector<std::set<std::string>> keys;
      std::string duplicate;
      document->root =
          Json::parse(text.begin(), text.end(), [&](int, Json::parse_event_t event, Json& parsed) {
            if (event == Json::parse_event_t::object_start) keys.emplace_back();
            if (event == Json::parse_event_t::object_end) keys.pop_back();
            if (event == Json::parse_event_t::key &&
                !keys.back().insert(parsed.get_ref<const std::string&>()).second) {
              duplicate = parsed.get_ref<const std::string&>();
            }
            return true;
          });
      if (!duplicate.empty()) {
        return Fail(ErrorCode::kBadModel, where, ": key \"", Shown(duplicate, 100),
                    "\" appears twice");
      }
    }
  } catch (const std::bad_alloc&) {
    return Fail(ErrorCode::kOutOfMemory, where, ": not enough memory to parse the JSON text");
  } catch (const std::exception& e) {
    return Fail(ErrorCode::kBadModel, where, ": not valid JSON: ", JsonFault(e.what()));
  }
  const Json* root = &document->root;
  return JsonValue(std::move(document), root, "");
}

Result<std::optional<JsonValue>> JsonValue::ParseMember(std::string_view text, std::string_view key,
                                                        const std::string& where,
                                                        const JsonOptions& options) {
  MemberScanner members(text);
  std::string_view name, value;
  while (members.Next(&name, &value)) {
    if (name != key) continue;
    auto parsed = Parse(value, where, options);
    if (!parsed) return std::unexpected(parsed.error());
    if (parsed->IsNull()) return std::nullopt;
    parsed->path_ = std::string(key);
    return *std::move(parsed);
  }
  if (members.damaged()) {
    return Fail(ErrorCode::kBadModel, where, ": not valid JSON at byte ", members.offset());
  }
  return std::nullopt;
}

std::string JsonValue::Path() const {
  return path_.empty() ? document_->where : document_->where + ": " + Shown(path_);
}

bool JsonValue::IsNull() const { return Node(node_).is_null(); }
bool JsonValue::IsObject() const { return Node(node_).is_object(); }
bool JsonValue::IsArray() const { return Node(node_).is_array(); }
bool JsonValue::IsString() const { return Node(node_).is_string(); }
bool JsonValue::IsNumber() const { return Node(node_).is_number(); }
bool JsonValue::IsUnsigned() const { return Node(node_).is_number_unsigned(); }
bool JsonValue::IsBool() const { return Node(node_).is_boolean(); }

bool JsonValue::SameAs(const JsonValue& other) const { return Node(node_) == Node(other.node_); }
std::string JsonValue::Excerpt() const { return ExcerptOf(Node(node_)); }

Result<uint64_t> JsonValue::AsUint() const {
  if (IsUnsigned()) return Node(node_).get<uint64_t>();
  return Fail(ErrorCode::kBadModel, Path(), " should be a whole number of at least 0, found ",
              ExcerptOf(Node(node_)));
}

Result<int64_t> JsonValue::AsInt() const {
  const Json& node = Node(node_);
  const bool fits = node.is_number_integer() &&
                    (!node.is_number_unsigned() || node.get<uint64_t>() <= uint64_t{INT64_MAX});
  if (fits) return node.get<int64_t>();
  return Fail(ErrorCode::kBadModel, Path(), " should be a whole number, found ", ExcerptOf(node));
}

Result<double> JsonValue::AsDouble() const {
  if (IsNumber()) {
    const double value = Node(node_).get<double>();
    if (std::isfinite(value)) return value;
  }
  return Fail(ErrorCode::kBadModel, Path(), " should be a finite number, found ",
              ExcerptOf(Node(node_)));
}

Result<bool> JsonValue::AsBool() const {
  if (IsBool()) return Node(node_).get<bool>();
  return Fail(ErrorCode::kBadModel, Path(), " should be true or false, found ",
              ExcerptOf(Node(node_)));
}

Result<std::string> JsonValue::AsString() const {
  if (IsString()) return Node(node_).get<std::string>();
  return Fail(ErrorCode::kBadModel, Path(), " should be a string, found ", ExcerptOf(Node(node_)));
}

size_t JsonValue::size() const {
  const Json& node = Node(node_);
  return node.is_array() || node.is_object() ? node.size() : 0;
}

JsonValue JsonValue::operator[](size_t index) const {
  return JsonValue(document_, &Node(node_)[index], path_ + "[" + std::to_string(index) + "]");
}

std::vector<std::pair<std::string, JsonValue>> JsonValue::Members() const {
  std::vector<std::pair<std::string, JsonValue>> members;
  const Json& node = Node(node_);
  if (!node.is_object()) return members;
  members.reserve(node.size());
  for (const auto& [key, value] : node.items()) {
    members.emplace_back(key,
                         JsonValue(document_, &value, path_.empty() ? key : path_ + "." + key));
  }
  return members;
}

std::optional<JsonValue> JsonValue::Find(std::string_view key) const {
  const Json& node = Node(node_);
  if (!node.is_object()) return std::nullopt;
  const auto it = node.find(key);
  if (it == node.end() || it->is_null()) return std::nullopt;
  const std::string name(key);
  return JsonValue(document_, &*it, path_.empty() ? name : path_ + "." + name);
}

bool JsonValue::HasNull(std::string_view key) const {
  const Json& node = Node(node_);
  if (!node.is_object()) return false;
  const auto it = node.find(key);
  return it != node.end() && it->is_null();
}

Result<uint64_t> JsonValue::Uint(std::string_view key, uint64_t fallback) const {
  const auto value = Find(key);
  return value ? value->AsUint() : fallback;
}

Result<double> JsonValue::Double(std::string_view key, double fallback) const {
  const auto value = Find(key);
  return value ? value->AsDouble() : fallback;
}

Result<bool> JsonValue::Bool(std::string_view key, bool fallback) const {
  const auto value = Find(key);
  return value ? value->AsBool() : fallback;
}

Result<std::string> JsonValue::String(std::string_view key, std::string fallback) const {
  const auto value = Find(key);
  if (!value) return fallback;
  return value->AsString();
}

}  // namespace gemma3
