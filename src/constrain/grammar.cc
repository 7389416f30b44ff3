// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/constrain/grammar.h"

#include <algorithm>

namespace gemma3 {

bool TextTerminal::CanComplete(TextDfa::State state, uint32_t count) const {
  if (count > most) return false;
  if (lengths.empty()) return true;
  if (smooth) return most == kNoLimit || dfa->Shortest(state) <= most - count;
  const uint32_t need = least > count ? least - count : 0;
  const uint32_t room = most == kNoLimit ? kNoLimit : most - count;
  for (const auto& [first, last] : lengths[state]) {
    if (first <= room && last >= need) return true;
  }
  return false;
}

KeySet::KeySet(const std::vector<std::string>& written) {
  std::vector<std::pair<std::string, uint32_t>> sorted;
  for (uint32_t i = 0; i < written.size(); ++i) sorted.emplace_back(written[i], i);
  std::sort(sorted.begin(), sorted.end());
  struct Range {
    size_t begin, end, depth;
  };
  std::vector<Range> ranges = {{0, sorted.size(), 0}};
  for (size_t n = 0; n < ranges.size(); ++n) {
    auto [begin, end, depth] = ranges[n];
    Node node;
    node.keys_begin = static_cast<uint32_t>(keys_below.size());
    for (size_t i = begin; i < end; ++i) keys_below.push_back(sorted[i].second);
    std::sort(keys_below.begin() + node.keys_begin, keys_below.end());
    node.keys_end = static_cast<uint32_t>(keys_below.size());
    node.edges_begin = static_cast<uint32_t>(edges.size());
    if (begin < end && sorted[begin].first.size() == depth) node.key = sorted[begin++].second;
    while (begin < end) {
      const char byte = sorted[begin].first[depth];
      size_t next = begin + 1;
      while (next < end && sorted[next].first[depth] == byte) ++next;
      edges.emplace_back(static_cast<uint8_t>(byte), static_cast<uint32_t>(ranges.size()));
      ranges.push_back({begin, next, depth + 1});
      begin = next;
    }
    node.edges_end = static_cast<uint32_t>(edges.size());
    nodes.push_back(node);
  }
}

uint32_t GrammarBuilder::AddRule(DepthKind depth) {
  grammar_->rules.push_back({.depth = depth});
  return static_cast<uint32_t>(grammar_->rules.size() - 1);
}

void GrammarBuilder::SetCounts(uint32_t rule, uint32_t least, uint32_t most) {
  grammar_->rules[rule].count_least = least;
  grammar_->rules[rule].count_most = most;
}

NodeId GrammarBuilder::AddNode(GrammarNode node) {
  grammar_->nodes.push_back(node);
  return static_cast<NodeId>(grammar_->nodes.size() - 1);
}

NodeId GrammarBuilder::Reserve(size_t count) {
  const auto first = static_cast<NodeId>(grammar_->nodes.size());
  grammar_->nodes.resize(grammar_->nodes.size() + count);
  return first;
}

NodeId GrammarBuilder::Alt(const std::vector<NodeId>& nodes) {
  if (nodes.size() == 1) return nodes[0];
  const NodeId node = Reserve(1);
  SetAlt(node, nodes);
  return node;
}

void GrammarBuilder::SetAlt(NodeId node, const std::vector<NodeId>& nodes) {
  const auto first = static_cast<uint32_t>(grammar_->alternatives.size());
  grammar_->alternatives.insert(grammar_->alternatives.end(), nodes.begin(), nodes.end());
  grammar_->nodes[node] = {
      .kind = NodeKind::kAlt, .a = first, .num = static_cast<uint32_t>(nodes.size())};
}

NodeId GrammarBuilder::Needs(const std::vector<uint32_t>& rules, uint32_t count, NodeId next) {
  if (count == 0) return next;
  std::vector<NodeId> ways;
  const NodeId end = Return();
  for (const uint32_t rule : rules) ways.push_back(Call(rule, end));
  const auto first = static_cast<uint32_t>(grammar_->alternatives.size());
  grammar_->alternatives.insert(grammar_->alternatives.end(), ways.begin(), ways.end());
  return AddNode({.kind = NodeKind::kNeeds,
                  .a = first,
                  .next = next,
                  .num = static_cast<uint32_t>(ways.size()),
                  .also = count});
}

uint32_t GrammarBuilder::Bytes(ByteDfa dfa) {
  const uint64_t hash = dfa.Hash();
  const auto [begin, end] = known_bytes_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    if (grammar_->byte_dfas[grammar_->terminals[it->second].index] == dfa) return it->second;
  }
  grammar_->byte_dfas.push_back(std::move(dfa));
  grammar_->terminals.push_back(
      {GrammarTerminal::Kind::kBytes, static_cast<uint32_t>(grammar_->byte_dfas.size() - 1)});
  const auto terminal = static_cast<uint32_t>(grammar_->terminals.size() - 1);
  known_bytes_.emplace(hash, terminal);
  return terminal;
}

