// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What schemas and grammars compile to: rules whose bodies are graphs of nodes, over terminals that
// are automata on bytes. parse_states.h walks it.
//
//   node            goes on to
//   kTerminal       behind the bytes of a terminal: node `next`; for a set of keys, the terminal's
//                   `values` + the number of the key that was written
//   kCall           the entry of rule `a`, then `next`
//   kAlt            each of num alternatives from `a`
//   kReturn         behind the call of this rule
//   kCountUp        `next`, with the counter of this call one higher, but at most at `a`
//   kCountBelow     `next`, where the counter is below `a`
//   kCountAtLeast   `next`, where the counter is at least `a`
//   kTake           `next`, where bit `a` of the counter is not set, with that bit set
//   kTakenBelow     `next`, where fewer than `a` bits are set; kTakenAtLeast: at least `a`
//   kMissingAtMost  `next`, where at most num of the bits `a` are not set
//   kNeeds          `next`; what comes then writes `also` of the num ways at `a`, each once. It is
//                   not begun where fewer of them can be finished.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gemma3/error.h"
#include "src/automata/byte_dfa.h"
#include "src/automata/text_dfa.h"

namespace gemma3 {

using NodeId = uint32_t;
inline constexpr NodeId kNoNode = UINT32_MAX;
inline constexpr uint32_t kNoLimit = UINT32_MAX;

enum class NodeKind : uint8_t {
  kFail,
  kTerminal,
  kCall,
  kAlt,
  kReturn,
  kCountUp,
  kCountBelow,
  kCountAtLeast,
  kTake,
  kTakenBelow,
  kTakenAtLeast,
  kMissingAtMost,
  kNeeds,
};

struct GrammarNode {
  NodeKind kind = NodeKind::kFail;
  uint32_t a = 0;
  NodeId next = kNoNode;
  uint32_t num = 0;  // kAlt, kMissingAtMost, kNeeds
  // kTerminal of keys: the node of the keys behind the first one. kNeeds: a number.
  NodeId also = kNoNode;
};

// What nesting a rule adds to; each kind has its own limit.
enum class DepthKind : uint8_t { kNone, kFreeJson, kRecursion };
inline constexpr size_t kNumDepthKinds = 3;

struct GrammarRule {
  NodeId entry = kNoNode;
  DepthKind depth = DepthKind::kNone;
  // The bounds its counter is compared with; most == 0: it does not count.
  uint32_t count_least = 0, count_most = 0;
};

// Texts of one kind, as the bytes they are written with.
struct TextTerminal {
  enum class Form : uint8_t {
    kRaw,     // the characters themselves
    kQuoted,  // a JSON string; only characters outside printable ASCII may be written \uXXXX
    kFree,    // a JSON string with every escape that JSON has
  };
  std::shared_ptr<const TextDfa> dfa;
  Form form = Form::kQuoted;
  uint32_t least = 0, most = kNoLimit;  // characters
  // Where there are bounds and the automaton asks for more: the lengths that can be completed from
  // each state, as ascending ranges. Empty: every length can.
  std::vector<std::vector<std::pair<uint32_t, uint32_t>>> lengths = {};
  // From every state the lengths are one range that goes on to `most`: then a text can be completed
  // wherever its shortest completion fits.
  bool smooth = true;
  uint32_t max_shortest = 0;  // the longest of the shortest completions

  bool IsCounted() const { return least > 0 || most != kNoLimit; }
  // Whether a text with `count` characters that has led to `state` can be completed.
  bool CanComplete(TextDfa::State state, uint32_t count) const;
};

// The names of an object's members, in the order of the schema, as they are written.
class KeySet {
 public:
  struct Node {
    uint32_t edges_begin = 0, edges_end = 0;
    uint32_t keys_begin = 0, keys_end = 0;  // in keys_below: what continues from here, ascending
    uint32_t key = UINT32_MAX;              // that ends here
  };
  explicit KeySet(const std::vector<std::string>& written);
  // Whether a key of [first, last] that is usable(key) continues from the node, or ends there.
  template <class Usable>
  bool Leads(uint32_t node, uint32_t first, uint32_t last, const Usable& usable) const {
    const auto end = keys_below.begin() + nodes[node].keys_end;
    auto it = std::lower_bound(keys_below.begin() + nodes[node].keys_begin, end, first);
    for (; it != end && *it <= last; ++it) {
      if (usable(*it)) return true;
    }
    return false;
  }

