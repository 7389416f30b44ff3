// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Whether a given value meets a schema: for the values of `enum` and `const` and the names of
// members, which the rest of a schema may exclude.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "gemma3/error.h"
#include "src/automata/text_dfa.h"
#include "src/base/ordered_json.h"
#include "src/constrain/schema_document.h"

namespace gemma3 {

// Automata of the patterns of one schema, each made once, and of formats.
class PatternCache {
 public:
  // Errors: those of CompilePattern.
  Result<std::shared_ptr<const TextDfa>> Pattern(const std::string& pattern);
  // Null for formats that are not enforced.
  Result<std::shared_ptr<const TextDfa>> Format(const std::string& name);

 private:
  std::unordered_map<std::string, std::shared_ptr<const TextDfa>> patterns_;
};

// By value: 1 and 1.0 are equal, and so are objects whatever the order of their members.
bool SameJson(const OrderedJson& a, uint32_t a_node, const OrderedJson& b, uint32_t b_node);

class SchemaCheck {
 public:
  SchemaCheck(const SchemaDocument& document, PatternCache& patterns)
      : document_(document), patterns_(patterns) {}
  // False for some values that meet a format, where what is enforced is narrower. Errors:
  // kUnsupported, with the pointer, for a keyword that this cannot judge.
  Result<bool> Meets(uint32_t schema, const OrderedJson& json, uint32_t value);
  // For where not to meet the schema is what is asked for: such a value is an error here.
  Result<bool> MeetsExactly(uint32_t schema, const OrderedJson& json, uint32_t value);

 private:
  Result<bool> MeetsKeyword(uint32_t schema, const std::string& keyword, uint32_t argument,
                            const OrderedJson& json, uint32_t value);
  Result<bool> MeetsObjectKeyword(uint32_t schema, const std::string& keyword, uint32_t argument,
                                  const OrderedJson& json, uint32_t value);

  const SchemaDocument& document_;
  PatternCache& patterns_;
  size_t depth_ = 0;
  bool exact_ = false;
};

}  // namespace gemma3
