// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A mask is put together from what each terminal allows by itself, which is the same in every place
// that the terminal is used in, and from what follows where tokens reach beyond its end.
#include "src/constrain/matcher.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "src/base/status.h"
#include "src/constrain/constraint_impl.h"
#include "src/text/utf8.h"

namespace gemma3 {
namespace {

// Behind so many places where a terminal may be complete, the whole parse is walked instead.
constexpr size_t kMaxExits = 2048;
// About 0.2 s of a mask; ordinary ones take some thousand.
constexpr uint64_t kMaxWork = 4'000'000;
// Of the tokens at the end of a forced run, so many are looked at for one that the model may want
// to take instead (guidance-ai/llguidance: with two of 10000 runs none was cut otherwise).
constexpr size_t kOpenTokens = 4;
constexpr size_t kMaxForcedBytes = 4096;

// Collects tokens: a list as long as it is short, then bits.
class Collector {
 public:
  explicit Collector(size_t vocabulary_size) : words_((vocabulary_size + 63) / 64) {}

  void Add(TokenId id) {
    if (bits_.empty()) {
      ids_.push_back(id);
      if (ids_.size() > 4 * TokenMask::kMostListed) UseBits();
      return;
    }
    bits_[static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64);
  }
  void Add(const std::vector<uint64_t>& bits) {
    if (bits_.empty() && ids_.empty()) {
      bits_ = bits;
      return;
    }
    if (bits_.empty()) UseBits();
    for (size_t w = 0; w < words_; ++w) bits_[w] |= bits[w];
  }
  bool has_bits() const { return !bits_.empty(); }
  std::vector<uint64_t> TakeBits() { return std::move(bits_); }
  std::vector<TokenId> TakeIds() {
    std::sort(ids_.begin(), ids_.end());
    ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
    return std::move(ids_);
  }
  TokenMask Finish() {
    if (bits_.empty()) {
      std::vector<TokenId> ids = TakeIds();
      if (ids.size() <= TokenMask::kMostListed) return TokenMask(std::move(ids));
      ids_ = std::move(ids);
      UseBits();
    }
    size_t count = 0;
    for (const uint64_t word : bits_) count += static_cast<size_t>(std::popcount(word));
    if (count > TokenMask::kMostListed) return TokenMask(std::move(bits_), count);
    std::vector<TokenId> ids;
    ids.reserve(count);
    for (size_t w = 0; w < words_; ++w) {
      for (uint64_t word = bits_[w]; word != 0; word &= word - 1) {
        ids.push_back(static_cast<TokenId>(64 * w + static_cast<size_t>(std::countr_zero(word))));
      }
    }
    return TokenMask(std::move(ids));
  }

 private:
  void UseBits() {
    bits_.assign(words_, 0);
    for (const TokenId id : ids_) {
      bits_[static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64);
    }
    ids_.clear();
  }

  size_t words_;
  std::vector<TokenId> ids_;
  std::vector<uint64_t> bits_;
};

struct TerminalAt {
  TerminalStates::Id state;
  uint32_t count;
};

class MaskMaker {
 public:
  MaskMaker(MaskStore& store, const ConstraintVocabulary& vocabulary)
      : store_(store),
        states_(store.states),
        vocabulary_(vocabulary),
        max_work_(states_.work() + kMaxWork) {}

