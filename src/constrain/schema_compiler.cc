// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/constrain/schema_compiler.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "src/base/ascii.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/constrain/formats.h"
#include "src/constrain/regex.h"

namespace gemma3 {
namespace {

using Kind = OrderedJson::Kind;
constexpr uint32_t kNone = OrderedJson::kNone;
// Names that come in any order, each once: bits of the counter of an object.
constexpr size_t kMaxLooseNames = 32;
constexpr size_t kMaxExtras = 64;
// Bits of the counter of an array whose items are all different.
constexpr size_t kMaxUniqueValues = 32;
constexpr auto kMaxTime = std::chrono::seconds(2);

// What Python can name an argument.
bool IsWord(std::string_view name) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && !is_digit(name[0]) && std::ranges::all_of(name, [&](char c) {
    return is_digit(c) || c == '_' || (ToLower(c) >= 'a' && ToLower(c) <= 'z');
  });
}

}  // namespace

SchemaCompiler::SchemaCompiler(const SchemaDocument& document, const JsonSchemaOptions& options,
                               bool python)
    : document_(document),
      json_(document.json()),
      options_(options),
      cases_(document, patterns_, options.lenient),
      form_(builder_, options.form, python) {}

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
  builder_.SetEntry(rule, ways.empty() ? builder_.Fail() : builder_.Alt(ways));
  return rule;
}

Result<std::shared_ptr<const CompiledGrammar>> SchemaCompiler::Finish(uint32_t root) {
  const auto begin = std::chrono::steady_clock::now();
  places_.resize(builder_.num_rules(), kNone);
  while (!open_.empty()) {
    const auto [rule, conj] = std::move(open_.back());
    open_.pop_back();
    GEMMA3_CHECK_OK(Fill(rule, conj));
    const auto place = [&, at = rule] { return json_.Pointer(places_[at]); };
    if (builder_.num_rules() > kMaxRules || builder_.num_nodes() > kMaxNodes) {
      return Fail(ErrorCode::kUnsupported, place(),
                  ": the schema becomes larger than the limit of ", kMaxRules, " rules and ",
                  kMaxNodes, " nodes");
    }
    if (std::chrono::steady_clock::now() - begin > kMaxTime) {
      return Fail(ErrorCode::kUnsupported, place(), ": the schema takes longer than ",
                  kMaxTime.count(), " s to compile");
    }
  }
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
    if (std::find(spec.excluded.begin(), spec.excluded.end(), *value) == spec.excluded.end()) {
      spec.excluded.push_back(*value);
    }
  }
  for (const auto& [known, terminal] : numbers_) {
    if (known == spec) {
      ways.push_back(builder_.Terminal(terminal, end));
      return {};
    }
  }
  auto dfa = NumberTexts(spec);
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
  ways.push_back(builder_.Terminal(builder_.Text(std::move(text)), end));
  return {};
}

