// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A validator of JSON schema that shares nothing with the library: over nlohmann::json's doubles
// and std::regex, by recursion, word by word. It knows what the tests ask for and is certain about
// the rest: it throws.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <regex>
#include <stdexcept>
#include <string>

namespace gemma3 {

class Judge {
 public:
  using Json = nlohmann::json;
  explicit Judge(const Json& root) : root_(root) {}
  bool Meets(const Json& value) const { return Meets(root_, value); }

 private:
  static size_t Chars(const std::string& text) {
    return static_cast<size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
  }
  static bool IsInteger(const Json& v) {
    return v.is_number_integer() || (v.is_number_float() && std::floor(v.get<double>()) == v);
  }
  static bool IsType(const Json& v, const std::string& type) {
    if (type == "integer") return IsInteger(v);
    if (type == "number") return v.is_number();
    if (type == "string") return v.is_string();
    if (type == "null") return v.is_null();
    if (type == "boolean") return v.is_boolean();
    if (type == "array") return v.is_array();
    if (type == "object") return v.is_object();
    throw std::invalid_argument("type " + type);
  }

  bool Meets(const Json& schema, const Json& v) const {
    if (schema.is_boolean()) return schema.get<bool>();
    for (const auto& [word, arg] : schema.items()) {
      if (!MeetsWord(schema, word, arg, v)) return false;
    }
    return true;
  }

  bool MeetsWord(const Json& schema, const std::string& word, const Json& arg,
                 const Json& v) const {
    const auto count = [&] {
      return std::count_if(arg.begin(), arg.end(), [&](const Json& s) { return Meets(s, v); });
    };
    if (word == "$ref") {
      const std::string ref = arg;
      if (ref == "#") return Meets(root_, v);
      return Meets(root_.at(Json::json_pointer(ref.substr(1))), v);
    }
    if (word == "type") {
      if (arg.is_string()) return IsType(v, arg);
      return std::any_of(arg.begin(), arg.end(), [&](const Json& t) { return IsType(v, t); });
    }
    if (word == "enum") return std::find(arg.begin(), arg.end(), v) != arg.end();
    if (word == "const") return arg == v;
    if (word == "allOf") return count() == static_cast<std::ptrdiff_t>(arg.size());
    if (word == "anyOf") return count() > 0;
    if (word == "oneOf") return count() == 1;
    if (word == "not") return !Meets(arg, v);
    if (word == "if") {
      const char* branch = Meets(arg, v) ? "then" : "else";
      return !schema.contains(branch) || Meets(schema[branch], v);
    }
    if (v.is_number()) {
      const double x = v;
      if (word == "minimum") return x >= arg.get<double>();
      if (word == "maximum") return x <= arg.get<double>();
      if (word == "exclusiveMinimum") return x > arg.get<double>();
      if (word == "exclusiveMaximum") return x < arg.get<double>();
      if (word == "multipleOf") {
        const double times = x / arg.get<double>();
        return std::abs(times - std::round(times)) < 1e-9 * std::max(1.0, std::abs(times));
      }
    } else if (v.is_string()) {
      if (word == "minLength") return Chars(v) >= arg.get<size_t>();
      if (word == "maxLength") return Chars(v) <= arg.get<size_t>();
      if (word == "pattern") {
        return std::regex_search(v.get<std::string>(), std::regex(arg.get<std::string>()));
      }
    } else if (v.is_array()) {
      if (word == "minItems") return v.size() >= arg.get<size_t>();
      if (word == "maxItems") return v.size() <= arg.get<size_t>();
      if (word == "uniqueItems" && arg == true) {
        for (size_t i = 0; i < v.size(); ++i) {
          for (size_t k = 0; k < i; ++k) {
            if (v[i] == v[k]) return false;
          }
        }
      }
      if (word == "prefixItems") {
        for (size_t i = 0; i < std::min(v.size(), arg.size()); ++i) {
          if (!Meets(arg[i], v[i])) return false;
        }
      }
      if (word == "items") {
        const size_t first = schema.contains("prefixItems") ? schema["prefixItems"].size() : 0;
        for (size_t i = first; i < v.size(); ++i) {
          if (!Meets(arg, v[i])) return false;
        }
      }
    } else if (v.is_object()) {
      return MeetsOfObject(schema, word, arg, v);
    }
    return true;
  }

  bool MeetsOfObject(const Json& schema, const std::string& word, const Json& arg,
                     const Json& v) const {
    if (word == "minProperties") return v.size() >= arg.get<size_t>();
    if (word == "maxProperties") return v.size() <= arg.get<size_t>();
    if (word == "required") {
      return std::all_of(arg.begin(), arg.end(),
                         [&](const Json& name) { return v.contains(name.get<std::string>()); });
    }
    if (word == "dependentRequired") {
      for (const auto& [name, others] : arg.items()) {
        if (!v.contains(name)) continue;
        for (const Json& other : others) {
          if (!v.contains(other.get<std::string>())) return false;
        }
      }
    }
    const auto by_pattern = [&](const std::string& name) {
      if (!schema.contains("patternProperties")) return false;
      for (const auto& [pattern, part] : schema["patternProperties"].items()) {
        if (std::regex_search(name, std::regex(pattern))) return true;
      }
      return false;
    };
    for (const auto& [name, member] : v.items()) {
      if (word == "properties" && arg.contains(name) && !Meets(arg[name], member)) return false;
      if (word == "propertyNames" && !Meets(arg, Json(name))) return false;
      if (word == "patternProperties") {
        for (const auto& [pattern, part] : arg.items()) {
          if (std::regex_search(name, std::regex(pattern)) && !Meets(part, member)) return false;
        }
      }
      if (word == "additionalProperties") {
        const bool listed = schema.contains("properties") && schema["properties"].contains(name);
        if (!listed && !by_pattern(name) && !Meets(arg, member)) return false;
      }
    }
    return true;
  }

  const Json& root_;
};

}  // namespace gemma3
