// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/constrain/parse_states.h"

#include <algorithm>
#include <bit>
#include <unordered_set>

namespace gemma3 {
namespace {

uint64_t Mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15ull;
  return hash ^ (hash >> 32);
}

}  // namespace

ParseStates::ParseStates(const CompiledGrammar& grammar) : grammar_(grammar), terminals_(grammar) {
  sets_.resize(kTooAmbiguous + 1);
  rows_.resize(kTooAmbiguous + 1);
  frames_.push_back({kNoNode, 0, 0, grammar.root, {0, 0}});
}

ParseStates::Id ParseStates::Start() {
  if (start_ != kUnknown) return start_;
  const GrammarRule& root = grammar_.rules[grammar_.root];
  Frame frame = {kNoNode, 0, 0, grammar_.root, {0, 0}};
  if (root.depth != DepthKind::kNone) ++frame.depth[static_cast<size_t>(root.depth) - 1];
  std::vector<ParseThread> threads;
  const Place place = {root.entry, InternFrame(frame)};
  return start_ = Join(threads, {&place, 1});
}

uint32_t ParseStates::InternFrame(const Frame& frame) {
  uint64_t hash = Mix(frame.ret, uint64_t{frame.parent} << 32 | frame.counter);
  hash = Mix(hash, uint64_t{frame.rule} << 32 | (frame.depth[0] ^ frame.depth[1] << 16));
  const auto [begin, end] = frame_ids_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    if (frames_[it->second] == frame) return it->second;
  }
  frames_.push_back(frame);
  const auto id = static_cast<uint32_t>(frames_.size() - 1);
  frame_ids_.emplace(hash, id);
  bytes_ += sizeof(Frame) + 48;
  return id;
}

bool ParseStates::Push(const GrammarNode& call, uint32_t frame, uint32_t* callee) {
  const GrammarRule& rule = grammar_.rules[call.a];
  const Frame caller = frames_[frame];
  // A call that nothing follows takes the caller's place, so that right recursion stays flat.
  const bool is_last = grammar_.nodes[call.next].kind == NodeKind::kReturn;
  Frame pushed = {call.next, frame, 0, call.a, {caller.depth[0], caller.depth[1]}};
  if (is_last) {
    pushed.ret = caller.ret;
    pushed.parent = caller.parent;
  }
  if (rule.depth != DepthKind::kNone && (!is_last || grammar_.is_json)) {
    const auto kind = static_cast<size_t>(rule.depth);
    const uint32_t need = grammar_.rule_height[call.a][kind];
    if (need == kNoLimit || caller.depth[kind - 1] + need > grammar_.DepthLimit(kind)) return false;
    ++pushed.depth[kind - 1];
  }
  *callee = InternFrame(pushed);
  return true;
}

const ParseStates::Entry& ParseStates::Enter(Place place) {
  std::unique_ptr<Entry>& known = entries_[uint64_t{place.node} << 32 | place.frame];
  if (known == nullptr) {
    // Only Enter fills the table, and not from in here.
    known = std::make_unique<Entry>(EnterAll({&place, 1}));
    bytes_ += sizeof(Entry) + 96 + known->threads.size() * sizeof(ParseThread);
  }
  return *known;
}

ParseStates::Id ParseStates::Join(std::vector<ParseThread>& threads,
                                  std::span<const Place> places) {
  bool may_end = false, too_ambiguous = false;
  const auto add = [&](const Entry& entry) {
    threads.insert(threads.end(), entry.threads.begin(), entry.threads.end());
    may_end |= entry.may_end;
    too_ambiguous |= entry.too_ambiguous;
  };
  // What comes behind many, in an ambiguous grammar, is mostly the same: found together, it is
  // found once, where each by itself would have as much behind it as the text is long.
  constexpr size_t kFew = 4;
  if (places.size() > kFew) {
    add(EnterAll(places));
  } else {
    for (const Place& place : places) add(Enter(place));
  }
  return too_ambiguous ? kTooAmbiguous : Intern(threads, may_end);
}

