// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A parser to one tree for each rule; checks that the matcher relies on (no left recursion, every
// rule ends); and the translation, in which everything that is regular becomes one automaton.
#include "src/constrain/gbnf.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/automata/regex.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/text/utf8.h"

namespace gemma3 {
namespace {

constexpr size_t kMaxBytes = 1 << 20;
constexpr size_t kMaxDepth = 256;
constexpr size_t kMaxRules = 20000;
constexpr uint32_t kMaxRepeat = 1'000'000;
// What is expanded into one automaton, in characters; and how far rules are looked into for it.
constexpr size_t kMaxRegular = 3000;
constexpr size_t kMaxRegularStates = 4000;
constexpr uint32_t kMaxInlineDepth = 64;
constexpr uint32_t kMaxNesting = 50000;  // of rules inside each other, while text is read

struct Item {
  enum class Kind : uint8_t { kEmpty, kChars, kSequence, kChoice, kRepeat, kRule };
  Kind kind = Kind::kEmpty;
  CharSet chars = {};
  std::vector<Item> parts = {};
  uint32_t least = 0, most = 0;  // kRepeat
  uint32_t rule = 0;             // kRule
};

struct Rule {
  std::string name;
  bool defined = false;
  size_t at = 0;  // where it is defined, or first named
  Item body = {};
};

class GbnfParser {
 public:
  explicit GbnfParser(std::string_view text) : text_(text) {}

  Result<std::vector<Rule>> Parse() {
    for (Space(true); !AtEnd(); Space(true)) {
      const size_t at = at_;
      GEMMA3_TRY(const std::string_view name, Name());
      const uint32_t rule = Number(name, at);
      if (rules_[rule].defined) {
        return Wrong(at, "the rule " + Shown(name, 60) + " is defined twice");
      }
      rules_[rule].defined = true;
      rules_[rule].at = at;
      Space(false);
      if (!Take("::=")) return Wrong(at_, "::= expected behind the name of a rule");
      Space(true);
      GEMMA3_TRY(Item body, Alternatives(0));
      rules_[rule].body = std::move(body);
      if (!AtEnd() && Peek() != '\n' && Peek() != '\r') {
        return Wrong(at_, Peek() == ')' ? "unmatched )" : "unexpected text behind the rule");
      }
      if (rules_.size() > kMaxRules) {
        return Fail(ErrorCode::kUnsupported, Place(at), ": more than ", kMaxRules, " rules");
      }
    }
    for (const Rule& rule : rules_) {
      if (!rule.defined) {
        return Wrong(rule.at, "the rule " + Shown(rule.name, 60) + " is not defined");
      }
    }
    if (!numbers_.contains("root")) {
      return Wrong(0, "the grammar has no rule named root, with which it starts");
    }
    return std::move(rules_);
  }

  std::string Place(size_t at) const {
    const std::string_view before = text_.substr(0, at);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const size_t begin = before.rfind('\n');
    const size_t column = at - (begin == std::string_view::npos ? 0 : begin + 1) + 1;
    return std::to_string(line) + ":" + std::to_string(column);
  }
  uint32_t root() const { return numbers_.at("root"); }

 private:
  std::unexpected<Error> Wrong(size_t at, const std::string& what) const {
    return Fail(ErrorCode::kInvalidArgument, Place(at), ": ", what);
  }
  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek() const { return AtEnd() ? 0 : text_[at_]; }
  bool Take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void Space(bool newlines) {
    for (;;) {
      const char c = Peek();
      if (AtEnd()) return;
      if (c == ' ' || c == '\t' || (newlines && (c == '\n' || c == '\r'))) {
        ++at_;
      } else if (c == '#') {
        at_ = std::min(text_.find_first_of("\r\n", at_), text_.size());
      } else {
        return;
      }
    }
  }
  static bool IsNameChar(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  }
  Result<std::string_view> Name() {
    const size_t begin = at_;
    while (!AtEnd() && IsNameChar(Peek())) ++at_;
    if (at_ == begin) return Wrong(begin, "the name of a rule expected");
    return text_.substr(begin, at_ - begin);
  }
  uint32_t Number(std::string_view name, size_t at) {
    const auto [it, is_new] =
        numbers_.emplace(std::string(name), static_cast<uint32_t>(rules_.size()));
    if (is_new) rules_.push_back({.name = std::string(name), .at = at});
    return it->second;
  }

