// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Whether a given value meets a schema: for the values of `enum` and `const` and the names of
// members, which the rest of a schema may exclude.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "gemma3/error.h"
#include "src/automata/text_dfa.h"
#include "src/automata/work.h"
#include "src/base/ordered_json.h"
#include "src/constrain/schema_document.h"

namespace gemma3 {

// Automata of patterns and formats, and what is made of them, each once.
class PatternCache {
 public:
  using Dfa = std::shared_ptr<const TextDfa>;

  // To be called before anything else, for each schema: what is asked for from here on counts in
  // `work`, which must outlive that, once and also where it was made for another schema. So the
  // outcome of one does not depend on the others.
  void Begin(Work& work);

  // Errors: those of CompilePattern.
  Result<Dfa> Pattern(const std::string& pattern);
  // Null for formats that are not enforced. They count nothing: they are few and the same for all.
  Result<Dfa> Format(const std::string& name);
  // Errors of these: those of TextDfa.
  Result<Dfa> AllBut(const std::vector<std::string>& texts);
  Result<Dfa> Combine(const Dfa& a, const Dfa& b, TextDfa::Op op);

 private:
  struct Made {
    Result<Dfa> dfa;
    uint64_t steps;
    size_t schema;            // the latest that has counted it
    std::array<Dfa, 2> from;  // what keys point to
  };
  template <class Key, class Fn>
  Result<Dfa> Find(std::map<Key, Made>& made, const Key& key, std::array<Dfa, 2> from,
                   const Fn& make);

  Work* work_ = nullptr;
  size_t schema_ = 0;
  std::map<std::string, Made> patterns_;
  std::map<std::vector<std::string>, Made> all_but_;
  std::map<std::tuple<const TextDfa*, const TextDfa*, TextDfa::Op>, Made> combined_;
};

// By value: 1 and 1.0 are equal, and so are objects whatever the order of their members.
bool SameJson(const OrderedJson& a, uint32_t a_node, const OrderedJson& b, uint32_t b_node);

class SchemaCheck {
 public:
  SchemaCheck(const SchemaDocument& document, PatternCache& patterns, Work& work)
      : document_(document), patterns_(patterns), work_(work) {}
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
  Work& work_;
  size_t depth_ = 0;
  bool exact_ = false;
};

}  // namespace gemma3
