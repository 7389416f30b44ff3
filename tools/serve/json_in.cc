// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/json_in.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "tools/text.h"

namespace gemma3::serve {
namespace {

const char* KindName(OrderedJson::Kind kind) {
  switch (kind) {
    case OrderedJson::Kind::kNull:
      return "null";
    case OrderedJson::Kind::kBool:
      return "a boolean";
    case OrderedJson::Kind::kNumber:
      return "a number";
    case OrderedJson::Kind::kString:
      return "a string";
    case OrderedJson::Kind::kArray:
      return "an array";
    case OrderedJson::Kind::kObject:
      return "an object";
  }
  return "";
}

std::optional<double> NumberOf(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

// Each value takes a hundred bytes where its text takes two.
bool HasAtMost(std::string_view text, size_t values) {
  bool in_string = false;
  size_t count = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == ',' || c == '[' || c == '{') {
      if (++count > values) return false;
    }
  }
  return true;
}

// Looks for one member of the outermost object.
class MemberFinder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit MemberFinder(std::string_view name) : name_(name) {}
  std::string found;

  bool null() override { return Value(); }
  bool boolean(bool) override { return Value(); }
  bool number_integer(number_integer_t) override { return Value(); }
  bool number_unsigned(number_unsigned_t) override { return Value(); }
  bool number_float(number_float_t, const string_t&) override { return Value(); }
  bool string(string_t& value) override {
    if (here_) found = value;
    return Value();
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return Value(+1); }
  bool start_array(std::size_t) override { return Value(+1); }
  bool end_object() override { return --depth_ > 0; }
  bool end_array() override { return --depth_ > 0; }
  bool key(string_t& value) override {
    here_ = depth_ == 1 && value == name_;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override {
    return false;
  }

 private:
  bool Value(int deeper = 0) {
    depth_ += deeper;
    return !std::exchange(here_, false);  // it was the one
  }
  const std::string_view name_;
  int depth_ = 0;
  bool here_ = false;
};

}  // namespace

std::string JsonIn::ModelOf(std::string_view text) {
  MemberFinder finder("model");
  nlohmann::json::sax_parse(text.begin(), text.end(), &finder);
  return std::move(finder.found);
}

Api<JsonIn> JsonIn::ParseObject(std::string_view text) {
  if (!HasAtMost(text, kMaxValues)) {
    return Refuse(400, "the body has more than " + std::to_string(kMaxValues) + " values");
  }
  auto parsed = OrderedJson::Parse(text, kMaxDepth, kMaxBytes);
  if (!parsed) return Refuse(400, "the body: " + parsed.error().message);
  JsonIn json(std::make_shared<const OrderedJson>(*std::move(parsed)), OrderedJson::kRoot, "");
  if (!json.IsObject()) {
    return Refuse(400, std::string("the body must be a JSON object, not ") + KindName(json.kind()));
  }
  return json;
}

std::unexpected<ApiError> JsonIn::Wrong(std::string message, std::string code) const {
  return Refuse(400, path_.empty() ? std::move(message) : path_ + ": " + message, path_,
                std::move(code));
}

Api<std::string> JsonIn::String() const {
  if (!IsString()) return Wrong(std::string("expected a string, not ") + KindName(kind()));
  return Node().text;
}

Api<bool> JsonIn::Bool() const {
  if (!IsBool()) return Wrong(std::string("expected true or false, not ") + KindName(kind()));
  return Node().boolean;
}

Api<double> JsonIn::Number(double min, double max) const {
  if (!IsNumber()) return Wrong(std::string("expected a number, not ") + KindName(kind()));
  const auto value = NumberOf(Node().text);
  if (!value || *value < min || *value > max) {
    return Wrong("expected a number from " + cli::Format("%g to %g", min, max) + ", not " +
                 Node().text.substr(0, 40));
  }
  return *value;
}

Api<int64_t> JsonIn::Integer(int64_t min, int64_t max) const {
  if (!IsNumber()) return Wrong(std::string("expected a whole number, not ") + KindName(kind()));
  const std::string& text = Node().text;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool good = error == std::errc() && end == text.data() + text.size();
  if (!good && error == std::errc()) {  // 5.0, 1e3
    const auto real = NumberOf(text);
    // Doubles are exact up to here.
    good = real && *real == std::floor(*real) && std::abs(*real) <= 0x1p53;
    if (good) value = static_cast<int64_t>(*real);
  }
  if (!good || value < min || value > max) {
    const bool too_large = !text.starts_with('-') && (error != std::errc() || NumberOf(text) > max);
    std::string range = "of at least " + std::to_string(min);
    if (max != std::numeric_limits<int64_t>::max() || too_large) {
      range = "from " + std::to_string(min) + " to " + std::to_string(max);
    }
    return Wrong("expected a whole number " + range + ", not " + text.substr(0, 40));
  }
  return value;
}

std::string JsonIn::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

JsonIn JsonIn::At(size_t index) const {
  const OrderedJsonNode& node = Node();
  return {json_, node.children[index],
          IsObject() ? PathOf(node.keys[index]) : path_ + "[" + std::to_string(index) + "]"};
}

std::optional<JsonIn> JsonIn::Find(std::string_view key) const {
  const uint32_t node = json_->Find(node_, key);
  if (node == OrderedJson::kNone || json_->kind(node) == OrderedJson::Kind::kNull) {
    return std::nullopt;
  }
  return JsonIn(json_, node, PathOf(key));
}

Api<JsonIn> JsonIn::Need(std::string_view key) const {
  if (auto found = Find(key)) return *std::move(found);
  const std::string path = PathOf(key);
  return Refuse(400, path + " is missing", path, "missing_required_parameter");
}

Api<std::optional<std::string>> JsonIn::FindString(std::string_view key) const {
  const auto member = Find(key);
  if (!member) return std::optional<std::string>();
  GEMMA3_TRY(std::string value, member->String());
  return std::optional(std::move(value));
}

Api<bool> JsonIn::FindBool(std::string_view key, bool otherwise) const {
  const auto member = Find(key);
  return member ? member->Bool() : Api<bool>(otherwise);
}

Api<std::optional<double>> JsonIn::FindNumber(std::string_view key, double min, double max) const {
  const auto member = Find(key);
  if (!member) return std::optional<double>();
  GEMMA3_TRY(const double value, member->Number(min, max));
  return std::optional(value);
}

Api<std::optional<int64_t>> JsonIn::FindInteger(std::string_view key, int64_t min,
                                                int64_t max) const {
  const auto member = Find(key);
  if (!member) return std::optional<int64_t>();
  GEMMA3_TRY(const int64_t value, member->Integer(min, max));
  return std::optional(value);
}

}  // namespace gemma3::serve