  // `id` is canonical.
  TokenMask Make(ParseStates::Id id) {
    Collector found(vocabulary_.size());
    std::vector<ParseThread> threads(states_.Threads(id).begin(), states_.Threads(id).end());
    // Threads of one terminal state come together: they are sorted by it. First what has many bits.
    std::vector<std::pair<const TerminalMask*, std::span<const ParseThread>>> groups;
    uint32_t plain_chars = 0;
    for (size_t begin = 0; begin < threads.size();) {
      size_t end = begin + 1;
      while (end < threads.size() && threads[end].state == threads[begin].state &&
             threads[end].count == threads[begin].count) {
        ++end;
      }
      const TerminalMask& mask = MaskOf(threads[begin].state, threads[begin].count);
      groups.emplace_back(&mask, std::span(threads).subspan(begin, end - begin));
      plain_chars = std::max(plain_chars, mask.plain_chars);
      begin = end;
    }
    if (plain_chars > 0) found.Add(vocabulary_.PlainUpTo(plain_chars));
    for (const auto& [mask, group] : groups) {
      if (!mask->bits.empty()) found.Add(mask->bits);
    }
    for (const auto& [mask, group] : groups) {
      for (const TokenId token : mask->tokens) found.Add(token);
      const TokenTrie& trie = mask->exits_in_rest ? vocabulary_.not_plain() : vocabulary_.all();
      if (mask->too_many_exits) {
        const ParseStates::Id alone = states_.Of({group.begin(), group.end()}, false);
        WalkStates(trie, 0, trie.nodes().size(), 0, alone, found);
        continue;
      }
      // Behind each exit the same parse goes on, unless a key decides.
      uint32_t key = TerminalStates::kNoKey;
      ParseStates::Id behind = ParseStates::kDead;
      bool known = false;
      for (const TerminalMask::Exit& exit : mask->exits) {
        if (!known || exit.key != key) {
          key = exit.key;
          known = true;
          behind = Known(states_.Behind(group, key));
        }
        if (behind == ParseStates::kDead) continue;
        const TokenTrie::Node& node = trie.nodes()[exit.node];
        WalkStates(trie, exit.node + 1, exit.node + node.size(), node.depth(), behind, found);
      }
    }
    return found.Finish();
  }

  // Whether some token begins in `id` behind the node of the trie and stays allowed.
  bool AnyBehind(size_t node_index, ParseStates::Id id) {
    const TokenTrie& trie = vocabulary_.all();
    const TokenTrie::Node& node = trie.nodes()[node_index];
    bool any = false;
    trie.Walk(
        node_index + 1, node_index + node.size(), node.depth(), id,
        [&](ParseStates::Id from, uint8_t byte, ParseStates::Id& to) {
          if (any) return false;
          to = Step(from, byte);
          return to != ParseStates::kDead;
        },
        [&](size_t i, ParseStates::Id) { any |= trie.nodes()[i].has_token(); });
    return any;
  }

  bool took_too_long() const { return states_.work() > max_work_; }
  bool met_too_ambiguous() const { return met_too_ambiguous_; }

 private:
  ParseStates::Id Known(ParseStates::Id id) {
    if (id != ParseStates::kTooAmbiguous) return id;
    met_too_ambiguous_ = true;
    return ParseStates::kDead;
  }
  ParseStates::Id Step(ParseStates::Id id, uint8_t byte) { return Known(states_.Step(id, byte)); }

  void WalkStates(const TokenTrie& trie, size_t begin, size_t end, uint32_t base,
                  ParseStates::Id from, Collector& found) {
    trie.Walk(
        begin, end, base, from,
        [&](ParseStates::Id state, uint8_t byte, ParseStates::Id& to) {
          if (states_.work() > max_work_) return false;
          to = Step(state, byte);
          return to != ParseStates::kDead;
        },
        [&](size_t i, ParseStates::Id) {
          if (trie.nodes()[i].has_token()) found.Add(trie.nodes()[i].token());
        });
  }

  // Whether the bounds on the length of a text cannot matter in the next `reach` bytes.
  bool NoBoundWithin(TerminalStates::Id state, uint32_t count, uint32_t reach) const {
    const TerminalStates::State& s = states_.terminals().state(state);
    if (!s.counted) return true;
    const TextTerminal& text = states_.terminals().TextOf(s);
    if (count < text.least || (!text.lengths.empty() && !text.smooth)) return false;
    return text.most == kNoLimit || text.most - count > uint64_t{reach} + text.max_shortest;
  }

  bool GoesOnWithMostLetters(TerminalStates::Id state) {
    int letters = 0;
    for (uint8_t c = 'a'; c <= 'z'; ++c) {
      letters += states_.terminals().StepUncounted(state, c) != TerminalStates::kDead ? 1 : 0;
    }
    return letters > 13;
  }

