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
constexpr int kMaxNesting = 64;
constexpr size_t kMaxRemarks = 100;
constexpr size_t kMaxEnumValues = 10000;

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

}  // namespace

bool IsAnnotation(std::string_view keyword) {
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
  return kWords.contains(keyword);
}

bool SchemaCase::Requires(const std::string& name) const {
  return std::find(required.begin(), required.end(), name) != required.end();
}

void SchemaCase::Require(const std::string& name) {
  if (!Requires(name)) required.push_back(name);
}

void SchemaCase::RaiseLower(NumberSpec::Bound bound) {
  const int order = lower ? Decimal::Compare(bound.value, lower->value) : 1;
  if (order > 0 || (order == 0 && bound.exclusive)) lower = std::move(bound);
}

void SchemaCase::DropUpper(NumberSpec::Bound bound) {
  const int order = upper ? Decimal::Compare(bound.value, upper->value) : -1;
  if (order < 0 || (order == 0 && bound.exclusive)) upper = std::move(bound);
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

// `A and not B`, where what is known of the branch leaves no value that meets A and B, is A: what
// stands beside a oneOf often makes its schemas exclude each other.
std::vector<SchemaLiteral> SchemaCases::WithoutImplied(const Branch& branch,
                                                       const std::vector<SchemaLiteral>& literals) {
  std::vector<SchemaLiteral> positive, left;
  for (const SchemaLiteral literal : literals) {
    if ((literal & 1) == 0) positive.push_back(literal);
  }
  if (positive.empty() || positive.size() == literals.size()) return literals;
  // A value of another type meets a schema that only speaks about objects.
  const bool infer = std::exchange(infer_, false);
  for (const SchemaLiteral literal : literals) {
    if ((literal & 1) == 0 || literal == kNever) {
      left.push_back(literal);
      continue;
    }
    // Without the other choices there are more values and never fewer.
    Branch both = branch;
    both.choices.clear();
    both.c.broken.clear();
    // Listed values are judged by these. The schema with the oneOf is among them, and no value that
    // meets both would meet it.
    both.c.literals.clear();
    both.pending = positive;
    both.pending.push_back(literal ^ 1);
    std::vector<SchemaCase> cases;
    const bool known = Expand(std::move(both), cases).has_value();
    const auto is_empty = [&](const SchemaCase& c) { return IsEmpty(c, kLookDepth); };
    if (!known || !std::ranges::all_of(cases, is_empty)) left.push_back(literal);
  }
  infer_ = infer;
  return left;
}

uint64_t SchemaCases::Branch::work() const {
  const size_t strings = c.required.size() + c.forbidden.size() + c.members_also.size() +
                         c.obstacles.size() + c.broken.size();
  const size_t numbers =
      c.literals.size() + c.excluded.size() + pending.size() + (c.values ? c.values->size() : 0);
  return 2500 + 60 * (strings + seen.size() + choices.size() + c.multiples.size()) + numbers;
}

Status SchemaCases::Expand(Branch branch, std::vector<SchemaCase>& cases) {
  if (!work_.Do(branch.work())) return Fail(ErrorCode::kUnsupported, "#: too many alternatives");
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
  if (branch.choices.empty() && !branch.c.broken.empty()) {
    GEMMA3_CHECK_OK(ChooseBroken(branch));
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
    const std::vector<SchemaLiteral> literals = WithoutImplied(branch, alternative.literals);
    Branch way = branch;
    way.pending.insert(way.pending.end(), literals.rbegin(), literals.rend());
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
      c.RaiseLower({std::move(value), exclusive});
    } else {
      c.DropUpper({std::move(value), exclusive});
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
  if (IsAnnotation(keyword)) return {};
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
    if (FindTextFormat(name)) {
      c.formats.push_back(arg);
    } else if (const auto bounds = BoundsOfFormat(name)) {
      c.RaiseLower({bounds->first, false});
      c.DropUpper({bounds->second, false});
    } else {
      Remark(json_.Pointer(arg) + ": the format \"" + Shown(name, 60) + "\" is not enforced");
    }
  } else if (keyword == "required") {
    if (argument.kind == Kind::kBool) return {};  // draft 3's, on a member: no keyword any more
    GEMMA3_CHECK_OK(NeedKind(arg, Kind::kArray, "a list of names"));
    // Names are compared with those that there are.
    const uint64_t size = argument.children.size();
    if (!work_.Do(size * (c.required.size() + size) * 3 / 2)) {
      return Fail(ErrorCode::kUnsupported, json_.Pointer(arg), ": it takes too much work to read");
    }
    for (const uint32_t name : argument.children) {
      GEMMA3_CHECK_OK(NeedKind(name, Kind::kString, "a name"));
      c.Require(json_[name].text);
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
        for (const std::string& other : needed) to.Require(other);
      };
      choice->push_back(std::move(present));
      branch.choices.push_back(std::move(choice));
    }
  } else if (keyword == "contains") {
    return AddContains(c, schema, arg);
  } else if (keyword == "unevaluatedProperties" || keyword == "unevaluatedItems") {
    if (argument.kind == Kind::kBool && argument.boolean) return {};
    if (keyword == "unevaluatedProperties") {
      if (EvaluatedBeside(schema).known) return {};
      return refuse(kObjectType, "where what stands beside it depends on the value");
    }
    if (const char* const word = ItemsBeside(schema)) {
      return refuse(kArrayType, std::string("beside \"") + word + "\"");
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

Result<std::pair<uint32_t, uint32_t>> SchemaCases::ContainsBounds(uint32_t schema) {
  std::pair<uint32_t, uint32_t> bounds = {1, kNoLimit};
  if (document_.ref_stands_alone()) return bounds;  // drafts that do not know them
  const uint32_t least = json_.Find(schema, "minContains");
  const uint32_t most = json_.Find(schema, "maxContains");
  if (least != kNone) {
    GEMMA3_TRY(bounds.first, SizeOf(least));
  }
  if (most != kNone) {
    GEMMA3_TRY(bounds.second, SizeOf(most));
  }
  return bounds;
}

Status SchemaCases::AddContains(SchemaCase& c, uint32_t schema, uint32_t arg) {
  GEMMA3_TRY(const auto bounds, ContainsBounds(schema));
  const auto [least, most] = bounds;
  if (least > most) c.types &= static_cast<uint8_t>(~kArrayType);
  if (least == 0 && most == kNoLimit) return {};
  if (!c.some_items.empty()) return Refuse(c, kArrayType, schema, "contains", "beside another one");
  if (least > kMaxSomeItems || (most != kNoLimit && most > kMaxSomeItems)) {
    return Refuse(c, kArrayType, schema, "contains",
                  "for more than " + std::to_string(kMaxSomeItems) + " items");
  }
  c.min_items = std::max(c.min_items, least);
  c.some_items.push_back({0, Must(arg), least, most});
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

}  // namespace gemma3
