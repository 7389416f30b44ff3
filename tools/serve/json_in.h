// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// JSON of requests: a value with the way to it, as clients are told it ("messages[1].content"). A
// member that is null counts as absent: clients send nulls for what they do not set.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/ordered_json.h"
#include "src/base/status.h"
#include "tools/serve/api_error.h"

namespace gemma3::serve {

class JsonIn {
 public:
  static constexpr size_t kMaxDepth = 64;
  static constexpr size_t kMaxValues = 1'000'000;
  static constexpr size_t kMaxBytes = size_t{256} << 20;
  static constexpr int64_t kMost = std::numeric_limits<int64_t>::max();  // no bound on an integer

  // Errors: 400 for what is no JSON object.
  static Api<JsonIn> ParseObject(std::string_view text);

  // The member "model" where it is a text, else nothing: found without keeping the rest, so that
  // little is held of requests that wait.
  static std::string ModelOf(std::string_view text);

  const std::string& path() const { return path_; }
  bool IsString() const { return kind() == OrderedJson::Kind::kString; }
  bool IsNumber() const { return kind() == OrderedJson::Kind::kNumber; }
  bool IsObject() const { return kind() == OrderedJson::Kind::kObject; }
  bool IsArray() const { return kind() == OrderedJson::Kind::kArray; }
  bool IsBool() const { return kind() == OrderedJson::Kind::kBool; }
  bool IsNull() const { return kind() == OrderedJson::Kind::kNull; }

  // Errors: 400 naming the path and what is expected.
  Api<std::string> String() const;
  Api<bool> Bool() const;
  Api<double> Number(double min, double max) const;
  Api<int64_t> Integer(int64_t min, int64_t max) const;  // 5.0 is one, too

  size_t size() const { return Node().children.size(); }  // of an array or object
  JsonIn At(size_t index) const;                          // an element, or a member's value
  const std::string& Key(size_t index) const { return Node().keys[index]; }
  // A member that is there and not null.
  std::optional<JsonIn> Find(std::string_view key) const;
  // The same; absent is an error: 400.
  Api<JsonIn> Need(std::string_view key) const;

  // Members that may be absent.
  Api<std::optional<std::string>> FindString(std::string_view key) const;
  Api<bool> FindBool(std::string_view key, bool otherwise) const;
  Api<std::optional<double>> FindNumber(std::string_view key, double min, double max) const;
  Api<std::optional<int64_t>> FindInteger(std::string_view key, int64_t min, int64_t max) const;

  std::string Text() const { return json_->Dump(node_); }  // as compact JSON

  // An error about this value.
  std::unexpected<ApiError> Wrong(std::string message, std::string code = "invalid_value") const;

 private:
  JsonIn(std::shared_ptr<const OrderedJson> json, uint32_t node, std::string path)
      : json_(std::move(json)), node_(node), path_(std::move(path)) {}
  const OrderedJsonNode& Node() const { return (*json_)[node_]; }
  OrderedJson::Kind kind() const { return Node().kind; }
  std::string PathOf(std::string_view key) const;

  std::shared_ptr<const OrderedJson> json_;
  uint32_t node_;
  std::string path_;  // empty: the whole body
};

}  // namespace gemma3::serve
