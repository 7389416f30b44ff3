// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Where a setting of config.json stands: in an object of its own (text_config), and, as some tools
// write it, in the file's root instead or as well.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gemma3/error.h"
#include "src/base/json.h"
#include "src/base/remarks.h"

namespace gemma3 {

class HfSource {
 public:
  // Settings are looked for in each of `objects`, of which there is at least one.
  HfSource(std::vector<JsonValue> objects, Remarks* remarks)
      : objects_(std::move(objects)), remarks_(remarks) {}

  // The value that the objects state under one of `keys`, spellings of one setting; nothing where
  // all are silent. Where only a later object states it, that is noted, for transformers does not
  // look there. Errors: kBadModel, naming both, where two statements differ.
  Result<std::optional<JsonValue>> Find(std::initializer_list<const char*> keys) const;

  // Typed ones. Errors: also kBadModel for a value of another type or out of range.
  Result<uint64_t> Uint(const char* key, uint64_t fallback) const;
  Result<float> Float(const char* key, double fallback) const;  // finite
  Result<std::string> String(const char* key, std::string fallback) const;

  std::string Path() const { return objects_.front().Path(); }
  const std::vector<JsonValue>& objects() const { return objects_; }
  Remarks* remarks() const { return remarks_; }

 private:
  void NoteOnce(const std::string& note) const;

  std::vector<JsonValue> objects_;
  Remarks* remarks_;
};

// A member of one object as a finite float.
Result<float> FloatMember(const JsonValue& object, const char* key, double fallback);

// Two statements of one thing that cannot both be true.
std::unexpected<Error> Contradiction(const JsonValue& a, const JsonValue& b);

}  // namespace gemma3
