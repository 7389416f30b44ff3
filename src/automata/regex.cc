// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A parser to a tree, the tree to a nondeterministic automaton, that to a deterministic one by the
// subset construction.
#include "src/automata/regex.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "src/base/shown.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

constexpr size_t kMaxPatternBytes = 8192;
constexpr size_t kMaxGroupDepth = 256;
constexpr uint32_t kMaxRepeat = 100000;
constexpr size_t kMaxNfaStates = 100000;
constexpr size_t kMaxSteps = 4'000'000;

CharSet Digits() { return {{'0', '9'}}; }
CharSet WordChars() { return {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}; }
CharSet WhiteSpace() {
  return {{0x09, 0x0D},     {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
          {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
}
CharSet LineEnds() { return {{0x0A, 0x0A}, {0x0D, 0x0D}, {0x2028, 0x2029}}; }

using Kind = RegexNode::Kind;

class PatternParser {
 public:
  explicit PatternParser(std::string_view text) : text_(text) {}

  Result<RegexNode> Parse() {
    GEMMA3_TRY(RegexNode root, Choice(0));
    if (at_ < text_.size()) return Wrong("unmatched )");
    return root;
  }

 private:
  std::unexpected<Error> Wrong(const std::string& what) const { return WrongAt(at_, what); }
  std::unexpected<Error> WrongAt(size_t at, const std::string& what) const {
    return Fail(ErrorCode::kInvalidArgument, "pattern \"", Shown(text_, 100), "\", byte ", at, ": ",
                what);
  }
  std::unexpected<Error> NotSupported(size_t at, const std::string& what) const {
    return Fail(ErrorCode::kUnsupported, "pattern \"", Shown(text_, 100), "\", byte ", at, ": ",
                what, " is not supported");
  }
  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : 0; }
  bool Take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  uint32_t NextChar() {
    std::string_view rest = text_.substr(at_);
    const uint32_t c = TakeChar(rest);
    at_ = text_.size() - rest.size();
    return c;
  }

  Result<RegexNode> Choice(size_t depth) {
    if (depth > kMaxGroupDepth) return Wrong("groups are nested too deep");
    RegexNode choice{.kind = Kind::kChoice};
    for (;;) {
      RegexNode concat{.kind = Kind::kConcat};
      while (!AtEnd() && Peek() != '|' && Peek() != ')') {
        GEMMA3_TRY(RegexNode item, Item(depth));
        concat.parts.push_back(std::move(item));
      }
      choice.parts.push_back(std::move(concat));
      if (!Take("|")) break;
    }
    if (choice.parts.size() == 1) return std::move(choice.parts[0]);
    return choice;
  }

  Result<RegexNode> Item(size_t depth) {
    const size_t begin = at_;
    GEMMA3_TRY(RegexNode atom, Atom(depth));
    const bool is_assertion = atom.kind == Kind::kBegin || atom.kind == Kind::kEnd;
    for (bool repeated = false;; repeated = true) {
      uint32_t least = 0, most = RegexNode::kNoLimit;
      const size_t at = at_;
      if (Take("*")) {
      } else if (Take("+")) {
        least = 1;
      } else if (Take("?")) {
        most = 1;
      } else if (Peek() == '{') {
        ++at_;
        GEMMA3_TRY(least, Number());
        most = least;
        if (Take(",")) {
          most = RegexNode::kNoLimit;
          if (Peek() != '}') {
            GEMMA3_TRY(most, Number());
          }
        }
        if (!Take("}")) return WrongAt(at, "{ begins a repetition such as {1,3}; write \\{");
        if (most < least) return WrongAt(at, "the numbers of the repetition are out of order");
      } else {
        return atom;
      }
      if (repeated) return WrongAt(at, "nothing to repeat");
      if (is_assertion) return WrongAt(begin, "an end of the text cannot be repeated");
      Take("?");  // lazy: the same texts
      RegexNode repeat{.kind = Kind::kRepeat, .least = least, .most = most};
      repeat.parts.push_back(std::move(atom));
      atom = std::move(repeat);
    }
  }

  Result<uint32_t> Number() {
    const size_t begin = at_;
    uint32_t value = 0;
    while (Peek() >= '0' && Peek() <= '9') {
      value = value * 10 + static_cast<uint32_t>(Peek() - '0');
      if (value > kMaxRepeat) return NotSupported(begin, "a repetition beyond 100000");
      ++at_;
    }
    if (at_ == begin) return WrongAt(begin, "{ begins a repetition such as {1,3}; write \\{");
    return value;
  }

  static RegexNode Chars(CharSet set) {
    return RegexNode{.kind = Kind::kChars, .chars = std::move(set)};
  }

  Result<RegexNode> Atom(size_t depth) {
    const size_t begin = at_;
    switch (Peek()) {
      case '^':
        ++at_;
        return RegexNode{.kind = Kind::kBegin};
      case '$':
        ++at_;
        return RegexNode{.kind = Kind::kEnd};
      case '.':
        ++at_;
        return Chars(LineEnds().Negated());
      case '(': {
        ++at_;
        if (Take("?")) {
          if (Take("=") || Take("!")) return NotSupported(begin, "look-ahead");
          if (Take("<=") || Take("<!")) return NotSupported(begin, "look-behind");
          if (Take("<")) {
            const size_t end = text_.find('>', at_);
            if (end == std::string_view::npos || end == at_)
              return WrongAt(begin, "a group's name");
            at_ = end + 1;
          } else if (!Take(":")) {
            return NotSupported(begin, "this kind of group");
          }
        }
        GEMMA3_TRY(RegexNode group, Choice(depth + 1));
        if (!Take(")")) return WrongAt(begin, "unmatched (");
        // A group is one atom: what ends it must not be taken for an assertion to repeat.
        if (group.kind == Kind::kBegin || group.kind == Kind::kEnd) {
          RegexNode concat{.kind = Kind::kConcat};
          concat.parts.push_back(std::move(group));
          return concat;
        }
        return group;
      }
      case '[': {
        ++at_;
        GEMMA3_TRY(CharSet set, ClassBody(begin));
        return Chars(std::move(set));
      }
      case '\\': {
        GEMMA3_TRY(CharSet set, Escape(false, nullptr));
        return Chars(std::move(set));
      }
      case '*':
      case '+':
      case '?':
        return Wrong("nothing to repeat");
      case '{':
        return Wrong("{ begins a repetition such as {1,3}; write \\{");
      default: {  // lone } and ] are themselves, as everywhere in practice
        const uint32_t c = NextChar();
        return Chars({{c, c}});
      }
    }
  }

  // Behind "[".
  Result<CharSet> ClassBody(size_t begin) {
    const bool negated = Take("^");
    CharSet set;
    for (;;) {
      if (AtEnd()) return WrongAt(begin, "unmatched [");
      if (Take("]")) break;
      std::optional<uint32_t> first, last;
      GEMMA3_TRY(const CharSet one, ClassAtom(&first));
      // A range needs a character on both sides; else the hyphen is itself.
      if (first && Peek() == '-' && at_ + 1 < text_.size() && Peek(1) != ']') {
        const size_t hyphen = at_;
        ++at_;
        GEMMA3_TRY(const CharSet other, ClassAtom(&last));
        if (last) {
          if (*last < *first) return WrongAt(hyphen, "the range is out of order");
          set.Add(*first, *last);
          continue;
        }
        set.Add('-', '-');
        set.Add(other);
      }
      set.Add(one);
    }
    return negated ? set.Negated() : set;
  }

  Result<CharSet> ClassAtom(std::optional<uint32_t>* single) {
    if (Peek() == '\\') return Escape(true, single);
    const uint32_t c = NextChar();
    *single = c;
    return CharSet{{c, c}};
  }

  std::optional<uint32_t> Hex(size_t digits) {
    uint32_t value = 0;
    for (size_t i = 0; i < digits; ++i) {
      const char c = Peek(i);
      if (c >= '0' && c <= '9') {
        value = value * 16 + static_cast<uint32_t>(c - '0');
      } else if (c >= 'a' && c <= 'f') {
        value = value * 16 + static_cast<uint32_t>(c - 'a' + 10);
      } else if (c >= 'A' && c <= 'F') {
        value = value * 16 + static_cast<uint32_t>(c - 'A' + 10);
      } else {
        return std::nullopt;
      }
    }
    at_ += digits;
    return value;
  }

  Result<CharSet> Escape(bool in_class, std::optional<uint32_t>* single) {
    const size_t begin = at_++;
    if (AtEnd()) return WrongAt(begin, "\\ at the end");
    const char c = text_[at_];
    const auto one = [&](uint32_t value) {
      if (single != nullptr) *single = value;
      return CharSet{{value, value}};
    };
    if (static_cast<unsigned char>(c) >= 0x80) return WrongAt(begin, "unknown escape");
    ++at_;
    switch (c) {
      case 'd':
        return Digits();
      case 'D':
        return Digits().Negated();
      case 'w':
        return WordChars();
      case 'W':
        return WordChars().Negated();
      case 's':
        return WhiteSpace();
      case 'S':
        return WhiteSpace().Negated();
      case 't':
        return one('\t');
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case 'b':
        if (in_class) return one('\b');
        return NotSupported(begin, "\\b");
      case 'B':
        return NotSupported(begin, "\\B");
      case '0':
        if (Peek() >= '0' && Peek() <= '9') return WrongAt(begin, "an octal escape");
        return one(0);
      case 'c': {
        const char letter = static_cast<char>(Peek() | 0x20);
        if (letter < 'a' || letter > 'z') return WrongAt(begin, "\\c needs a letter");
        ++at_;
        return one(static_cast<uint32_t>(letter - 'a' + 1));
      }
      case 'x':
        if (const auto value = Hex(2)) return one(*value);
        return WrongAt(begin, "\\x needs two hexadecimal digits");
      case 'u':
        return UnicodeEscape(begin, one);
      case 'p':
      case 'P': {
        const size_t end = text_.find('}', at_);
        if (Peek() != '{' || end == std::string_view::npos) {
          return WrongAt(begin, "\\p needs a category, such as \\p{L}");
        }
        std::string_view name = text_.substr(at_ + 1, end - at_ - 1);
        at_ = end + 1;
        for (const std::string_view prefix : {"General_Category=", "gc="}) {
          if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
        }
        const auto set = UnicodeCategory(name);
        if (!set) {
          return NotSupported(begin, "the property " + Shown(name, 40));
        }
        return c == 'p' ? *set : set->Negated();
      }
      case 'k':
        return NotSupported(begin, "a back-reference");
      default:
        break;
    }
    if (c >= '1' && c <= '9') return NotSupported(begin, "a back-reference");
    if (std::string_view("^$\\.*+?()[]{}|/-").find(c) != std::string_view::npos) {
      return one(static_cast<uint32_t>(c));
    }
    // Signs that mean themselves without the backslash: so written in many published schemas, and
    // read alike by all dialects that read them at all.
    if (std::string_view("\"'#%&,:;<=>@`~! ").find(c) != std::string_view::npos) {
      return one(static_cast<uint32_t>(c));
    }
    return WrongAt(begin, std::string("unknown escape \\") + Shown({&c, 1}));
  }

  template <class One>
  Result<CharSet> UnicodeEscape(size_t begin, const One& one) {
    if (Take("{")) {
      const size_t end = text_.find('}', at_);
      if (end == std::string_view::npos || end == at_ || end - at_ > 8) {
        return WrongAt(begin, "\\u{ needs hexadecimal digits and }");
      }
      const auto value = Hex(end - at_);
      if (!value || *value > CharSet::kLastChar) return WrongAt(begin, "no such character");
      ++at_;
      return one(*value);
    }
    const auto value = Hex(4);
    if (!value) return WrongAt(begin, "\\u needs four hexadecimal digits");
    if (*value >= 0xD800 && *value < 0xDC00 && Peek() == '\\' && Peek(1) == 'u') {
      const size_t before = at_;
      at_ += 2;
      if (const auto low = Hex(4); low && *low >= 0xDC00 && *low < 0xE000) {
        return one(0x10000 + ((*value - 0xD800) << 10) + (*low - 0xDC00));
      }
      at_ = before;
    }
    return one(*value);
  }

  std::string_view text_;
  size_t at_ = 0;
};

// States are numbered; each either takes a character of a set and goes to `next`, or goes to `next`
// and `other` without one, under a condition.
struct Nfa {
  enum class Move : uint8_t { kChar, kSplit, kBegin, kEnd, kAccept };
  struct State {
    Move move;
    uint32_t set = 0, next = 0, other = 0;
  };
  static constexpr uint32_t kNone = UINT32_MAX;
  std::vector<State> states;
  std::vector<CharSet> sets;

  uint32_t Add(State state) {
    states.push_back(state);
    return static_cast<uint32_t>(states.size() - 1);
  }
  uint32_t SetNumber(const CharSet& set) {
    // Few sets occur in one pattern; a repetition of one meets it as the last or first.
    for (size_t i = 0; i < sets.size(); ++i) {
      if (sets[i] == set) return static_cast<uint32_t>(i);
    }
    sets.push_back(set);
    return static_cast<uint32_t>(sets.size() - 1);
  }

  // Builds `node` in front of `next`; returns its first state, or kNone when there are too many.
  uint32_t Build(const RegexNode& node, uint32_t next) {
    if (next == kNone || states.size() > kMaxNfaStates) return kNone;
    switch (node.kind) {
      case Kind::kEmpty:
        return next;
      case Kind::kChars:
        return Add({Move::kChar, SetNumber(node.chars), next});
      case Kind::kBegin:
        return Add({Move::kBegin, 0, next});
      case Kind::kEnd:
        return Add({Move::kEnd, 0, next});
      case Kind::kConcat:
        for (size_t i = node.parts.size(); i-- > 0;) next = Build(node.parts[i], next);
        return next;
      case Kind::kChoice: {
        uint32_t first = Build(node.parts.back(), next);
        for (size_t i = node.parts.size() - 1; i-- > 0;) {
          const uint32_t part = Build(node.parts[i], next);
          if (part == kNone || first == kNone) return kNone;
          first = Add({Move::kSplit, 0, part, first});
        }
        return first;
      }
      case Kind::kRepeat: {
        if (node.most == RegexNode::kNoLimit) {
          const uint32_t loop = Add({Move::kSplit, 0, kNone, next});
          const uint32_t body = Build(node.parts[0], loop);
          if (body == kNone) return kNone;
          states[loop].next = body;
          next = loop;
        } else {
          const uint32_t end = next;
          for (uint32_t i = node.least; i < node.most; ++i) {
            const uint32_t body = Build(node.parts[0], next);
            if (body == kNone) return kNone;
            next = Add({Move::kSplit, 0, body, end});
          }
        }
        for (uint32_t i = 0; i < node.least; ++i) next = Build(node.parts[0], next);
        return next;
      }
    }
    return kNone;
  }
};

class SubsetConstruction {
 public:
  SubsetConstruction(const Nfa& nfa, uint32_t start, bool search, size_t max_states, Work& work)
      : nfa_(nfa),
        start_(start),
        search_(search),
        max_states_(max_states),
        work_(work),
        builder_(nfa.sets) {
    marks_.resize(nfa.states.size(), 0);
    in_set_.resize(nfa.sets.size() * builder_.num_classes());
    for (size_t s = 0; s < nfa.sets.size(); ++s) {
      for (size_t c = 1; c < builder_.num_classes(); ++c) {
        in_set_[s * builder_.num_classes() + c] = nfa.sets[s].Contains(builder_.CharOf(c)) ? 1 : 0;
      }
    }
  }

  static std::unexpected<Error> TooMuchWork() {
    return Fail(ErrorCode::kUnsupported, "the pattern takes too much work to compile");
  }

  Result<TextDfa> Run() {
    // The start: the only place where ^ holds.
    std::vector<uint32_t> first;
    BeginSet();
    Reach(start_, true, first);
    Number(std::move(first), true);
    for (size_t i = 0; i < sets_.size(); ++i) {
      for (size_t c = 1; c < builder_.num_classes(); ++c) {
        std::vector<uint32_t> next;
        const size_t before = steps_;
        BeginSet();
        matched_ = search_ && is_matched_[i];
        for (const uint32_t s : sets_[i]) {
          const Nfa::State& state = nfa_.states[s];
          if (state.move != Nfa::Move::kChar) continue;
          if (in_set_[state.set * builder_.num_classes() + c] != 0) Reach(state.next, false, next);
        }
        if (search_ && !matched_) Reach(start_, false, next);
        if (steps_ > kMaxSteps || builder_.num_states() > max_states_) {
          return Fail(ErrorCode::kUnsupported, "the pattern needs more than ", max_states_,
                      " states");
        }
        if (!work_.Do(20 + 2 * sets_[i].size() + 15 * (steps_ - before))) return TooMuchWork();
        if (matched_) next.clear();
        if (next.empty() && !matched_) continue;
        builder_.SetNext(static_cast<uint32_t>(i + 1), c, Number(std::move(next), false));
      }
      if (!work_.Do(builder_.work_of_state())) return TooMuchWork();
    }
    return std::move(builder_).Finish();
  }

 private:
  void BeginSet() {
    ++mark_;
    matched_ = false;
    accepts_at_end_ = false;
  }

  // Adds what `state` reaches without a character. matched_ is set where a search has found what it
  // looks for: from there on every text is one with a match.
  void Reach(uint32_t state, bool at_begin, std::vector<uint32_t>& set) {
    stack_.push_back(state);
    while (!stack_.empty()) {
      const uint32_t s = stack_.back();
      stack_.pop_back();
      if (marks_[s] == mark_) continue;
      marks_[s] = mark_;
      ++steps_;
      const Nfa::State& at = nfa_.states[s];
      switch (at.move) {
        case Nfa::Move::kChar:
          set.push_back(s);
          break;
        case Nfa::Move::kSplit:
          stack_.push_back(at.other);
          stack_.push_back(at.next);
          break;
        case Nfa::Move::kBegin:
          if (at_begin) stack_.push_back(at.next);
          break;
        case Nfa::Move::kEnd:
          set.push_back(s);
          break;
        case Nfa::Move::kAccept:
          set.push_back(s);
          if (search_) matched_ = true;
          break;
      }
    }
  }

  // Whether a text may end here: only then does $ hold.
  bool AcceptsAtEnd(const std::vector<uint32_t>& set, bool at_begin) {
    std::vector<uint8_t> seen(nfa_.states.size(), 0);
    std::vector<uint32_t> open = set;
    while (!open.empty()) {
      const uint32_t s = open.back();
      open.pop_back();
      if (seen[s] != 0) continue;
      seen[s] = 1;
      const Nfa::State& at = nfa_.states[s];
      if (at.move == Nfa::Move::kAccept) return true;
      if (at.move == Nfa::Move::kEnd || (at.move == Nfa::Move::kBegin && at_begin)) {
        open.push_back(at.next);
      } else if (at.move == Nfa::Move::kSplit) {
        open.push_back(at.next);
        open.push_back(at.other);
      }
    }
    return false;
  }

  TextDfa::State Number(std::vector<uint32_t> set, bool at_begin) {
    std::sort(set.begin(), set.end());
    const bool matched = matched_;
    if (matched) set.clear();
    // The start is a state of its own, as ^ may hold in it.
    const auto [it, is_new] = numbers_.emplace(std::tuple(set, matched, at_begin), 0);
    if (is_new) {
      bool has_end = false;
      for (const uint32_t s : set) {
        has_end |=
            nfa_.states[s].move == Nfa::Move::kEnd || nfa_.states[s].move == Nfa::Move::kAccept;
      }
      if (has_end) work_.Do(nfa_.states.size() / 4);
      const bool accepts = matched || (has_end && AcceptsAtEnd(set, at_begin));
      it->second = builder_.AddState(accepts);
      sets_.push_back(std::move(set));
      is_matched_.push_back(matched);
    }
    return it->second;
  }

  const Nfa& nfa_;
  const uint32_t start_;
  const bool search_;
  const size_t max_states_;
  Work& work_;
  TextDfaBuilder builder_;
  std::vector<uint8_t> in_set_;
  std::vector<uint32_t> marks_, stack_;
  uint32_t mark_ = 0;
  bool matched_ = false, accepts_at_end_ = false;
  size_t steps_ = 0;
  std::map<std::tuple<std::vector<uint32_t>, bool, bool>, TextDfa::State> numbers_;
  std::vector<std::vector<uint32_t>> sets_;
  std::vector<bool> is_matched_;
};

}  // namespace

Result<TextDfa> CompileRegex(const RegexNode& root, bool search, size_t max_states, Work* work) {
  Work any;
  Nfa nfa;
  nfa.sets.push_back(CharSet::All());
  const uint32_t accept = nfa.Add({Nfa::Move::kAccept});
  const uint32_t start = nfa.Build(root, accept);
  if (start == Nfa::kNone || nfa.states.size() > kMaxNfaStates) {
    return Fail(ErrorCode::kUnsupported, "the pattern needs more than ", kMaxNfaStates,
                " steps when its repetitions are written out");
  }
  if (work == nullptr) work = &any;
  // Telling which sets there are, and which characters belong to them.
  const uint64_t sets = nfa.sets.size();
  uint64_t ranges = 0;
  for (const CharSet& set : nfa.sets) ranges += set.ranges().size();
  if (!work->Do(10 * nfa.states.size() + sets * (nfa.states.size() + 30 * sets) + 100 * ranges)) {
    return SubsetConstruction::TooMuchWork();
  }
  return SubsetConstruction(nfa, start, search, max_states, *work).Run();
}

Result<TextDfa> CompilePattern(std::string_view pattern, Work* work) {
  if (pattern.size() > kMaxPatternBytes) {
    return Fail(ErrorCode::kUnsupported, "a pattern of ", pattern.size(), " bytes; the limit is ",
                kMaxPatternBytes);
  }
  GEMMA3_TRY(const RegexNode root, PatternParser(pattern).Parse());
  auto dfa = CompileRegex(root, true, TextDfa::kMaxStates, work);
  if (!dfa) {
    return Fail(dfa.error().code, "pattern \"", Shown(pattern, 100), "\": ", dfa.error().message);
  }
  return dfa;
}

}  // namespace gemma3
