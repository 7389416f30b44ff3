// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/automata/text_dfa.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "src/base/status.h"

namespace gemma3 {
namespace {

// first characters of the intervals that no set divides; surrogates are an interval of their own.
std::vector<uint32_t> Boundaries(const std::vector<CharSet>& sets) {
  std::vector<uint32_t> firsts = {0, 0xD800, 0xE000};
  for (const CharSet& set : sets) {
    for (const CharRange& range : set.ranges()) {
      firsts.push_back(range.first);
      if (range.last < CharSet::kLastChar) firsts.push_back(range.last + 1);
    }
  }
  std::sort(firsts.begin(), firsts.end());
  firsts.erase(std::unique(firsts.begin(), firsts.end()), firsts.end());
  return firsts;
}

bool HasPlain(uint32_t first, uint32_t last) {
  for (uint32_t c = first; c <= last && c <= first + 4; ++c) {
    if (IsPlain(c)) return true;
  }
  // No run of more than 32 characters is without a plain one.
  return last - first > 4 && (IsPlain(last) || (first < 0x20 && last > 0x20));
}

}  // namespace

size_t TextDfa::IntervalOf(uint32_t c) const {
  return static_cast<size_t>(std::upper_bound(firsts_.begin(), firsts_.end(), c) -
                             firsts_.begin()) -
         1;
}

TextDfa::State TextDfa::NextForAll(State state, uint32_t first, uint32_t last, bool* any) const {
  const State* row = &table_[state * num_classes_];
  size_t i = IntervalOf(first);
  const State next = row[classes_[i]];
  *any = next != kDead;
  State all = next;
  for (++i; i < firsts_.size() && firsts_[i] <= last; ++i) {
    const State other = row[classes_[i]];
    if (other != kDead) *any = true;
    if (other != next) all = kDead;
    if (*any && all == kDead) return kDead;
  }
  return all;
}

bool TextDfa::Matches(std::string_view text) const {
  State state = start_;
  while (!text.empty() && state != kDead) state = Next(state, TakeChar(text));
  return Accepts(state);
}

std::vector<TextDfa::State> TextDfa::Followers(State state) const {
  std::vector<State> next(&table_[state * num_classes_],
                          &table_[state * num_classes_] + num_classes_);
  std::sort(next.begin(), next.end());
  next.erase(std::unique(next.begin(), next.end()), next.end());
  if (!next.empty() && next[0] == kDead) next.erase(next.begin());
  return next;
}

std::vector<std::string> TextDfa::Texts(size_t most) const {
  std::vector<std::string> texts;
  if (IsEmpty() || Count(start_) > most) return texts;
  struct Place {
    State state;
    std::string text;
  };
  std::vector<Place> open = {{start_, ""}};
  while (!open.empty()) {
    const Place place = std::move(open.back());
    open.pop_back();
    if (Accepts(place.state)) texts.push_back(place.text);
    for (size_t i = firsts_.size(); i-- > 0;) {
      const State next = table_[place.state * num_classes_ + classes_[i]];
      if (next == kDead) continue;
      const uint32_t last = i + 1 < firsts_.size() ? firsts_[i + 1] - 1 : CharSet::kLastChar;
      for (uint32_t c = last + 1; c-- > firsts_[i];) {
        std::string text = place.text;
        AppendUtf8(c, text);
        open.push_back({next, std::move(text)});
      }
    }
  }
  return texts;
}

uint64_t TextDfa::Hash() const {
  uint64_t hash = start_ + 31 * num_classes_;
  const auto add = [&](uint64_t value) { hash = (hash ^ value) * 0x9E3779B97F4A7C15ull; };
  for (const uint32_t first : firsts_) add(first);
  for (const uint16_t c : classes_) add(c);
  for (const State state : table_) add(state);
  for (const uint8_t accepting : accepting_) add(accepting);
  return hash;
}

TextDfaBuilder::TextDfaBuilder(const std::vector<CharSet>& sets) {
  dfa_.firsts_ = Boundaries(sets);
  const size_t num_intervals = dfa_.firsts_.size();
  // Which sets an interval is in, as bits; intervals with the same bits are one class.
  const size_t words = sets.size() / 64 + 1;
  std::vector<uint64_t> member(num_intervals * words);
  for (size_t s = 0; s < sets.size(); ++s) {
    size_t i = 0;
    for (const CharRange& range : sets[s].ranges()) {
      while (dfa_.firsts_[i] < range.first) ++i;
      for (; i < num_intervals && dfa_.firsts_[i] <= range.last; ++i) {
        member[i * words + s / 64] |= uint64_t{1} << (s % 64);
      }
    }
  }
  std::map<std::vector<uint64_t>, uint16_t> numbers;
  dfa_.classes_.resize(num_intervals);
  for (size_t i = 0; i < num_intervals; ++i) {
    const std::vector<uint64_t> key(&member[i * words], &member[i * words] + words);
    const bool is_surrogate = dfa_.firsts_[i] >= 0xD800 && dfa_.firsts_[i] < 0xE000;
    // Surrogates are in no set, but a class of characters in no set may be given a next state.
    if (is_surrogate) {
      dfa_.classes_[i] = 0;
      continue;
    }
    const auto [it, is_new] = numbers.emplace(key, static_cast<uint16_t>(numbers.size() + 1));
    dfa_.classes_[i] = it->second;
    if (is_new) {
      if (representatives_.empty()) representatives_.push_back(0xD800);
      representatives_.push_back(dfa_.firsts_[i]);
    }
  }
  dfa_.num_classes_ = numbers.size() + 1;
  for (uint32_t c = 0; c < 128; ++c) {
    dfa_.ascii_[c] = dfa_.classes_[dfa_.IntervalOf(c)];
  }
  dfa_.table_.assign(dfa_.num_classes_, TextDfa::kDead);
  dfa_.accepting_ = {0};
}

TextDfa::State TextDfaBuilder::AddState(bool accepts) {
  dfa_.accepting_.push_back(accepts ? 1 : 0);
  dfa_.table_.resize(dfa_.table_.size() + dfa_.num_classes_, TextDfa::kDead);
  return static_cast<TextDfa::State>(dfa_.accepting_.size() - 1);
}

namespace {

// Pairs of states as lists by the second one, in two flat arrays: this runs for every object of a
// schema.
class BackEdges {
 public:
  BackEdges(const std::vector<TextDfa::State>& table, size_t states, size_t classes)
      : begin_(states + 1, 0) {
    for (const bool counting : {true, false}) {
      if (!counting) {
        for (size_t s = 0; s < states; ++s) begin_[s + 1] += begin_[s];
        from_.resize(begin_[states]);
        fill_.assign(begin_.begin(), begin_.end() - 1);
      }
      for (size_t s = 1; s < states; ++s) {
        TextDfa::State last = 0;
        for (size_t c = 1; c < classes; ++c) {
          const TextDfa::State next = table[s * classes + c];
          if (next == 0 || next == last) continue;
          last = next;
          if (counting) {
            ++begin_[next + 1];
          } else {
            from_[fill_[next]++] = static_cast<uint32_t>(s);
          }
        }
      }
    }
  }
  const uint32_t* begin(size_t state) const { return from_.data() + begin_[state]; }
  const uint32_t* end(size_t state) const { return from_.data() + begin_[state + 1]; }