// Where some items have to meet more (contains, and the negation of items), a phase is how many of
// them there are, as far as that matters: an item is written as one of them, or as another one.
Status SchemaCompiler::AddArray(const SchemaCase& c, NodeId end, std::vector<NodeId>& ways) {
  if (c.unique != kNone && c.max_items > 1) return AddUniqueArray(c, end, ways);
  const uint32_t place = PlaceOf(c);
  const bool has_some = !c.some_items.empty();
  const SchemaCase::SomeItems some =
      has_some ? c.some_items[0] : SchemaCase::SomeItems{0, kNever, 0, kNoLimit};
  const uint32_t top = some.most == kNoLimit ? some.least : some.most;
  if (c.some_items.size() > 1 || top > SchemaCases::kMaxSomeItems) {
    SchemaCase arrays = c;
    arrays.types = kArrayType;
    if (cases_.IsEmpty(arrays, 2)) return {};
    return Fail(ErrorCode::kUnsupported, json_.Pointer(place),
                ": \"contains\" twice for one array, or for more than ", SchemaCases::kMaxSomeItems,
                " items, is not supported (the negation of \"items\" counts as one); remove it, or "
                "check it after generation");
  }
  const uint32_t prefix = std::min(std::max(cases_.FirstFreeItem(c), some.from), c.max_items);
  const uint32_t rule = builder_.AddRule();
  const NodeId done = builder_.Return();
  const NodeId close = builder_.Terminal(form_.close_bracket(), done);
  const auto missing = [&](uint32_t phase) { return phase < some.least ? some.least - phase : 0; };
  // How the item at `index` may be written, and the phase behind it.
  struct Way {
    uint32_t rule, phase;
  };
  const auto ways_of = [&](uint32_t index, uint32_t phase, std::vector<Way>& out) -> Status {
    const SchemaConj item = cases_.Item(c, index);
    const bool counts = has_some && index >= some.from;
    if (counts && phase < top) {
      GEMMA3_TRY(const uint32_t one, RuleFor(SchemaCases::With(item, some.literal), place));
      out.push_back({one, phase + 1});
    }
    const bool is_other = counts && some.most != kNoLimit;
    GEMMA3_TRY(const uint32_t other,
               RuleFor(is_other ? SchemaCases::With(item, some.literal ^ 1) : item, place));
    out.push_back({other, phase});
    return {};
  };

  // Items behind the prefix are counted from 0. begin[phase] writes one and what follows.
  const uint32_t least = c.min_items > prefix ? c.min_items - prefix : 0;
  const uint32_t most = c.max_items == kNoLimit ? kNoLimit : c.max_items - prefix;
  std::vector<NodeId> begin(top + 1, builder_.Fail());
  if (most > 0) {
    const NodeId behind = builder_.Reserve(top + 1);
    const bool counts = least > 0 || most != kNoLimit;
    // Bounds that more is compared with than these two are not seen as far away.
    if (counts)
      builder_.SetCounts(rule, least, most == kNoLimit ? most : most - std::min(most, top));
    for (uint32_t phase = 0; phase <= top; ++phase) {
      std::vector<Way> items;
      GEMMA3_CHECK_OK(ways_of(prefix, phase, items));
      std::vector<NodeId> first, further;
      for (const Way& way : items) {
        const NodeId item = builder_.Call(way.rule, behind + way.phase);
        NodeId next = builder_.Terminal(form_.comma(), item);
        if (most != kNoLimit) {
          if (missing(way.phase) >= most) continue;  // no room for those
          next = builder_.Count(NodeKind::kCountBelow, most - missing(way.phase), next);
        }
        first.push_back(item);
        further.push_back(next);
      }
      if (!first.empty()) begin[phase] = builder_.Alt(first);
      if (missing(phase) == 0) {
        further.insert(further.begin(),
                       least > 0 ? builder_.Count(NodeKind::kCountAtLeast, least, close) : close);
      }
      if (!counts) {
        builder_.SetAlt(behind + phase, further);
        continue;
      }
      builder_.SetNode(behind + phase, {.kind = NodeKind::kCountUp,
                                        .a = most == kNoLimit ? least : most,
                                        .next = builder_.Alt(further)});
    }
  }
  // The prefix from its end: behind item i there are i + 1 items.
  for (uint32_t i = prefix; i-- > 0;) {
    std::vector<NodeId> behind(top + 1), here(top + 1);
    for (uint32_t phase = 0; phase <= top; ++phase) {
      std::vector<NodeId> choice;
      if (i + 1 >= c.min_items && missing(phase) == 0) choice.push_back(close);
      if (i + 1 < c.max_items) choice.push_back(builder_.Terminal(form_.comma(), begin[phase]));
      behind[phase] = choice.empty() ? builder_.Fail() : builder_.Alt(choice);
    }
    for (uint32_t phase = 0; phase <= top; ++phase) {
      std::vector<Way> items;
      GEMMA3_CHECK_OK(ways_of(i, phase, items));
      std::vector<NodeId> choice;
      for (const Way& way : items) choice.push_back(builder_.Call(way.rule, behind[way.phase]));
      here[phase] = builder_.Alt(choice);
    }
    begin = std::move(here);
  }
  std::vector<NodeId> inside;
  if (c.max_items > 0) inside.push_back(begin[0]);
  if (c.min_items == 0 && missing(0) == 0) {
    inside.push_back(builder_.Terminal(form_.bare_bracket(), done));
  }
  if (inside.empty()) return {};
  builder_.SetEntry(rule, builder_.Terminal(form_.open_bracket(), builder_.Alt(inside)));
  ways.push_back(builder_.Call(rule, end));
  return {};
}

