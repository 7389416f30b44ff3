// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/weights/config_json.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <type_traits>
#include <vector>

#include "src/base/json.h"
#include "src/base/status.h"
#include "src/weights/config_fields.h"

namespace gemma3 {
namespace {

using Json = nlohmann::json;

// ---- Writing

template <class T>
Json Written(const T& value);

template <class T>
Json WrittenItem(const std::optional<T>& value) {
  return value ? Written(*value) : Json();
}

template <class T>
Json WrittenItem(const std::vector<T>& values) {
  Json json = Json::array();
  for (const T& value : values) json.push_back(Written(value));
  return json;
}

template <class T>
Json WrittenItem(const T& value) {
  if constexpr (HasFields<T>) {
    Json json = Json::object();
    ForEachField(value, [&](const char* name, const auto& field) { json[name] = Written(field); });
    return json;
  } else if constexpr (std::is_enum_v<T>) {
    for (const auto& [known, name] : NamesOf<T>::kList) {
      if (known == value) return name;
    }
    return static_cast<int>(value);  // has no name: not read back
  } else {
    return value;
  }
}

template <class T>
Json Written(const T& value) {
  return WrittenItem(value);
}

// ---- Reading

template <class T>
Status Read(const JsonValue& json, T& out);

template <class T>
Status ReadItem(const JsonValue& json, std::optional<T>& out) {
  if (json.IsNull()) {
    out.reset();
    return {};
  }
  return Read(json, out.emplace());
}

template <class T>
Status ReadItem(const JsonValue& json, std::vector<T>& out) {
  if (!json.IsArray()) return Fail(ErrorCode::kBadModel, json.Path(), " should be an array");
  out.resize(json.size());
  for (size_t i = 0; i < out.size(); ++i) GEMMA3_CHECK_OK(Read(json[i], out[i]));
  return {};
}

// The number of the file, if T holds it.
template <class T, class Number>
Status Narrow(const JsonValue& json, Number number, T& out) {
  out = static_cast<T>(number);
  if (static_cast<Number>(out) == number) return {};
  return Fail(ErrorCode::kBadModel, json.Path(), " is ", number, ", out of range");
}

template <class T>
Status ReadStruct(const JsonValue& json, T& out) {
  if (!json.IsObject()) return Fail(ErrorCode::kBadModel, json.Path(), " should be an object");
  const auto members = json.Members();
  std::vector<bool> known(members.size());
  Status status;
  ForEachField(out, [&](const char* name, auto& field) {
    for (size_t i = 0; status && i < members.size(); ++i) {
      if (members[i].first != name) continue;
      known[i] = true;
      status = Read(members[i].second, field);
      return;
    }
    if (status) status = Fail(ErrorCode::kBadModel, json.Path(), ": ", name, " is missing");
  });
  for (size_t i = 0; status && i < members.size(); ++i) {
    if (!known[i]) status = Fail(ErrorCode::kBadModel, members[i].second.Path(), " is unknown");
  }
  return status;
}

template <class T>
Status ReadItem(const JsonValue& json, T& out) {
  if constexpr (HasFields<T>) {
    return ReadStruct(json, out);
  } else if constexpr (std::is_enum_v<T>) {
    GEMMA3_TRY(const std::string text, json.AsString());
    for (const auto& [value, name] : NamesOf<T>::kList) {
      if (text != name) continue;
      out = value;
      return {};
    }
    return Fail(ErrorCode::kBadModel, json.Path(), " has an unknown value");
  } else if constexpr (std::is_same_v<T, bool>) {
    GEMMA3_TRY(out, json.AsBool());
    return {};
  } else if constexpr (std::is_unsigned_v<T>) {
    GEMMA3_TRY(const uint64_t number, json.AsUint());
    return Narrow(json, number, out);
  } else if constexpr (std::is_integral_v<T>) {
    GEMMA3_TRY(const int64_t number, json.AsInt());
    return Narrow(json, number, out);
  } else if constexpr (std::is_floating_point_v<T>) {
    GEMMA3_TRY(const double number, json.AsDouble());
    if (std::abs(number) > std::numeric_limits<T>::max()) {
      return Fail(ErrorCode::kBadModel, json.Path(), " is ", number, ", out of range");
    }
    out = static_cast<T>(number);
    return {};
  } else {
    GEMMA3_TRY(out, json.AsString());
    return {};
  }
}

template <class T>
Status Read(const JsonValue& json, T& out) {
  return ReadItem(json, out);
}

}  // namespace

std::string ConfigJson(const ModelConfig& config) {
  return Written(config).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<ModelConfig> ParseConfigJson(std::string_view json, const std::string& where) {
  GEMMA3_TRY(const JsonValue root, JsonValue::Parse(json, where, {.reject_duplicate_keys = true}));
  ModelConfig config;
  GEMMA3_CHECK_OK(Read(root, config));
  return config;
}

}  // namespace gemma3