  Result<Item> Alternatives(size_t depth) {
    Item choice{.kind = Item::Kind::kChoice};
    for (;;) {
      GEMMA3_TRY(Item sequence, Sequence(depth));
      choice.parts.push_back(std::move(sequence));
      if (!Take("|")) break;
      Space(true);
    }
    if (choice.parts.size() == 1) return std::move(choice.parts[0]);
    return choice;
  }

  Result<Item> Sequence(size_t depth) {
    const bool nested = depth > 0;
    Item sequence{.kind = Item::Kind::kSequence};
    for (;;) {
      const char c = Peek();
      const size_t at = at_;
      std::optional<Item> item;
      if (AtEnd()) break;
      if (c == '"') {
        GEMMA3_TRY(item, Literal());
      } else if (c == '[') {
        GEMMA3_TRY(item, Class());
      } else if (c == '.') {
        ++at_;
        item = Item{.kind = Item::Kind::kChars, .chars = CharSet::All()};
      } else if (c == '(') {
        if (depth >= kMaxDepth) return Wrong(at, "parentheses are nested too deep");
        ++at_;
        Space(true);
        GEMMA3_TRY(item, Alternatives(depth + 1));
        if (!Take(")")) return Wrong(at, "unmatched (");
      } else if (c == '<' || (c == '!' && text_.substr(at_).starts_with("!<"))) {
        return Fail(ErrorCode::kUnsupported, Place(at),
                    ": references to tokens (<...>) are not supported; a grammar is about text");
      } else if (IsNameChar(c)) {
        GEMMA3_TRY(const std::string_view name, Name());
        item = Item{.kind = Item::Kind::kRule, .rule = Number(name, at)};
      } else if (c == '*' || c == '+' || c == '?' || c == '{') {
        return Wrong(at, "nothing to repeat");
      } else {
        break;
      }
      Space(nested);
      GEMMA3_CHECK_OK(Repetitions(*item, nested));
      sequence.parts.push_back(*std::move(item));
    }
    if (sequence.parts.size() == 1) return std::move(sequence.parts[0]);
    return sequence;
  }

  Status Repetitions(Item& item, bool nested) {
    for (size_t times = 0;; ++times) {
      const size_t at = at_;
      uint32_t least = 0, most = kNoLimit;
      if (Take("*")) {
      } else if (Take("+")) {
        least = 1;
      } else if (Take("?")) {
        most = 1;
      } else if (Take("{")) {
        Space(false);
        GEMMA3_TRY(least, Count());
        Space(false);
        most = least;
        if (Take(",")) {
          Space(false);
          most = kNoLimit;
          if (Peek() != '}') {
            GEMMA3_TRY(most, Count());
            Space(false);
          }
        }
        if (!Take("}")) return Wrong(at, "a repetition is {2}, {2,} or {2,4}");
        if (most < least) return Wrong(at, "the numbers of the repetition are out of order");
      } else {
        return {};
      }
      if (times >= 16) return Wrong(at, "too many repetitions of one item");
      Space(nested);
      Item repeat{.kind = Item::Kind::kRepeat, .least = least, .most = most};
      repeat.parts.push_back(std::move(item));
      item = std::move(repeat);
    }
  }

  Result<uint32_t> Count() {
    const size_t begin = at_;
    uint32_t value = 0;
    while (Peek() >= '0' && Peek() <= '9') {
      value = value * 10 + static_cast<uint32_t>(Peek() - '0');
      if (value > kMaxRepeat) {
        return Fail(ErrorCode::kUnsupported, Place(begin), ": a repetition beyond ", kMaxRepeat);
      }
      ++at_;
    }
    if (at_ == begin) return Wrong(begin, "a number expected");
    return value;
  }

