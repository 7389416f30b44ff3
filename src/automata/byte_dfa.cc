// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/automata/byte_dfa.h"

#include <algorithm>
#include <utility>

namespace gemma3 {

uint64_t ByteDfa::Hash() const {
  uint64_t hash = states.size();
  const auto add = [&](uint64_t value) { hash = (hash ^ value) * 0x9E3779B97F4A7C15ull; };
  for (const State& state : states) add(uint64_t{state.edges_end} << 1 | (state.accepts ? 1 : 0));
  for (const Edge& edge : edges) {
    add(uint64_t{edge.next} << 16 | uint64_t{edge.first} << 8 | edge.last);
  }
  return hash;
}

ByteDfa ByteDfa::AnyOf(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  ByteDfa dfa;
  if (texts.empty()) return dfa;
  // Level by level: the texts of a state are a range that shares its first bytes.
  struct Range {
    size_t begin, end, depth;
  };
  std::vector<Range> ranges = {{0, texts.size(), 0}};
  for (size_t s = 0; s < ranges.size(); ++s) {
    auto [begin, end, depth] = ranges[s];
    State state;
    state.edges_begin = static_cast<uint32_t>(dfa.edges.size());
    if (texts[begin].size() == depth) {
      state.accepts = true;
      ++begin;
    }
    while (begin < end) {
      const auto byte = static_cast<uint8_t>(texts[begin][depth]);
      size_t next = begin + 1;
      while (next < end && static_cast<uint8_t>(texts[next][depth]) == byte) ++next;
      dfa.edges.push_back({byte, byte, static_cast<uint32_t>(ranges.size())});
      ranges.push_back({begin, next, depth + 1});
      begin = next;
    }
    state.edges_end = static_cast<uint32_t>(dfa.edges.size());
    dfa.states.push_back(state);
  }
  return dfa;
}

}  // namespace gemma3