namespace {

// The lengths of texts that lead from each state to an accepting one, up to text.most.
void FindLengths(TextTerminal& text) {
  const TextDfa& dfa = *text.dfa;
  const size_t states = dfa.num_states();
  text.lengths.assign(states, {});
  if (text.most == kNoLimit) {
    // Only `least` binds: what counts is the longest.
    for (uint32_t s = 1; s < states; ++s) text.lengths[s] = {{0, dfa.Longest(s)}};
    return;
  }
  std::vector<std::vector<uint32_t>> from(states);
  for (uint32_t s = 1; s < states; ++s) {
    for (const uint32_t next : dfa.Followers(s)) from[next].push_back(s);
  }
  // Those from which some text of exactly `length` characters is accepted, length by length.
  std::vector<uint32_t> now, before;
  for (uint32_t s = 1; s < states; ++s) {
    if (dfa.Accepts(s)) now.push_back(s);
  }
  std::vector<uint32_t> mark(states, UINT32_MAX);
  for (uint32_t length = 0; length <= text.most && !now.empty(); ++length) {
    for (const uint32_t s : now) {
      auto& ranges = text.lengths[s];
      if (!ranges.empty() && ranges.back().second + 1 == length) {
        ranges.back().second = length;
      } else {
        ranges.emplace_back(length, length);
      }
    }
    before.clear();
    for (const uint32_t s : now) {
      for (const uint32_t f : from[s]) {
        if (mark[f] == length) continue;
        mark[f] = length;
        before.push_back(f);
      }
    }
    now.swap(before);
  }
}

// Whether every text can be completed from every state: then bounds alone decide.
bool AcceptsEverything(const TextDfa& dfa) {
  return dfa.num_states() == 2 && dfa.Accepts(1) && dfa.Longest(1) == TextDfa::kUnlimited &&
         dfa.Freedom(1) == TextDfa::kUnlimited;
}

}  // namespace

uint32_t GrammarBuilder::Text(TextTerminal text) {
  uint64_t hash = text.dfa->Hash();
  hash = hash * 31 + static_cast<uint64_t>(text.form);
  hash = (hash * 31 + text.least) * 31 + text.most;
  const auto [begin, end] = known_texts_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    const TextTerminal& known = grammar_->texts[grammar_->terminals[it->second].index];
    if (known.form == text.form && known.least == text.least && known.most == text.most &&
        (known.dfa == text.dfa || *known.dfa == *text.dfa)) {
      return it->second;
    }
  }
  if (text.IsCounted() && !AcceptsEverything(*text.dfa)) {
    FindLengths(text);
    for (uint32_t s = 1; s < text.dfa->num_states(); ++s) {
      const auto& ranges = text.lengths[s];
      text.max_shortest = std::max(text.max_shortest, text.dfa->Shortest(s));
      text.smooth &= ranges.size() == 1 && ranges[0].second >= text.most;
    }
  }
  grammar_->texts.push_back(std::move(text));
  grammar_->terminals.push_back(
      {GrammarTerminal::Kind::kText, static_cast<uint32_t>(grammar_->texts.size() - 1)});
  const auto terminal = static_cast<uint32_t>(grammar_->terminals.size() - 1);
  known_texts_.emplace(hash, terminal);
  return terminal;
}

uint32_t GrammarBuilder::AddKeySet(const std::vector<std::string>& written) {
  grammar_->key_sets.emplace_back(written);
  return static_cast<uint32_t>(grammar_->key_sets.size() - 1);
}

NodeId GrammarBuilder::Keys(uint32_t key_set, uint32_t first, uint32_t last, NodeId values,
                            NodeId also) {
  grammar_->terminals.push_back({GrammarTerminal::Kind::kKeys, key_set, first, last, values});
  return AddNode({.kind = NodeKind::kTerminal,
                  .a = static_cast<uint32_t>(grammar_->terminals.size() - 1),
                  .also = also});
}