  std::vector<Node> nodes;
  std::vector<std::pair<uint8_t, uint32_t>> edges;  // byte, node
  std::vector<uint32_t> keys_below;
};

struct GrammarTerminal {
  enum class Kind : uint8_t { kBytes, kText, kKeys } kind = Kind::kBytes;
  uint32_t index = 0;            // of the automaton, text or set of keys
  uint32_t first = 0, last = 0;  // kKeys: only these
  NodeId values = kNoNode;       // kKeys: node of the value behind key 0; it must be able to finish
  // kKeys: how deep the deepest of these values must go at least.
  std::array<uint32_t, kNumDepthKinds> deepest = {};
};

struct GrammarLimits {
  uint32_t free_depth = 32;
  uint32_t recursion = 64;
};

// Immutable once it is finished; threads may share it.
class CompiledGrammar {
 public:
  std::vector<GrammarNode> nodes;
  std::vector<NodeId> alternatives;
  std::vector<GrammarRule> rules;
  std::vector<GrammarTerminal> terminals;
  std::vector<ByteDfa> byte_dfas;
  std::vector<TextTerminal> texts;
  std::vector<KeySet> key_sets;
  uint32_t root = 0;
  GrammarLimits limits;
  bool is_json = false;  // what it accepts is one JSON value
  // How deep calls must go at least until the rule (its own level included), or the way from the
  // node to the end of its rule, is done.
  std::vector<std::array<uint32_t, kNumDepthKinds>> rule_height, node_height;

  bool CanFinish(NodeId node) const { return node_height[node][0] != kNoLimit; }
  uint32_t DepthLimit(size_t kind) const {
    return kind == static_cast<size_t>(DepthKind::kFreeJson) ? limits.free_depth : limits.recursion;
  }
};

class GrammarBuilder {
 public:
  static constexpr size_t kMaxRules = 100000;
  static constexpr size_t kMaxNodes = 2'000'000;

  GrammarBuilder() : grammar_(std::make_unique<CompiledGrammar>()) {}

  uint32_t AddRule(DepthKind depth = DepthKind::kNone);
  void SetEntry(uint32_t rule, NodeId entry) { grammar_->rules[rule].entry = entry; }
  void SetCounts(uint32_t rule, uint32_t least, uint32_t most);
  GrammarRule& rule(uint32_t rule) { return grammar_->rules[rule]; }

  NodeId AddNode(GrammarNode node);
  NodeId Reserve(size_t count);  // consecutive nodes, to be set
  void SetNode(NodeId node, GrammarNode value) { grammar_->nodes[node] = value; }
  NodeId Return() { return AddNode({.kind = NodeKind::kReturn}); }
  NodeId Fail() { return AddNode({.kind = NodeKind::kFail}); }
  NodeId Terminal(uint32_t terminal, NodeId next) {
    return AddNode({.kind = NodeKind::kTerminal, .a = terminal, .next = next});
  }
  NodeId Call(uint32_t rule, NodeId next) {
    return AddNode({.kind = NodeKind::kCall, .a = rule, .next = next});
  }
  NodeId Alt(const std::vector<NodeId>& nodes);
  void SetAlt(NodeId node, const std::vector<NodeId>& nodes);
  NodeId Count(NodeKind kind, uint32_t a, NodeId next) {
    return AddNode({.kind = kind, .a = a, .next = next});
  }
  // `next`, behind which calls of `count` of these rules are written.
  NodeId Needs(const std::vector<uint32_t>& rules, uint32_t count, NodeId next);

  // Terminals that are equal become one.
  uint32_t Bytes(ByteDfa dfa);
  uint32_t Literal(std::string_view text) { return Bytes(ByteDfa::AnyOf({std::string(text)})); }
  uint32_t Text(TextTerminal text);
  uint32_t AddKeySet(const std::vector<std::string>& written);
  // The members first..last of a set; a value begins at node `values` + its number.
  NodeId Keys(uint32_t key_set, uint32_t first, uint32_t last, NodeId values, NodeId also);

  size_t num_rules() const { return grammar_->rules.size(); }
  size_t num_nodes() const { return grammar_->nodes.size(); }

  // Finds what can be finished at all, and how deep that must go. The root may turn out impossible:
  // then CanFinish of its entry is false.
  std::shared_ptr<const CompiledGrammar> Finish(uint32_t root, GrammarLimits limits,
                                                bool is_json) &&;

 private:
  void MarkRecursion();

  std::unique_ptr<CompiledGrammar> grammar_;
  std::unordered_multimap<uint64_t, uint32_t> known_bytes_, known_texts_;
};

}  // namespace gemma3