  Result<uint32_t> Char() {
    const size_t at = at_;
    if (Peek() != '\\') {
      std::string_view rest = text_.substr(at_);
      const uint32_t c = TakeChar(rest);
      at_ = text_.size() - rest.size();
      return c;
    }
    ++at_;
    const char c = Peek();
    ++at_;
    size_t digits = 0;
    switch (c) {
      case 't':
        return '\t';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
        return static_cast<uint32_t>(c);
      case 'x':
        digits = 2;
        break;
      case 'u':
        digits = 4;
        break;
      case 'U':
        digits = 8;
        break;
      default:
        return Wrong(at, "unknown escape");
    }
    uint32_t value = 0;
    for (size_t i = 0; i < digits; ++i) {
      const char d = AtEnd() ? 'x' : text_[at_];
      const int digit = d >= '0' && d <= '9'   ? d - '0'
                        : d >= 'a' && d <= 'f' ? d - 'a' + 10
                        : d >= 'A' && d <= 'F' ? d - 'A' + 10
                                               : -1;
      if (digit < 0) return Wrong(at, "too few hexadecimal digits");
      value = value << 4 | static_cast<uint32_t>(digit);
      ++at_;
    }
    if (value > CharSet::kLastChar || (value >= 0xD800 && value < 0xE000)) {
      return Wrong(at, "no such character");
    }
    return value;
  }

  Result<Item> Literal() {
    const size_t begin = at_++;
    Item literal{.kind = Item::Kind::kSequence};
    while (!AtEnd() && Peek() != '"') {
      if (Peek() == '\n') return Wrong(begin, "unmatched \"");
      GEMMA3_TRY(const uint32_t c, Char());
      literal.parts.push_back({.kind = Item::Kind::kChars, .chars = {{c, c}}});
    }
    if (!Take("\"")) return Wrong(begin, "unmatched \"");
    return literal;
  }

  Result<Item> Class() {
    const size_t begin = at_++;
    const bool negated = Take("^");
    CharSet set;
    while (!AtEnd() && Peek() != ']') {
      if (Peek() == '\n') return Wrong(begin, "unmatched [");
      const size_t at = at_;
      GEMMA3_TRY(const uint32_t first, Char());
      uint32_t last = first;
      if (Peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        if (AtEnd()) return Wrong(begin, "unmatched [");
        GEMMA3_TRY(last, Char());
      }
      if (last < first) return Wrong(at, "the range is out of order");
      set.Add(first, last);
    }
    if (!Take("]")) return Wrong(begin, "unmatched [");
    return Item{.kind = Item::Kind::kChars, .chars = negated ? set.Negated() : set};
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<Rule> rules_;
  std::map<std::string, uint32_t, std::less<>> numbers_;
};

// Calls fn for each rule that the item names.
void EachRule(const Item& item, const std::function<void(uint32_t)>& fn) {
  if (item.kind == Item::Kind::kRule) fn(item.rule);
  for (const Item& part : item.parts) EachRule(part, fn);
}

class GbnfCompiler {
 public:
  GbnfCompiler(const GbnfParser& parser, std::vector<Rule> rules)
      : parser_(parser), rules_(std::move(rules)) {}

  Result<std::shared_ptr<const CompiledGrammar>> Compile() {
    FindNullable();
    GEMMA3_CHECK_OK(RefuseLeftRecursion());
    FindRegular();
    for (size_t r = 0; r < rules_.size(); ++r) builder_.AddRule();
    for (uint32_t r = 0; r < rules_.size(); ++r) {
      builder_.SetEntry(r, Emit(rules_[r].body, builder_.Return()));
      if (builder_.num_nodes() > GrammarBuilder::kMaxNodes) {
        return Fail(ErrorCode::kUnsupported, parser_.Place(rules_[r].at),
                    ": the grammar becomes larger than the limit of ", GrammarBuilder::kMaxNodes,
                    " nodes");
      }
    }
    auto grammar = std::move(builder_).Finish(parser_.root(),
                                              {.free_depth = 32, .recursion = kMaxNesting}, false);
    for (uint32_t r = 0; r < rules_.size(); ++r) {
      if (grammar->rule_height[r][0] != kNoLimit) continue;
      return Fail(ErrorCode::kInvalidArgument, parser_.Place(rules_[r].at), ": the rule ",
                  Shown(rules_[r].name, 60), " never ends");
    }
    return grammar;
  }

