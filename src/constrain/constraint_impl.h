// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a Constraint holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gemma3/constraint.h"
#include "src/constrain/grammar.h"
#include "src/constrain/parse_states.h"
#include "src/constrain/token_mask.h"
#include "src/constrain/token_trie.h"

namespace gemma3 {

// What a terminal's state allows by itself, whatever stands around it.
struct TerminalMask {
  uint32_t plain_chars = 0;     // plain tokens of up to so many characters are allowed
  std::vector<TokenId> tokens;  // that stay in the terminal, others than those
  std::vector<uint64_t> bits;   // in place of `tokens` where they are many
  struct Exit {
    uint32_t node, key;  // of a trie, behind which the terminal may be complete
  };
  std::vector<Exit> exits;
  bool exits_in_rest = false;   // the trie of tokens that are not plain
  bool too_many_exits = false;  // the terminal's threads are walked through the whole trie instead
};

// What is known about one grammar over one vocabulary. `mutex` guards all of it.
struct MaskStore {
  static constexpr size_t kMaxBytes = size_t{64} << 20;

  explicit MaskStore(const CompiledGrammar& grammar) : states(grammar) {}
  size_t bytes() const { return states.bytes() + mask_bytes; }

  std::mutex mutex;
  ParseStates states;
  std::unordered_map<ParseStates::Id, std::shared_ptr<const TokenMask>> masks;
  std::unordered_map<uint64_t, std::unique_ptr<const TerminalMask>> terminal_masks;
  size_t mask_bytes = 0;
};

struct Constraint::Impl {
  std::shared_ptr<const CompiledGrammar> grammar;
  std::vector<std::string> remarks;
  bool relaxed = false;
  std::string source;

  // The store for a vocabulary (id 0: none). A new one where `full` is the one that there is.
  std::shared_ptr<MaskStore> Store(uint64_t vocabulary_id, const MaskStore* full) const;

 private:
  static constexpr size_t kMaxStores = 4;
  mutable std::mutex mutex_;
  mutable std::vector<std::pair<uint64_t, std::shared_ptr<MaskStore>>> stores_;  // latest last
};

}  // namespace gemma3
