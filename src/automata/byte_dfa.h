// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Deterministic automata over bytes, written out: fixed texts and numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace gemma3 {

// State 0 is the start. Every state can still reach an accepting one.
struct ByteDfa {
  struct Edge {
    uint8_t first, last;  // inclusive
    uint32_t next;
    bool operator==(const Edge&) const = default;
  };
  struct State {
    uint32_t edges_begin = 0, edges_end = 0;  // in `edges`
    bool accepts = false;
    bool operator==(const State&) const = default;
  };
  std::vector<State> states;
  std::vector<Edge> edges;

  bool empty() const { return states.empty(); }
  bool operator==(const ByteDfa&) const = default;
  uint64_t Hash() const;
  // Exactly these texts.
  static ByteDfa AnyOf(std::vector<std::string> texts);
};

}  // namespace gemma3
