// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The terminals of a grammar as automata over single bytes, made state by state as they are met.
//
// For a text that is the product of its automaton over characters with what is between them: the
// quotes, the bytes of UTF-8, escapes. A state in the middle of a character exists only where some
// character that it may become leads on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "src/constrain/grammar.h"

namespace gemma3 {

// Not for several threads at once.
class TerminalStates {
 public:
  using Id = uint32_t;
  static constexpr Id kDead = 0;
  static constexpr uint32_t kNoKey = UINT32_MAX;

  enum class Place : uint8_t {
    kWritten,  // of kBytes and kKeys: `at` is the automaton's state; `base` is 0 or 1 + the room
    kOpening,  // before the opening quote
    kInside,   // between characters; `at` is the state of the automaton over characters
    kUtf8,     // `left` bytes are missing; the characters from `base` on are possible
    kUtf8Any,  // the same, where all of them lead to the state `at`
    kBackslash,
    kHex,     // behind \u and `left` digits with the value `base`
    kLow,     // behind the first half `base` of a pair and `left` characters of the second
    kLowHex,  // the same; `left` digits with the value base & 0xFFF, high half above
    kClosed,
  };
  struct State {
    uint32_t terminal;
    uint32_t at;
    uint32_t base;
    Place place;
    uint8_t left;
    bool accepts;  // as far as the automaton goes; a counted text has a say in it (Accepts)
    bool is_last;  // nothing can follow in this terminal
    bool counted;
    uint32_t key;  // that was written, for kKeys
  };

  explicit TerminalStates(const CompiledGrammar& grammar);

  // `room` is how much deeper what follows may be nested, by DepthKind - 1: a key whose value must
  // go deeper is not begun.
  Id Start(uint32_t terminal, const uint32_t (&room)[2]);
  const State& state(Id id) const { return states_[id]; }
  bool Accepts(Id id, uint32_t count) const {
    const State& s = states_[id];
    return s.accepts && (!s.counted || count >= TextOf(s).least);
  }
  // Goes on by one byte; `count` is the number of characters of a counted text, 0 of others.
  Id Step(Id id, uint8_t byte, uint32_t* count) {
    const uint32_t entry = Row(id)[byte];
    if (entry == kDead || !states_[entry & kIdMask].counted) return entry & kIdMask;
    return StepCounted(entry, count);
  }
  // The same without regard to the bounds of a counted text.
  Id StepUncounted(Id id, uint8_t byte) { return Row(id)[byte] & kIdMask; }
  // Of a text that is not counted: [256] states.
  const uint32_t* Row(Id id) {
    const uint32_t* row = rows_[id].get();
    return row != nullptr ? row : FillRow(id);
  }
  const TextTerminal& TextOf(const State& s) const {
    return grammar_.texts[grammar_.terminals[s.terminal].index];
  }
  // A count for which the next `reach` bytes are judged as for `count`. Few are left.
  uint32_t CanonicalCount(Id id, uint32_t count, uint32_t reach) const;

  // A state of another store of the same grammar, here.
  Id Import(const State& s) { return Intern(s.terminal, s.place, s.at, s.base, s.left); }

  size_t bytes() const { return bytes_; }

 private:
  static constexpr uint32_t kWholeChar = uint32_t{1} << 31;  // in a row: a character ends here
  static constexpr uint32_t kIdMask = kWholeChar - 1;

  struct Key {
    uint32_t terminal, at, base;
    uint32_t place_left;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      uint64_t hash = uint64_t{key.terminal} << 32 | key.at;
      hash = (hash ^ (hash >> 29)) * 0xBF58476D1CE4E5B9ull + key.base;
      hash = (hash ^ (hash >> 32)) * 0x94D049BB133111EBull + key.place_left;
      return static_cast<size_t>(hash ^ (hash >> 31));
    }
  };

  Id Intern(uint32_t terminal, Place place, uint32_t at, uint32_t base = 0, uint8_t left = 0);
  const uint32_t* FillRow(Id id);
  void FillTextRow(const State& s, uint32_t* row);
  Id StepCounted(uint32_t entry, uint32_t* count) const;
  bool PartCanComplete(const State& s, uint32_t count) const;
  uint32_t AfterChar(const State& s, uint32_t c);  // an entry of a row
  uint32_t Utf8Part(const State& s, uint32_t base, uint8_t left);
  bool AnyLeads(const State& s, uint32_t first, uint32_t last) const;
  bool MayEscape(const TextTerminal& text, uint32_t c) const;
  bool AnyEscapeLeads(const State& s, uint32_t first, uint32_t last) const;

  const CompiledGrammar& grammar_;
  std::vector<State> states_;
  std::vector<std::unique_ptr<uint32_t[]>> rows_;
  std::unordered_map<Key, Id, KeyHash> ids_;
  std::vector<Id> starts_;  // by terminal; kIdMask: not made yet
  size_t bytes_ = 0;
};

}  // namespace gemma3
