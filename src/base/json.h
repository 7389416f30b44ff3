// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Reading JSON from files that may be hostile: parse errors and wrong types are values that name
// the file and the key, nesting is bounded, and no exception leaves.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gemma3/error.h"

namespace gemma3 {

struct JsonOptions {
  size_t max_depth = 32;               // of arrays and objects inside each other
  bool reject_duplicate_keys = false;  // else the last one counts
  // NaN, Infinity and -Infinity, which are no JSON but which Python writes, are read as strings of
  // that spelling: who needs a number there refuses them, nobody else minds.
  bool python_numbers = false;
};

// One value of a parsed document, with the way to it for messages. Cheap to copy; copies share the
// document and keep it alive. Immutable, so threads may share it.
class JsonValue {
 public:
  // `where` names the document in messages, usually its path.
  // Errors: kBadModel for anything that is not one JSON text, too deep, or repeats a key if asked.
  static Result<JsonValue> Parse(std::string_view text, const std::string& where,
                                 const JsonOptions& options = {});

  // The member `key` of the object that `text` is, or nothing where it is missing or null. Only
  // that member is parsed, and nothing behind it is looked at: for large files of which a part is
  // needed. Errors: kBadModel for text that is no object as far as it is looked at, and as above.
  static Result<std::optional<JsonValue>> ParseMember(std::string_view text, std::string_view key,
                                                      const std::string& where,
                                                      const JsonOptions& options = {});

  // "config.json: text_config.rope_scaling".
  std::string Path() const;

  bool IsNull() const;
  bool IsObject() const;
  bool IsArray() const;
  bool IsString() const;
  bool IsNumber() const;
  bool IsUnsigned() const;  // a whole number >= 0 written without a point or exponent
  bool IsBool() const;

  bool SameAs(const JsonValue& other) const;  // by value: 8 and 8.0 are the same
  std::string Excerpt() const;                // short and printable, for messages

  // Typed reading of this value. Errors: kBadModel naming Path() and what was found.
  Result<uint64_t> AsUint() const;  // 1.0 and 1e3 are refused
  Result<int64_t> AsInt() const;
  Result<double> AsDouble() const;  // any number; always finite
  Result<bool> AsBool() const;
  Result<std::string> AsString() const;

  // Elements of an array or an object, members of an object in their sorted order.
  size_t size() const;
  JsonValue operator[](size_t index) const;                        // of an array; index < size()
  std::vector<std::pair<std::string, JsonValue>> Members() const;  // empty unless an object

  // The member `key` of an object; nothing when it is missing or null, or this is no object.
  std::optional<JsonValue> Find(std::string_view key) const;
  bool HasNull(std::string_view key) const;  // the member is there, and null

  // Typed members. A missing or null one gives `fallback`.
  Result<uint64_t> Uint(std::string_view key, uint64_t fallback) const;
  Result<double> Double(std::string_view key, double fallback) const;
  Result<bool> Bool(std::string_view key, bool fallback) const;
  Result<std::string> String(std::string_view key, std::string fallback) const;

 private:
  struct Document;  // hides the JSON library
  JsonValue(std::shared_ptr<const Document> document, const void* node, std::string path)
      : document_(std::move(document)), node_(node), path_(std::move(path)) {}

  std::shared_ptr<const Document> document_;
  const void* node_;
  std::string path_;
};

}  // namespace gemma3