Status SchemaCompiler::AddUniqueArray(const SchemaCase& c, NodeId end, std::vector<NodeId>& ways) {
  const std::string place = json_.Pointer(json_[c.unique].parent);
  const auto refuse = [&](const char* why) {
    return Fail(ErrorCode::kUnsupported, place, ": keyword \"uniqueItems\" is not supported ", why,
                "; remove it, or check it after generation");
  };
  if (cases_.FirstFreeItem(c) > 0) return refuse("beside items by place");
  if (!c.some_items.empty()) return refuse("beside contains");
  GEMMA3_TRY(const SchemaCases::Cases item_cases,
             cases_.Of(cases_.Item(c, 0), options_.infer_type));
  // All values one by one.
  std::vector<uint32_t> values;
  uint8_t types = 0;
  for (const SchemaCase& item : *item_cases) {
    if (item.values) {
      GEMMA3_TRY(const std::vector<uint32_t> some, cases_.ValuesOf(item));
      for (const uint32_t value : some) {
        const bool known = std::any_of(values.begin(), values.end(), [&](uint32_t other) {
          return SameJson(json_, value, json_, other);
        });
        if (!known) values.push_back(value);
      }
    } else {
      types |= item.types;
    }
  }
  if (types != 0) return refuse("for items that are no short list of values");
  if (values.size() > kMaxUniqueValues) return refuse("for items of more than 32 values");
  if (values.empty() && c.min_items > 0) return {};
  const auto most = std::min(c.max_items, static_cast<uint32_t>(values.size()));
  if (c.min_items > most) return {};
  const uint32_t rule = builder_.AddRule();
  const NodeId done = builder_.Return();
  std::vector<NodeId> inside;
  if (most > 0) {
    const NodeId behind = builder_.Reserve(1);
    std::vector<NodeId> items;
    for (uint32_t i = 0; i < values.size(); ++i) {
      items.push_back(builder_.Count(NodeKind::kTake, i, Value(values[i], behind)));
    }
    const NodeId item = builder_.Alt(items);
    builder_.SetAlt(behind, {builder_.Count(NodeKind::kTakenAtLeast, c.min_items,
                                            builder_.Terminal(form_.close_bracket(), done)),
                             builder_.Count(NodeKind::kTakenBelow, most,
                                            builder_.Terminal(form_.comma(), item))});
    inside.push_back(item);
  }
  if (c.min_items == 0) inside.push_back(builder_.Terminal(form_.bare_bracket(), done));
  builder_.SetEntry(rule, builder_.Terminal(form_.open_bracket(), builder_.Alt(inside)));
  ways.push_back(builder_.Call(rule, end));
  return {};
}

