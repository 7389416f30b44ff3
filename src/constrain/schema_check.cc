// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/constrain/schema_check.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "src/automata/regex.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/constrain/formats.h"
#include "src/constrain/number.h"

namespace gemma3 {
namespace {

using Kind = OrderedJson::Kind;
constexpr size_t kMaxDepth = 512;

bool IsType(const OrderedJson& json, uint32_t value, std::string_view type) {
  switch (json.kind(value)) {
    case Kind::kNull:
      return type == "null";
    case Kind::kBool:
      return type == "boolean";
    case Kind::kString:
      return type == "string";
    case Kind::kArray:
      return type == "array";
    case Kind::kObject:
      return type == "object";
    case Kind::kNumber: {
      if (type == "number") return true;
      if (type != "integer") return false;
      const auto number = Decimal::Parse(json[value].text);
      return number && number->IsInteger();
    }
  }
  return false;
}

size_t CountChars(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

}  // namespace

void PatternCache::Begin(Work& work) {
  work_ = &work;
  ++schema_;
}

template <class Key, class Fn>
Result<PatternCache::Dfa> PatternCache::Find(std::map<Key, Made>& made, const Key& key,
                                             std::array<Dfa, 2> from, const Fn& make) {
  auto known = made.find(key);
  if (known == made.end()) {
    const uint64_t before = work_->done();
    Result<TextDfa> dfa = make();
    // Whether it can be made is not known then.
    if (work_->spent()) return std::unexpected(std::move(dfa).error());
    Result<Dfa> kept = dfa.has_value()
                           ? Result<Dfa>(std::make_shared<const TextDfa>(*std::move(dfa)))
                           : Result<Dfa>(std::unexpected(std::move(dfa).error()));
    known =
        made.emplace(key, Made{std::move(kept), work_->done() - before, schema_, std::move(from)})
            .first;
  } else if (std::exchange(known->second.schema, schema_) != schema_ &&
             !work_->Do(known->second.steps)) {
    return Fail(ErrorCode::kUnsupported, "it takes too much work to make");
  }
  return known->second.dfa;
}

Result<PatternCache::Dfa> PatternCache::Pattern(const std::string& pattern) {
  return Find(patterns_, pattern, {}, [&] { return CompilePattern(pattern, work_); });
}

Result<PatternCache::Dfa> PatternCache::AllBut(const std::vector<std::string>& texts) {
  return Find(all_but_, texts, {}, [&] { return TextDfa::AllBut(texts, work_); });
}

Result<PatternCache::Dfa> PatternCache::Combine(const Dfa& a, const Dfa& b, TextDfa::Op op) {
  return Find(combined_, {a.get(), b.get(), op}, {a, b},
              [&] { return TextDfa::Combine(*a, *b, op, work_); });
}

Result<std::shared_ptr<const TextDfa>> PatternCache::Format(const std::string& name) {
  const auto format = FindTextFormat(name);
  if (!format) return nullptr;
  // They are few, and the same for all schemas. Never destroyed: threads may outlive main().
  static std::mutex mutex;
  static auto& formats = *new std::unordered_map<std::string, std::shared_ptr<const TextDfa>>;
  const std::lock_guard lock(mutex);
  auto& known = formats[name];
  if (known == nullptr) {
    GEMMA3_TRY(TextDfa dfa, CompilePattern(format->pattern));
    if (!format->without.empty()) {
      GEMMA3_TRY(const TextDfa without, CompilePattern(format->without));
      GEMMA3_TRY(dfa, TextDfa::Combine(dfa, without, TextDfa::Op::kWithout));
    }
    known = std::make_shared<const TextDfa>(std::move(dfa));
  }
  return known;
}

bool SameJson(const OrderedJson& a, uint32_t a_node, const OrderedJson& b, uint32_t b_node) {
  if (a.kind(a_node) != b.kind(b_node)) return false;
  const OrderedJsonNode &x = a[a_node], &y = b[b_node];
  switch (x.kind) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
      return x.boolean == y.boolean;
    case Kind::kString:
      return x.text == y.text;
    case Kind::kNumber: {
      const auto p = Decimal::Parse(x.text), q = Decimal::Parse(y.text);
      return p && q ? *p == *q : x.text == y.text;
    }
    case Kind::kArray:
      if (x.children.size() != y.children.size()) return false;
      for (size_t i = 0; i < x.children.size(); ++i) {
        if (!SameJson(a, x.children[i], b, y.children[i])) return false;
      }
      return true;
    case Kind::kObject:
      if (x.children.size() != y.children.size()) return false;
      for (size_t i = 0; i < x.children.size(); ++i) {
        const uint32_t other = b.Find(b_node, x.keys[i]);
        if (other == OrderedJson::kNone || !SameJson(a, x.children[i], b, other)) return false;
      }
      return true;
  }
  return false;
}

Result<bool> SchemaCheck::Meets(uint32_t schema, const OrderedJson& json, uint32_t value) {
  const OrderedJson& doc = document_.json();
  if (doc.kind(schema) == Kind::kBool) return doc[schema].boolean;
  if (doc.kind(schema) != Kind::kObject) {
    return Fail(ErrorCode::kInvalidArgument, doc.Pointer(schema),
                ": a schema is an object, true or false");
  }
  if (depth_ >= kMaxDepth) {
    return Fail(ErrorCode::kUnsupported, doc.Pointer(schema), ": the schema refers to itself");
  }
  if (!work_.Do(100)) {
    return Fail(ErrorCode::kUnsupported, doc.Pointer(schema), ": it takes too much work to judge");
  }
  ++depth_;
  Result<bool> met = true;
  const OrderedJsonNode& node = doc[schema];
  const uint32_t ref = doc.Find(schema, "$ref");
  for (size_t i = 0; i < node.keys.size() && met && *met; ++i) {
    if (ref != OrderedJson::kNone && document_.ref_stands_alone() && node.keys[i] != "$ref") {
      continue;
    }
    met = MeetsKeyword(schema, node.keys[i], node.children[i], json, value);
  }
  --depth_;
  return met;
}

Result<bool> SchemaCheck::MeetsExactly(uint32_t schema, const OrderedJson& json, uint32_t value) {
  const bool outer = std::exchange(exact_, true);
  const Result<bool> met = Meets(schema, json, value);
  exact_ = outer;
  return met;
}

Result<bool> SchemaCheck::MeetsKeyword(uint32_t schema, const std::string& keyword, uint32_t arg,
                                       const OrderedJson& json, uint32_t value) {
  const OrderedJson& doc = document_.json();
  const OrderedJsonNode& argument = doc[arg];
  const OrderedJsonNode& v = json[value];
  const auto size_of = [&](uint32_t node) -> size_t {
    const auto number = Decimal::Parse(doc[node].text);
    return number && number->whole().size() < 10 && !number->whole().empty()
               ? static_cast<size_t>(std::stoul(number->whole()))
           : number && number->IsZero() ? 0
                                        : SIZE_MAX;
  };
  if (keyword == "$ref") {
    GEMMA3_TRY(const uint32_t target, document_.Follow(arg));
    return Meets(target, json, value);
  }
  if (keyword == "type") {
    if (argument.kind == Kind::kString) return IsType(json, value, argument.text);
    for (const uint32_t type : argument.children) {
      if (IsType(json, value, doc[type].text)) return true;
    }
    return false;
  }
  if (keyword == "enum") {
    // Most values that are judged are its own.
    if (&json == &doc && doc[value].parent == arg) return true;
    if (!work_.Do((v.kind == Kind::kNumber ? 100 : 3) * argument.children.size())) {
      return Fail(ErrorCode::kUnsupported, doc.Pointer(arg), ": it takes too much work to judge");
    }
    for (const uint32_t one : argument.children) {
      if (SameJson(doc, one, json, value)) return true;
    }
    return false;
  }
  if (keyword == "const") return SameJson(doc, arg, json, value);
  if (keyword == "allOf" || keyword == "anyOf" || keyword == "oneOf") {
    size_t met = 0;
    for (const uint32_t part : argument.children) {
      GEMMA3_TRY(const bool ok,
                 keyword == "oneOf" ? MeetsExactly(part, json, value) : Meets(part, json, value));
      met += ok ? 1 : 0;
    }
    return keyword == "allOf"   ? met == argument.children.size()
           : keyword == "anyOf" ? met > 0
                                : met == 1;
  }
  if (keyword == "not") {
    GEMMA3_TRY(const bool ok, MeetsExactly(arg, json, value));
    return !ok;
  }
  if (keyword == "if") {
    GEMMA3_TRY(const bool ok, MeetsExactly(arg, json, value));
    const uint32_t branch = doc.Find(schema, ok ? "then" : "else");
    if (branch == OrderedJson::kNone) return true;
    return Meets(branch, json, value);
  }
  if (keyword == "unevaluatedProperties" || keyword == "unevaluatedItems" ||
      keyword == "$dynamicRef" || keyword == "$recursiveRef") {
    return Fail(ErrorCode::kUnsupported, doc.Pointer(schema), ": keyword \"", keyword,
                "\" is not supported");
  }
  if (v.kind == Kind::kNumber) {
    if (const auto bounds = BoundsOfFormat(keyword == "format" ? argument.text : "")) {
      const auto number = Decimal::Parse(v.text);
      return number && Decimal::Compare(*number, bounds->first) >= 0 &&
             Decimal::Compare(*number, bounds->second) <= 0;
    }
    const bool is_bound = keyword == "minimum" || keyword == "maximum" ||
                          keyword == "exclusiveMinimum" || keyword == "exclusiveMaximum" ||
                          keyword == "multipleOf";
    if (!is_bound || argument.kind != Kind::kNumber) return true;
    const auto number = Decimal::Parse(v.text), bound = Decimal::Parse(argument.text);
    if (!number || !bound) {
      return Fail(ErrorCode::kUnsupported, doc.Pointer(schema), ": a number beyond ",
                  Decimal::kMaxDigits, " digits");
    }
    if (keyword == "multipleOf") return !bound->IsZero() && number->IsMultipleOf(*bound);
    const int order = Decimal::Compare(*number, *bound);
    const bool least = keyword == "minimum" || keyword == "exclusiveMinimum";
    bool exclusive = keyword.starts_with("exclusive");
    const uint32_t flag = doc.Find(schema, least ? "exclusiveMinimum" : "exclusiveMaximum");
    if (flag != OrderedJson::kNone && doc.kind(flag) == Kind::kBool) exclusive = doc[flag].boolean;
    return order == 0 ? !exclusive : least == (order > 0);
  }
  if (v.kind == Kind::kString) {
    if (keyword == "minLength") return CountChars(v.text) >= size_of(arg);
    if (keyword == "maxLength") return CountChars(v.text) <= size_of(arg);
    if (keyword == "pattern") {
      work_.Do(10 * v.text.size());
      GEMMA3_TRY(const auto dfa, patterns_.Pattern(argument.text));
      return dfa->Matches(v.text);
    }
    if (keyword == "format" && argument.kind == Kind::kString) {
      GEMMA3_TRY(const auto dfa, patterns_.Format(argument.text));
      if (dfa == nullptr || dfa->Matches(v.text)) return true;
      if (!exact_) return false;
      return Fail(ErrorCode::kUnsupported, doc.Pointer(arg),
                  ": whether a value is not of the format cannot be decided");
    }
    return true;
  }
  if (v.kind == Kind::kArray) {
    const size_t size = v.children.size();
    if (keyword == "minItems") return size >= size_of(arg);
    if (keyword == "maxItems") return size <= size_of(arg);
    if (keyword == "uniqueItems") {
      if (!argument.boolean) return true;
      if (!work_.Do(10 * size * size)) {
        return Fail(ErrorCode::kUnsupported, doc.Pointer(arg), ": it takes too much work to judge");
      }
      for (size_t i = 0; i < size; ++i) {
        for (size_t k = 0; k < i; ++k) {
          if (SameJson(json, v.children[i], json, v.children[k])) return false;
        }
      }
      return true;
    }
    if (keyword == "contains") {
      const bool bounded = !document_.ref_stands_alone();  // by words of later drafts
      size_t found = 0;
      for (const uint32_t item : v.children) {
        GEMMA3_TRY(const bool ok, Meets(arg, json, item));
        found += ok ? 1 : 0;
      }
      const uint32_t least = bounded ? doc.Find(schema, "minContains") : OrderedJson::kNone;
      const uint32_t most = bounded ? doc.Find(schema, "maxContains") : OrderedJson::kNone;
      return found >= (least == OrderedJson::kNone ? 1 : size_of(least)) &&
             found <= (most == OrderedJson::kNone ? SIZE_MAX : size_of(most));
    }
    const bool is_list = argument.kind == Kind::kArray;
    if (keyword == "prefixItems" || (keyword == "items" && is_list)) {
      for (size_t i = 0; i < std::min(size, argument.children.size()); ++i) {
        GEMMA3_TRY(const bool ok, Meets(argument.children[i], json, v.children[i]));
        if (!ok) return false;
      }
      return true;
    }
    if (keyword == "items" || keyword == "additionalItems") {
      size_t begin = 0;
      const uint32_t prefix = doc.Find(schema, keyword == "items" ? "prefixItems" : "items");
      if (prefix != OrderedJson::kNone && doc.kind(prefix) == Kind::kArray) {
        begin = doc[prefix].children.size();
      } else if (keyword == "additionalItems") {
        return true;
      }
      for (size_t i = begin; i < size; ++i) {
        GEMMA3_TRY(const bool ok, Meets(arg, json, v.children[i]));
        if (!ok) return false;
      }
    }
    return true;
  }
  if (v.kind == Kind::kObject) {
    if (keyword == "minProperties") return v.children.size() >= size_of(arg);
    if (keyword == "maxProperties") return v.children.size() <= size_of(arg);
    return MeetsObjectKeyword(schema, keyword, arg, json, value);
  }
  return true;
}

Result<bool> SchemaCheck::MeetsObjectKeyword(uint32_t schema, const std::string& keyword,
                                             uint32_t arg, const OrderedJson& json,
                                             uint32_t value) {
  const OrderedJson& doc = document_.json();
  const OrderedJsonNode& argument = doc[arg];
  const OrderedJsonNode& v = json[value];
  const auto has = [&](const std::string& key) {
    return json.Find(value, key) != OrderedJson::kNone;
  };
  if (keyword == "required") {
    for (const uint32_t name : argument.children) {
      if (!has(doc[name].text)) return false;
    }
  } else if (keyword == "properties") {
    for (size_t i = 0; i < v.keys.size(); ++i) {
      const uint32_t part = doc.Find(arg, v.keys[i]);
      if (part == OrderedJson::kNone) continue;
      GEMMA3_TRY(const bool ok, Meets(part, json, v.children[i]));
      if (!ok) return false;
    }
  } else if (keyword == "patternProperties") {
    for (size_t p = 0; p < argument.keys.size(); ++p) {
      GEMMA3_TRY(const auto dfa, patterns_.Pattern(argument.keys[p]));
      for (size_t i = 0; i < v.keys.size(); ++i) {
        if (!dfa->Matches(v.keys[i])) continue;
        GEMMA3_TRY(const bool ok, Meets(argument.children[p], json, v.children[i]));
        if (!ok) return false;
      }
    }
  } else if (keyword == "additionalProperties") {
    const uint32_t listed = doc.Find(schema, "properties");
    const uint32_t by_pattern = doc.Find(schema, "patternProperties");
    for (size_t i = 0; i < v.keys.size(); ++i) {
      if (listed != OrderedJson::kNone && doc.Find(listed, v.keys[i]) != OrderedJson::kNone) {
        continue;
      }
      bool matched = false;
      if (by_pattern != OrderedJson::kNone) {
        for (const std::string& pattern : doc[by_pattern].keys) {
          GEMMA3_TRY(const auto dfa, patterns_.Pattern(pattern));
          matched |= dfa->Matches(v.keys[i]);
        }
      }
      if (matched) continue;
      GEMMA3_TRY(const bool ok, Meets(arg, json, v.children[i]));
      if (!ok) return false;
    }
  } else if (keyword == "propertyNames") {
    for (const std::string& key : v.keys) {
      GEMMA3_TRY(const OrderedJson name, OrderedJson::Parse(QuoteJson(key), 1, SIZE_MAX));
      GEMMA3_TRY(const bool ok, Meets(arg, name, OrderedJson::kRoot));
      if (!ok) return false;
    }
  } else if (keyword == "dependencies" || keyword == "dependentRequired" ||
             keyword == "dependentSchemas") {
    for (size_t i = 0; i < argument.keys.size(); ++i) {
      if (!has(argument.keys[i])) continue;
      const uint32_t rule = argument.children[i];
      if (doc.kind(rule) == Kind::kArray) {
        for (const uint32_t name : doc[rule].children) {
          if (!has(doc[name].text)) return false;
        }
      } else if (doc.kind(rule) == Kind::kString) {
        if (!has(doc[rule].text)) return false;
      } else {
        GEMMA3_TRY(const bool ok, Meets(rule, json, value));
        if (!ok) return false;
      }
    }
  }
  return true;
}

}  // namespace gemma3