 private:
  bool Nullable(const Item& item) const {
    switch (item.kind) {
      case Item::Kind::kEmpty:
        return true;
      case Item::Kind::kChars:
        return false;
      case Item::Kind::kSequence:
        return std::all_of(item.parts.begin(), item.parts.end(),
                           [&](const Item& part) { return Nullable(part); });
      case Item::Kind::kChoice:
        return std::any_of(item.parts.begin(), item.parts.end(),
                           [&](const Item& part) { return Nullable(part); });
      case Item::Kind::kRepeat:
        return item.least == 0 || Nullable(item.parts[0]);
      case Item::Kind::kRule:
        return nullable_[item.rule] != 0;
    }
    return false;
  }

  void FindNullable() {
    nullable_.assign(rules_.size(), 0);
    std::vector<std::vector<uint32_t>> users(rules_.size());
    for (uint32_t r = 0; r < rules_.size(); ++r) {
      EachRule(rules_[r].body, [&](uint32_t used) { users[used].push_back(r); });
    }
    std::vector<uint32_t> work(rules_.size());
    for (uint32_t r = 0; r < rules_.size(); ++r) work[r] = r;
    while (!work.empty()) {
      const uint32_t r = work.back();
      work.pop_back();
      if (nullable_[r] != 0 || !Nullable(rules_[r].body)) continue;
      nullable_[r] = 1;
      work.insert(work.end(), users[r].begin(), users[r].end());
    }
  }

  // Adds the rules that may stand at the very beginning; returns whether the item may be empty.
  bool Leftmost(const Item& item, std::vector<uint32_t>& rules) const {
    switch (item.kind) {
      case Item::Kind::kSequence:
        for (const Item& part : item.parts) {
          if (!Leftmost(part, rules)) return false;
        }
        return true;
      case Item::Kind::kChoice: {
        bool empty = false;
        for (const Item& part : item.parts) empty |= Leftmost(part, rules);
        return empty;
      }
      case Item::Kind::kRepeat: {
        if (item.most == 0) return true;
        const bool empty = Leftmost(item.parts[0], rules);
        return empty || item.least == 0;
      }
      case Item::Kind::kRule:
        rules.push_back(item.rule);
        return nullable_[item.rule] != 0;
      default:
        return Nullable(item);
    }
  }

  Status RefuseLeftRecursion() const {
    enum : uint8_t { kNew, kOpen, kDone };
    std::vector<uint8_t> color(rules_.size(), kNew);
    struct Step {
      uint32_t rule;
      std::vector<uint32_t> next;
      size_t at = 0;
    };
    for (uint32_t root = 0; root < rules_.size(); ++root) {
      if (color[root] != kNew) continue;
      std::vector<Step> stack;
      const auto push = [&](uint32_t rule) {
        color[rule] = kOpen;
        stack.push_back({rule, {}});
        Leftmost(rules_[rule].body, stack.back().next);
      };
      push(root);
      while (!stack.empty()) {
        Step& step = stack.back();
        if (step.at == step.next.size()) {
          color[step.rule] = kDone;
          stack.pop_back();
          continue;
        }
        const uint32_t next = step.next[step.at++];
        if (color[next] == kNew) {
          push(next);
        } else if (color[next] == kOpen) {
          std::string cycle;
          bool inside = false;
          size_t shown = 0;
          for (const Step& s : stack) {
            inside |= s.rule == next;
            if (inside && ++shown <= 8) cycle += Shown(rules_[s.rule].name, 40) + " > ";
          }
          return Fail(ErrorCode::kInvalidArgument, parser_.Place(rules_[next].at),
                      ": left recursion: ", cycle, shown > 8 ? "... > " : "",
                      Shown(rules_[next].name, 40), "; write it as a repetition");
        }
      }
    }
    return {};
  }