Result<std::shared_ptr<const TextDfa>> SchemaCompiler::NamesThatMeet(uint32_t schema) {
  GEMMA3_TRY(const SchemaCases::Cases cases, cases_.Of({Must(schema)}, false));
  TextDfa names = TextDfa::AnyOf({});
  for (const SchemaCase& c : *cases) {
    if ((c.types & kStringType) == 0 && !c.values) continue;
    std::shared_ptr<const TextDfa> some;
    if (c.values) {
      GEMMA3_TRY(const std::vector<uint32_t> values, cases_.ValuesOf(c));
      std::vector<std::string> texts;
      for (const uint32_t value : values) {
        if (json_.kind(value) == Kind::kString) texts.push_back(json_[value].text);
      }
      some = std::make_shared<const TextDfa>(TextDfa::AnyOf(texts));
    } else {
      for (const SchemaCase::Obstacle& obstacle : c.obstacles) {
        if ((obstacle.types & kStringType) != 0) {
          return Fail(ErrorCode::kUnsupported, obstacle.message);
        }
      }
      GEMMA3_TRY(some, cases_.StringsOf(c));
      if (some == nullptr) some = form_.any_text();
      uint32_t most = c.max_chars;
      for (const uint32_t node : c.formats) {
        const auto format = FindTextFormat(json_[node].text);
        if (format && format->max_chars > 0) most = std::min(most, format->max_chars);
      }
      if (c.min_chars > 0 || most != kNoLimit) {
        RegexNode length{.kind = RegexNode::Kind::kRepeat, .least = c.min_chars, .most = most};
        length.parts.push_back({.kind = RegexNode::Kind::kChars, .chars = CharSet::All()});
        auto dfa = CompileRegex(length, false);
        if (dfa) dfa = TextDfa::Combine(*some, *dfa, TextDfa::Op::kAnd);
        if (!dfa) return Fail(dfa.error().code, json_.Pointer(schema), ": ", dfa.error().message);
        some = std::make_shared<const TextDfa>(*std::move(dfa));
      }
    }
    auto both = TextDfa::Combine(names, *some, TextDfa::Op::kOr);
    if (!both) return Fail(both.error().code, json_.Pointer(schema), ": ", both.error().message);
    names = *std::move(both);
  }
  return std::make_shared<const TextDfa>(std::move(names));
}

Status SchemaCompiler::FindExtras(const SchemaCase& c, const std::vector<std::string>& listed,
                                  std::vector<Extra>& extras) {
  const std::string place = json_.Pointer(PlaceOf(c));
  const auto combine = [&](const TextDfa& a, const TextDfa& b,
                           TextDfa::Op op) -> Result<std::shared_ptr<const TextDfa>> {
    auto dfa = TextDfa::Combine(a, b, op);
    if (!dfa) return Fail(dfa.error().code, place, ": ", dfa.error().message);
    return std::make_shared<const TextDfa>(*std::move(dfa));
  };
  // Patterns over all layers, and what is closed anyway.
  std::vector<std::string> patterns;
  bool mentioned = false, closed = false;
  for (const uint32_t layer : c.object_layers) {
    if (const uint32_t by_pattern = json_.Find(layer, "patternProperties"); by_pattern != kNone) {
      for (const std::string& pattern : json_[by_pattern].keys) {
        if (std::find(patterns.begin(), patterns.end(), pattern) == patterns.end()) {
          patterns.push_back(pattern);
        }
        mentioned = true;
      }
    }
    uint32_t rest = json_.Find(layer, "additionalProperties");
    if (rest == kNone) rest = json_.Find(layer, "unevaluatedProperties");
    if (rest == kNone) continue;
    mentioned = true;
    closed |= json_.kind(rest) == Kind::kBool && !json_[rest].boolean;
  }
  if (!mentioned && options_.closed_objects) return {};
  if (closed && patterns.empty()) return {};
  std::shared_ptr<const TextDfa> names = form_.any_text();
  if (!listed.empty()) {
    // Cases of one schema ask for the same again and again.
    std::vector<std::string> key = listed;
    std::sort(key.begin(), key.end());
    auto& known = all_but_[key];
    if (known == nullptr) known = std::make_shared<const TextDfa>(TextDfa::AllBut(key));
    names = known;
  }
  for (const uint32_t schema : c.property_names) {
    GEMMA3_TRY(const auto meet, NamesThatMeet(schema));
    GEMMA3_TRY(names, combine(*names, *meet, TextDfa::Op::kAnd));
  }
  struct Cell {
    std::shared_ptr<const TextDfa> names;
    std::vector<std::string> matched;
  };
  std::vector<Cell> cells = {{names, {}}};
  for (const std::string& pattern : patterns) {
    auto dfa = patterns_.Pattern(pattern);
    if (!dfa) {
      return Fail(dfa.error().code, place, "/patternProperties: ", dfa.error().message);
    }
    std::vector<Cell> divided;
    for (Cell& cell : cells) {
      GEMMA3_TRY(const auto inside, combine(*cell.names, **dfa, TextDfa::Op::kAnd));
      GEMMA3_TRY(const auto outside, combine(*cell.names, **dfa, TextDfa::Op::kWithout));
      if (!inside->IsEmpty()) {
        divided.push_back({inside, cell.matched});
        divided.back().matched.push_back(pattern);
      }
      if (!outside->IsEmpty()) divided.push_back({outside, std::move(cell.matched)});
    }
    cells = std::move(divided);
    if (cells.size() > kMaxExtras) {
      return Fail(ErrorCode::kUnsupported, place,
                  "/patternProperties: the patterns overlap in more "
                  "than ",
                  kMaxExtras, " ways");
    }
  }
  for (Cell& cell : cells) {
    if (cell.names->IsEmpty()) continue;
    Extra extra = {.names = cell.names, .conj = {}};
    bool never = false;
    for (const uint32_t layer : c.object_layers) {
      bool matched = false;
      if (const uint32_t by_pattern = json_.Find(layer, "patternProperties"); by_pattern != kNone) {
        for (const std::string& pattern : cell.matched) {
          if (const uint32_t part = json_.Find(by_pattern, pattern); part != kNone) {
            extra.conj.push_back(Must(part));
            matched = true;
          }
        }
      }
      if (matched) continue;
      uint32_t rest = json_.Find(layer, "additionalProperties");
      if (rest == kNone) rest = json_.Find(layer, "unevaluatedProperties");
      if (rest == kNone) continue;
      never |= json_.kind(rest) == Kind::kBool && !json_[rest].boolean;
      extra.conj.push_back(Must(rest));
    }
    if (never) continue;
    std::sort(extra.conj.begin(), extra.conj.end());
    extra.conj.erase(std::unique(extra.conj.begin(), extra.conj.end()), extra.conj.end());
    extras.push_back(std::move(extra));
  }
  return {};
}

