// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// From the cases of a schema to a grammar: one rule for each set of literals that some value has to
// meet, made when it is first needed, so that recursion is a call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gemma3/constraint.h"
#include "gemma3/error.h"
#include "src/constrain/grammar.h"
#include "src/constrain/json_grammar.h"
#include "src/constrain/schema_cases.h"

namespace gemma3 {

class SchemaCompiler {
 public:
  static constexpr size_t kMaxRules = 50000;
  static constexpr size_t kMaxNodes = 2'000'000;
  static constexpr uint64_t kMaxWork = 2'000'000'000;

  // patterns: to share what is made with compilers of other schemas. python: values are written as
  // JsonGrammar has it.
  SchemaCompiler(const SchemaDocument& document, const JsonSchemaOptions& options,
                 PatternCache& patterns, bool python = false);

  // Errors: see JsonSchema::Compile.
  Result<std::shared_ptr<const CompiledGrammar>> Compile();

  // ---- For a grammar around several schemas
  // The rule for the objects that meet the schema at `node`. keywords: as the arguments of a Python
  // call, name=value in parentheses; without members whose names are no words.
  Result<uint32_t> ObjectRule(uint32_t node, bool keywords);
  GrammarBuilder& builder() { return builder_; }
  JsonGrammar& form() { return form_; }
  // Makes what rules so far refer to. Behind an error the rules that are missing stay empty.
  Status FillRules();
  // The grammar whose root is `root`, with what its rules refer to.
  Result<std::shared_ptr<const CompiledGrammar>> Finish(uint32_t root);

  const std::vector<std::string>& remarks() const { return cases_.remarks(); }
  bool relaxed() const { return cases_.relaxed(); }
  uint64_t work() const { return work_.done(); }

 private:
  // The rule for what meets `conj`; its body is made later.
  Result<uint32_t> RuleFor(const SchemaConj& conj, uint32_t place);
  Status Fill(uint32_t rule, const SchemaConj& conj);
  // Errors: kUnsupported where `rule` is the one that was too much.
  Status CheckSize(uint32_t rule);
  Status AddCase(const SchemaCase& c, NodeId end, std::vector<NodeId>& ways);
  Status AddValues(const SchemaCase& c, NodeId end, std::vector<NodeId>& ways);
  Status AddNumbers(const SchemaCase& c, NodeId end, std::vector<NodeId>& ways);
  Status AddStrings(const SchemaCase& c, NodeId end, std::vector<NodeId>& ways);
  Status AddArray(const SchemaCase& c, NodeId end, std::vector<NodeId>& ways);
  Status AddUniqueArray(const SchemaCase& c, NodeId end, std::vector<NodeId>& ways);
  Status AddObject(const SchemaCase& c, bool keywords, NodeId end, std::vector<NodeId>& ways);
  Status CheckObstacles(const SchemaCase& c);
  // The node that writes the value and goes on to `next`.
  NodeId Value(uint32_t node, NodeId next);
  // Names beyond the listed ones, divided by what their values have to meet.
  struct Extra {
    std::shared_ptr<const TextDfa> names;  // null: all
    SchemaConj conj;
  };
  Status FindExtras(const SchemaCase& c, const std::vector<std::string>& listed,
                    std::vector<Extra>& extras);
  Result<std::shared_ptr<const TextDfa>> NamesThatMeet(uint32_t schema);
  uint32_t PlaceOf(const SchemaCase& c) const;

  const SchemaDocument& document_;
  const OrderedJson& json_;
  const JsonSchemaOptions& options_;
  Work work_{kMaxWork};
  size_t nodes_counted_ = 0;  // in work_
  PatternCache& patterns_;
  SchemaCases cases_;
  GrammarBuilder builder_;
  JsonGrammar form_;
  std::map<SchemaConj, uint32_t> rules_;
  std::vector<std::pair<uint32_t, SchemaConj>> open_;
  std::vector<uint32_t> places_;  // by rule: a node of the schema, for messages
  std::vector<std::pair<NumberSpec, uint32_t>> numbers_;
};

}  // namespace gemma3
