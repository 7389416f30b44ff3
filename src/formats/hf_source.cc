// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/hf_source.h"

#include <algorithm>
#include <cmath>

#include "src/base/status.h"

namespace gemma3 {
namespace {

Result<float> AsFloat(const JsonValue& value) {
  GEMMA3_TRY(const double number, value.AsDouble());
  const float narrow = static_cast<float>(number);
  if (std::isfinite(narrow)) return narrow;
  return Fail(ErrorCode::kBadModel, value.Path(), " is ", number, ", which is too large");
}

}  // namespace

void HfSource::NoteOnce(const std::string& note) const {
  if (std::ranges::find(remarks_->notes, note) == remarks_->notes.end()) {
    remarks_->notes.push_back(note);
  }
}

Result<std::optional<JsonValue>> HfSource::Find(std::initializer_list<const char*> keys) const {
  std::optional<JsonValue> found;
  for (const JsonValue& object : objects_) {
    for (const char* key : keys) {
      const auto value = object.Find(key);
      if (!value) continue;
      if (found && !found->SameAs(*value)) return Contradiction(*found, *value);
      if (!found && &object != &objects_.front()) {
        NoteOnce(value->Path() + " is taken for that of " + Path());
      }
      if (!found) found = value;
    }
  }
  return found;
}

Result<uint64_t> HfSource::Uint(const char* key, uint64_t fallback) const {
  GEMMA3_TRY(const auto value, Find({key}));
  return value ? value->AsUint() : fallback;
}

Result<float> HfSource::Float(const char* key, double fallback) const {
  GEMMA3_TRY(const auto value, Find({key}));
  return value ? AsFloat(*value) : static_cast<float>(fallback);
}

Result<std::string> HfSource::String(const char* key, std::string fallback) const {
  GEMMA3_TRY(const auto value, Find({key}));
  if (!value) return fallback;
  return value->AsString();
}

Result<float> FloatMember(const JsonValue& object, const char* key, double fallback) {
  const auto value = object.Find(key);
  return value ? AsFloat(*value) : static_cast<float>(fallback);
}

std::unexpected<Error> Contradiction(const JsonValue& a, const JsonValue& b) {
  return Fail(ErrorCode::kBadModel, a.Path(), " is ", a.Excerpt(), ", but ", b.Path(), " is ",
              b.Excerpt(), ": which of them is meant? Remove the wrong one");
}

}  // namespace gemma3