  // How many characters the item has when everything is written out; kMaxRegular + 1 for too many
  // and for what is not regular.
  size_t RegularSize(const Item& item, uint32_t* depth) const {
    size_t size = 0;
    switch (item.kind) {
      case Item::Kind::kEmpty:
        return 0;
      case Item::Kind::kChars:
        return 1;
      case Item::Kind::kSequence:
      case Item::Kind::kChoice:
        for (const Item& part : item.parts) {
          size = std::min(size + RegularSize(part, depth), kMaxRegular + 1);
        }
        return size;
      case Item::Kind::kRepeat: {
        size = RegularSize(item.parts[0], depth);
        const size_t times = item.most == kNoLimit ? size_t{item.least} + 1 : item.most;
        return std::min(size * std::max<size_t>(times, 1), kMaxRegular + 1);
      }
      case Item::Kind::kRule:
        *depth = std::max(*depth, inline_depth_[item.rule] + 1);
        return regular_size_[item.rule];
    }
    return kMaxRegular + 1;
  }

  // Rules from the bottom up, so that none is looked into twice; those in cycles never come up.
  void FindRegular() {
    regular_size_.assign(rules_.size(), kMaxRegular + 1);
    inline_depth_.assign(rules_.size(), 0);
    std::vector<uint32_t> pending(rules_.size(), 0), work;
    std::vector<std::vector<uint32_t>> users(rules_.size());
    for (uint32_t r = 0; r < rules_.size(); ++r) {
      EachRule(rules_[r].body, [&](uint32_t used) {
        users[used].push_back(r);
        ++pending[r];
      });
      if (pending[r] == 0) work.push_back(r);
    }
    while (!work.empty()) {
      const uint32_t r = work.back();
      work.pop_back();
      uint32_t depth = 0;
      const size_t size = RegularSize(rules_[r].body, &depth);
      inline_depth_[r] = depth;
      if (depth <= kMaxInlineDepth) regular_size_[r] = size;
      for (const uint32_t user : users[r]) {
        if (--pending[user] == 0) work.push_back(user);
      }
    }
  }

  bool IsRegular(const Item& item) const {
    uint32_t depth = 0;
    return RegularSize(item, &depth) <= kMaxRegular && depth <= kMaxInlineDepth;
  }

  RegexNode ToRegex(const Item& item) const {
    RegexNode node;
    switch (item.kind) {
      case Item::Kind::kEmpty:
        return node;
      case Item::Kind::kChars:
        node.kind = RegexNode::Kind::kChars;
        node.chars = item.chars;
        return node;
      case Item::Kind::kSequence:
        node.kind = RegexNode::Kind::kConcat;
        break;
      case Item::Kind::kChoice:
        node.kind = RegexNode::Kind::kChoice;
        break;
      case Item::Kind::kRepeat:
        node.kind = RegexNode::Kind::kRepeat;
        node.least = item.least;
        node.most = item.most;
        break;
      case Item::Kind::kRule:
        return ToRegex(rules_[item.rule].body);
    }
    for (const Item& part : item.parts) node.parts.push_back(ToRegex(part));
    return node;
  }

  std::optional<NodeId> EmitRegular(const RegexNode& regex, NodeId next) {
    auto dfa = CompileRegex(regex, false, kMaxRegularStates);
    if (!dfa) return std::nullopt;  // too large: its parts may do
    return builder_.Terminal(builder_.Text({.dfa = std::make_shared<const TextDfa>(*std::move(dfa)),
                                            .form = TextTerminal::Form::kRaw}),
                             next);
  }

  NodeId Emit(const Item& item, NodeId next) {
    if (item.kind == Item::Kind::kEmpty) return next;
    if (IsRegular(item)) {
      if (const auto node = EmitRegular(ToRegex(item), next)) return *node;
    }
    switch (item.kind) {
      case Item::Kind::kEmpty:
        return next;
      case Item::Kind::kChars:
        return *EmitRegular(ToRegex(item), next);
      case Item::Kind::kSequence:
        return EmitSequence(item, next);
      case Item::Kind::kChoice: {
        std::vector<NodeId> ways;
        for (const Item& part : item.parts) ways.push_back(Emit(part, next));
        return builder_.Alt(ways);
      }
      case Item::Kind::kRepeat:
        return EmitRepeat(item, next);
      case Item::Kind::kRule:
        return builder_.Call(item.rule, next);
    }
    return next;
  }