// Every cycle of calls gets a rule whose nesting is limited. Free JSON has a limit of its own.
void GrammarBuilder::MarkRecursion() {
  CompiledGrammar& g = *grammar_;
  // The rules that each rule calls: its nodes are those that its entry reaches.
  std::vector<std::vector<uint32_t>> calls(g.rules.size());
  std::vector<uint32_t> seen(g.nodes.size(), UINT32_MAX);
  for (uint32_t r = 0; r < g.rules.size(); ++r) {
    if (g.rules[r].entry == kNoNode) continue;
    std::vector<NodeId> open = {g.rules[r].entry};
    const auto push = [&](NodeId n) {
      if (n != kNoNode && seen[n] != r) open.push_back(n);
    };
    while (!open.empty()) {
      const NodeId n = open.back();
      open.pop_back();
      if (seen[n] == r) continue;
      seen[n] = r;
      const GrammarNode& node = g.nodes[n];
      if (node.kind == NodeKind::kCall) calls[r].push_back(node.a);
      if (node.kind == NodeKind::kAlt) {
        for (uint32_t i = 0; i < node.num; ++i) push(g.alternatives[node.a + i]);
      } else if (node.kind == NodeKind::kTerminal &&
                 g.terminals[node.a].kind == GrammarTerminal::Kind::kKeys) {
        // The last key's value leads nowhere that an earlier one does not, but it may call.
        const GrammarTerminal& keys = g.terminals[node.a];
        push(keys.values + keys.first);
        push(node.also);
      } else {
        push(node.next);
      }
    }
  }
  enum : uint8_t { kNew, kOpen, kDone };
  std::vector<uint8_t> color(g.rules.size(), kNew);
  std::vector<std::pair<uint32_t, size_t>> stack;
  for (uint32_t root = 0; root < g.rules.size(); ++root) {
    if (color[root] != kNew) continue;
    stack.emplace_back(root, 0);
    color[root] = kOpen;
    while (!stack.empty()) {
      auto& [r, next] = stack.back();
      if (next == calls[r].size()) {
        color[r] = kDone;
        stack.pop_back();
        continue;
      }
      const uint32_t callee = calls[r][next++];
      if (g.rules[callee].depth == DepthKind::kFreeJson) continue;
      if (color[callee] == kOpen) g.rules[callee].depth = DepthKind::kRecursion;
      if (color[callee] != kNew) continue;
      color[callee] = kOpen;
      stack.emplace_back(callee, 0);
    }
  }
}