  const TerminalMask& MaskOf(TerminalStates::Id state, uint32_t count) {
    auto& known = store_.terminal_masks[uint64_t{state} << 32 | count];
    if (known != nullptr) return *known;
    auto mask = std::make_unique<TerminalMask>();
    TerminalStates& terminals = states_.terminals();
    const uint32_t most_plain = vocabulary_.max_plain_chars();
    bool rest_only = false;
    if (const TerminalStates::State s = terminals.state(state);
        s.place == TerminalStates::Place::kInside && most_plain > 0) {
      const TextTerminal& text = terminals.TextOf(s);
      const uint32_t free = text.dfa->Freedom(s.at);
      const uint32_t room = text.most == kNoLimit ? kNoLimit : text.most - count;
      const bool fits =
          text.lengths.empty() || (text.smooth && room >= uint64_t{most_plain} + text.max_shortest);
      if (free >= most_plain && room >= most_plain && fits) {
        mask->plain_chars = most_plain;
        rest_only = true;
      } else if (free >= most_plain && text.lengths.empty() &&
                 text.form != TextTerminal::Form::kRaw) {
        mask->plain_chars = room;  // and longer ones do not fit
        rest_only = true;
      }
    }
    const TokenTrie& trie = rest_only ? vocabulary_.not_plain() : vocabulary_.all();
    mask->exits_in_rest = rest_only;
    Collector found(vocabulary_.size());
    const auto add_exit = [&](size_t i, TerminalStates::Id at) {
      if (mask->exits.size() >= kMaxExits) {
        mask->too_many_exits = true;
      } else {
        mask->exits.push_back({static_cast<uint32_t>(i), terminals.state(at).key});
      }
    };
    const auto take = [&](size_t i, bool accepts, TerminalStates::Id at) {
      const TokenTrie::Node& node = trie.nodes()[i];
      if (node.has_token()) found.Add(node.token());
      if (accepts && node.size() > 1) add_exit(i, at);
    };
    if (NoBoundWithin(state, count, vocabulary_.max_token_bytes())) {
      const auto step = [&](TerminalStates::Id from, uint8_t byte, TerminalStates::Id& to) {
        to = terminals.StepUncounted(from, byte);
        return to != TerminalStates::kDead;
      };
      if (!rest_only && GoesOnWithMostLetters(state)) {
        // The long walks are of this kind, half a million nodes, and nothing tells which of them
        // end a token: without a branch on that, what ends none falls into a word of its own.
        const size_t words = (vocabulary_.size() + 63) / 64;
        std::vector<uint64_t> bits(words + 1);
        trie.Walk(0, trie.nodes().size(), 0, state, step, [&](size_t i, TerminalStates::Id at) {
          const TokenTrie::Node& node = trie.nodes()[i];
          const uint32_t token = node.token_byte >> 8;
          bits[std::min<size_t>(token / 64, words)] |= uint64_t{1} << (token % 64);
          if (terminals.state(at).accepts && node.size() > 1) add_exit(i, at);
        });
        bits.pop_back();
        found.Add(bits);
      } else {
        trie.Walk(0, trie.nodes().size(), 0, state, step, [&](size_t i, TerminalStates::Id at) {
          take(i, terminals.state(at).accepts, at);
        });
      }
    } else {
      trie.Walk(
          0, trie.nodes().size(), 0, TerminalAt{state, count},
          [&](const TerminalAt& from, uint8_t byte, TerminalAt& to) {
            to.count = from.count;
            to.state = terminals.Step(from.state, byte, &to.count);
            return to.state != TerminalStates::kDead;
          },
          [&](size_t i, const TerminalAt& at) {
            take(i, terminals.Accepts(at.state, at.count), at.state);
          });
    }
    if (mask->too_many_exits) mask->exits.clear();
    if (found.has_bits()) {
      mask->bits = found.TakeBits();
    } else {
      mask->tokens = found.TakeIds();
    }
    std::stable_sort(mask->exits.begin(), mask->exits.end(),
                     [](const auto& a, const auto& b) { return a.key < b.key; });
    mask->exits.shrink_to_fit();
    store_.mask_bytes += sizeof(TerminalMask) + 64 + mask->bits.size() * 8 +
                         mask->tokens.size() * 4 + mask->exits.size() * 8;
    known = std::move(mask);
    return *known;
  }

