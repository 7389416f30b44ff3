// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// JSON as it was written: members in their order, numbers in their spelling. For texts whose form
// matters, such as schemas; json.h reads configuration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"

namespace gemma3 {

struct OrderedJsonNode {
  enum class Kind : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
  Kind kind = Kind::kNull;
  bool boolean = false;
  std::string text = {};                // a string, decoded; a number, as it is written
  std::vector<uint32_t> children = {};  // elements, or values of members
  std::vector<std::string> keys = {};   // of members, decoded; as many as children
  std::vector<uint32_t> by_key = {};    // the places of many members, by their keys
  uint32_t parent = 0;                  // the root is its own parent
  uint32_t place = 0;                   // among the parent's children
};

class OrderedJson {
 public:
  using Kind = OrderedJsonNode::Kind;
  // Errors: kInvalidArgument with the place, for what is no JSON text, nested deeper than
  // `max_depth`, longer than `max_bytes`, repeats a key (with the JSON pointer of its object), or
  // holds a number beyond a double (with its pointer).
  static Result<OrderedJson> Parse(std::string_view text, size_t max_depth, size_t max_bytes);

  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNone = UINT32_MAX;
  size_t size() const { return nodes_.size(); }
  const OrderedJsonNode& operator[](uint32_t node) const { return nodes_[node]; }
  Kind kind(uint32_t node) const { return nodes_[node].kind; }
  // The member `key` of an object; kNone where it is missing, or this is no object.
  uint32_t Find(uint32_t node, std::string_view key) const;
  // "#/properties/a~1b".
  std::string Pointer(uint32_t node) const;
  // The node behind a pointer without its '#', such as "/properties/a~1b"; kNone where there is
  // none.
  uint32_t Resolve(std::string_view pointer, uint32_t from = kRoot) const;
  // The value as compact JSON.
  std::string Dump(uint32_t node) const;

 private:
  friend struct OrderedJsonBuilder;
  std::vector<OrderedJsonNode> nodes_;
};

// `text` as a JSON string with its quotes: escaped where JSON demands it and nowhere else.
std::string QuoteJson(std::string_view text);

}  // namespace gemma3
