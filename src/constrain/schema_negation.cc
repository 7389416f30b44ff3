// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The negation of schemas, and which exclude each other.
#include <algorithm>

#include "src/base/status.h"
#include "src/constrain/formats.h"
#include "src/constrain/schema_cases.h"

namespace gemma3 {
namespace {

using Kind = OrderedJson::Kind;
constexpr uint32_t kNone = OrderedJson::kNone;

std::vector<SchemaLiteral> All(const std::vector<uint32_t>& nodes, bool negated) {
  std::vector<SchemaLiteral> literals;
  for (const uint32_t node : nodes) literals.push_back(negated ? MustNot(node) : Must(node));
  return literals;
}

}  // namespace

// Whether no value meets both schemas, as far as that is easily seen. Types are not inferred here:
// a value of another type would meet a schema that only speaks about objects.
bool SchemaCases::Disjoint(uint32_t a, uint32_t b) {
  const std::pair<uint32_t, uint32_t> key = std::minmax(a, b);
  if (const auto it = disjoint_.find(key); it != disjoint_.end()) return it->second;
  disjoint_[key] = false;  // for a schema that refers to itself on the way
  const auto cases_a = Of({Must(a)}, false), cases_b = Of({Must(b)}, false);
  bool disjoint = cases_a.has_value() && cases_b.has_value();
  if (disjoint) {
    uint8_t types_a = 0, types_b = 0;
    for (const SchemaCase& c : **cases_a) types_a |= c.types;
    for (const SchemaCase& c : **cases_b) types_b |= c.types;
    if ((types_a & types_b) != 0) {
      SchemaConj both = {Must(a), Must(b)};
      std::sort(both.begin(), both.end());
      disjoint = IsEmpty(both, kLookDepth);
    }
  }
  return disjoint_[key] = disjoint;
}

bool SchemaCases::IsEmpty(const SchemaConj& conj, int depth) {
  if (!conj.empty() && conj.back() == kNever) return true;
  const auto cases = Of(conj, false);
  if (!cases) return false;
  return std::all_of((*cases)->begin(), (*cases)->end(),
                     [&](const SchemaCase& c) { return IsEmpty(c, depth); });
}

bool SchemaCases::IsEmpty(const SchemaCase& c, int depth) {
  if (c.types == 0) return true;
  if (c.values) {
    const auto values = ValuesOf(c);
    return values && values->empty();
  }
  uint8_t types = c.types;
  if ((types & kStringType) != 0 && (!c.patterns.empty() || !c.formats.empty())) {
    const auto strings = StringsOf(c);
    if (strings && *strings != nullptr && (*strings)->IsEmpty()) types ^= kStringType;
  }
  if ((types & kObjectType) != 0 && depth > 0) {
    for (const std::string& name : c.required) {
      const auto member = Member(c, name);
      if (!member || !IsEmpty(*member, depth - 1)) continue;
      types ^= kObjectType;
      break;
    }
  }
  if ((types & kArrayType) != 0 && depth > 0 && c.min_items > 0 && c.min_items < 16) {
    for (uint32_t i = 0; i < c.min_items; ++i) {
      if (!IsEmpty(Item(c, i), depth - 1)) continue;
      types ^= kArrayType;
      break;
    }
  }
  if ((types & kArrayType) != 0 && depth > 0) {
    for (const SchemaCase::SomeItems& some : c.some_items) {
      if (some.least == 0) continue;
      const uint32_t last = std::max(some.from, FirstFreeItem(c));
      bool possible = last - some.from > 16;
      for (uint32_t i = some.from; i <= last && !possible; ++i) {
        possible = !IsEmpty(With(Item(c, i), some.literal), depth - 1);
      }
      if (possible) continue;
      types ^= kArrayType;
      break;
    }
  }
  return types == 0;
}

Result<bool> SchemaCases::Negate(Branch& branch, uint32_t schema) {
  const OrderedJsonNode& node = json_[schema];
  auto choice = std::make_shared<Choice>();
  const uint32_t ref = json_.Find(schema, "$ref");
  if (ref != kNone) {
    GEMMA3_TRY(const uint32_t target, document_.Follow(ref));
    choice->push_back({.literals = {MustNot(target)}});
  }
  if (ref == kNone || !document_.ref_stands_alone()) {
    for (size_t i = 0; i < node.keys.size(); ++i) {
      if (node.keys[i] == "$ref" || IsAnnotation(node.keys[i])) continue;
      GEMMA3_CHECK_OK(NegateKeyword(*choice, schema, node.keys[i], node.children[i]));
    }
  }
  if (choice->empty()) return false;  // everything meets the schema
  if (choice->size() == 1) {
    const Alternative& only = choice->front();
    branch.pending.insert(branch.pending.end(), only.literals.rbegin(), only.literals.rend());
    if (only.apply) only.apply(branch.c);
    return true;
  }
  branch.choices.push_back(std::move(choice));
  return true;
}

Status SchemaCases::NegateKeyword(Choice& choice, uint32_t schema, const std::string& keyword,
                                  uint32_t arg) {
  const OrderedJsonNode& argument = json_[arg];
  const auto add = [&](std::function<void(SchemaCase&)> apply) {
    choice.push_back({.apply = std::move(apply)});
  };
  // The negation is possible only for a type: where that is excluded otherwise, nothing is lost.
  const auto obstacle = [&](uint8_t types) {
    const std::string message = json_.Pointer(schema) + ": the negation of \"" + keyword +
                                "\" (by not, oneOf or if) is not supported; remove it, or make the "
                                "alternatives exclude each other";
    add([types, message](SchemaCase& c) {
      c.types &= types;
      c.obstacles.push_back({types, message});
    });
  };
  if (keyword == "type") {
    GEMMA3_TRY(const uint8_t types, TypesOf(arg));
    add([types](SchemaCase& c) { c.types &= static_cast<uint8_t>(~types); });
  } else if (keyword == "enum" || keyword == "const") {
    const std::vector<uint32_t> values =
        keyword == "const" ? std::vector<uint32_t>{arg} : argument.children;
    add([values](SchemaCase& c) {
      c.excluded.insert(c.excluded.end(), values.begin(), values.end());
    });
  } else if (keyword == "minLength" || keyword == "minItems" || keyword == "minProperties") {
    GEMMA3_TRY(const uint32_t size, SizeOf(arg));
    if (size == 0) return {};
    const uint32_t most = size - 1;
    if (keyword == "minLength") {
      add([most](SchemaCase& c) {
        c.types &= kStringType;
        c.max_chars = std::min(c.max_chars, most);
      });
    } else if (keyword == "minItems") {
      add([most](SchemaCase& c) {
        c.types &= kArrayType;
        c.max_items = std::min(c.max_items, most);
      });
    } else {
      add([most](SchemaCase& c) {
        c.types &= kObjectType;
        c.max_members = std::min(c.max_members, most);
      });
    }
  } else if (keyword == "maxLength" || keyword == "maxItems" || keyword == "maxProperties") {
    GEMMA3_TRY(const uint32_t size, SizeOf(arg));
    const uint32_t least = size + 1;
    if (keyword == "maxLength") {
      add([least](SchemaCase& c) {
        c.types &= kStringType;
        c.min_chars = std::max(c.min_chars, least);
      });
    } else if (keyword == "maxItems") {
      add([least](SchemaCase& c) {
        c.types &= kArrayType;
        c.min_items = std::max(c.min_items, least);
      });
    } else {
      add([least](SchemaCase& c) {
        c.types &= kObjectType;
        c.min_members = std::max(c.min_members, least);
      });
    }
  } else if (keyword == "minimum" || keyword == "maximum" || keyword == "exclusiveMinimum" ||
             keyword == "exclusiveMaximum") {
    // The bound as ApplyLimit reads it, turned round.
    Branch bound;
    GEMMA3_TRY(const bool is_limit, ApplyLimit(bound, schema, keyword, arg));
    (void)is_limit;
    if (const auto lower = bound.c.lower) {
      add([lower](SchemaCase& c) {
        c.types &= kNumberType;
        c.DropUpper({lower->value, !lower->exclusive});
      });
    } else if (const auto upper = bound.c.upper) {
      add([upper](SchemaCase& c) {
        c.types &= kNumberType;
        c.RaiseLower({upper->value, !upper->exclusive});
      });
    }
  } else if (keyword == "multipleOf") {
    GEMMA3_TRY(const Decimal value, NumberOf(arg));
    if (value.ToText() == "1") {
      add([](SchemaCase& c) { c.types &= kFractionType; });
    } else {
      obstacle(kNumberType);
    }
  } else if (keyword == "pattern") {
    add([arg](SchemaCase& c) {
      c.types &= kStringType;
      c.not_patterns.push_back(arg);
    });
  } else if (keyword == "format") {
    // What is enforced is narrower than the format in places, so its negation would be too wide.
    if (FindTextFormat(argument.text)) {
      obstacle(kStringType);
    } else if (BoundsOfFormat(argument.text)) {
      obstacle(kNumberType);
    }
  } else if (keyword == "required") {
    if (argument.kind != Kind::kArray) return {};
    for (const uint32_t name : argument.children) {
      const std::string text = json_[name].text;
      add([text](SchemaCase& c) {
        c.types &= kObjectType;
        c.forbidden.insert(text);
      });
    }
  } else if (keyword == "properties") {
    for (size_t i = 0; i < argument.keys.size(); ++i) {
      const uint32_t part = argument.children[i];
      if (json_.kind(part) == Kind::kBool && json_[part].boolean) continue;
      const std::string name = argument.keys[i];
      add([name, part](SchemaCase& c) {
        c.types &= kObjectType;
        c.Require(name);
        c.members_also.emplace_back(name, MustNot(part));
      });
    }
  } else if (keyword == "prefixItems" || (keyword == "items" && argument.kind == Kind::kArray)) {
    for (uint32_t i = 0; i < argument.children.size(); ++i) {
      const uint32_t part = argument.children[i];
      add([i, part](SchemaCase& c) {
        c.types &= kArrayType;
        c.min_items = std::max(c.min_items, i + 1);
        c.items_also.emplace_back(i, MustNot(part));
      });
    }
  } else if (keyword == "additionalProperties" || keyword == "items" ||
             keyword == "additionalItems" || keyword == "unevaluatedItems" ||
             keyword == "unevaluatedProperties") {
    if (argument.kind == Kind::kBool && argument.boolean) return {};
    if (argument.kind == Kind::kObject && argument.keys.empty()) return {};
    const bool of_array = keyword.ends_with("tems");
    if (keyword == "items" && argument.kind == Kind::kBool &&
        json_.Find(schema, "prefixItems") == kNone) {
      add([](SchemaCase& c) {
        c.types &= kArrayType;
        c.min_items = std::max(c.min_items, 1u);
      });
      return {};
    }
    if (keyword.starts_with("unevaluated")) {
      obstacle(of_array ? kArrayType : kObjectType);
    } else if (of_array) {
      // Some item behind those that have a place of their own does not meet it.
      const uint32_t list = json_.Find(schema, keyword == "items" ? "prefixItems" : "items");
      const bool is_list = list != kNone && json_.kind(list) == Kind::kArray;
      if (keyword == "additionalItems" && !is_list) return {};  // means nothing
      const auto from = static_cast<uint32_t>(is_list ? json_[list].children.size() : 0);
      add([arg, from](SchemaCase& c) {
        c.types &= kArrayType;
        c.min_items = std::max(c.min_items, from + 1);
        c.some_items.push_back({from, MustNot(arg), 1, kNoLimit});
      });
    } else {
      add([schema, keyword, arg](SchemaCase& c) {
        c.types &= kObjectType;
        c.broken.push_back({schema, keyword, "", MustNot(arg)});
      });
    }
  } else if (keyword == "propertyNames") {
    add([schema, keyword, arg](SchemaCase& c) {
      c.types &= kObjectType;
      c.broken.push_back({schema, keyword, "", MustNot(arg)});
    });
  } else if (keyword == "patternProperties") {
    for (size_t i = 0; i < argument.keys.size(); ++i) {
      const std::string pattern = argument.keys[i];
      const uint32_t part = argument.children[i];
      if (json_.kind(part) == Kind::kBool && json_[part].boolean) continue;
      add([schema, keyword, pattern, part](SchemaCase& c) {
        c.types &= kObjectType;
        c.broken.push_back({schema, keyword, pattern, MustNot(part)});
      });
    }
  } else if (keyword == "uniqueItems") {
    if (argument.boolean) obstacle(kArrayType);
  } else if (keyword == "contains") {
    GEMMA3_TRY(const auto bounds, ContainsBounds(schema));
    if (const uint32_t least = bounds.first; least > 0) {
      add([arg, least](SchemaCase& c) {
        c.types &= kArrayType;
        c.some_items.push_back({0, Must(arg), 0, least - 1});
      });
    }
    if (const uint32_t most = bounds.second; most != kNoLimit) {
      add([arg, most](SchemaCase& c) {
        c.types &= kArrayType;
        c.min_items = std::max(c.min_items, most + 1);
        c.some_items.push_back({0, Must(arg), most + 1, kNoLimit});
      });
    }
  } else if (keyword == "allOf") {
    GEMMA3_CHECK_OK(NeedSchemas(arg));
    for (const uint32_t part : argument.children) choice.push_back({.literals = {MustNot(part)}});
  } else if (keyword == "anyOf") {
    GEMMA3_CHECK_OK(NeedSchemas(arg));
    choice.push_back({.literals = All(argument.children, true)});
  } else if (keyword == "oneOf") {
    GEMMA3_CHECK_OK(NeedSchemas(arg));
    choice.push_back({.literals = All(argument.children, true)});
    for (size_t i = 0; i < argument.children.size(); ++i) {
      for (size_t k = 0; k < i; ++k) {
        if (Disjoint(argument.children[i], argument.children[k])) continue;
        choice.push_back({.literals = {Must(argument.children[i]), Must(argument.children[k])}});
      }
    }
  } else if (keyword == "not") {
    choice.push_back({.literals = {Must(arg)}});
  } else if (keyword == "if") {
    const uint32_t then = json_.Find(schema, "then"), otherwise = json_.Find(schema, "else");
    if (then != kNone) choice.push_back({.literals = {Must(arg), MustNot(then)}});
    if (otherwise != kNone) choice.push_back({.literals = {MustNot(arg), MustNot(otherwise)}});
  } else if (keyword == "dependencies" || keyword == "dependentRequired" ||
             keyword == "dependentSchemas") {
    for (size_t i = 0; i < argument.keys.size(); ++i) {
      const std::string name = argument.keys[i];
      const uint32_t rule = argument.children[i];
      const auto present = [name](SchemaCase& c) {
        c.types &= kObjectType;
        c.Require(name);
      };
      if (json_.kind(rule) != Kind::kArray && json_.kind(rule) != Kind::kString) {
        choice.push_back({.literals = {MustNot(rule)}, .apply = present});
        continue;
      }
      const std::vector<uint32_t> others =
          json_.kind(rule) == Kind::kArray ? json_[rule].children : std::vector<uint32_t>{rule};
      for (const uint32_t other : others) {
        const std::string text = json_[other].text;
        add([present, text](SchemaCase& c) {
          present(c);
          c.forbidden.insert(text);
        });
      }
    }
  } else if (keyword == "$dynamicRef" || keyword == "$recursiveRef") {
    obstacle(kAllTypes);
  }
  return {};
}

Result<bool> SchemaCases::MayBreak(const SchemaCase::Broken& broken, const std::string& name) {
  if (broken.keyword == "propertyNames") {
    GEMMA3_TRY(const OrderedJson text, OrderedJson::Parse(QuoteJson(name), 1, SIZE_MAX));
    GEMMA3_TRY(const bool meets,
               check_.MeetsExactly(broken.literal >> 1, text, OrderedJson::kRoot));
    return !meets;
  }
  const auto matches = [&](const std::string& pattern) -> Result<bool> {
    GEMMA3_TRY(const auto dfa, patterns_.Pattern(pattern));
    return dfa->Matches(name);
  };
  if (broken.keyword == "patternProperties") return matches(broken.pattern);
  if (const uint32_t listed = json_.Find(broken.schema, "properties");
      listed != kNone && json_.Find(listed, name) != kNone) {
    return false;
  }
  if (const uint32_t by_pattern = json_.Find(broken.schema, "patternProperties");
      by_pattern != kNone) {
    for (const std::string& pattern : json_[by_pattern].keys) {
      GEMMA3_TRY(const bool matched, matches(pattern));
      if (matched) return false;
    }
  }
  return true;
}

Status SchemaCases::ChooseBroken(Branch& branch) {
  const SchemaCase::Broken broken = branch.c.broken.back();
  branch.c.broken.pop_back();
  // The names that the case knows of, and whether there can be others.
  std::vector<std::string> names = branch.c.required;
  bool closed = false;
  for (const uint32_t layer : branch.c.object_layers) {
    if (const uint32_t listed = json_.Find(layer, "properties"); listed != kNone) {
      names.insert(names.end(), json_[listed].keys.begin(), json_[listed].keys.end());
    }
    const uint32_t patterns = json_.Find(layer, "patternProperties");
    const uint32_t rest = RestOf(layer);
    closed |= rest != kNone && json_.kind(rest) == Kind::kBool && !json_[rest].boolean &&
              (patterns == kNone || json_[patterns].keys.empty()) &&
              (json_.Find(layer, "additionalProperties") != kNone ||
               EvaluatedBeside(layer).patterns.empty());
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  auto choice = std::make_shared<Choice>();
  for (const std::string& name : names) {
    if (branch.c.forbidden.contains(name)) continue;
    GEMMA3_TRY(const bool may, MayBreak(broken, name));
    if (!may) continue;
    choice->push_back({.apply = [name, broken](SchemaCase& c) {
      c.Require(name);
      if (broken.keyword != "propertyNames") c.members_also.emplace_back(name, broken.literal);
    }});
  }
  if (!closed) {
    const std::string message =
        json_.Pointer(broken.schema) + ": the negation of \"" + broken.keyword +
        "\" (by not, oneOf or if) is supported for objects of listed members only; remove it, or "
        "make the alternatives exclude each other";
    choice->push_back({.apply = [message](SchemaCase& c) {
      c.obstacles.push_back({kObjectType, message});
    }});
  }
  // Where no member can break it, there is no such object.
  if (choice->empty()) choice->push_back({.literals = {kNever}});
  branch.choices.push_back(std::move(choice));
  return {};
}

}  // namespace gemma3
