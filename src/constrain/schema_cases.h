// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// From schemas to cases that can be written down.
//
// What a value has to meet is a set of literals: schemas, or the negations of schemas. `allOf`,
// `$ref` and what stands beside them only add literals, so an intersection is a union of sets. The
// words that leave a choice (anyOf, oneOf, if, dependencies, and the negation of nearly everything)
// are multiplied out into cases. A case is a plain conjunction of bounds; nothing is approximated:
// what cannot be expressed stands in a case as an obstacle.
//
//   oneOf [A, B]   is   A and not B,  or  B and not A    (not is left out where A and B exclude
//   each
//                                                         other, which is most often so)
//   if A then B    is   A and B,  or  not A
//   not {k: v, l: w}   is   not {k: v},  or  not {l: w}
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gemma3/error.h"
#include "src/constrain/grammar.h"
#include "src/constrain/number.h"
#include "src/constrain/schema_check.h"
#include "src/constrain/schema_document.h"

namespace gemma3 {

// Types of values, as bits. A number that is whole is kInteger, any other kFraction.
enum ValueType : uint8_t {
  kNullType = 1,
  kBoolType = 2,
  kIntegerType = 4,
  kFractionType = 8,
  kNumberType = kIntegerType | kFractionType,
  kStringType = 16,
  kArrayType = 32,
  kObjectType = 64,
  kAllTypes = 127,
};

// node << 1, | 1 where the schema must not be met.
using SchemaLiteral = uint32_t;
constexpr SchemaLiteral Must(uint32_t node) { return node << 1; }
constexpr SchemaLiteral MustNot(uint32_t node) { return node << 1 | 1; }
inline constexpr SchemaLiteral kNever = UINT32_MAX;
// Sorted, each once.
using SchemaConj = std::vector<SchemaLiteral>;

struct SchemaCase {
  uint8_t types = kAllTypes;

  std::optional<NumberSpec::Bound> lower = {}, upper = {};
  std::vector<Decimal> multiples = {};

  uint32_t min_chars = 0, max_chars = kNoLimit;
  std::vector<uint32_t> patterns = {}, not_patterns = {}, formats = {};  // nodes

  std::vector<uint32_t> array_layers = {};  // schemas with items and prefixItems
  std::vector<std::pair<uint32_t, SchemaLiteral>> items_also = {};
  uint32_t min_items = 0, max_items = kNoLimit;
  uint32_t unique = OrderedJson::kNone;  // the node of uniqueItems
  // Of the items from index `from` on at least and at most so many meet `literal`.
  struct SomeItems {
    uint32_t from;
    SchemaLiteral literal;
    uint32_t least, most;
  };
  std::vector<SomeItems> some_items = {};

  std::vector<uint32_t> object_layers = {};  // schemas with properties and the like
  std::vector<std::pair<std::string, SchemaLiteral>> members_also = {};
  std::vector<std::string> required = {};
  std::set<std::string> forbidden = {};
  std::vector<uint32_t> property_names = {};  // schemas
  uint32_t min_members = 0, max_members = kNoLimit;

  std::optional<std::vector<uint32_t>> values = {};  // nodes: one of these, if it meets `literals`
  std::vector<uint32_t> excluded = {};               // nodes of values
  std::vector<SchemaLiteral> literals = {};          // all that was met on the way
  // A word of `schema` about members by their names that some member breaks. Becomes a choice of
  // the member once all names are known.
  struct Broken {
    uint32_t schema;
    std::string keyword;
    std::string pattern;    // of patternProperties
    SchemaLiteral literal;  // what the member's value (its name, of propertyNames) has to meet
  };
  std::vector<Broken> broken = {};
  struct Obstacle {
    uint8_t types;
    std::string message;
  };
  std::vector<Obstacle> obstacles = {};

  bool Requires(const std::string& name) const;
  void Require(const std::string& name);
  // The tighter bound stays.
  void RaiseLower(NumberSpec::Bound bound);
  void DropUpper(NumberSpec::Bound bound);
};

// Words of schemas that change nothing, or that others read.
bool IsAnnotation(std::string_view keyword);

class SchemaCases {
 public:
  static constexpr size_t kMaxCases = 1024;
  static constexpr size_t kMaxBranches = 20000;
  static constexpr uint32_t kMaxSomeItems = 32;  // SchemaCase::some_items, each
  // How deep members are looked into to find that two schemas exclude each other.
  static constexpr int kLookDepth = 3;

  SchemaCases(const SchemaDocument& document, PatternCache& patterns, Work& work, bool lenient)
      : document_(document),
        json_(document.json()),
        patterns_(patterns),
        work_(work),
        check_(document, patterns, work),
        lenient_(lenient) {}

  using Cases = std::shared_ptr<const std::vector<SchemaCase>>;
  // Errors: kInvalidArgument for what is no schema, kUnsupported beyond the limits.
  // `infer`: a schema with the keywords of one type, and no type, is of that type.
  Result<Cases> Of(const SchemaConj& conj, bool infer);

