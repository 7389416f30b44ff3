// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// OrderedJson through the events of nlohmann::json, whose parser does not recurse.
#include "src/base/ordered_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <string>
#include <utility>

#include "src/base/json_fault.h"
#include "src/base/shown.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

constexpr size_t kFew = 16;  // members that are looked through one by one

}  // namespace

// Receives the parser's events. False from one of them stops the parser.
struct OrderedJsonBuilder : nlohmann::json_sax<nlohmann::json> {
  OrderedJsonBuilder(OrderedJson& document, size_t depth) : json(document), max_depth(depth) {}

  bool Add(OrderedJsonNode node) {
    const auto index = static_cast<uint32_t>(json.nodes_.size());
    if (!open.empty()) {
      OrderedJsonNode& parent = json.nodes_[open.back()];
      node.parent = open.back();
      node.place = static_cast<uint32_t>(parent.children.size());
      parent.children.push_back(index);
      if (parent.kind == OrderedJson::Kind::kObject) parent.keys.push_back(std::move(next_key));
    }
    json.nodes_.push_back(std::move(node));
    return true;
  }
  bool AddNumber(std::string spelling) {
    return Add({.kind = OrderedJson::Kind::kNumber, .text = std::move(spelling)});
  }
  bool Open(OrderedJson::Kind kind) {
    if (open.size() >= max_depth) {
      error = "is nested deeper than " + std::to_string(max_depth) + " levels";
      return false;
    }
    Add({.kind = kind});
    open.push_back(static_cast<uint32_t>(json.nodes_.size() - 1));
    keys.emplace_back();
    return true;
  }
  bool Close() {
    OrderedJsonNode& node = json.nodes_[open.back()];
    if (node.keys.size() > kFew) {
      node.by_key.resize(node.keys.size());
      std::iota(node.by_key.begin(), node.by_key.end(), 0u);
      std::ranges::sort(
          node.by_key, {}, [&](uint32_t i) -> const auto& { return node.keys[i]; });
    }
    open.pop_back();
    keys.pop_back();
    return true;
  }

