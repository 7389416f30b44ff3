// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Deterministic automata over characters: what a text may be. Patterns, formats and sets of keys
// become these; terminal_states.h turns one into the bytes that a JSON string is written with.
//
// Every state but kDead can still reach an accepting one, so a walk that has not died can always be
// completed. An automaton whose start is kDead accepts nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "src/automata/char_set.h"
#include "src/automata/work.h"

namespace gemma3 {

class TextDfa {
 public:
  using State = uint32_t;
  static constexpr State kDead = 0;
  static constexpr size_t kMaxStates = 20000;
  static constexpr uint32_t kUnlimited = UINT32_MAX;

  State start() const { return start_; }
  bool IsEmpty() const { return start_ == kDead; }
  size_t num_states() const { return accepting_.size(); }
  bool Accepts(State state) const { return accepting_[state] != 0; }
  State Next(State state, uint32_t c) const { return table_[state * num_classes_ + ClassOf(c)]; }
  size_t table_size() const { return table_.size(); }
  // Where all characters of [first, last] lead to one state: that state, else kDead. `any` tells
  // whether at least one of them leads to a state that is not dead.
  State NextForAll(State state, uint32_t first, uint32_t last, bool* any) const;
  bool Matches(std::string_view text) const;        // of valid UTF-8
  std::vector<State> Followers(State state) const;  // each once, without kDead
  // Calls fn(next) for where the characters of [first, last] lead, kDead left out.
  template <class Fn>
  void EachNext(State state, uint32_t first, uint32_t last, const Fn& fn) const {
    for (size_t i = IntervalOf(first); i < firsts_.size() && firsts_[i] <= last; ++i) {
      const State next = table_[state * num_classes_ + classes_[i]];
      if (next != kDead) fn(next);
    }
  }

  // The most characters n so that every text of at most n plain characters (see IsPlain) leads from
  // `state` to a state that is not dead; capped at kUnlimited.
  uint32_t Freedom(State state) const { return freedom_[state]; }
  // The longest and shortest text that leads from `state` to an accepting one.
  uint32_t Longest(State state) const { return longest_[state]; }
  uint32_t Shortest(State state) const { return shortest_[state]; }
  // How many texts are accepted from `state`; capped at kUnlimited, also where they are endless.
  uint32_t Count(State state) const { return count_[state]; }
  // All accepted texts of an automaton that accepts no more than `most`, else none.
  std::vector<std::string> Texts(size_t most) const;

  bool operator==(const TextDfa& other) const {
    return start_ == other.start_ && table_ == other.table_ && firsts_ == other.firsts_ &&
           classes_ == other.classes_ && accepting_ == other.accepting_;
  }
  uint64_t Hash() const;

  // Every text; the texts of a list; all but those. Errors here and below: kUnsupported where that
  // is more work than there is left; null: it may be any.
  static TextDfa Any();
  static Result<TextDfa> AnyOf(const std::vector<std::string>& texts, Work* work = nullptr) {
    return OfTexts(texts, false, work);
  }
  static Result<TextDfa> AllBut(const std::vector<std::string>& texts, Work* work = nullptr) {
    return OfTexts(texts, true, work);
  }

  enum class Op { kAnd, kOr, kWithout };
  // Errors: kUnsupported where the result has more than kMaxStates states.
  static Result<TextDfa> Combine(const TextDfa& a, const TextDfa& b, Op op, Work* work = nullptr);
  // Whether some text is accepted by both. Errors as above.
  static Result<bool> Meet(const TextDfa& a, const TextDfa& b);

 private:
  friend class TextDfaBuilder;
  static Result<TextDfa> OfTexts(const std::vector<std::string>& texts, bool others, Work* work);
  uint32_t ClassOf(uint32_t c) const { return c < 128 ? ascii_[c] : classes_[IntervalOf(c)]; }
  size_t IntervalOf(uint32_t c) const;

  State start_ = kDead;
  size_t num_classes_ = 1;
  std::vector<uint32_t> firsts_;   // first characters of intervals; firsts_[0] is 0
  std::vector<uint16_t> classes_;  // [intervals]
  uint16_t ascii_[128] = {};
  std::vector<State> table_;  // [states, classes]
  std::vector<uint8_t> accepting_;
  std::vector<uint32_t> freedom_, longest_, shortest_, count_;
};

// Makes an automaton from states that are numbered as they are found; unreachable and dead ones are
// taken out at the end.
class TextDfaBuilder {
 public:
  // The characters are divided into classes that no set of `sets` divides.
  explicit TextDfaBuilder(const std::vector<CharSet>& sets);

  // What a state costs, from AddState to Finish.
  uint64_t work_of_state() const { return 30 + 30 * num_classes(); }

  size_t num_classes() const { return dfa_.num_classes_; }
  // A character of the class, by which membership of the whole class in any of the sets is decided.
  uint32_t CharOf(size_t char_class) const { return representatives_[char_class]; }
  TextDfa::State AddState(bool accepts);  // numbered from 1; the first one is the start
  void SetNext(TextDfa::State from, size_t char_class, TextDfa::State to) {
    dfa_.table_[from * dfa_.num_classes_ + char_class] = to;
  }
  void SetAccepts(TextDfa::State state, bool accepts) { dfa_.accepting_[state] = accepts ? 1 : 0; }
  size_t num_states() const { return dfa_.accepting_.size(); }
  TextDfa Finish() &&;

 private:
  TextDfa dfa_;
  std::vector<uint32_t> representatives_;
};

// A character that JSON strings hold as it is and that common patterns let through: not a control
// character, quote or backslash, nor one of the two line separators that `.` excludes.
constexpr bool IsPlain(uint32_t c) {
  return c >= 0x20 && c != '"' && c != '\\' && c != 0x2028 && c != 0x2029;
}

}  // namespace gemma3