  MaskStore& store_;
  ParseStates& states_;
  const ConstraintVocabulary& vocabulary_;
  const uint64_t max_work_;
  bool met_too_ambiguous_ = false;
};

}  // namespace

std::shared_ptr<MaskStore> Constraint::Impl::Store(uint64_t vocabulary_id,
                                                   const MaskStore* full) const {
  const std::lock_guard lock(mutex_);
  const auto it = std::find_if(stores_.begin(), stores_.end(),
                               [&](const auto& store) { return store.first == vocabulary_id; });
  if (it != stores_.end()) {
    auto store = it->second;
    stores_.erase(it);
    if (store.get() == full) store = std::make_shared<MaskStore>(*grammar);
    stores_.emplace_back(vocabulary_id, store);
    return store;
  }
  if (stores_.size() >= kMaxStores) stores_.erase(stores_.begin());
  stores_.emplace_back(vocabulary_id, std::make_shared<MaskStore>(*grammar));
  return stores_.back().second;
}

ConstraintMatcher::ConstraintMatcher(const Constraint& constraint,
                                     const ConstraintVocabulary* vocabulary)
    : impl_(constraint.impl()),
      vocabulary_(vocabulary),
      store_(impl_->Store(vocabulary == nullptr ? 0 : vocabulary->id(), nullptr)) {
  const std::lock_guard lock(store_->mutex);
  state_ = store_->states.Start();
}

std::unique_ptr<ConstraintMatcher> ConstraintMatcher::Fork() const {
  return std::unique_ptr<ConstraintMatcher>(new ConstraintMatcher(*this));
}

// A store that has grown beyond its bytes is left to those who still use it.
void ConstraintMatcher::MakeRoom() {
  {
    const std::lock_guard lock(store_->mutex);
    if (store_->bytes() < MaskStore::kMaxBytes) return;
  }
  const auto old = store_;
  store_ = impl_->Store(vocabulary_ == nullptr ? 0 : vocabulary_->id(), old.get());
  const std::scoped_lock lock(old->mutex, store_->mutex);
  state_ = store_->states.Import(old->states, state_);
}

std::unexpected<Error> ConstraintMatcher::TooAmbiguous() const {
  return Fail(ErrorCode::kUnsupported, "the grammar is too ambiguous at byte ", bytes_read_,
              ": more than ", ParseStates::kMaxThreads, " ways to read the text");
}

Result<const TokenMask*> ConstraintMatcher::Allowed() {
  MakeRoom();
  const std::lock_guard lock(store_->mutex);
  ParseStates& states = store_->states;
  if (vocabulary_ == nullptr) {
    return Fail(ErrorCode::kInternal, "a mask was asked for without a vocabulary");
  }
  if (state_ == ParseStates::kTooAmbiguous) return TooAmbiguous();
  const ParseStates::Id id = states.Canonical(state_, vocabulary_->max_token_bytes() + 1);
  std::shared_ptr<const TokenMask>& known = store_->masks[id];
  if (known == nullptr) {
    MaskMaker maker(*store_, *vocabulary_);
    auto mask = std::make_shared<const TokenMask>(maker.Make(id));
    if (maker.met_too_ambiguous()) return TooAmbiguous();
    if (maker.took_too_long()) {
      return Fail(ErrorCode::kUnsupported, "the grammar is too ambiguous at byte ", bytes_read_,
                  ": the tokens that may follow cannot be found in time");
    }
    store_->mask_bytes += mask->bytes() + 64;
    known = std::move(mask);
  }
  mask_ = known;
  return mask_.get();
}

bool ConstraintMatcher::MayEnd() const {
  const std::lock_guard lock(store_->mutex);
  return store_->states.MayEnd(state_);
}

bool ConstraintMatcher::MustEnd() const {
  const std::lock_guard lock(store_->mutex);
  return store_->states.MayEnd(state_) && !store_->states.CanContinue(state_);
}

Result<bool> ConstraintMatcher::Accept(TokenId token) {
  if (vocabulary_ == nullptr || !vocabulary_->IsText(token)) return false;
  MakeRoom();
  const std::lock_guard lock(store_->mutex);
  ParseStates::Id state = state_;
  const std::string_view bytes = vocabulary_->Bytes(token);
  for (const char byte : bytes) {
    state = store_->states.Step(state, static_cast<uint8_t>(byte));
    if (state == ParseStates::kDead) return false;
    if (state == ParseStates::kTooAmbiguous) return TooAmbiguous();
  }
  state_ = state;
  bytes_read_ += bytes.size();
  return true;
}

Result<size_t> ConstraintMatcher::AcceptBytes(std::string_view bytes) {
  MakeRoom();
  const std::lock_guard lock(store_->mutex);
  size_t read = 0;
  for (; read < bytes.size(); ++read) {
    const ParseStates::Id next = store_->states.Step(state_, static_cast<uint8_t>(bytes[read]));
    if (next == ParseStates::kDead) break;
    if (next == ParseStates::kTooAmbiguous) return TooAmbiguous();
    state_ = next;
    ++bytes_read_;
  }
  return read;
}

namespace {

// The only way on from `id`, byte by byte; `id` ends up behind it.
std::string FollowForced(ParseStates& states, ParseStates::Id* id) {
  std::string bytes;
  while (bytes.size() < kMaxForcedBytes && !states.MayEnd(*id)) {
    const ParseStates::ByteSet next = states.NextBytes(*id);
    if (next.Count() != 1) break;
    const int byte = next.First();
    const ParseStates::Id to = states.Step(*id, static_cast<uint8_t>(byte));
    if (to <= ParseStates::kTooAmbiguous) break;
    bytes += static_cast<char>(byte);
    *id = to;
  }
  return bytes;
}

}  // namespace

std::string ConstraintMatcher::ForcedBytes() {
  MakeRoom();
  const std::lock_guard lock(store_->mutex);
  ParseStates::Id end = state_;
  return FollowForced(store_->states, &end);
}

Status ConstraintMatcher::Forced(std::vector<TokenId>* tokens) {
  tokens->clear();
  MakeRoom();
  const std::lock_guard lock(store_->mutex);
  ParseStates& states = store_->states;
  ParseStates::Id end = state_;
  std::string bytes = FollowForced(states, &end);
  // Whole characters can be encoded. A run that begins in the middle of one cannot.
  if (const size_t invalid = FindInvalidUtf8(bytes); invalid != std::string_view::npos) {
    if (bytes.size() - invalid > 3) return {};
    bytes.resize(invalid);
    end = state_;
    for (const char byte : bytes) end = states.Step(end, static_cast<uint8_t>(byte));
  }
  if (bytes.empty() || vocabulary_ == nullptr) return {};
  GEMMA3_TRY(const std::vector<TokenId> cut, vocabulary_->tokenizer().Encode(bytes));
  std::vector<size_t> ends;
  size_t at = 0;
  for (const TokenId token : cut) {
    const std::string_view text = vocabulary_->Bytes(token);
    // Tokens of fine-tunes may take white space beside them that they do not give back.
    if (!vocabulary_->IsText(token) || std::string_view(bytes).substr(at, text.size()) != text) {
      break;
    }
    ends.push_back(at += text.size());
  }
  if (at < bytes.size()) {  // what could not be told apart stays open
    bytes.resize(at);
    end = state_;
    for (const char byte : bytes) end = states.Step(end, static_cast<uint8_t>(byte));
  }
  // From the first byte on at which a token begins that reaches beyond the run, the model may want
  // another cut.
  const size_t num = ends.size();
  const size_t first = num <= kOpenTokens ? 0 : ends[num - kOpenTokens - 1];
  size_t open = bytes.size();
  MaskMaker maker(*store_, *vocabulary_);
  const auto& nodes = vocabulary_->all().nodes();
  for (size_t p = first; p < bytes.size() && open == bytes.size(); ++p) {
    size_t node = 0, node_end = nodes.size();
    size_t found = nodes.size();
    for (size_t i = p; i < bytes.size(); ++i) {
      found = nodes.size();
      for (size_t child = node; child < node_end; child += nodes[child].size()) {
        if (nodes[child].byte() == static_cast<uint8_t>(bytes[i])) {
          found = child;
          break;
        }
      }
      if (found == nodes.size()) break;
      node = found + 1;
      node_end = found + nodes[found].size();
    }
    if (found != nodes.size() && maker.AnyBehind(found, end)) open = p;
  }
  if (maker.met_too_ambiguous()) return TooAmbiguous();
  for (size_t i = 0; i < num && ends[i] <= open; ++i) tokens->push_back(cut[i]);
  return {};
}

size_t ConstraintMatcher::store_bytes() const {
  const std::lock_guard lock(store_->mutex);
  return store_->bytes();
}

}  // namespace gemma3