// keywords: as the arguments of a Python call, and not as an object of JSON.
Status SchemaCompiler::AddObject(const SchemaCase& c, bool keywords, NodeId end,
                                 std::vector<NodeId>& ways) {
  const JsonGrammar::Brackets brackets = keywords ? form_.Of('(', ')') : form_.braces();
  const uint32_t colon = keywords ? builder_.Literal("=") : form_.colon();
  const auto spell = [&](const std::string& name) { return keywords ? name : QuoteJson(name); };
  // A name that cannot be written is one that no member can have.
  const auto can_write = [&](const std::string& name) { return !keywords || IsWord(name); };
  const uint32_t place = PlaceOf(c);
  // Listed names in the order of the schema.
  std::vector<std::string> names;
  std::set<std::string> known;
  for (const uint32_t layer : c.object_layers) {
    if (const uint32_t listed = json_.Find(layer, "properties"); listed != kNone) {
      for (const std::string& name : json_[listed].keys) {
        if (known.insert(name).second) names.push_back(name);
      }
    }
  }
  // Behind them, in any order and each once: what is required besides, and names of patterns that
  // match only a few.
  struct Loose {
    std::string name;
    uint32_t rule;
  };
  std::vector<Loose> loose;
  uint32_t loose_required = 0;
  std::vector<std::string> excluded = names;
  for (const std::string& name : c.required) {
    if (!known.insert(name).second) continue;
    GEMMA3_TRY(const SchemaConj conj, cases_.Member(c, name));
    if (conj == SchemaConj{kNever} || !can_write(name)) return {};
    if (loose.size() == kMaxLooseNames) {
      return Fail(ErrorCode::kUnsupported, json_.Pointer(place), ": more than ", kMaxLooseNames,
                  " names are required that are no properties; list them");
    }
    GEMMA3_TRY(const uint32_t rule, RuleFor(conj, place));
    loose_required |= uint32_t{1} << loose.size();
    loose.push_back({name, rule});
    excluded.push_back(name);
  }
  excluded.insert(excluded.end(), c.forbidden.begin(), c.forbidden.end());
  std::vector<Extra> extras;
  if (!keywords) GEMMA3_CHECK_OK(FindExtras(c, excluded, extras));
  for (auto it = extras.begin(); it != extras.end();) {
    const uint32_t count = it->names->Count(it->names->start());
    if (count > kMaxLooseNames - loose.size()) {
      ++it;
      continue;
    }
    GEMMA3_TRY(const uint32_t rule, RuleFor(it->conj, place));
    for (const std::string& name : it->names->Texts(count)) loose.push_back({name, rule});
    it = extras.erase(it);
  }
  const auto n = static_cast<uint32_t>(names.size());
  std::vector<uint32_t> rules(n);
  std::vector<uint8_t> required(n, 0);
  for (uint32_t i = 0; i < n; ++i) {
    required[i] = c.Requires(names[i]) ? 1 : 0;
    GEMMA3_TRY(SchemaConj conj, cases_.Member(c, names[i]));
    if (!can_write(names[i])) conj = {kNever};
    GEMMA3_TRY(rules[i], RuleFor(conj, place));
  }
  std::vector<uint32_t> extra_rules, extra_names;
  for (const Extra& extra : extras) {
    GEMMA3_TRY(const uint32_t rule, RuleFor(extra.conj, place));
    extra_rules.push_back(rule);
    extra_names.push_back(builder_.Text({.dfa = extra.names, .form = TextTerminal::Form::kFree}));
  }
  // A free name may come twice, and is one member then: for minProperties all of them count as one.
  uint32_t min_members = c.min_members;
  const bool once = min_members > 1 && !extras.empty();
  const auto reachable = static_cast<uint32_t>(n + loose.size() + (extras.empty() ? 0 : 1));
  if (reachable < min_members && extras.empty()) return {};
  if (reachable < min_members && options_.lenient) {
    min_members = reachable;
    cases_.LetPass(json_.Pointer(place) + ": \"minProperties\" is enforced up to " +
                   std::to_string(reachable));
  } else if (reachable < min_members) {
    return Fail(
        ErrorCode::kUnsupported, json_.Pointer(place), ": minProperties ", min_members,
        " with fewer names listed is not supported, as free names may repeat; list them, or "
        "check it after generation");
  }
  // A state is how many listed names are behind, and how many members were written as far as that
  // matters. Without bounds on their number: none, or some.
  const bool bounded = c.max_members != kNoLimit;
  const uint32_t top = bounded ? c.max_members : std::max(1u, min_members);
  if ((uint64_t{n} + 1) * (uint64_t{top} + 1) > 500'000) {
    return Fail(ErrorCode::kUnsupported, json_.Pointer(place), ": ", n, " properties with up to ",
                top, " members to be counted are beyond the limit");
  }
  const uint32_t rule = builder_.AddRule();
  const NodeId done = builder_.Return();
  std::vector<std::string> spelled;
  for (const std::string& name : names) spelled.push_back(spell(name));
  const uint32_t key_set = n > 0 ? builder_.AddKeySet(spelled) : 0;
  // next_required[k]: the first required name from k on, or n.
  std::vector<uint32_t> next_required(n + 1, n);
  for (uint32_t k = n; k-- > 0;) next_required[k] = required[k] != 0 ? k : next_required[k + 1];
  // Nodes behind a member: state (k, written), all reserved, since they refer to each other.
  const NodeId behind = builder_.Reserve((size_t{n} + 1) * (top + 1));
  const auto behind_of = [&](uint32_t k, uint32_t written) {
    return behind + written * (n + 1) + k;
  };
  // At most so many of the loose names that are required are missing yet.
  const auto missing = [&](uint32_t most, NodeId next) {
    if (loose_required == 0) return next;
    return builder_.AddNode(
        {.kind = NodeKind::kMissingAtMost, .a = loose_required, .next = next, .num = most});
  };
  const NodeId more = once ? builder_.Reserve(size_t{top} + 1) : kNoNode;
  NodeId first_names = kNoNode;
  for (uint32_t written = 0; written <= top; ++written) {
    const bool may_write = !bounded || written < top;
    const uint32_t after = std::min(written + 1, top);
    const uint32_t room = bounded ? top - written : 32;  // for members from here on
    // What begins a member behind the listed names; in `more`, behind a free name.
    NodeId keys = kNoNode;
    const auto others_of = [&](bool in_more) {
      std::vector<NodeId> begin;
      for (uint32_t i = 0; i < loose.size(); ++i) {
        const NodeId value =
            builder_.Call(loose[i].rule, in_more ? more + after : behind_of(n, after));
        const NodeId key = builder_.Terminal(builder_.Literal(spell(loose[i].name)),
                                             builder_.Terminal(colon, value));
        const bool is_required = (loose_required >> i & 1) != 0;
        begin.push_back(
            missing(is_required ? room : room - 1, builder_.Count(NodeKind::kTake, i, key)));
      }
      for (size_t i = 0; i < extra_rules.size() && !(in_more && bounded); ++i) {
        const NodeId next = in_more ? more + written : once ? more + after : behind_of(n, after);
        begin.push_back(missing(
            room - 1,
            builder_.Terminal(extra_names[i],
                              builder_.Terminal(colon, builder_.Call(extra_rules[i], next)))));
      }
      return begin.empty() ? kNoNode : builder_.Alt(begin);
    };
    const bool can_reach_least =
        (!extras.empty() && !once) || written + loose.size() + (once ? 1 : 0) >= min_members;
    const NodeId others = may_write && can_reach_least ? others_of(false) : kNoNode;
    if (once && written > 0) {
      std::vector<NodeId> choice;
      if (written >= min_members) {
        choice.push_back(missing(0, builder_.Terminal(brackets.close, done)));
      }
      if (may_write) {
        if (const NodeId begin = others_of(true); begin != kNoNode) {
          choice.push_back(builder_.Terminal(form_.comma(), begin));
        }
      }
      if (!choice.empty()) builder_.SetAlt(more + written, choice);
    }
    NodeId values = kNoNode;
    if (may_write && n > 0) {
      values = builder_.Reserve(n);
      for (uint32_t i = 0; i < n; ++i) {
        NodeId next = behind_of(i + 1, after);
        next = builder_.Call(rules[i], next);
        builder_.SetNode(values + i, {.kind = NodeKind::kTerminal, .a = colon, .next = next});
      }
    }
    for (uint32_t k = n + 1; k-- > 0;) {
      std::vector<NodeId> begin;
      if (may_write && k < n) {
        const uint32_t last = std::min(next_required[k], n - 1);
        keys = builder_.Keys(key_set, k, last, values, last > k ? keys : kNoNode);
        begin.push_back(missing(room - 1, keys));
      }
      if (others != kNoNode && next_required[k] == n) begin.push_back(others);
      const bool may_close = next_required[k] == n && written >= min_members;
      if (written == 0) {
        if (k > 0) continue;
        if (may_close) {
          begin.push_back(missing(0, builder_.Terminal(brackets.bare, done)));
        }
        first_names = begin.empty() ? builder_.Fail() : builder_.Alt(begin);
        continue;
      }
      std::vector<NodeId> choice;
      if (may_close) choice.push_back(missing(0, builder_.Terminal(brackets.close, done)));
      if (!begin.empty()) choice.push_back(builder_.Terminal(form_.comma(), builder_.Alt(begin)));
      if (!choice.empty()) builder_.SetAlt(behind_of(k, written), choice);
    }
  }
  builder_.SetEntry(rule, builder_.Terminal(brackets.open, first_names));
  ways.push_back(builder_.Call(rule, end));
  return {};
}

}  // namespace gemma3