ParseStates::Entry ParseStates::EnterAll(std::span<const Place> places) {
  Entry entry;
  std::vector<std::pair<NodeId, uint32_t>> open;
  std::unordered_set<uint64_t> seen;
  // What cannot be finished within the limits of nesting is not begun.
  const auto push = [&](NodeId node, uint32_t frame) {
    const auto& height = grammar_.node_height[node];
    if (height[0] == kNoLimit) return;
    for (size_t k = 1; k < kNumDepthKinds; ++k) {
      if (frames_[frame].depth[k - 1] + height[k] > grammar_.DepthLimit(k)) return;
    }
    open.emplace_back(node, frame);
  };
  for (const Place& place : places) push(place.node, place.frame);
  while (!open.empty()) {
    const auto [n, frame] = open.back();
    open.pop_back();
    if (!seen.insert(uint64_t{n} << 32 | frame).second) continue;
    const GrammarNode& node = grammar_.nodes[n];
    switch (node.kind) {
      case NodeKind::kFail:
        break;
      case NodeKind::kTerminal: {
        const uint32_t room[2] = {grammar_.DepthLimit(1) - frames_[frame].depth[0],
                                  grammar_.DepthLimit(2) - frames_[frame].depth[1]};
        const TerminalStates::Id state = terminals_.Start(node.a, room);
        if (state == TerminalStates::kDead) break;
        if (!terminals_.state(state).is_last) entry.threads.push_back({state, 0, n, frame});
        // A text that may be empty.
        if (terminals_.Accepts(state, 0)) push(node.next, frame);
      } break;
      case NodeKind::kCall: {
        uint32_t callee = 0;
        if (Push(node, frame, &callee)) push(grammar_.rules[node.a].entry, callee);
        break;
      }
      case NodeKind::kAlt:
        for (uint32_t i = node.num; i-- > 0;) push(grammar_.alternatives[node.a + i], frame);
        break;
      case NodeKind::kReturn: {
        const Frame& f = frames_[frame];
        if (f.ret == kNoNode) {
          entry.may_end = true;
        } else {
          push(f.ret, f.parent);
        }
        break;
      }
      case NodeKind::kCountUp: {
        Frame counted = frames_[frame];
        counted.counter = std::min(counted.counter + 1, node.a);
        push(node.next, InternFrame(counted));
        break;
      }
      case NodeKind::kCountBelow:
        if (frames_[frame].counter < node.a) push(node.next, frame);
        break;
      case NodeKind::kCountAtLeast:
        if (frames_[frame].counter >= node.a) push(node.next, frame);
        break;
      case NodeKind::kTake: {
        Frame taken = frames_[frame];
        if ((taken.counter >> node.a & 1) != 0) break;
        taken.counter |= uint32_t{1} << node.a;
        push(node.next, InternFrame(taken));
        break;
      }
      case NodeKind::kTakenBelow:
        if (std::popcount(frames_[frame].counter) < static_cast<int>(node.a)) {
          push(node.next, frame);
        }
        break;
      case NodeKind::kMissingAtMost:
        if (std::popcount(node.a & ~frames_[frame].counter) <= static_cast<int>(node.num)) {
          push(node.next, frame);
        }
        break;
      case NodeKind::kNeeds:
        push(node.next, frame);
        break;
      case NodeKind::kTakenAtLeast:
        if (std::popcount(frames_[frame].counter) >= static_cast<int>(node.a)) {
          push(node.next, frame);
        }
        break;
    }
    if (entry.threads.size() > kMaxThreads || seen.size() > 16 * kMaxThreads) {
      entry.too_ambiguous = true;
      entry.threads.clear();
      break;
    }
  }
  work_ += seen.size();
  std::sort(entry.threads.begin(), entry.threads.end());
  return entry;
}

ParseStates::Id ParseStates::Intern(std::vector<ParseThread>& threads, bool may_end) {
  if (threads.size() > 1) {
    std::sort(threads.begin(), threads.end());
    threads.erase(std::unique(threads.begin(), threads.end()), threads.end());
  }
  if (threads.size() > kMaxThreads) return kTooAmbiguous;
  if (threads.empty() && !may_end) return kDead;
  uint64_t hash = may_end ? 1 : 2;
  for (const ParseThread& t : threads) {
    hash = Mix(hash, uint64_t{t.state} << 32 | t.frame);
    hash = Mix(hash, uint64_t{t.node} << 32 | t.count);
  }
  const auto [begin, end] = set_ids_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    const Set& set = sets_[it->second];
    if (set.num == threads.size() && set.may_end == may_end &&
        std::equal(threads.begin(), threads.end(), threads_.begin() + set.begin)) {
      return it->second;
    }
  }
  const auto id = static_cast<Id>(sets_.size());
  sets_.push_back(
      {static_cast<uint32_t>(threads_.size()), static_cast<uint32_t>(threads.size()), may_end});
  threads_.insert(threads_.end(), threads.begin(), threads.end());
  rows_.emplace_back();
  set_ids_.emplace(hash, id);
  bytes_ += 96 + threads.size() * sizeof(ParseThread);
  return id;
}

ParseStates::Id ParseStates::Of(std::vector<ParseThread> threads, bool may_end) {
  return Intern(threads, may_end);
}

ParseStates::Id ParseStates::Behind(std::span<const ParseThread> threads, uint32_t key) {
  std::vector<Place> places;
  for (const ParseThread& thread : threads) places.push_back(BehindOf(thread, key));
  std::vector<ParseThread> next;
  return Join(next, places);
}

