// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/constrain/schema_cases.h"

#include <algorithm>
#include <unordered_set>

#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/constrain/formats.h"

namespace gemma3 {
namespace {

using Kind = OrderedJson::Kind;
constexpr uint32_t kNone = OrderedJson::kNone;
// How deep members are looked into to find that two schemas exclude each other.
constexpr int kLookDepth = 3;
constexpr int kMaxNesting = 64;
constexpr size_t kMaxRemarks = 100;
constexpr size_t kMaxEnumValues = 10000;

// Words that change nothing.
const std::unordered_set<std::string_view>& Annotations() {
  static const std::unordered_set<std::string_view> kWords = {"title",
                                                              "description",
                                                              "default",
                                                              "examples",
                                                              "deprecated",
                                                              "readOnly",
                                                              "writeOnly",
                                                              "$comment",
                                                              "$schema",
                                                              "$vocabulary",
                                                              "$id",
                                                              "id",
                                                              "$anchor",
                                                              "$dynamicAnchor",
                                                              "$recursiveAnchor",
                                                              "$defs",
                                                              "definitions",
                                                              "contentEncoding",
                                                              "contentSchema",
                                                              "contentMediaType",
                                                              "minContains",
                                                              "maxContains",
                                                              "then",
                                                              "else",
                                                              "example"};
  return kWords;
}

uint8_t FamilyOf(std::string_view keyword) {
  static const std::map<std::string_view, uint8_t> kFamilies = {
      {"properties", kObjectType},
      {"required", kObjectType},
      {"additionalProperties", kObjectType},
      {"patternProperties", kObjectType},
      {"propertyNames", kObjectType},
      {"minProperties", kObjectType},
      {"maxProperties", kObjectType},
      {"dependencies", kObjectType},
      {"dependentRequired", kObjectType},
      {"dependentSchemas", kObjectType},
      {"items", kArrayType},
      {"prefixItems", kArrayType},
      {"minItems", kArrayType},
      {"maxItems", kArrayType},
      {"uniqueItems", kArrayType},
      {"additionalItems", kArrayType},
      {"minLength", kStringType},
      {"maxLength", kStringType},
      {"pattern", kStringType},
      {"format", kStringType},
      {"minimum", kNumberType},
      {"maximum", kNumberType},
      {"exclusiveMinimum", kNumberType},
      {"exclusiveMaximum", kNumberType},
      {"multipleOf", kNumberType}};
  const auto it = kFamilies.find(keyword);
  return it == kFamilies.end() ? 0 : it->second;
}

// The tighter one stays.
void TightenLower(std::optional<NumberSpec::Bound>& bound, NumberSpec::Bound other) {
  if (!bound) {
    bound = std::move(other);
    return;
  }
  const int order = Decimal::Compare(other.value, bound->value);
  if (order > 0 || (order == 0 && other.exclusive)) bound = std::move(other);
}
void TightenUpper(std::optional<NumberSpec::Bound>& bound, NumberSpec::Bound other) {
  if (!bound) {
    bound = std::move(other);
    return;
  }
  const int order = Decimal::Compare(other.value, bound->value);
  if (order < 0 || (order == 0 && other.exclusive)) bound = std::move(other);
}

std::vector<SchemaLiteral> All(const std::vector<uint32_t>& nodes, bool negated) {
  std::vector<SchemaLiteral> literals;
  for (const uint32_t node : nodes) literals.push_back(negated ? MustNot(node) : Must(node));
  return literals;
}

void Require(SchemaCase& c, const std::string& name) {
  if (!c.Requires(name)) c.required.push_back(name);
}

}  // namespace

bool SchemaCase::Requires(const std::string& name) const {
  return std::find(required.begin(), required.end(), name) != required.end();
}

void SchemaCases::Remark(const std::string& text) {
  if (remarks_.size() >= kMaxRemarks || !known_remarks_.insert(text).second) return;
  remarks_.push_back(text);
}

Status SchemaCases::NeedKind(uint32_t node, Kind kind, const char* what) const {
  if (json_.kind(node) == kind) return {};
  return Fail(ErrorCode::kInvalidArgument, json_.Pointer(node), ": should be ", what);
}

Status SchemaCases::NeedSchemas(uint32_t arg) const {
  GEMMA3_CHECK_OK(NeedKind(arg, Kind::kArray, "a list of schemas"));
  if (!json_[arg].children.empty()) return {};
  return Fail(ErrorCode::kInvalidArgument, json_.Pointer(arg), ": the list is empty");
}

Result<uint32_t> SchemaCases::SizeOf(uint32_t arg) {
  const auto value =
      json_.kind(arg) == Kind::kNumber ? Decimal::Parse(json_[arg].text) : std::nullopt;
  if (!value || value->negative() || !value->IsInteger()) {
    return Fail(ErrorCode::kInvalidArgument, json_.Pointer(arg),
                ": should be a whole number of at least 0");
  }
  if (value->whole().size() > 9) return kNoLimit - 1;
  return value->IsZero() ? 0 : static_cast<uint32_t>(std::stoul(value->whole()));
}

Result<Decimal> SchemaCases::NumberOf(uint32_t arg) {
  if (json_.kind(arg) != Kind::kNumber) {
    return Fail(ErrorCode::kInvalidArgument, json_.Pointer(arg), ": should be a number");
  }
  const auto value = Decimal::Parse(json_[arg].text);
  if (!value) {
    return Fail(ErrorCode::kUnsupported, json_.Pointer(arg), ": a number of more than ",
                Decimal::kMaxDigits, " digits");
  }
  return *value;
}

Result<uint8_t> SchemaCases::TypesOf(uint32_t arg) {
  static const std::map<std::string_view, uint8_t> kTypes = {
      {"null", kNullType},     {"boolean", kBoolType},  {"integer", kIntegerType},
      {"number", kNumberType}, {"string", kStringType}, {"array", kArrayType},
      {"object", kObjectType}, {"any", kAllTypes}};
  const auto one = [&](uint32_t node) -> Result<uint8_t> {
    if (json_.kind(node) == Kind::kObject) {
      return Fail(ErrorCode::kUnsupported, json_.Pointer(node),
                  ": a schema as a type is not supported; use anyOf");
    }
    const auto it = kTypes.find(json_.kind(node) == Kind::kString ? json_[node].text : "");
    if (it != kTypes.end()) return it->second;
    return Fail(ErrorCode::kInvalidArgument, json_.Pointer(node),
                ": should be null, boolean, integer, number, string, array or object");
  };
  if (json_.kind(arg) != Kind::kArray) return one(arg);
  uint8_t types = 0;
  for (const uint32_t node : json_[arg].children) {
    GEMMA3_TRY(const uint8_t type, one(node));
    types |= type;
  }
  return types;
}

Result<SchemaCases::Cases> SchemaCases::Of(const SchemaConj& conj, bool infer) {
  if (const auto it = known_.find({conj, infer}); it != known_.end()) return it->second;
  if (nesting_ >= kMaxNesting) {
    return Fail(ErrorCode::kUnsupported, "#: alternatives are nested too deep");
  }
  const bool outer = infer_;
  infer_ = infer;
  ++nesting_;
  auto cases = std::make_shared<std::vector<SchemaCase>>();
  Branch branch;
  branch.pending.assign(conj.rbegin(), conj.rend());
  if (nesting_ == 1) branches_ = 0;
  const Status expanded = Expand(std::move(branch), *cases);
  --nesting_;
  infer_ = outer;
  GEMMA3_CHECK_OK(expanded);
  return known_[{conj, infer}] = std::move(cases);
}

// Takes types away that the bounds leave no value of. True: none is left.
bool SchemaCases::Contradicts(SchemaCase& c) {
  if (c.lower && c.upper) {
    const int order = Decimal::Compare(c.lower->value, c.upper->value);
    if (order > 0 || (order == 0 && (c.lower->exclusive || c.upper->exclusive))) {
      c.types &= static_cast<uint8_t>(~kNumberType);
    }
  }
  if (c.min_chars > c.max_chars) c.types &= static_cast<uint8_t>(~kStringType);
  if (c.min_items > c.max_items) c.types &= static_cast<uint8_t>(~kArrayType);
  if (c.min_members > c.max_members || c.required.size() > c.max_members) {
    c.types &= static_cast<uint8_t>(~kObjectType);
  }
  if ((c.types & kObjectType) != 0 && !c.forbidden.empty()) {
    for (const std::string& name : c.required) {
      if (c.forbidden.contains(name)) c.types &= static_cast<uint8_t>(~kObjectType);
    }
  }
  return c.types == 0;
}

Status SchemaCases::Expand(Branch branch, std::vector<SchemaCase>& cases) {
  if (++branches_ > kMaxBranches || cases.size() >= kMaxCases) {
    const uint32_t place =
        branch.c.literals.empty() ? OrderedJson::kRoot : branch.c.literals[0] >> 1;
    return Fail(ErrorCode::kUnsupported, json_.Pointer(place),
                ": the alternatives of the schema multiply to more than the limit of ", kMaxCases);
  }
  while (!branch.pending.empty()) {
    const SchemaLiteral literal = branch.pending.back();
    branch.pending.pop_back();
    if (literal == kNever || branch.seen.contains(literal ^ 1)) return {};
    if (!branch.seen.insert(literal).second) continue;
    GEMMA3_TRY(const bool ok, Apply(branch, literal));
    if (!ok || Contradicts(branch.c)) return {};
    branch.c.literals.push_back(literal);
  }
  if (branch.choices.empty()) {
    cases.push_back(std::move(branch.c));
    return {};
  }
  // The choice with the fewest ways first: what it excludes is not multiplied.
  auto least = branch.choices.begin();
  for (auto it = branch.choices.begin(); it != branch.choices.end(); ++it) {
    if ((*it)->size() < (*least)->size()) least = it;
  }
  const std::shared_ptr<const Choice> choice = *least;
  branch.choices.erase(least);
  for (const Alternative& alternative : *choice) {
    Branch way = branch;
    way.pending.insert(way.pending.end(), alternative.literals.rbegin(),
                       alternative.literals.rend());
    if (alternative.apply) alternative.apply(way.c);
    if (Contradicts(way.c)) continue;
    GEMMA3_CHECK_OK(Expand(std::move(way), cases));
  }
  return {};
}

Result<bool> SchemaCases::Apply(Branch& branch, SchemaLiteral literal) {
  const uint32_t schema = literal >> 1;
  const bool negated = (literal & 1) != 0;
  if (json_.kind(schema) == Kind::kBool) return json_[schema].boolean != negated;
  GEMMA3_CHECK_OK(NeedKind(schema, Kind::kObject, "a schema: an object, true or false"));
  if (negated) return Negate(branch, schema);
  GEMMA3_CHECK_OK(ApplySchema(branch, schema));
  return true;
}

Status SchemaCases::RefuseCycles(uint32_t start) {
  struct Step {
    uint32_t schema;
    std::vector<uint32_t> next;
    size_t at = 0;
  };
  std::vector<Step> way;
  const auto enter = [&](uint32_t schema) -> Status {
    without_cycles_[schema] = false;
    Step step = {schema, {}};
    if (const uint32_t ref = json_.Find(schema, "$ref"); ref != kNone) {
      GEMMA3_TRY(const uint32_t target, document_.Follow(ref));
      step.next.push_back(target);
    }
    for (const char* word : {"allOf", "anyOf", "oneOf"}) {
      const uint32_t list = json_.Find(schema, word);
      if (list == kNone || json_.kind(list) != Kind::kArray) continue;
      step.next.insert(step.next.end(), json_[list].children.begin(), json_[list].children.end());
    }
    for (const char* word : {"not", "if", "then", "else"}) {
      if (const uint32_t part = json_.Find(schema, word); part != kNone) step.next.push_back(part);
    }
    way.push_back(std::move(step));
    return {};
  };
  if (without_cycles_.contains(start)) return {};
  GEMMA3_CHECK_OK(enter(start));
  while (!way.empty()) {
    Step& step = way.back();
    if (step.at == step.next.size()) {
      without_cycles_[step.schema] = true;
      way.pop_back();
      continue;
    }
    const uint32_t next = step.next[step.at++];
    const auto known = without_cycles_.find(next);
    if (known == without_cycles_.end()) {
      GEMMA3_CHECK_OK(enter(next));
    } else if (!known->second) {
      return Fail(ErrorCode::kInvalidArgument, json_.Pointer(next),
                  ": the schema refers to itself without going into a member or item, so no value "
                  "can be judged by it");
    }
  }
  return {};
}

Status SchemaCases::ApplySchema(Branch& branch, uint32_t schema) {
  GEMMA3_CHECK_OK(RefuseCycles(schema));
  const OrderedJsonNode& node = json_[schema];
  if (const uint32_t ref = json_.Find(schema, "$ref"); ref != kNone) {
    GEMMA3_TRY(const uint32_t target, document_.Follow(ref));
    branch.pending.push_back(Must(target));
    if (document_.ref_stands_alone()) return {};
  }
  bool object_layer = false, array_layer = false, has_type = false;
  uint8_t family = 0;
  size_t families = 0;
  for (size_t i = 0; i < node.keys.size(); ++i) {
    const std::string& keyword = node.keys[i];
    if (keyword == "$ref") continue;
    GEMMA3_CHECK_OK(ApplyKeyword(branch, schema, keyword, node.children[i]));
    object_layer |= keyword == "properties" || keyword == "patternProperties" ||
                    keyword == "additionalProperties" || keyword == "unevaluatedProperties";
    array_layer |= keyword == "items" || keyword == "prefixItems" || keyword == "additionalItems" ||
                   keyword == "unevaluatedItems";
    has_type |= keyword == "type" || keyword == "enum" || keyword == "const" ||
                keyword == "anyOf" || keyword == "oneOf" || keyword == "allOf";
    if (const uint8_t of = FamilyOf(keyword); of != 0 && (family & of) == 0) {
      family |= of;
      ++families;
    }
  }
  if (object_layer) branch.c.object_layers.push_back(schema);
  if (array_layer) branch.c.array_layers.push_back(schema);
  if (infer_ && !has_type && families == 1) branch.c.types &= family;
  return {};
}

Status SchemaCases::Refuse(SchemaCase& c, uint8_t types, uint32_t schema,
                           const std::string& keyword, const std::string& hint) {
  const std::string message = json_.Pointer(schema) + ": keyword \"" + keyword +
                              "\" is not supported" + (hint.empty() ? "" : " here: " + hint) +
                              "; remove it, or check it after generation";
  if (lenient_) {
    relaxed_ = true;
    Remark(json_.Pointer(schema) + ": \"" + keyword + "\" is not enforced");
    return {};
  }
  c.obstacles.push_back({types, message});
  return {};
}

Result<bool> SchemaCases::ApplyLimit(Branch& branch, uint32_t schema, const std::string& keyword,
                                     uint32_t arg) {
  SchemaCase& c = branch.c;
  const auto at_least = [&](uint32_t& bound) -> Result<bool> {
    GEMMA3_TRY(const uint32_t size, SizeOf(arg));
    bound = std::max(bound, size);
    return true;
  };
  const auto at_most = [&](uint32_t& bound) -> Result<bool> {
    GEMMA3_TRY(const uint32_t size, SizeOf(arg));
    bound = std::min(bound, size);
    return true;
  };
  if (keyword == "minLength") return at_least(c.min_chars);
  if (keyword == "maxLength") return at_most(c.max_chars);
  if (keyword == "minItems") return at_least(c.min_items);
  if (keyword == "maxItems") return at_most(c.max_items);
  if (keyword == "minProperties") return at_least(c.min_members);
  if (keyword == "maxProperties") return at_most(c.max_members);
  const bool lower = keyword == "minimum" || keyword == "exclusiveMinimum";
  if (lower || keyword == "maximum" || keyword == "exclusiveMaximum") {
    if (keyword.starts_with("exclusive") && json_.kind(arg) == Kind::kBool) return true;  // draft 4
    GEMMA3_TRY(Decimal value, NumberOf(arg));
    bool exclusive = keyword.starts_with("exclusive");
    const uint32_t flag = json_.Find(schema, lower ? "exclusiveMinimum" : "exclusiveMaximum");
    if (!exclusive && flag != kNone && json_.kind(flag) == Kind::kBool) {
      exclusive = json_[flag].boolean;
    }
    if (lower) {
      TightenLower(c.lower, {std::move(value), exclusive});
    } else {
      TightenUpper(c.upper, {std::move(value), exclusive});
    }
    return true;
  }
  if (keyword == "multipleOf") {
    GEMMA3_TRY(Decimal value, NumberOf(arg));
    if (value.IsZero() || value.negative()) {
      return Fail(ErrorCode::kInvalidArgument, json_.Pointer(arg), ": should be greater than 0");
    }
    c.multiples.push_back(std::move(value));
    return true;
  }
  return false;
}

Status SchemaCases::ApplyKeyword(Branch& branch, uint32_t schema, const std::string& keyword,
                                 uint32_t arg) {
  SchemaCase& c = branch.c;
  const OrderedJsonNode& argument = json_[arg];
  if (Annotations().contains(keyword)) return {};
  GEMMA3_TRY(const bool is_limit, ApplyLimit(branch, schema, keyword, arg));
  if (is_limit) return {};
  const auto refuse = [&](uint8_t types, const std::string& hint = "") {
    return Refuse(c, types, schema, keyword, hint);
  };
  if (keyword == "type") {
    GEMMA3_TRY(const uint8_t types, TypesOf(arg));
    c.types &= types;
  } else if (keyword == "enum") {
    GEMMA3_CHECK_OK(NeedKind(arg, Kind::kArray, "a list of values"));
    if (argument.children.size() > kMaxEnumValues) {
      return Fail(ErrorCode::kUnsupported, json_.Pointer(arg), ": ", argument.children.size(),
                  " values; the limit is ", kMaxEnumValues);
    }
    if (!c.values || c.values->size() > argument.children.size()) c.values = argument.children;
  } else if (keyword == "const") {
    c.values = {arg};
  } else if (keyword == "pattern") {
    GEMMA3_CHECK_OK(NeedKind(arg, Kind::kString, "a pattern"));
    c.patterns.push_back(arg);
  } else if (keyword == "format") {
    GEMMA3_CHECK_OK(NeedKind(arg, Kind::kString, "the name of a format"));
    const std::string& name = argument.text;
    if (IsUnenforceableFormat(name)) return refuse(kStringType, "the format " + name);
    if (FindTextFormat(name)) {
      c.formats.push_back(arg);
    } else if (name == "int32" || name == "int64") {
      const bool wide = name == "int64";
      TightenLower(c.lower,
                   {*Decimal::Parse(wide ? "-9223372036854775808" : "-2147483648"), false});
      TightenUpper(c.upper, {*Decimal::Parse(wide ? "9223372036854775807" : "2147483647"), false});
    } else {
      Remark(json_.Pointer(arg) + ": the format \"" + Shown(name, 60) + "\" is not enforced");
    }
  } else if (keyword == "required") {
    if (argument.kind == Kind::kBool) return {};  // draft 3's, on a member: no keyword any more
    GEMMA3_CHECK_OK(NeedKind(arg, Kind::kArray, "a list of names"));
    for (const uint32_t name : argument.children) {
      GEMMA3_CHECK_OK(NeedKind(name, Kind::kString, "a name"));
      Require(c, json_[name].text);
    }
  } else if (keyword == "properties" || keyword == "patternProperties") {
    GEMMA3_CHECK_OK(NeedKind(arg, Kind::kObject, "an object of schemas"));
  } else if (keyword == "additionalProperties" || keyword == "additionalItems") {
  } else if (keyword == "prefixItems") {
    GEMMA3_CHECK_OK(NeedKind(arg, Kind::kArray, "a list of schemas"));
  } else if (keyword == "items") {
  } else if (keyword == "propertyNames") {
    c.property_names.push_back(arg);
  } else if (keyword == "uniqueItems") {
    GEMMA3_CHECK_OK(NeedKind(arg, Kind::kBool, "true or false"));
    if (argument.boolean) c.unique = arg;
  } else if (keyword == "allOf") {
    GEMMA3_CHECK_OK(NeedSchemas(arg));
    for (size_t i = argument.children.size(); i-- > 0;) {
      branch.pending.push_back(Must(argument.children[i]));
    }
  } else if (keyword == "anyOf") {
    GEMMA3_CHECK_OK(NeedSchemas(arg));
    auto choice = std::make_shared<Choice>();
    for (const uint32_t part : argument.children) choice->push_back({.literals = {Must(part)}});
    branch.choices.push_back(std::move(choice));
  } else if (keyword == "oneOf") {
    GEMMA3_CHECK_OK(NeedSchemas(arg));
    return AddOneOf(branch, arg);
  } else if (keyword == "not") {
    branch.pending.push_back(MustNot(arg));
  } else if (keyword == "if") {
    const uint32_t then = json_.Find(schema, "then"), otherwise = json_.Find(schema, "else");
    if (then == kNone && otherwise == kNone) return {};
    auto choice = std::make_shared<Choice>();
    choice->push_back({.literals = {Must(arg)}});
    if (then != kNone) choice->back().literals.push_back(Must(then));
    choice->push_back({.literals = {MustNot(arg)}});
    if (otherwise != kNone) choice->back().literals.push_back(Must(otherwise));
    branch.choices.push_back(std::move(choice));
  } else if (keyword == "dependencies" || keyword == "dependentRequired" ||
             keyword == "dependentSchemas") {
    GEMMA3_CHECK_OK(NeedKind(arg, Kind::kObject, "an object"));
    for (size_t i = 0; i < argument.keys.size(); ++i) {
      const std::string name = argument.keys[i];
      const uint32_t rule = argument.children[i];
      auto choice = std::make_shared<Choice>();
      choice->push_back({.apply = [name](SchemaCase& to) { to.forbidden.insert(name); }});
      Alternative present;
      std::vector<std::string> needed = {name};
      if (json_.kind(rule) == Kind::kArray) {
        for (const uint32_t other : json_[rule].children) needed.push_back(json_[other].text);
      } else if (json_.kind(rule) == Kind::kString) {
        needed.push_back(json_[rule].text);
      } else {
        present.literals = {Must(rule)};
      }
      present.apply = [needed](SchemaCase& to) {
        to.types &= kObjectType;
        for (const std::string& other : needed) Require(to, other);
      };
      choice->push_back(std::move(present));
      branch.choices.push_back(std::move(choice));
    }
  } else if (keyword == "contains") {
    const uint32_t least = json_.Find(schema, "minContains");
    if (least != kNone && json_[least].text == "0" && json_.Find(schema, "maxContains") == kNone) {
      return {};
    }
    return refuse(kArrayType);
  } else if (keyword == "unevaluatedProperties" || keyword == "unevaluatedItems") {
    if (argument.kind == Kind::kBool && argument.boolean) return {};
    // Alone beside the plain words it means what additionalProperties and items mean.
    for (const char* word : {"$ref", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas",
                             "dependencies", "$dynamicRef", "$recursiveRef", "contains"}) {
      if (json_.Find(schema, word) == kNone) continue;
      return refuse(keyword == "unevaluatedItems" ? kArrayType : kObjectType,
                    std::string("beside \"") + word + "\"");
    }
  } else if (keyword == "$dynamicRef" || keyword == "$recursiveRef") {
    return refuse(kAllTypes);
  } else if (keyword == "extends" || keyword == "disallow" || keyword == "divisibleBy") {
    return refuse(kAllTypes, "a word of draft 3");
  } else {
    Remark(json_.Pointer(schema) + ": \"" + Shown(keyword, 60) + "\" is no keyword and is ignored");
  }
  return {};
}

Status SchemaCases::AddOneOf(Branch& branch, uint32_t arg) {
  const std::vector<uint32_t> parts = json_[arg].children;
  auto choice = std::make_shared<Choice>();
  for (size_t i = 0; i < parts.size(); ++i) {
    Alternative alternative{.literals = {Must(parts[i])}};
    for (size_t k = 0; k < parts.size(); ++k) {
      if (k == i || Disjoint(parts[i], parts[k])) continue;
      alternative.literals.push_back(MustNot(parts[k]));
    }
    choice->push_back(std::move(alternative));
  }
  branch.choices.push_back(std::move(choice));
  return {};
}

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
      if (node.keys[i] == "$ref" || Annotations().contains(node.keys[i])) continue;
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
        TightenUpper(c.upper, {lower->value, !lower->exclusive});
      });
    } else if (const auto upper = bound.c.upper) {
      add([upper](SchemaCase& c) {
        c.types &= kNumberType;
        TightenLower(c.lower, {upper->value, !upper->exclusive});
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
    if (FindTextFormat(argument.text) || IsUnenforceableFormat(argument.text)) {
      obstacle(kStringType);
    } else if (argument.text == "int32" || argument.text == "int64") {
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
        Require(c, name);
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
    obstacle(of_array ? kArrayType : kObjectType);
  } else if (keyword == "patternProperties" || keyword == "propertyNames") {
    if (keyword == "patternProperties" && argument.keys.empty()) return {};
    obstacle(kObjectType);
  } else if (keyword == "uniqueItems") {
    if (argument.boolean) obstacle(kArrayType);
  } else if (keyword == "contains") {
    obstacle(kArrayType);
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
        Require(c, name);
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

Result<SchemaConj> SchemaCases::Member(const SchemaCase& c, const std::string& name) {
  const SchemaConj never = {kNever};
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
        if (!(*dfa)->Matches(name)) continue;
        conj.push_back(Must(patterns.children[i]));
        matched = true;
      }
    }
    if (matched) continue;
    uint32_t rest = json_.Find(layer, "additionalProperties");
    if (rest == kNone) rest = json_.Find(layer, "unevaluatedProperties");
    if (rest != kNone) conj.push_back(Must(rest));
  }
  for (const auto& [key, literal] : c.members_also) {
    if (key == name) conj.push_back(literal);
  }
  std::sort(conj.begin(), conj.end());
  conj.erase(std::unique(conj.begin(), conj.end()), conj.end());
  return conj;
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
    if (rest == kNone) rest = json_.Find(layer, "unevaluatedItems");
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

Result<std::vector<uint32_t>> SchemaCases::ValuesOf(const SchemaCase& c) {
  std::vector<uint32_t> values;
  for (const uint32_t value : *c.values) {
    bool ok = true;
    for (const SchemaLiteral literal : c.literals) {
      GEMMA3_TRY(const bool met, check_.Meets(literal >> 1, json_, value));
      ok = met != ((literal & 1) != 0);
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
    auto dfa = TextDfa::Combine(all == nullptr ? TextDfa::Any() : *all, *with, op);
    if (!dfa) return Fail(dfa.error().code, json_.Pointer(node), ": ", dfa.error().message);
    all = std::make_shared<const TextDfa>(*std::move(dfa));
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
    const auto texts = std::make_shared<const TextDfa>(TextDfa::AnyOf(excluded));
    GEMMA3_CHECK_OK(combine(texts, TextDfa::Op::kWithout, c.excluded[0]));
  }
  return all;
}

}  // namespace gemma3
