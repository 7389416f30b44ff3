// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Objects of SchemaCompiler: the members that are listed, and those whose names are free.
#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "src/automata/regex.h"
#include "src/base/ascii.h"
#include "src/base/status.h"
#include "src/constrain/formats.h"
#include "src/constrain/schema_compiler.h"

namespace gemma3 {
namespace {

using Kind = OrderedJson::Kind;
constexpr uint32_t kNone = OrderedJson::kNone;
// Names that come in any order, each once: bits of the counter of an object.
constexpr size_t kMaxLooseNames = 32;
constexpr size_t kMaxExtras = 64;

// What Python can name an argument.
bool IsWord(std::string_view name) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && !is_digit(name[0]) && std::ranges::all_of(name, [&](char c) {
    return is_digit(c) || c == '_' || (ToLower(c) >= 'a' && ToLower(c) <= 'z');
  });
}

}  // namespace

Result<std::shared_ptr<const TextDfa>> SchemaCompiler::NamesThatMeet(uint32_t schema) {
  GEMMA3_TRY(const SchemaCases::Cases cases, cases_.Of({Must(schema)}, false));
  GEMMA3_TRY(TextDfa names, TextDfa::AnyOf({}));
  for (const SchemaCase& c : *cases) {
    if ((c.types & kStringType) == 0 && !c.values) continue;
    std::shared_ptr<const TextDfa> some;
    if (c.values) {
      GEMMA3_TRY(const std::vector<uint32_t> values, cases_.ValuesOf(c));
      std::vector<std::string> texts;
      for (const uint32_t value : values) {
        if (json_.kind(value) == Kind::kString) texts.push_back(json_[value].text);
      }
      auto dfa = TextDfa::AnyOf(texts, &work_);
      if (!dfa) return Fail(dfa.error().code, json_.Pointer(schema), ": ", dfa.error().message);
      some = std::make_shared<const TextDfa>(*std::move(dfa));
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
        auto dfa = CompileRegex(length, false, TextDfa::kMaxStates, &work_);
        if (dfa) dfa = TextDfa::Combine(*some, *dfa, TextDfa::Op::kAnd, &work_);
        if (!dfa) return Fail(dfa.error().code, json_.Pointer(schema), ": ", dfa.error().message);
        some = std::make_shared<const TextDfa>(*std::move(dfa));
      }
    }
    auto both = TextDfa::Combine(names, *some, TextDfa::Op::kOr, &work_);
    if (!both) return Fail(both.error().code, json_.Pointer(schema), ": ", both.error().message);
    names = *std::move(both);
  }
  return std::make_shared<const TextDfa>(std::move(names));
}