ParseStates::Id ParseStates::FillStep(Id id, uint8_t byte) {
  std::vector<ParseThread> next = std::move(scratch_);
  next.clear();
  scratch_places_.clear();
  const Set set = sets_[id];
  work_ += 1 + set.num;
  for (uint32_t i = 0; i < set.num; ++i) {
    ParseThread thread = threads_[set.begin + i];
    thread.state = terminals_.Step(thread.state, byte, &thread.count);
    if (thread.state == TerminalStates::kDead) continue;
    const TerminalStates::State& at = terminals_.state(thread.state);
    if (terminals_.Accepts(thread.state, thread.count)) {
      scratch_places_.push_back(BehindOf(thread, at.key));
    }
    if (!at.is_last) next.push_back(thread);
  }
  const Id to = Join(next, scratch_places_);
  scratch_ = std::move(next);
  std::unique_ptr<uint32_t[]>& row = rows_[id];
  if (row == nullptr) {
    row = std::make_unique_for_overwrite<uint32_t[]>(256);
    std::fill_n(row.get(), 256, kUnknown);
    bytes_ += 1024;
  }
  row[byte] = to;
  return to;
}

uint32_t ParseStates::CanonicalFrame(uint32_t frame, uint32_t reach) {
  if (const auto it = canonical_frames_.find(frame); it != canonical_frames_.end()) {
    return it->second;
  }
  // From the outermost frame inwards; chains are as long as the text is nested.
  std::vector<uint32_t> chain;
  uint32_t at = frame;
  for (;; at = frames_[at].parent) {
    if (canonical_frames_.contains(at)) break;
    chain.push_back(at);
    if (frames_[at].ret == kNoNode) break;
  }
  uint32_t canonical = 0;
  for (size_t i = chain.size(); i-- > 0;) {
    Frame f = frames_[chain[i]];
    if (f.ret != kNoNode) f.parent = canonical_frames_.at(f.parent);
    const GrammarRule& rule = grammar_.rules[f.rule];
    const uint32_t least = rule.count_least, most = rule.count_most;
    if (most != 0 && f.counter > 0) {
      const bool far_from_most = most == kNoLimit || (f.counter < most && most - f.counter > reach);
      if (f.counter >= least) {
        if (most == kNoLimit) {
          f.counter = least;
        } else if (far_from_most && most > least + reach) {
          f.counter = std::max(least, most - reach - 1);
        }
      } else if (least - f.counter > reach && far_from_most) {
        f.counter = least - reach - 1;
      }
    }
    canonical = InternFrame(f);
    canonical_frames_[chain[i]] = canonical;
  }
  return canonical_frames_.at(frame);
}

ParseStates::Id ParseStates::Canonical(Id id, uint32_t reach) {
  if (const auto it = canonical_.find(id); it != canonical_.end()) return it->second;
  std::vector<ParseThread> threads(Threads(id).begin(), Threads(id).end());
  for (ParseThread& thread : threads) {
    thread.count = terminals_.CanonicalCount(thread.state, thread.count, reach);
    thread.frame = CanonicalFrame(thread.frame, reach);
  }
  const Id canonical = Intern(threads, sets_[id].may_end);
  canonical_[id] = canonical;
  bytes_ += 48;
  return canonical;
}

int ParseStates::ByteSet::Count() const {
  return std::popcount(words[0]) + std::popcount(words[1]) + std::popcount(words[2]) +
         std::popcount(words[3]);
}

int ParseStates::ByteSet::First() const {
  for (int w = 0; w < 4; ++w) {
    if (words[w] != 0) return 64 * w + std::countr_zero(words[w]);
  }
  return -1;
}

ParseStates::ByteSet ParseStates::NextBytes(Id id) {
  ByteSet bytes;
  const Set set = sets_[id];
  for (uint32_t i = 0; i < set.num; ++i) {
    const ParseThread thread = threads_[set.begin + i];
    const bool counted = terminals_.state(thread.state).counted;
    const uint32_t* row = terminals_.Row(thread.state);
    for (uint32_t b = 0; b < 256; ++b) {
      if (row[b] == TerminalStates::kDead) continue;
      if (counted) {
        uint32_t count = thread.count;
        if (terminals_.Step(thread.state, static_cast<uint8_t>(b), &count) ==
            TerminalStates::kDead) {
          continue;
        }
      }
      bytes.words[b / 64] |= uint64_t{1} << (b % 64);
    }
  }
  return bytes;
}

uint32_t ParseStates::ImportFrame(ParseStates& from, uint32_t frame) {
  std::vector<uint32_t> chain;
  for (uint32_t at = frame;; at = from.frames_[at].parent) {
    chain.push_back(at);
    if (from.frames_[at].ret == kNoNode) break;
  }
  uint32_t imported = 0;
  for (size_t i = chain.size(); i-- > 0;) {
    Frame f = from.frames_[chain[i]];
    if (f.ret != kNoNode) {
      f.parent = imported;
    } else {
      f.parent = 0;
    }
    imported = InternFrame(f);
  }
  return imported;
}

ParseStates::Id ParseStates::Import(ParseStates& from, Id id) {
  if (id <= kTooAmbiguous) return id;
  std::vector<ParseThread> threads(from.Threads(id).begin(), from.Threads(id).end());
  for (ParseThread& thread : threads) {
    thread.state = terminals_.Import(from.terminals_.state(thread.state));
    thread.frame = ImportFrame(from, thread.frame);
  }
  return Intern(threads, from.MayEnd(id));
}

}  // namespace gemma3