  // The number of edges from each state to one of `queue`, UINT32_MAX where there is no way.
  std::vector<uint32_t> Distances(std::vector<uint32_t> queue) const {
    std::vector<uint32_t> distance(begin_.size() - 1, UINT32_MAX);
    for (const uint32_t s : queue) distance[s] = 0;
    for (size_t i = 0; i < queue.size(); ++i) {
      for (const uint32_t* s = begin(queue[i]); s != end(queue[i]); ++s) {
        if (distance[*s] != UINT32_MAX) continue;
        distance[*s] = distance[queue[i]] + 1;
        queue.push_back(*s);
      }
    }
    return distance;
  }

 private:
  std::vector<uint32_t> begin_, fill_, from_;
};

}  // namespace

TextDfa TextDfaBuilder::Finish() && {
  const size_t n = dfa_.num_classes_;
  const size_t old_states = dfa_.accepting_.size();
  std::vector<uint32_t> queue;
  for (size_t s = 1; s < old_states; ++s) {
    if (dfa_.accepting_[s] != 0) queue.push_back(static_cast<uint32_t>(s));
  }
  const std::vector<uint32_t> shortest =
      BackEdges(dfa_.table_, old_states, n).Distances(std::move(queue));
  // Keep what is alive and reachable, in the order of a walk from the start: equal automata that
  // were found in another order become equal values more often.
  std::vector<uint32_t> number(old_states, 0), order;
  const bool alive = old_states > 1 && shortest[1] != TextDfa::kUnlimited;
  if (alive) {
    number[1] = 1;
    order.push_back(1);
  }
  for (size_t i = 0; i < order.size(); ++i) {
    for (size_t c = 1; c < n; ++c) {
      const TextDfa::State next = dfa_.table_[order[i] * n + c];
      if (next == 0 || number[next] != 0 || shortest[next] == TextDfa::kUnlimited) continue;
      order.push_back(next);
      number[next] = static_cast<uint32_t>(order.size());
    }
  }
  const size_t states = order.size() + 1;
  std::vector<TextDfa::State> table(states * n, TextDfa::kDead);
  std::vector<uint8_t> accepting(states, 0);
  dfa_.shortest_.assign(states, TextDfa::kUnlimited);
  for (size_t s = 1; s < states; ++s) {
    const uint32_t old = order[s - 1];
    accepting[s] = dfa_.accepting_[old];
    dfa_.shortest_[s] = shortest[old];
    for (size_t c = 1; c < n; ++c) table[s * n + c] = number[dfa_.table_[old * n + c]];
  }
  dfa_.table_ = std::move(table);
  dfa_.accepting_ = std::move(accepting);
  dfa_.start_ = alive ? 1 : TextDfa::kDead;

  // How many characters each class has, and whether one of them is plain.
  std::vector<uint64_t> chars(n, 0);
  std::vector<uint8_t> plain(n, 0);
  for (size_t i = 0; i < dfa_.firsts_.size(); ++i) {
    const uint32_t last =
        i + 1 < dfa_.firsts_.size() ? dfa_.firsts_[i + 1] - 1 : CharSet::kLastChar;
    chars[dfa_.classes_[i]] += last - dfa_.firsts_[i] + 1;
    if (HasPlain(dfa_.firsts_[i], last)) plain[dfa_.classes_[i]] = 1;
  }
  plain[0] = 0;

  // Freedom: the distance to the nearest state that refuses a plain character.
  const BackEdges back(dfa_.table_, states, n);
  queue.clear();
  for (size_t s = 1; s < states; ++s) {
    for (size_t c = 1; c < n; ++c) {
      if (plain[c] == 0 || dfa_.table_[s * n + c] != 0) continue;
      queue.push_back(static_cast<uint32_t>(s));
      break;
    }
  }
  dfa_.freedom_ = back.Distances(std::move(queue));

  // Longest and count: states on or before a cycle are unlimited; the others in order of leaving.
  dfa_.longest_.assign(states, TextDfa::kUnlimited);
  dfa_.count_.assign(states, TextDfa::kUnlimited);
  std::vector<uint32_t> pending(states, 0);
  for (size_t s = 1; s < states; ++s) {
    for (const uint32_t* f = back.begin(s); f != back.end(s); ++f) ++pending[*f];
  }
  queue.clear();
  for (size_t s = 1; s < states; ++s) {
    if (pending[s] == 0) queue.push_back(static_cast<uint32_t>(s));
  }
  for (size_t i = 0; i < queue.size(); ++i) {
    const uint32_t s = queue[i];
    uint64_t count = dfa_.accepting_[s];
    uint32_t longest = 0;
    for (size_t c = 1; c < n; ++c) {
      const auto next = dfa_.table_[s * n + c];
      if (next == 0) continue;
      longest = std::max(longest, dfa_.longest_[next] + 1);
      count = std::min<uint64_t>(count + chars[c] * dfa_.count_[next], TextDfa::kUnlimited);
    }
    dfa_.longest_[s] = longest;
    dfa_.count_[s] = static_cast<uint32_t>(count);
    for (const uint32_t* f = back.begin(s); f != back.end(s); ++f) {
      if (--pending[*f] == 0) queue.push_back(*f);
    }
  }
  return std::move(dfa_);
}

TextDfa TextDfa::Any() {
  TextDfaBuilder builder({CharSet::All()});
  const State state = builder.AddState(true);
  for (size_t c = 1; c < builder.num_classes(); ++c) builder.SetNext(state, c, state);
  return std::move(builder).Finish();
}

namespace {

std::unexpected<Error> TooMuchWork() {
  return Fail(ErrorCode::kUnsupported, "the automaton of the texts takes too much work to make");
}

}  // namespace

Result<TextDfa> TextDfa::OfTexts(const std::vector<std::string>& texts, bool others, Work* work) {
  Work any;
  if (work == nullptr) work = &any;
  // One set for each character that occurs.
  CharSet used;
  for (std::string_view text : texts) {
    while (!text.empty()) {
      const uint32_t c = TakeChar(text);
      used.Add(c, c);
    }
  }
  // Each of them leads to a state at least once, and every state has them all.
  uint64_t characters = 0;
  for (const CharRange& range : used.ranges()) characters += range.last - range.first + 1;
  if (!work->Do(characters * characters)) return TooMuchWork();
  std::vector<CharSet> sets;
  for (const CharRange& range : used.ranges()) {
    for (uint32_t c = range.first; c <= range.last; ++c) sets.push_back({{c, c}});
  }
  if (others) sets.push_back(CharSet::All());
  TextDfaBuilder builder(sets);
  std::unordered_map<uint32_t, size_t> class_of;
  for (size_t c = 1; c < builder.num_classes(); ++c) class_of[builder.CharOf(c)] = c;
  builder.AddState(others);
  // Beside the listed texts, everything leads to a state that accepts everything.
  State rest = kDead;
  const auto open = [&](State state) {
    for (size_t c = 1; others && c < builder.num_classes(); ++c) builder.SetNext(state, c, rest);
  };
  if (others) {
    rest = builder.AddState(true);
    open(rest);
    open(1);
  }
  std::unordered_map<uint64_t, State> next;
  for (std::string_view text : texts) {
    State state = 1;
    if (!work->Do(20 * text.size())) return TooMuchWork();
    while (!text.empty()) {
      const size_t c = class_of[TakeChar(text)];
      const auto [it, is_new] = next.emplace(uint64_t{state} << 16 | c, 0);
      if (is_new) {
        if (!work->Do(2 * builder.work_of_state())) return TooMuchWork();
        it->second = builder.AddState(others);
        open(it->second);
        builder.SetNext(state, c, it->second);
      }
      state = it->second;
    }
    builder.SetAccepts(state, !others);
  }
  return std::move(builder).Finish();
}

Result<TextDfa> TextDfa::Combine(const TextDfa& a, const TextDfa& b, Op op, Work* work) {
  Work any;
  if (work == nullptr) work = &any;
  if (!work->Do(100 * (a.firsts_.size() + b.firsts_.size()))) return TooMuchWork();
  // Classes of the result: pairs of classes that share a character.
  std::map<std::pair<uint16_t, uint16_t>, CharSet> pairs;
  size_t i = 0, j = 0;
  for (uint32_t c = 0; c <= CharSet::kLastChar;) {
    const uint32_t a_end = i + 1 < a.firsts_.size() ? a.firsts_[i + 1] : CharSet::kLastChar + 1;
    const uint32_t b_end = j + 1 < b.firsts_.size() ? b.firsts_[j + 1] : CharSet::kLastChar + 1;
    const uint32_t end = std::min(a_end, b_end);
    pairs[{a.classes_[i], b.classes_[j]}].Add(c, end - 1);
    if (a_end == end) ++i;
    if (b_end == end) ++j;
    c = end;
  }
  std::vector<CharSet> sets;
  for (const auto& [pair, set] : pairs) {
    if (!set.empty()) sets.push_back(set);
  }
  TextDfaBuilder builder(sets);
  const auto wanted = [&](State sa, State sb) {
    switch (op) {
      case Op::kAnd:
        return sa != kDead && sb != kDead;
      case Op::kOr:
        return sa != kDead || sb != kDead;
      case Op::kWithout:
        return sa != kDead;
    }
    return false;
  };
  const auto accepts = [&](State sa, State sb) {
    const bool in_a = a.Accepts(sa), in_b = b.Accepts(sb);
    return op == Op::kAnd ? in_a && in_b : op == Op::kOr ? in_a || in_b : in_a && !in_b;
  };
  std::unordered_map<uint64_t, State> numbers;
  std::vector<std::pair<State, State>> open;
  const auto number = [&](State sa, State sb) {
    const auto [it, is_new] = numbers.emplace(uint64_t{sa} << 32 | sb, 0);
    if (is_new) {
      it->second = builder.AddState(accepts(sa, sb));
      open.emplace_back(sa, sb);
    }
    return it->second;
  };
  if (!wanted(a.start_, b.start_)) return std::move(builder).Finish();
  number(a.start_, b.start_);
  for (size_t k = 0; k < open.size(); ++k) {
    if (!work->Do(2 * builder.work_of_state())) return TooMuchWork();
    const auto [sa, sb] = open[k];
    const State from = numbers[uint64_t{sa} << 32 | sb];
    for (size_t c = 1; c < builder.num_classes(); ++c) {
      const uint32_t character = builder.CharOf(c);
      const State na = a.Next(sa, character), nb = b.Next(sb, character);
      if (wanted(na, nb)) builder.SetNext(from, c, number(na, nb));
    }
    if (builder.num_states() > kMaxStates) {
      return Fail(ErrorCode::kUnsupported, "the patterns need more than ", kMaxStates,
                  " states together");
    }
  }
  return std::move(builder).Finish();
}

Result<bool> TextDfa::Meet(const TextDfa& a, const TextDfa& b) {
  if (a.IsEmpty() || b.IsEmpty()) return false;
  GEMMA3_TRY(const TextDfa both, Combine(a, b, Op::kAnd));
  return !both.IsEmpty();
}

}  // namespace gemma3