  NodeId EmitSequence(const Item& item, NodeId next) {
    // Neighbours that are regular together become one.
    for (size_t end = item.parts.size(); end > 0;) {
      RegexNode together{.kind = RegexNode::Kind::kConcat};
      size_t begin = end;
      size_t size = 0;
      uint32_t depth = 0;
      while (begin > 0) {
        size += RegularSize(item.parts[begin - 1], &depth);
        if (size > kMaxRegular || depth > kMaxInlineDepth) break;
        together.parts.insert(together.parts.begin(), ToRegex(item.parts[begin - 1]));
        --begin;
      }
      if (end - begin > 1) {
        if (const auto node = EmitRegular(together, next)) {
          next = *node;
          end = begin;
          continue;
        }
      }
      next = Emit(item.parts[end - 1], next);
      --end;
    }
    return next;
  }

  NodeId EmitRepeat(const Item& item, NodeId next) {
    const Item& part = item.parts[0];
    if (item.most == 0) return next;
    // A run of characters is counted where it is read.
    if (part.kind == Item::Kind::kChars) {
      RegexNode all{.kind = RegexNode::Kind::kRepeat, .most = RegexNode::kNoLimit};
      all.parts.push_back(ToRegex(part));
      if (auto dfa = CompileRegex(all, false)) {
        return builder_.Terminal(
            builder_.Text({.dfa = std::make_shared<const TextDfa>(*std::move(dfa)),
                           .form = TextTerminal::Form::kRaw,
                           .least = item.least,
                           .most = item.most}),
            next);
      }
    }
    if (item.most == kNoLimit && item.least <= 1) {
      const NodeId loop = builder_.Reserve(1);
      const NodeId body = Emit(part, loop);
      builder_.SetAlt(loop, {body, next});
      return item.least == 0 ? loop : body;
    }
    if (item.most == 1) return builder_.Alt({Emit(part, next), next});
    const uint32_t rule = builder_.AddRule();
    // An empty part may count without a byte: then bounds far away must not be taken for alike.
    if (!Nullable(part)) builder_.SetCounts(rule, item.least, item.most);
    const NodeId loop = builder_.Reserve(1);
    const NodeId up =
        builder_.Count(NodeKind::kCountUp, item.most == kNoLimit ? item.least : item.most, loop);
    NodeId body = Emit(part, up);
    if (item.most != kNoLimit) body = builder_.Count(NodeKind::kCountBelow, item.most, body);
    builder_.SetAlt(loop,
                    {body, builder_.Count(NodeKind::kCountAtLeast, item.least, builder_.Return())});
    builder_.SetEntry(rule, loop);
    return builder_.Call(rule, next);
  }

  const GbnfParser& parser_;
  std::vector<Rule> rules_;
  std::vector<uint8_t> nullable_;
  std::vector<size_t> regular_size_;
  std::vector<uint32_t> inline_depth_;
  GrammarBuilder builder_;
};

}  // namespace

Result<std::shared_ptr<const CompiledGrammar>> CompileGbnf(std::string_view text) {
  if (text.size() > kMaxBytes) {
    return Fail(ErrorCode::kUnsupported, "1:1: the grammar has ", text.size(),
                " bytes; the limit is ", kMaxBytes);
  }
  GbnfParser parser(text);
  if (const size_t invalid = FindInvalidUtf8(text); invalid != std::string_view::npos) {
    return Fail(ErrorCode::kInvalidArgument, parser.Place(invalid), ": not valid UTF-8");
  }
  GEMMA3_TRY(std::vector<Rule> rules, parser.Parse());
  return GbnfCompiler(parser, std::move(rules)).Compile();
}

}  // namespace gemma3
