// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/constrain/schema_compiler.h"

#include <algorithm>
#include <utility>

#include "src/base/status.h"
#include "src/constrain/formats.h"

namespace gemma3 {
namespace {

using Kind = OrderedJson::Kind;
constexpr uint32_t kNone = OrderedJson::kNone;

}  // namespace

SchemaCompiler::SchemaCompiler(const SchemaDocument& document, const JsonSchemaOptions& options,
                               PatternCache& patterns, bool python)
    : document_(document),
      json_(document.json()),
      options_(options),
      patterns_(patterns),
      cases_(document, patterns_, work_, options.lenient),
      form_(builder_, options.form, python) {
  patterns_.Begin(work_);
}

Result<std::shared_ptr<const CompiledGrammar>> SchemaCompiler::Compile() {
  GEMMA3_TRY(const uint32_t root, RuleFor({Must(OrderedJson::kRoot)}, OrderedJson::kRoot));
  return Finish(root);
}

Result<uint32_t> SchemaCompiler::ObjectRule(uint32_t node, bool keywords) {
  const uint32_t rule = builder_.AddRule();
  places_.resize(rule + 1, kNone);
  places_[rule] = node;
  const NodeId end = builder_.Return();
  std::vector<NodeId> ways;
  const Status made = [&]() -> Status {
    GEMMA3_TRY(const SchemaCases::Cases cases, cases_.Of({Must(node)}, options_.infer_type));
    for (SchemaCase c : *cases) {
      c.types &= kObjectType;
      if (c.types == 0 || (c.values && keywords)) continue;
      if (c.values) {
        std::erase_if(*c.values, [&](uint32_t v) { return json_.kind(v) != Kind::kObject; });
        GEMMA3_CHECK_OK(AddValues(c, end, ways));
        continue;
      }
      GEMMA3_CHECK_OK(CheckObstacles(c));
      GEMMA3_CHECK_OK(AddObject(c, keywords, end, ways));
    }
    return {};
  }();
  GEMMA3_CHECK_OK(CheckSize(rule));
  GEMMA3_CHECK_OK(made);
  builder_.SetEntry(rule, ways.empty() ? builder_.Fail() : builder_.Alt(ways));
  return rule;
}

Status SchemaCompiler::FillRules() {
  while (!open_.empty()) {
    const auto [rule, conj] = std::move(open_.back());
    open_.pop_back();
    Status made = Fill(rule, conj);
    if (const Status size = CheckSize(rule); !size) made = size;
    if (made) continue;
    open_.clear();
    return made;
  }
  return {};
}

Status SchemaCompiler::CheckSize(uint32_t rule) {
  work_.Do(150 * (builder_.num_nodes() - nodes_counted_));
  nodes_counted_ = builder_.num_nodes();
  places_.resize(builder_.num_rules(), kNone);
  const auto place = [&] {
    return json_.Pointer(places_[rule] == kNone ? OrderedJson::kRoot : places_[rule]);
  };
  if (builder_.num_rules() > kMaxRules || builder_.num_nodes() > kMaxNodes) {
    return Fail(ErrorCode::kUnsupported, place(), ": the schema becomes larger than the limit of ",
                kMaxRules, " rules and ", kMaxNodes, " nodes");
  }
  if (!work_.spent()) return {};
  return Fail(ErrorCode::kUnsupported, place(), ": the schema takes more than ",
              kMaxWork / 1'000'000,
              " million steps to compile; simplify its patterns, alternatives or long lists");
}

Result<std::shared_ptr<const CompiledGrammar>> SchemaCompiler::Finish(uint32_t root) {
  places_.resize(builder_.num_rules(), kNone);
  GEMMA3_CHECK_OK(FillRules());
  auto grammar = std::move(builder_).Finish(root,
                                            {static_cast<uint32_t>(options_.form.max_depth),
                                             static_cast<uint32_t>(options_.form.max_recursion)},
                                            true);
  const auto& height = grammar->rule_height[root];
  if (height[0] == kNoLimit) {
    // The deepest place that is impossible by itself says more than the root.
    uint32_t place = OrderedJson::kRoot;
    for (uint32_t r = 0; r < places_.size(); ++r) {
      if (grammar->rule_height[r][0] == kNoLimit && places_[r] != kNone) place = places_[r];
    }
    return Fail(ErrorCode::kInvalidArgument, json_.Pointer(place),
                ": no value can meet the schema");
  }
  for (size_t k = 1; k < kNumDepthKinds; ++k) {
    if (height[k] > grammar->DepthLimit(k)) {
      return Fail(ErrorCode::kUnsupported, "#: every value of the schema is nested deeper than ",
                  grammar->DepthLimit(k), " levels");
    }
  }
  return grammar;
}

Result<uint32_t> SchemaCompiler::RuleFor(const SchemaConj& conj, uint32_t place) {
  const auto known = rules_.find(conj);
  if (known != rules_.end()) return known->second;
  // What everything meets needs no rule of its own.
  bool any = true;
  for (const SchemaLiteral literal : conj) {
    const uint32_t schema = literal >> 1;
    any &= literal != kNever && (literal & 1) == 0 &&
           ((json_.kind(schema) == Kind::kBool && json_[schema].boolean) ||
            (json_.kind(schema) == Kind::kObject && json_[schema].children.empty()));
  }
  if (any) {
    GEMMA3_TRY(const uint32_t rule, form_.AnyValue());
    return rules_[conj] = rule;
  }
  const uint32_t rule = builder_.AddRule();
  rules_[conj] = rule;
  places_.resize(rule + 1, kNone);
  if (!conj.empty() && conj[0] != kNever) place = conj[0] >> 1;
  places_[rule] = place;
  open_.emplace_back(rule, conj);
  return rule;
}

uint32_t SchemaCompiler::PlaceOf(const SchemaCase& c) const {
  return c.literals.empty() ? OrderedJson::kRoot : c.literals[0] >> 1;
}

Status SchemaCompiler::Fill(uint32_t rule, const SchemaConj& conj) {
  const NodeId end = builder_.Return();
  std::vector<NodeId> ways;
  GEMMA3_TRY(const SchemaCases::Cases cases, cases_.Of(conj, options_.infer_type));
  for (const SchemaCase& c : *cases) GEMMA3_CHECK_OK(AddCase(c, end, ways));
  builder_.SetEntry(rule, ways.empty() ? builder_.Fail() : builder_.Alt(ways));
  return {};
}

// An obstacle counts where a value of its type is still possible.
Status SchemaCompiler::CheckObstacles(const SchemaCase& c) {
  for (const SchemaCase::Obstacle& obstacle : c.obstacles) {
    if ((c.types & obstacle.types) == 0) continue;
    SchemaCase only = c;
    only.types &= obstacle.types;
    if (cases_.IsEmpty(only, 2)) continue;
    return Fail(ErrorCode::kUnsupported, obstacle.message);
  }
  return {};
}

Status SchemaCompiler::AddCase(const SchemaCase& c, NodeId end, std::vector<NodeId>& ways) {
  if (c.values) return AddValues(c, end, ways);
  GEMMA3_CHECK_OK(CheckObstacles(c));
  const auto is_excluded = [&](Kind kind, bool boolean) {
    return std::any_of(c.excluded.begin(), c.excluded.end(), [&](uint32_t value) {
      return json_.kind(value) == kind && json_[value].boolean == boolean;
    });
  };
  std::vector<std::string> words;
  if ((c.types & kNullType) != 0 && !is_excluded(Kind::kNull, false))
    form_.AppendWord("null", words);
  if ((c.types & kBoolType) != 0) {
    if (!is_excluded(Kind::kBool, true)) form_.AppendWord("true", words);
    if (!is_excluded(Kind::kBool, false)) form_.AppendWord("false", words);
  }
  if (!words.empty()) {
    ways.push_back(builder_.Terminal(builder_.Bytes(ByteDfa::AnyOf(std::move(words))), end));
  }
  if ((c.types & kNumberType) != 0) GEMMA3_CHECK_OK(AddNumbers(c, end, ways));
  if ((c.types & kStringType) != 0) GEMMA3_CHECK_OK(AddStrings(c, end, ways));
  for (const uint32_t value : c.excluded) {
    const bool is_array = json_.kind(value) == Kind::kArray && (c.types & kArrayType) != 0;
    const bool is_object = json_.kind(value) == Kind::kObject && (c.types & kObjectType) != 0;
    if (is_array || is_object) {
      return Fail(ErrorCode::kUnsupported, json_.Pointer(value),
                  ": to exclude an array or object by not is not supported");
    }
  }
  if ((c.types & kArrayType) != 0) GEMMA3_CHECK_OK(AddArray(c, end, ways));
  if ((c.types & kObjectType) != 0) GEMMA3_CHECK_OK(AddObject(c, false, end, ways));
  return {};
}

NodeId SchemaCompiler::Value(uint32_t node, NodeId next) {
  const OrderedJsonNode& value = json_[node];
  work_.Do(3000);
  if (value.kind != Kind::kArray && value.kind != Kind::kObject) {
    std::vector<std::string> texts;
    form_.AppendWord(json_.Dump(node), texts);
    // 1.0 is also written 1.
    if (value.kind == Kind::kNumber) {
      if (const auto number = Decimal::Parse(value.text); number && number->IsInteger()) {
        texts.push_back(number->ToText());
      }
    }
    return builder_.Terminal(builder_.Bytes(ByteDfa::AnyOf(std::move(texts))), next);
  }
  const bool is_object = value.kind == Kind::kObject;
  const size_t size = value.children.size();
  NodeId at =
      size == 0 ? builder_.Terminal(is_object ? form_.bare_brace() : form_.bare_bracket(), next)
                : builder_.Terminal(is_object ? form_.close_brace() : form_.close_bracket(), next);
  for (size_t i = size; i-- > 0;) {
    at = Value(value.children[i], at);
    if (is_object) {
      at = builder_.Terminal(form_.colon(), at);
      at = builder_.Terminal(builder_.Literal(QuoteJson(value.keys[i])), at);
    }
    if (i > 0) at = builder_.Terminal(form_.comma(), at);
  }
  return builder_.Terminal(is_object ? form_.open_brace() : form_.open_bracket(), at);
}

Status SchemaCompiler::AddValues(const SchemaCase& c, NodeId end, std::vector<NodeId>& ways) {
  GEMMA3_TRY(const std::vector<uint32_t> values, cases_.ValuesOf(c));
  std::vector<std::string> scalars;
  for (const uint32_t node : values) {
    const OrderedJsonNode& value = json_[node];
    work_.Do(300 + 40 * value.text.size());
    if (value.kind == Kind::kArray || value.kind == Kind::kObject) {
      ways.push_back(Value(node, end));
      continue;
    }
    const auto number = value.kind == Kind::kNumber ? Decimal::Parse(value.text) : std::nullopt;
    if (number && number->IsInteger()) scalars.push_back(number->ToText());
    // An integer is written without a point.
    if (!number || !number->IsInteger() || (c.types & kFractionType) != 0) {
      form_.AppendWord(json_.Dump(node), scalars);
    }
  }
  if (!scalars.empty()) {
    ways.push_back(builder_.Terminal(builder_.Bytes(ByteDfa::AnyOf(std::move(scalars))), end));
  }
  return {};
}

Status SchemaCompiler::AddNumbers(const SchemaCase& c, NodeId end, std::vector<NodeId>& ways) {
  NumberSpec spec = {.integer = (c.types & kFractionType) == 0,
                     .not_integer = (c.types & kIntegerType) == 0,
                     .lower = c.lower,
                     .upper = c.upper,
                     .multiples = c.multiples,
                     .whole_digits = options_.form.max_integer_digits,
                     .fraction_digits = options_.form.max_fraction_digits,
                     .exponent_digits = options_.form.max_exponent_digits};
  for (const uint32_t node : c.excluded) {
    if (json_.kind(node) != Kind::kNumber) continue;
    const auto value = Decimal::Parse(json_[node].text);
    if (!value) {
      return Fail(ErrorCode::kUnsupported, json_.Pointer(node), ": a number of more than ",
                  Decimal::kMaxDigits, " digits");
    }
    if (!work_.Do(20 * spec.excluded.size())) break;
    if (std::find(spec.excluded.begin(), spec.excluded.end(), *value) == spec.excluded.end()) {
      spec.excluded.push_back(*value);
    }
  }
  work_.Do(1000 + 20 * numbers_.size() + 1000 * spec.excluded.size());
  for (const auto& [known, terminal] : numbers_) {
    if (known == spec) {
      ways.push_back(builder_.Terminal(terminal, end));
      return {};
    }
  }
  if (work_.spent()) return {};
  auto dfa = NumberTexts(spec);
  work_.Do(dfa ? 1000 * dfa->edges.size() : 20'000'000);
  if (!dfa) {
    return Fail(dfa.error().code, json_.Pointer(PlaceOf(c)), ": ", dfa.error().message);
  }
  const uint32_t terminal = builder_.Bytes(*std::move(dfa));
  numbers_.emplace_back(std::move(spec), terminal);
  ways.push_back(builder_.Terminal(terminal, end));
  return {};
}

Status SchemaCompiler::AddStrings(const SchemaCase& c, NodeId end, std::vector<NodeId>& ways) {
  GEMMA3_TRY(const std::shared_ptr<const TextDfa> strings, cases_.StringsOf(c));
  TextTerminal text = {
      .dfa = strings == nullptr ? form_.any_text() : strings,
      .form = strings == nullptr ? TextTerminal::Form::kFree : TextTerminal::Form::kQuoted,
      .least = c.min_chars,
      .most = c.max_chars};
  for (const uint32_t node : c.formats) {
    const auto format = FindTextFormat(json_[node].text);
    if (format && format->max_chars > 0) text.most = std::min(text.most, format->max_chars);
  }
  if (text.dfa->IsEmpty() || text.least > text.most) return {};
  // Bounds that every text of the automaton keeps to need no counting.
  if (text.dfa->Longest(text.dfa->start()) <= text.most) text.most = kNoLimit;
  if (text.dfa->Shortest(text.dfa->start()) >= text.least) text.least = 0;
  if (text.most != kNoLimit && strings != nullptr &&
      uint64_t{text.most} * strings->num_states() > 1'000'000) {
    return Fail(ErrorCode::kUnsupported, json_.Pointer(PlaceOf(c)), ": a pattern of ",
                strings->num_states(), " states together with a length of ", text.most,
                " is beyond the limit of 1000000 steps");
  }
  const uint64_t states = text.dfa->num_states();
  const uint64_t lengths = strings == nullptr || text.most == kNoLimit ? 1 : text.most;
  if (!work_.Do(2 * text.dfa->table_size() + 2 * states * lengths)) return {};
  ways.push_back(builder_.Terminal(builder_.Text(std::move(text)), end));
  return {};
}

}  // namespace gemma3
