// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/constrain/terminal_states.h"

#include <algorithm>

namespace gemma3 {
namespace {

constexpr uint32_t kFirstHigh = 0xD800, kFirstLow = 0xDC00, kLastLow = 0xDFFF;

struct ShortEscape {
  char letter;
  uint32_t c;
};
constexpr ShortEscape kShortEscapes[] = {{'"', '"'},  {'\\', '\\'}, {'b', '\b'}, {'f', '\f'},
                                         {'n', '\n'}, {'r', '\r'},  {'t', '\t'}, {'/', '/'}};

int HexValue(int byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

uint32_t FirstOfPairs(uint32_t high) { return 0x10000 + ((high - kFirstHigh) << 10); }

}  // namespace

TerminalStates::TerminalStates(const CompiledGrammar& grammar) : grammar_(grammar) {
  states_.push_back({});
  rows_.emplace_back();
  starts_.assign(grammar.terminals.size(), kIdMask);
}

TerminalStates::Id TerminalStates::Intern(uint32_t terminal, Place place, uint32_t at,
                                          uint32_t base, uint8_t left) {
  const Key key = {terminal, at, base, uint32_t{left} << 8 | static_cast<uint32_t>(place)};
  const auto [it, is_new] = ids_.emplace(key, static_cast<Id>(states_.size()));
  if (!is_new) return it->second;
  State s = {terminal, at, base, place, left, false, false, false, kNoKey};
  const GrammarTerminal& t = grammar_.terminals[terminal];
  switch (t.kind) {
    case GrammarTerminal::Kind::kBytes: {
      const ByteDfa::State& state = grammar_.byte_dfas[t.index].states[at];
      s.accepts = state.accepts;
      s.is_last = state.edges_begin == state.edges_end;
      break;
    }
    case GrammarTerminal::Kind::kKeys: {
      const KeySet::Node& node = grammar_.key_sets[t.index].nodes[at];
      s.key = node.key;
      s.accepts = node.key != kNoKey;
      s.is_last = node.edges_begin == node.edges_end;
      break;
    }
    case GrammarTerminal::Kind::kText: {
      const TextTerminal& text = grammar_.texts[t.index];
      s.counted = text.IsCounted();
      if (place == Place::kClosed) {
        s.accepts = s.is_last = true;
      } else if (text.form == TextTerminal::Form::kRaw && place == Place::kInside) {
        s.accepts = text.dfa->Accepts(at);
        s.is_last = text.dfa->Longest(at) == 0;
      }
      break;
    }
  }
  states_.push_back(s);
  rows_.emplace_back();
  bytes_ += sizeof(State) + 96;
  return it->second;
}

TerminalStates::Id TerminalStates::Start(uint32_t terminal, const uint32_t (&room)[2]) {
  if (const GrammarTerminal& t = grammar_.terminals[terminal];
      t.kind == GrammarTerminal::Kind::kKeys &&
      (t.deepest[1] > room[0] || t.deepest[2] > room[1])) {
    const uint32_t packed = std::min(room[0], 0xFFFEu) << 16 | std::min(room[1], 0xFFFEu);
    return Intern(terminal, Place::kWritten, 0, packed + 1);
  }
  Id& start = starts_[terminal];
  if (start != kIdMask) return start;
  const GrammarTerminal& t = grammar_.terminals[terminal];
  start = kDead;
  switch (t.kind) {
    case GrammarTerminal::Kind::kBytes:
      if (!grammar_.byte_dfas[t.index].empty()) start = Intern(terminal, Place::kWritten, 0);
      break;
    case GrammarTerminal::Kind::kKeys:
      start = Intern(terminal, Place::kWritten, 0);
      break;
    case GrammarTerminal::Kind::kText: {
      const TextTerminal& text = grammar_.texts[t.index];
      if (text.dfa->IsEmpty() || !text.CanComplete(text.dfa->start(), 0)) break;
      const bool raw = text.form == TextTerminal::Form::kRaw;
      start = Intern(terminal, raw ? Place::kInside : Place::kOpening, text.dfa->start());
      break;
    }
  }
  return start;
}

const uint32_t* TerminalStates::FillRow(Id id) {
  auto row = std::make_unique<uint32_t[]>(256);
  const State s = states_[id];  // a copy: Intern moves them
  const GrammarTerminal& t = grammar_.terminals[s.terminal];
  switch (t.kind) {
    case GrammarTerminal::Kind::kBytes: {
      const ByteDfa& dfa = grammar_.byte_dfas[t.index];
      for (uint32_t e = dfa.states[s.at].edges_begin; e < dfa.states[s.at].edges_end; ++e) {
        const Id next = Intern(s.terminal, Place::kWritten, dfa.edges[e].next);
        for (int b = dfa.edges[e].first; b <= dfa.edges[e].last; ++b) row[b] = next;
      }
      break;
    }
    case GrammarTerminal::Kind::kKeys: {
      const KeySet& keys = grammar_.key_sets[t.index];
      const uint32_t free_room = s.base == 0 ? kNoLimit : (s.base - 1) >> 16;
      const uint32_t recursion_room = s.base == 0 ? kNoLimit : (s.base - 1) & 0xFFFF;
      const auto usable = [&](uint32_t key) {
        const auto& height = grammar_.node_height[t.values + key];
        return height[0] != kNoLimit && height[1] <= free_room && height[2] <= recursion_room;
      };
      for (uint32_t e = keys.nodes[s.at].edges_begin; e < keys.nodes[s.at].edges_end; ++e) {
        const auto [byte, next] = keys.edges[e];
        if (!keys.Leads(next, t.first, t.last, usable)) continue;
        row[byte] = Intern(s.terminal, Place::kWritten, next, s.base);
      }
      break;
    }
    case GrammarTerminal::Kind::kText:
      FillTextRow(s, row.get());
      break;
  }
  bytes_ += 1024;
  rows_[id] = std::move(row);
  return rows_[id].get();
}

// The state behind character c, as an entry.
uint32_t TerminalStates::AfterChar(const State& s, uint32_t c) {
  const TextDfa::State next = TextOf(s).dfa->Next(s.at, c);
  if (next == TextDfa::kDead) return kDead;
  return Intern(s.terminal, Place::kInside, next) | kWholeChar;
}

bool TerminalStates::AnyLeads(const State& s, uint32_t first, uint32_t last) const {
  bool any = false;
  TextOf(s).dfa->NextForAll(s.at, first, last, &any);
  return any;
}

bool TerminalStates::MayEscape(const TextTerminal& text, uint32_t c) const {
  return text.form == TextTerminal::Form::kFree || c < 0x20 || c > 0x7E;
}

bool TerminalStates::AnyEscapeLeads(const State& s, uint32_t first, uint32_t last) const {
  if (TextOf(s).form == TextTerminal::Form::kFree) return AnyLeads(s, first, last);
  return (first < 0x20 && AnyLeads(s, first, std::min(last, 0x1Fu))) ||
         (last > 0x7E && AnyLeads(s, std::max(first, 0x7Fu), last));
}

// Behind the beginning of a character of several bytes: `left` more are needed, and the characters
// from `base` on, 64 to the power of `left`, are possible.
uint32_t TerminalStates::Utf8Part(const State& s, uint32_t base, uint8_t left) {
  const uint32_t size = uint32_t{1} << (6 * left);
  // Overlong forms are no characters; what begins within a block of three or four bytes is.
  uint32_t first = base, last = base + size - 1;
  if (left == 2 && base == 0) first = 0x800;
  if (left == 3 && base == 0) first = 0x10000;
  if (last > CharSet::kLastChar) last = CharSet::kLastChar;
  if (first > last) return kDead;
  bool any = false;
  const TextDfa::State next = TextOf(s).dfa->NextForAll(s.at, first, last, &any);
  if (!any) return kDead;
  const bool whole = first == base && last == base + size - 1;
  if (whole && next != TextDfa::kDead) {
    return Intern(s.terminal, Place::kUtf8Any, next, 0, left);
  }
  return Intern(s.terminal, Place::kUtf8, s.at, base, left);
}

void TerminalStates::FillTextRow(const State& s, uint32_t* row) {
  const TextTerminal& text = TextOf(s);
  const bool raw = text.form == TextTerminal::Form::kRaw;
  switch (s.place) {
    case Place::kWritten:
    case Place::kClosed:
      break;
    case Place::kOpening:
      row['"'] = Intern(s.terminal, Place::kInside, s.at);
      break;
    case Place::kInside: {
      for (uint32_t b = raw ? 0 : 0x20; b < 0x80; ++b) {
        if (!raw && (b == '"' || b == '\\')) continue;
        row[b] = AfterChar(s, b);
      }
      if (!raw) {
        if (text.dfa->Accepts(s.at)) row['"'] = Intern(s.terminal, Place::kClosed, 0);
        bool escape = AnyEscapeLeads(s, 0, CharSet::kLastChar);
        for (const ShortEscape& e : kShortEscapes) {
          if (e.letter == '/' && text.form != TextTerminal::Form::kFree) continue;
          escape |= text.dfa->Next(s.at, e.c) != TextDfa::kDead;
        }
        if (escape) row['\\'] = Intern(s.terminal, Place::kBackslash, s.at);
      }
      for (uint32_t b = 0xC2; b < 0xE0; ++b) row[b] = Utf8Part(s, (b & 31) << 6, 1);
      for (uint32_t b = 0xE0; b < 0xF0; ++b) row[b] = Utf8Part(s, (b & 15) << 12, 2);
      for (uint32_t b = 0xF0; b < 0xF5; ++b) row[b] = Utf8Part(s, (b & 7) << 18, 3);
      break;
    }
    case Place::kUtf8:
      for (uint32_t b = 0x80; b < 0xC0; ++b) {
        const auto left = static_cast<uint8_t>(s.left - 1);
        const uint32_t base = s.base + ((b & 63) << (6 * left));
        const bool overlong = (s.left == 2 && base < 0x800) || (s.left == 3 && base < 0x10000);
        if (overlong || base > CharSet::kLastChar) continue;
        if (left == 0) {
          row[b] = AfterChar(s, base);
          continue;
        }
        const uint32_t last = std::min(base + (uint32_t{1} << (6 * left)) - 1, CharSet::kLastChar);
        bool any = false;
        const TextDfa::State next = text.dfa->NextForAll(s.at, base, last, &any);
        if (!any) continue;
        row[b] = next != TextDfa::kDead ? Intern(s.terminal, Place::kUtf8Any, next, 0, left)
                                        : Intern(s.terminal, Place::kUtf8, s.at, base, left);
      }
      break;
    case Place::kUtf8Any:
      for (uint32_t b = 0x80; b < 0xC0; ++b) {
        row[b] = s.left == 1 ? (Intern(s.terminal, Place::kInside, s.at) | kWholeChar)
                             : Intern(s.terminal, Place::kUtf8Any, s.at, 0,
                                      static_cast<uint8_t>(s.left - 1));
      }
      break;
    case Place::kBackslash:
      for (const ShortEscape& e : kShortEscapes) {
        if (e.letter == '/' && text.form != TextTerminal::Form::kFree) continue;
        row[static_cast<uint8_t>(e.letter)] = AfterChar(s, e.c);
      }
      if (AnyEscapeLeads(s, 0, CharSet::kLastChar)) {
        row['u'] = Intern(s.terminal, Place::kHex, s.at, 0, 0);
      }
      break;
    case Place::kHex:
      for (int b = '0'; b <= 'f'; ++b) {
        const int digit = HexValue(b);
        if (digit < 0) continue;
        const uint32_t value = s.base << 4 | static_cast<uint32_t>(digit);
        const int left = 3 - s.left;  // digits behind this one
        const uint32_t first = value << (4 * left), last = first + (1u << (4 * left)) - 1;
        if (left == 0) {
          if (value >= kFirstHigh && value < kFirstLow) {
            const uint32_t base = FirstOfPairs(value);
            if (AnyLeads(s, base, base + 0x3FF)) {
              row[b] = Intern(s.terminal, Place::kLow, s.at, value, 0);
            }
          } else if ((value < kFirstHigh || value > kLastLow) && MayEscape(text, value)) {
            row[b] = AfterChar(s, value);
          }
          continue;
        }
        bool leads = AnyEscapeLeads(s, first, last);
        if (!leads && last >= kFirstHigh && first < kFirstLow) {
          const uint32_t high_first = std::max(first, kFirstHigh);
          const uint32_t high_last = std::min(last, kFirstLow - 1);
          leads = AnyLeads(s, FirstOfPairs(high_first), FirstOfPairs(high_last) + 0x3FF);
        }
        if (leads) {
          row[b] = Intern(s.terminal, Place::kHex, s.at, value, static_cast<uint8_t>(s.left + 1));
        }
      }
      break;
    case Place::kLow:
      if (s.left == 0) {
        row['\\'] = Intern(s.terminal, Place::kLow, s.at, s.base, 1);
      } else {
        row['u'] = Intern(s.terminal, Place::kLowHex, s.at, s.base << 12, 0);
      }
      break;
    case Place::kLowHex: {
      // base: the first half, 12 bits for the digits so far (four digits minus the leading D).
      const uint32_t high = s.base >> 12, so_far = s.base & 0xFFF;
      for (int b = '0'; b <= 'f'; ++b) {
        const int digit = HexValue(b);
        if (digit < 0) continue;
        if (s.left == 0) {
          if (digit == 0xD) row[b] = Intern(s.terminal, Place::kLowHex, s.at, high << 12, 1);
          continue;
        }
        const uint32_t value = so_far << 4 | static_cast<uint32_t>(digit);  // of 12 bits
        const int left = 3 - s.left;
        const uint32_t first = value << (4 * left), last = first + (1u << (4 * left)) - 1;
        if (last < 0xC00) continue;  // DC00 to DFFF
        const uint32_t from = std::max(first, 0xC00u) - 0xC00, to = last - 0xC00;
        if (!AnyLeads(s, FirstOfPairs(high) + from, FirstOfPairs(high) + to)) continue;
        row[b] = left == 0 ? AfterChar(s, FirstOfPairs(high) + from)
                           : Intern(s.terminal, Place::kLowHex, s.at, high << 12 | value,
                                    static_cast<uint8_t>(s.left + 1));
      }
      break;
    }
  }
}

// Whether some character that this part of one may become can be completed behind `count` others.
bool TerminalStates::PartCanComplete(const State& s, uint32_t count) const {
  const TextTerminal& text = TextOf(s);
  if (count >= text.most) return false;
  if (text.lengths.empty()) return true;
  const auto any = [&](uint32_t first, uint32_t last) {
    bool found = false;
    text.dfa->EachNext(s.at, first, std::min(last, CharSet::kLastChar),
                       [&](TextDfa::State next) { found |= text.CanComplete(next, count + 1); });
    return found;
  };
  const auto any_escape = [&](uint32_t first, uint32_t last) {
    if (text.form == TextTerminal::Form::kFree) return any(first, last);
    return (first < 0x20 && any(first, std::min(last, 0x1Fu))) ||
           (last > 0x7E && any(std::max(first, 0x7Fu), last));
  };
  const auto any_pair = [&](uint32_t first_high, uint32_t last_high) {
    return any(FirstOfPairs(first_high), FirstOfPairs(last_high) + 0x3FF);
  };
  switch (s.place) {
    case Place::kUtf8Any:
      return text.CanComplete(s.at, count + 1);
    case Place::kUtf8: {
      const uint32_t least = s.left == 2 ? 0x800 : s.left == 3 ? 0x10000 : 0;
      const bool is_lead = s.base == 0;
      return any(is_lead ? least : s.base, s.base + (1u << (6 * s.left)) - 1);
    }
    case Place::kBackslash:
      for (const ShortEscape& e : kShortEscapes) {
        if (e.letter == '/' && text.form != TextTerminal::Form::kFree) continue;
        if (any(e.c, e.c)) return true;
      }
      return any_escape(0, CharSet::kLastChar);
    case Place::kHex: {
      const int digits = 4 - s.left;
      const uint32_t first = s.base << (4 * digits), last = first + (1u << (4 * digits)) - 1;
      return any_escape(first, last) ||
             (last >= kFirstHigh && first < kFirstLow &&
              any_pair(std::max(first, kFirstHigh), std::min(last, kFirstLow - 1)));
    }
    case Place::kLow:
      return any_pair(s.base, s.base);
    case Place::kLowHex: {
      const uint32_t high = s.base >> 12;
      if (s.left <= 1) return any_pair(high, high);
      const int digits = 4 - s.left;
      const uint32_t first = (s.base & 0xFFF) << (4 * digits);
      const uint32_t from = std::max(first, 0xC00u) - 0xC00;
      return any(FirstOfPairs(high) + from,
                 FirstOfPairs(high) + first + (1u << (4 * digits)) - 1 - 0xC00);
    }
    default:
      return true;
  }
}

TerminalStates::Id TerminalStates::StepCounted(uint32_t entry, uint32_t* count) const {
  const Id id = entry & kIdMask;
  const State& s = states_[id];
  const TextTerminal& text = TextOf(s);
  switch (s.place) {
    case Place::kInside:
      if ((entry & kWholeChar) != 0) ++*count;
      return text.CanComplete(s.at, *count) ? id : kDead;
    case Place::kClosed:
      return *count >= text.least ? id : kDead;
    default:
      return PartCanComplete(s, *count) ? id : kDead;
  }
}

uint32_t TerminalStates::CanonicalCount(Id id, uint32_t count, uint32_t reach) const {
  const State& s = states_[id];
  if (!s.counted || count == 0) return count;
  if (s.place == Place::kClosed) return 0;
  const TextTerminal& text = TextOf(s);
  const uint32_t room = text.most == kNoLimit ? kNoLimit : text.most - count;
  const uint32_t enough = reach + text.max_shortest + 1;
  if (count >= text.least) {
    if (text.most == kNoLimit) return text.least;
    if (!text.smooth && !text.lengths.empty()) return count;
    if (room <= enough) return count;
    return text.most - enough >= text.least ? text.most - enough : count;
  }
  if (!text.smooth && !text.lengths.empty()) return count;
  const uint32_t need = text.least - count;
  return need > reach + 1 && room > need + enough ? text.least - reach - 1 : count;
}

}  // namespace gemma3