std::shared_ptr<const CompiledGrammar> GrammarBuilder::Finish(uint32_t root, GrammarLimits limits,
                                                              bool is_json) && {
  CompiledGrammar& g = *grammar_;
  g.root = root;
  g.limits = limits;
  g.is_json = is_json;
  MarkRecursion();
  constexpr std::array<uint32_t, kNumDepthKinds> kNever = {kNoLimit, kNoLimit, kNoLimit};
  g.node_height.assign(g.nodes.size(), kNever);
  g.rule_height.assign(g.rules.size(), kNever);
  const auto is_empty = [&](uint32_t terminal) {
    const GrammarTerminal& t = g.terminals[terminal];
    switch (t.kind) {
      case GrammarTerminal::Kind::kBytes:
        return g.byte_dfas[t.index].empty();
      case GrammarTerminal::Kind::kText: {
        const TextTerminal& text = g.texts[t.index];
        return text.dfa->IsEmpty() || !text.CanComplete(text.dfa->start(), 0);
      }
      case GrammarTerminal::Kind::kKeys:
        return t.first > t.last;
    }
    return true;
  };
  // Who must be looked at again when a node or rule becomes cheaper.
  std::vector<uint32_t> begin(g.nodes.size() + 1, 0), rule_begin(g.rules.size() + 1, 0);
  const auto each_target = [&](NodeId n, const auto& fn) {
    const GrammarNode& node = g.nodes[n];
    switch (node.kind) {
      case NodeKind::kFail:
      case NodeKind::kReturn:
        break;
      case NodeKind::kAlt:
      case NodeKind::kNeeds:
        for (uint32_t i = 0; i < node.num; ++i) fn(g.alternatives[node.a + i]);
        if (node.kind == NodeKind::kNeeds) fn(node.next);
        break;
      case NodeKind::kTerminal:
        if (g.terminals[node.a].kind == GrammarTerminal::Kind::kKeys) {
          fn(g.terminals[node.a].values + g.terminals[node.a].first);
          if (node.also != kNoNode) fn(node.also);
          break;
        }
        [[fallthrough]];
      default:
        fn(node.next);
    }
  };
  for (NodeId n = 0; n < g.nodes.size(); ++n) each_target(n, [&](NodeId to) { ++begin[to + 1]; });
  for (size_t i = 1; i < begin.size(); ++i) begin[i] += begin[i - 1];
  std::vector<NodeId> users(begin.back());
  {
    std::vector<uint32_t> fill(begin.begin(), begin.end() - 1);
    for (NodeId n = 0; n < g.nodes.size(); ++n) {
      each_target(n, [&](NodeId to) { users[fill[to]++] = n; });
    }
  }
  std::vector<std::vector<NodeId>> callers(g.rules.size());
  std::vector<std::vector<uint32_t>> entry_of(g.nodes.size());
  for (NodeId n = 0; n < g.nodes.size(); ++n) {
    if (g.nodes[n].kind == NodeKind::kCall) callers[g.nodes[n].a].push_back(n);
  }
  for (uint32_t r = 0; r < g.rules.size(); ++r) {
    if (g.rules[r].entry != kNoNode) entry_of[g.rules[r].entry].push_back(r);
  }
  std::vector<NodeId> work;
  for (NodeId n = 0; n < g.nodes.size(); ++n) {
    if (g.nodes[n].kind == NodeKind::kReturn) work.push_back(n);
  }
  const auto height_of = [&](NodeId n) {
    const GrammarNode& node = g.nodes[n];
    auto height = kNever;
    const auto take_least = [&](const auto& other) {
      for (size_t k = 0; k < kNumDepthKinds; ++k) height[k] = std::min(height[k], other[k]);
    };
    switch (node.kind) {
      case NodeKind::kFail:
        break;
      case NodeKind::kReturn:
        height = {0, 0, 0};
        break;
      case NodeKind::kAlt:
        each_target(n, [&](NodeId to) { take_least(g.node_height[to]); });
        break;
      case NodeKind::kTerminal:
        if (!is_empty(node.a)) each_target(n, [&](NodeId to) { take_least(g.node_height[to]); });
        break;
      case NodeKind::kCall: {
        const auto& callee = g.rule_height[node.a];
        const auto& rest = g.node_height[node.next];
        for (size_t k = 0; k < kNumDepthKinds; ++k) height[k] = std::max(callee[k], rest[k]);
        break;
      }
      case NodeKind::kNeeds: {
        height = g.node_height[node.next];
        for (size_t k = 0; k < kNumDepthKinds; ++k) {
          std::vector<uint32_t> ways;
          for (uint32_t i = 0; i < node.num; ++i) {
            ways.push_back(g.node_height[g.alternatives[node.a + i]][k]);
          }
          std::sort(ways.begin(), ways.end());
          const uint32_t need = node.also <= ways.size() ? ways[node.also - 1] : kNoLimit;
          height[k] = std::max(height[k], need);
        }
        break;
      }
      default:
        height = g.node_height[node.next];
    }
    return height;
  };
  while (!work.empty()) {
    const NodeId n = work.back();
    work.pop_back();
    const auto height = height_of(n);
    if (height == g.node_height[n]) continue;
    g.node_height[n] = height;
    for (uint32_t i = begin[n]; i < begin[n + 1]; ++i) work.push_back(users[i]);
    for (const uint32_t r : entry_of[n]) {
      auto rule_height = height;
      if (g.rules[r].depth != DepthKind::kNone) {
        uint32_t& own = rule_height[static_cast<size_t>(g.rules[r].depth)];
        if (own != kNoLimit) ++own;
      }
      g.rule_height[r] = rule_height;
      for (const NodeId caller : callers[r]) work.push_back(caller);
    }
  }
  for (GrammarTerminal& terminal : g.terminals) {
    if (terminal.kind != GrammarTerminal::Kind::kKeys) continue;
    for (uint32_t key = terminal.first; key <= terminal.last; ++key) {
      const auto& height = g.node_height[terminal.values + key];
      if (height[0] == kNoLimit) continue;
      for (size_t k = 0; k < kNumDepthKinds; ++k) {
        terminal.deepest[k] = std::max(terminal.deepest[k], height[k]);
      }
    }
  }
  known_bytes_.clear();
  known_texts_.clear();
  return std::shared_ptr<const CompiledGrammar>(std::move(grammar_));
}

}  // namespace gemma3
