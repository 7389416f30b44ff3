// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What has been read of a text, as one number.
//
// A parse is a set of threads: each stands in a terminal and knows, by a stack of frames, what
// comes behind it. Frames are shared (a stack is a chain of them), sets are numbered when they are
// first met, and where a byte leads is remembered. So going back is keeping a number, and what was
// seen once in one place of an array costs nothing in the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "src/constrain/grammar.h"
#include "src/constrain/terminal_states.h"

namespace gemma3 {

struct ParseThread {
  TerminalStates::Id state;
  uint32_t count;  // of the characters of a counted text
  NodeId node;     // the terminal's
  uint32_t frame;
  auto operator<=>(const ParseThread&) const = default;
};

// Not for several threads at once.
class ParseStates {
 public:
  using Id = uint32_t;
  static constexpr Id kDead = 0;
  // In place of a state with more than kMaxThreads threads. Nothing follows it.
  static constexpr Id kTooAmbiguous = 1;
  static constexpr size_t kMaxThreads = 4096;

  explicit ParseStates(const CompiledGrammar& grammar);
  ParseStates(const ParseStates&) = delete;
  ParseStates& operator=(const ParseStates&) = delete;

  Id Start();
  Id Step(Id id, uint8_t byte) {
    if (id <= kTooAmbiguous) return id;
    const uint32_t* row = rows_[id].get();
    if (row != nullptr && row[byte] != kUnknown) return row[byte];
    return FillStep(id, byte);
  }
  bool MayEnd(Id id) const { return sets_[id].may_end; }
  bool CanContinue(Id id) const { return sets_[id].num > 0; }
  std::span<const ParseThread> Threads(Id id) const {
    return {&threads_[sets_[id].begin], sets_[id].num};
  }
  // The state of these threads.
  Id Of(std::vector<ParseThread> threads, bool may_end);
  // Behind these threads' terminals, which are complete: where their parses go on.
  Id Behind(std::span<const ParseThread> threads, uint32_t key);
  // One of few states that go on alike for the next `reach` bytes: counters far from their bounds
  // are all the same.
  Id Canonical(Id id, uint32_t reach);
  // The bytes that are possible next, as 256 bits.
  struct ByteSet {
    uint64_t words[4] = {};
    int Count() const;
    int First() const;
  };
  ByteSet NextBytes(Id id);
  // Carries a state over to another store of the same grammar.
  Id Import(ParseStates& from, Id id);

  TerminalStates& terminals() { return terminals_; }
  const CompiledGrammar& grammar() const { return grammar_; }
  size_t bytes() const { return bytes_ + terminals_.bytes(); }
  // Steps of threads so far that were not remembered: what bounds the time a caller takes.
  uint64_t work() const { return work_; }

 private:
  static constexpr uint32_t kUnknown = UINT32_MAX;
  struct Frame {
    NodeId ret;
    uint32_t parent, counter, rule;
    uint32_t depth[2];  // of DepthKind 1 and 2
    bool operator==(const Frame&) const = default;
  };
  struct Set {
    uint32_t begin = 0, num = 0;
    bool may_end = false;
  };

  // A node of the call that has this frame.
  struct Place {
    NodeId node;
    uint32_t frame;
  };
  // The threads that stand at a place, and whether the text may end there.
  struct Entry {
    std::vector<ParseThread> threads;
    bool may_end = false;
    bool too_ambiguous = false;
  };

  Place BehindOf(const ParseThread& thread, uint32_t key) const {
    const GrammarNode& node = grammar_.nodes[thread.node];
    return {key == TerminalStates::kNoKey ? node.next : grammar_.terminals[node.a].values + key,
            thread.frame};
  }
  const Entry& Enter(Place place);
  Entry EnterAll(std::span<const Place> places);
  // `threads` and what stands at all of these places.
  Id Join(std::vector<ParseThread>& threads, std::span<const Place> places);
  Id FillStep(Id id, uint8_t byte);
  Id Intern(std::vector<ParseThread>& threads, bool may_end);
  uint32_t InternFrame(const Frame& frame);
  // False where the call would go too deep.
  bool Push(const GrammarNode& call, uint32_t frame, uint32_t* callee);
  uint32_t CanonicalFrame(uint32_t frame, uint32_t reach);
  uint32_t ImportFrame(ParseStates& from, uint32_t frame);

  const CompiledGrammar& grammar_;
  TerminalStates terminals_;
  std::vector<Frame> frames_;
  std::unordered_multimap<uint64_t, uint32_t> frame_ids_;
  std::vector<ParseThread> threads_;
  std::vector<Set> sets_;
  std::vector<std::unique_ptr<uint32_t[]>> rows_;
  std::unordered_multimap<uint64_t, Id> set_ids_;
  std::unordered_map<uint64_t, std::unique_ptr<Entry>> entries_;
  std::unordered_map<Id, Id> canonical_;
  std::unordered_map<uint32_t, uint32_t> canonical_frames_;
  std::vector<ParseThread> scratch_;
  std::vector<Place> scratch_places_;
  Id start_ = kUnknown;
  size_t bytes_ = 0;
  uint64_t work_ = 0;
};

}  // namespace gemma3
