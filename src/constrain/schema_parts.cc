// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a case asks of its members, items and values, and its strings as an automaton.
#include <algorithm>

#include "src/base/status.h"
#include "src/constrain/formats.h"
#include "src/constrain/schema_cases.h"

namespace gemma3 {
namespace {

using Kind = OrderedJson::Kind;
constexpr uint32_t kNone = OrderedJson::kNone;

}  // namespace

const char* SchemaCases::ItemsBeside(uint32_t schema) const {
  for (const char* word : {"$ref", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas",
                           "dependencies", "$dynamicRef", "$recursiveRef", "contains"}) {
    if (json_.Find(schema, word) != kNone) return word;
  }
  return nullptr;
}

Result<SchemaConj> SchemaCases::Member(const SchemaCase& c, const std::string& name) {
  const SchemaConj never = {kNever};
  work_.Do(200 * (c.object_layers.size() + c.property_names.size() + 1) + c.members_also.size());
  if (c.forbidden.contains(name)) return never;
  for (const uint32_t names : c.property_names) {
    GEMMA3_TRY(const OrderedJson text, OrderedJson::Parse(QuoteJson(name), 1, SIZE_MAX));
    GEMMA3_TRY(const bool ok, check_.Meets(names, text, OrderedJson::kRoot));
    if (!ok) return never;
  }
  SchemaConj conj;
  for (const uint32_t layer : c.object_layers) {
    bool matched = false;
    if (const uint32_t listed = json_.Find(layer, "properties"); listed != kNone) {
      if (const uint32_t part = json_.Find(listed, name); part != kNone) {
        conj.push_back(Must(part));
        matched = true;
      }
    }
    if (const uint32_t by_pattern = json_.Find(layer, "patternProperties"); by_pattern != kNone) {
      const OrderedJsonNode& patterns = json_[by_pattern];
      for (size_t i = 0; i < patterns.keys.size(); ++i) {
        auto dfa = patterns_.Pattern(patterns.keys[i]);
        if (!dfa) {
          return Fail(dfa.error().code, json_.Pointer(patterns.children[i]), ": ",
                      dfa.error().message);
        }
        work_.Do(50 + 10 * name.size());
        if (!(*dfa)->Matches(name)) continue;
        conj.push_back(Must(patterns.children[i]));
        matched = true;
      }
    }
    const uint32_t rest = RestOf(layer);
    if (matched || rest == kNone) continue;
    bool evaluated = false;
    if (json_.Find(layer, "additionalProperties") == kNone) {
      const Evaluated& beside = EvaluatedBeside(layer);
      evaluated = beside.names.contains(name);
      for (const std::string& pattern : beside.patterns) {
        const auto dfa = patterns_.Pattern(pattern);
        evaluated |= dfa.has_value() && (*dfa)->Matches(name);
      }
    }
    if (!evaluated) conj.push_back(Must(rest));
  }
  for (const auto& [key, literal] : c.members_also) {
    if (key == name) conj.push_back(literal);
  }
  std::sort(conj.begin(), conj.end());
  conj.erase(std::unique(conj.begin(), conj.end()), conj.end());
  return conj;
}

void SchemaCases::AddEvaluated(uint32_t schema, bool itself, std::set<uint32_t>& seen,
                               Evaluated& out) const {
  if (json_.kind(schema) != Kind::kObject || !seen.insert(schema).second) return;
  if (itself) {
    if (const uint32_t listed = json_.Find(schema, "properties"); listed != kNone) {
      out.names.insert(json_[listed].keys.begin(), json_[listed].keys.end());
    }
    if (const uint32_t listed = json_.Find(schema, "patternProperties"); listed != kNone) {
      out.patterns.insert(json_[listed].keys.begin(), json_[listed].keys.end());
    }
    out.all |= json_.Find(schema, "additionalProperties") != kNone ||
               json_.Find(schema, "unevaluatedProperties") != kNone;
  }
  for (const char* word : {"anyOf", "oneOf", "if", "dependentSchemas", "dependencies",
                           "$dynamicRef", "$recursiveRef"}) {
    out.known &= json_.Find(schema, word) == kNone;
  }
  if (const uint32_t ref = json_.Find(schema, "$ref"); ref != kNone) {
    const auto target = document_.Follow(ref);
    out.known &= target.has_value();
    if (target) AddEvaluated(*target, true, seen, out);
  }
  if (const uint32_t all = json_.Find(schema, "allOf"); all != kNone) {
    for (const uint32_t part : json_[all].children) AddEvaluated(part, true, seen, out);
  }
}

const SchemaCases::Evaluated& SchemaCases::EvaluatedBeside(uint32_t schema) const {
  const auto known = evaluated_.find(schema);
  if (known != evaluated_.end()) return known->second;
  Evaluated& out = evaluated_[schema];
  std::set<uint32_t> seen;
  AddEvaluated(schema, false, seen, out);
  return out;
}

uint32_t SchemaCases::RestOf(uint32_t layer) const {
  if (const uint32_t rest = json_.Find(layer, "additionalProperties"); rest != kNone) return rest;
  const uint32_t rest = json_.Find(layer, "unevaluatedProperties");
  if (rest == kNone) return kNone;
  const Evaluated& beside = EvaluatedBeside(layer);
  return beside.known && !beside.all ? rest : kNone;
}

uint32_t SchemaCases::FirstFreeItem(const SchemaCase& c) const {
  size_t first = 0;
  for (const uint32_t layer : c.array_layers) {
    for (const char* word : {"prefixItems", "items"}) {
      const uint32_t list = json_.Find(layer, word);
      if (list == kNone || json_.kind(list) != Kind::kArray) continue;
      first = std::max(first, json_[list].children.size());
    }
  }
  for (const auto& [index, literal] : c.items_also) first = std::max<size_t>(first, index + 1);
  return static_cast<uint32_t>(first);
}

SchemaConj SchemaCases::Item(const SchemaCase& c, uint32_t index) const {
  SchemaConj conj;
  for (const uint32_t layer : c.array_layers) {
    const uint32_t items = json_.Find(layer, "items");
    uint32_t prefix = json_.Find(layer, "prefixItems");
    uint32_t rest = items;
    if (items != kNone && json_.kind(items) == Kind::kArray) {
      prefix = items;
      rest = json_.Find(layer, "additionalItems");
    }
    if (rest == kNone && ItemsBeside(layer) == nullptr)
      rest = json_.Find(layer, "unevaluatedItems");
    if (prefix != kNone && json_.kind(prefix) == Kind::kArray &&
        index < json_[prefix].children.size()) {
      conj.push_back(Must(json_[prefix].children[index]));
    } else if (rest != kNone) {
      conj.push_back(Must(rest));
    }
  }
  for (const auto& [at, literal] : c.items_also) {
    if (at == index) conj.push_back(literal);
  }
  std::sort(conj.begin(), conj.end());
  conj.erase(std::unique(conj.begin(), conj.end()), conj.end());
  return conj;
}

SchemaConj SchemaCases::With(SchemaConj conj, SchemaLiteral literal) {
  const auto at = std::lower_bound(conj.begin(), conj.end(), literal);
  if (at == conj.end() || *at != literal) conj.insert(at, literal);
  return conj;
}

Result<std::vector<uint32_t>> SchemaCases::ValuesOf(const SchemaCase& c) {
  std::vector<uint32_t> values;
  for (const uint32_t value : *c.values) {
    bool ok = true;
    for (const SchemaLiteral literal : c.literals) {
      const bool negated = (literal & 1) != 0;
      GEMMA3_TRY(const bool met, negated ? check_.MeetsExactly(literal >> 1, json_, value)
                                         : check_.Meets(literal >> 1, json_, value));
      ok = met != negated;
      if (!ok) break;
    }
    if (ok) values.push_back(value);
  }
  return values;
}

Result<std::shared_ptr<const TextDfa>> SchemaCases::StringsOf(const SchemaCase& c) {
  std::shared_ptr<const TextDfa> all;
  const auto combine = [&](const std::shared_ptr<const TextDfa>& with, TextDfa::Op op,
                           uint32_t node) -> Status {
    if (all == nullptr && op == TextDfa::Op::kAnd) {
      all = with;
      return {};
    }
    if (all == nullptr) all = any_text_;
    auto dfa = patterns_.Combine(all, with, op);
    if (!dfa) return Fail(dfa.error().code, json_.Pointer(node), ": ", dfa.error().message);
    all = *std::move(dfa);
    return {};
  };
  const auto pattern = [&](uint32_t node) -> Result<std::shared_ptr<const TextDfa>> {
    auto dfa = patterns_.Pattern(json_[node].text);
    if (!dfa) return Fail(dfa.error().code, json_.Pointer(node), ": ", dfa.error().message);
    return dfa;
  };
  for (const uint32_t node : c.patterns) {
    const auto dfa = pattern(node);
    if (!dfa && lenient_) {
      relaxed_ = true;
      Remark(json_.Pointer(node) + ": the pattern is not enforced");
      continue;
    }
    if (!dfa) return std::unexpected(dfa.error());
    GEMMA3_CHECK_OK(combine(*dfa, TextDfa::Op::kAnd, node));
  }
  for (const uint32_t node : c.formats) {
    GEMMA3_TRY(const auto dfa, patterns_.Format(json_[node].text));
    GEMMA3_CHECK_OK(combine(dfa, TextDfa::Op::kAnd, node));
  }
  for (const uint32_t node : c.not_patterns) {
    GEMMA3_TRY(const auto dfa, pattern(node));
    GEMMA3_CHECK_OK(combine(dfa, TextDfa::Op::kWithout, node));
  }
  std::vector<std::string> excluded;
  for (const uint32_t value : c.excluded) {
    if (json_.kind(value) == Kind::kString) excluded.push_back(json_[value].text);
  }
  if (!excluded.empty()) {
    auto texts = TextDfa::AnyOf(excluded, &work_);
    if (!texts) {
      return Fail(texts.error().code, json_.Pointer(c.excluded[0]), ": ", texts.error().message);
    }
    GEMMA3_CHECK_OK(combine(std::make_shared<const TextDfa>(*std::move(texts)),
                            TextDfa::Op::kWithout, c.excluded[0]));
  }
  return all;
}

}  // namespace gemma3