  // What the member `name` has to meet; {kNever} where it cannot be.
  Result<SchemaConj> Member(const SchemaCase& c, const std::string& name);
  // What the item at `index` has to meet; every index from FirstFreeItem on is alike.
  SchemaConj Item(const SchemaCase& c, uint32_t index) const;
  // What `layer` asks of members that it does not name: additionalProperties, or
  // unevaluatedProperties; kNone: nothing. The latter speaks of no name that EvaluatedBeside has.
  uint32_t RestOf(uint32_t layer) const;
  // What the schemas that stand beside unevaluatedProperties (allOf and $ref, and theirs) name.
  struct Evaluated {
    bool known = true;  // false: that depends on the value
    bool all = false;
    std::set<std::string> names = {}, patterns = {};
  };
  const Evaluated& EvaluatedBeside(uint32_t schema) const;
  // The same with one literal more.
  static SchemaConj With(SchemaConj conj, SchemaLiteral literal);
  uint32_t FirstFreeItem(const SchemaCase& c) const;
  // The values of a case with `values` that meet it.
  Result<std::vector<uint32_t>> ValuesOf(const SchemaCase& c);
  // The strings of a case without regard to their length. Null: all.
  Result<std::shared_ptr<const TextDfa>> StringsOf(const SchemaCase& c);
  // Whether there is certainly no value.
  bool IsEmpty(const SchemaConj& conj, int depth);
  bool IsEmpty(const SchemaCase& c, int depth);

  // What was found to be no keyword, or let pass: sentences, each once.
  const std::vector<std::string>& remarks() const { return remarks_; }
  bool relaxed() const { return relaxed_; }
  // With lenient: notes what is not enforced.
  void LetPass(const std::string& text) {
    relaxed_ = true;
    Remark(text);
  }
  SchemaCheck& check() { return check_; }

 private:
  struct Alternative {
    std::vector<SchemaLiteral> literals = {};
    std::function<void(SchemaCase&)> apply = {};
  };
  using Choice = std::vector<Alternative>;
  struct Branch {
    SchemaCase c;
    std::vector<SchemaLiteral> pending;
    std::vector<std::shared_ptr<const Choice>> choices;
    std::set<SchemaLiteral> seen;
    // What copying it costs.
    uint64_t work() const;
  };

  Status Expand(Branch branch, std::vector<SchemaCase>& cases);
  std::vector<SchemaLiteral> WithoutImplied(const Branch& branch,
                                            const std::vector<SchemaLiteral>& literals);
  // False: the branch contradicts itself.
  Result<bool> Apply(Branch& branch, SchemaLiteral literal);
  Status ApplySchema(Branch& branch, uint32_t schema);
  // Errors: kInvalidArgument where judging a value by the schema leads back to judging the same
  // value by it.
  Status RefuseCycles(uint32_t schema);
  Status ApplyKeyword(Branch& branch, uint32_t schema, const std::string& keyword, uint32_t arg);
  Result<bool> ApplyLimit(Branch& branch, uint32_t schema, const std::string& keyword,
                          uint32_t arg);
  Status Refuse(SchemaCase& c, uint8_t types, uint32_t schema, const std::string& keyword,
                const std::string& hint = "");
  Result<bool> Negate(Branch& branch, uint32_t schema);
  Status NegateKeyword(Choice& choice, uint32_t schema, const std::string& keyword, uint32_t arg);
  Status AddOneOf(Branch& branch, uint32_t arg);
  Status AddContains(SchemaCase& c, uint32_t schema, uint32_t arg);
  // {least, most} of the items that meet `contains`.
  Result<std::pair<uint32_t, uint32_t>> ContainsBounds(uint32_t schema);
  // Which member it is that breaks the last of branch.c.broken.
  Status ChooseBroken(Branch& branch);
  // Whether a member of that name is one that the word speaks of, and breaks it with some value.
  Result<bool> MayBreak(const SchemaCase::Broken& broken, const std::string& name);
  bool Disjoint(uint32_t a, uint32_t b);
  Result<uint8_t> TypesOf(uint32_t arg);
  Result<uint32_t> SizeOf(uint32_t arg);
  Result<Decimal> NumberOf(uint32_t arg);
  Status NeedKind(uint32_t node, OrderedJson::Kind kind, const char* what) const;
  Status NeedSchemas(uint32_t arg) const;
  void Remark(const std::string& text);
  // The word beside which unevaluatedItems is not what items is; null: there is none.
  const char* ItemsBeside(uint32_t schema) const;
  void AddEvaluated(uint32_t schema, bool itself, std::set<uint32_t>& seen, Evaluated& out) const;
  static bool Contradicts(SchemaCase& c);

  const SchemaDocument& document_;
  const OrderedJson& json_;
  PatternCache& patterns_;
  Work& work_;
  SchemaCheck check_;
  const std::shared_ptr<const TextDfa> any_text_ = std::make_shared<const TextDfa>(TextDfa::Any());
  const bool lenient_;
  bool infer_ = false;
  int nesting_ = 0;
  size_t branches_ = 0;
  std::map<std::pair<SchemaConj, bool>, Cases> known_;
  std::map<std::pair<uint32_t, uint32_t>, bool> disjoint_;
  mutable std::map<uint32_t, Evaluated> evaluated_;
  std::map<uint32_t, bool> without_cycles_;  // false: on the way
  std::vector<std::string> remarks_;
  std::set<std::string> known_remarks_;
  bool relaxed_ = false;
};

}  // namespace gemma3