Status SchemaCompiler::FindExtras(const SchemaCase& c, const std::vector<std::string>& listed,
                                  std::vector<Extra>& extras) {
  const std::string place = json_.Pointer(PlaceOf(c));
  const auto combine = [&](const PatternCache::Dfa& a, const PatternCache::Dfa& b,
                           TextDfa::Op op) -> Result<PatternCache::Dfa> {
    auto dfa = patterns_.Combine(a, b, op);
    if (!dfa) return Fail(dfa.error().code, place, ": ", dfa.error().message);
    return dfa;
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
    const uint32_t rest = cases_.RestOf(layer);
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
    auto others = patterns_.AllBut(key);
    if (!others) return Fail(others.error().code, place, ": ", others.error().message);
    names = *std::move(others);
  }
  for (const uint32_t schema : c.property_names) {
    GEMMA3_TRY(const auto meet, NamesThatMeet(schema));
    GEMMA3_TRY(names, combine(names, meet, TextDfa::Op::kAnd));
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
      GEMMA3_TRY(const auto inside, combine(cell.names, *dfa, TextDfa::Op::kAnd));
      GEMMA3_TRY(const auto outside, combine(cell.names, *dfa, TextDfa::Op::kWithout));
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
      const uint32_t rest = cases_.RestOf(layer);
      if (rest == kNone) continue;
      if (json_.Find(layer, "additionalProperties") == kNone) {
        const auto& beside = cases_.EvaluatedBeside(layer).patterns;
        const auto is_beside = [&](const std::string& p) { return beside.contains(p); };
        if (std::ranges::any_of(cell.matched, is_beside)) continue;
      }
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
  work_.Do(25'000);
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
  const std::set<std::string_view> all_required(c.required.begin(), c.required.end());
  for (uint32_t i = 0; i < n; ++i) {
    required[i] = all_required.contains(names[i]) ? 1 : 0;
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
  // What is written behind the listed names, as far as minProperties counts it.
  std::vector<uint32_t> countable, needed;
  for (uint32_t i = 0; i < loose.size(); ++i) {
    countable.push_back(loose[i].rule);
    if ((loose_required >> i & 1) != 0) needed.push_back(loose[i].rule);
  }
  if (once) {
    std::vector<NodeId> values;
    for (const uint32_t value : extra_rules) values.push_back(builder_.Call(value, done));
    countable.push_back(builder_.AddRule());
    builder_.SetEntry(countable.back(), builder_.Alt(values));
  }
  const NodeId more = once ? builder_.Reserve(size_t{top} + 1) : kNoNode;
  NodeId first_names = kNoNode;
  for (uint32_t written = 0; written <= top; ++written) {
    const bool may_write = !bounded || written < top;
    const uint32_t after = std::min(written + 1, top);
    const uint32_t room = bounded ? top - written : 32;  // for members from here on
    // What begins a member behind the listed names; in `more`, behind a free name.
    NodeId keys = kNoNode;
    // The comma comes behind what decides whether a name is left: nothing could follow it
    // otherwise.
    const auto follow = [&](NodeId key) {
      return written > 0 ? builder_.Terminal(form_.comma(), key) : key;
    };
    const auto others_of = [&](bool in_more) {
      std::vector<NodeId> begin;
      for (uint32_t i = 0; i < loose.size(); ++i) {
        const NodeId value =
            builder_.Call(loose[i].rule, in_more ? more + after : behind_of(n, after));
        const NodeId key = builder_.Terminal(builder_.Literal(spell(loose[i].name)),
                                             builder_.Terminal(colon, value));
        const bool is_required = (loose_required >> i & 1) != 0;
        begin.push_back(missing(is_required ? room : room - 1,
                                builder_.Count(NodeKind::kTake, i, follow(key))));
      }
      for (size_t i = 0; i < extra_rules.size() && !(in_more && bounded); ++i) {
        const NodeId next = in_more ? more + written : once ? more + after : behind_of(n, after);
        begin.push_back(missing(
            room - 1,
            follow(builder_.Terminal(
                extra_names[i], builder_.Terminal(colon, builder_.Call(extra_rules[i], next))))));
      }
      return begin.empty() ? kNoNode : builder_.Alt(begin);
    };
    const bool can_reach_least =
        (!extras.empty() && !once) || written + loose.size() + (once ? 1 : 0) >= min_members;
    NodeId others = may_write && can_reach_least ? others_of(false) : kNoNode;
    if (others != kNoNode && written + 1 < min_members) {
      others = builder_.Needs(countable, min_members - written, others);
    }
    if (once && written > 0) {
      std::vector<NodeId> choice;
      if (written >= min_members) {
        choice.push_back(missing(0, builder_.Terminal(brackets.close, done)));
      }
      if (may_write) {
        if (const NodeId begin = others_of(true); begin != kNoNode) {
          choice.push_back(begin);
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
        begin.push_back(missing(room - 1, follow(keys)));
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
      if (may_close) begin.push_back(missing(0, builder_.Terminal(brackets.close, done)));
      if (!begin.empty()) builder_.SetAlt(behind_of(k, written), begin);
    }
  }
  builder_.SetEntry(rule, builder_.Needs(needed, static_cast<uint32_t>(needed.size()),
                                         builder_.Terminal(brackets.open, first_names)));
  ways.push_back(builder_.Call(rule, end));
  return {};
}

}  // namespace gemma3