  bool null() override { return Add({}); }
  bool boolean(bool value) override {
    return Add({.kind = OrderedJson::Kind::kBool, .boolean = value});
  }
  bool number_integer(number_integer_t value) override { return AddNumber(std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override {
    return AddNumber(std::to_string(value));
  }
  bool number_float(number_float_t, const string_t& spelling) override {
    return AddNumber(spelling);
  }
  bool string(string_t& value) override {
    return Add({.kind = OrderedJson::Kind::kString, .text = value});
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return Open(OrderedJson::Kind::kObject); }
  bool end_object() override { return Close(); }
  bool start_array(std::size_t) override { return Open(OrderedJson::Kind::kArray); }
  bool end_array() override { return Close(); }
  bool key(string_t& value) override {
    if (!keys.back().insert(value).second) {
      error = json.Pointer(open.back()) + ": the key \"" + Shown(value, 100) + "\" appears twice";
      return false;
    }
    next_key = value;
    return true;
  }
  bool parse_error(std::size_t, const std::string& token,
                   const nlohmann::json::exception& e) override {
    constexpr int kNumberOverflow = 406;
    if (e.id == kNumberOverflow) {
      AddNumber(token);  // so that it has a pointer
      const auto number = static_cast<uint32_t>(json.nodes_.size() - 1);
      error = json.Pointer(number) + ": the number " + Shown(token, 40) +
              " is beyond the range of a double";
    } else {
      error = "is not valid JSON: " + JsonFault(e.what());
    }
    return false;
  }

  OrderedJson& json;
  size_t max_depth;
  std::vector<uint32_t> open;
  std::vector<std::set<std::string>> keys;  // ordered: no key can be chosen to be slow
  std::string next_key;
  std::string error;
};

Result<OrderedJson> OrderedJson::Parse(std::string_view text, size_t max_depth, size_t max_bytes) {
  if (text.size() > max_bytes) {
    return Fail(ErrorCode::kInvalidArgument, "the JSON text has ", text.size(),
                " bytes; the limit is ", max_bytes);
  }
  OrderedJson json;
  OrderedJsonBuilder builder(json, max_depth);
  bool ok = false;
  try {
    ok = nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  } catch (const nlohmann::json::exception& e) {
    builder.error = "is not readable: " + JsonFault(e.what());
  }
  if (!ok) {
    const bool has_place = builder.error.starts_with('#');
    return Fail(ErrorCode::kInvalidArgument, has_place ? "" : "the JSON text ", builder.error);
  }
  return json;
}

uint32_t OrderedJson::Find(uint32_t node, std::string_view key) const {
  const OrderedJsonNode& object = nodes_[node];
  if (!object.by_key.empty()) {
    const auto key_of = [&](uint32_t i) -> std::string_view { return object.keys[i]; };
    const auto at = std::ranges::lower_bound(object.by_key, key, {}, key_of);
    return at != object.by_key.end() && object.keys[*at] == key ? object.children[*at] : kNone;
  }
  for (size_t i = 0; i < object.keys.size(); ++i) {
    if (object.keys[i] == key) return object.children[i];
  }
  return kNone;
}

std::string OrderedJson::Pointer(uint32_t node) const {
  std::vector<uint32_t> way;
  for (; node != kRoot; node = nodes_[node].parent) way.push_back(node);
  std::string pointer = "#";
  for (size_t i = way.size(); i-- > 0;) {
    const OrderedJsonNode& child = nodes_[way[i]];
    const OrderedJsonNode& parent = nodes_[child.parent];
    pointer += '/';
    if (parent.kind == Kind::kArray) {
      pointer += std::to_string(child.place);
      continue;
    }
    for (const char c : parent.keys[child.place]) {
      if (c == '~') {
        pointer += "~0";
      } else if (c == '/') {
        pointer += "~1";
      } else {
        pointer += c;
      }
    }
  }
  return pointer;
}

uint32_t OrderedJson::Resolve(std::string_view pointer, uint32_t from) const {
  uint32_t node = from;
  while (!pointer.empty()) {
    if (pointer.front() != '/') return kNone;
    pointer.remove_prefix(1);
    const std::string_view step = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(step.size());
    const OrderedJsonNode& parent = nodes_[node];
    if (parent.kind == Kind::kArray) {
      if (step.empty() || step.size() > 9 || (step.size() > 1 && step[0] == '0')) return kNone;
      size_t index = 0;
      for (const char c : step) {
        if (c < '0' || c > '9') return kNone;
        index = index * 10 + static_cast<size_t>(c - '0');
      }
      if (index >= parent.children.size()) return kNone;
      node = parent.children[index];
      continue;
    }
    std::string key;
    for (size_t i = 0; i < step.size(); ++i) {
      if (step[i] == '~' && i + 1 < step.size() && (step[i + 1] == '0' || step[i + 1] == '1')) {
        key += step[++i] == '0' ? '~' : '/';
      } else {
        key += step[i];
      }
    }
    node = Find(node, key);
    if (node == kNone) return kNone;
  }
  return node;
}

std::string OrderedJson::Dump(uint32_t node) const {
  const OrderedJsonNode& value = nodes_[node];
  switch (value.kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return value.boolean ? "true" : "false";
    case Kind::kNumber:
      return value.text;
    case Kind::kString:
      return QuoteJson(value.text);
    case Kind::kArray:
    case Kind::kObject:
      break;
  }
  const bool is_object = value.kind == Kind::kObject;
  std::string text(1, is_object ? '{' : '[');
  for (size_t i = 0; i < value.children.size(); ++i) {
    if (i > 0) text += ',';
    if (is_object) text += QuoteJson(value.keys[i]) + ':';
    text += Dump(value.children[i]);
  }
  return text += is_object ? '}' : ']';
}

std::string QuoteJson(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        quoted += "\\\"";
        break;
      case '\\':
        quoted += "\\\\";
        break;
      case '\b':
        quoted += "\\b";
        break;
      case '\f':
        quoted += "\\f";
        break;
      case '\n':
        quoted += "\\n";
        break;
      case '\r':
        quoted += "\\r";
        break;
      case '\t':
        quoted += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          quoted += "\\u00";
          quoted += kHex[c >> 4];
          quoted += kHex[c & 15];
        } else {
          quoted += c;
        }
    }
  }
  return quoted += '"';
}

}  // namespace gemma3
