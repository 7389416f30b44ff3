// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/constrain/token_trie.h"

#include <algorithm>
#include <atomic>

#include "src/automata/char_set.h"
#include "src/automata/text_dfa.h"
#include "src/base/vocabulary.h"

namespace gemma3 {
namespace {

// There is a set of bits for each length; Gemma's tokens have 31 characters at most.
constexpr uint32_t kMostPlainChars = 48;

// The number of characters where all are whole and plain, else 0.
uint32_t PlainChars(std::string_view text) {
  uint32_t count = 0;
  while (!text.empty()) {
    const auto lead = static_cast<uint8_t>(text[0]);
    const size_t size = lead < 0x80 ? 1 : lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (size == 0 || size > text.size()) return 0;
    if (!IsPlain(TakeChar(text)) || ++count > kMostPlainChars) return 0;
  }
  return count;
}

uint64_t NextId() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1);
}

}  // namespace

TokenTrie::TokenTrie(const std::vector<std::pair<std::string_view, TokenId>>& sorted) {
  std::array<size_t, kMaxDepth + 1> open;  // the node of each depth that is open
  std::string_view last;
  const auto close = [&](size_t from) {  // all deeper than `from`
    for (size_t depth = last.size(); depth > from; --depth) {
      Node& node = nodes_[open[depth]];
      node.size_depth =
          static_cast<uint32_t>(nodes_.size() - open[depth]) << 8 | static_cast<uint32_t>(depth);
    }
  };
  for (const auto& [text, token] : sorted) {
    size_t common = 0;
    while (common < last.size() && common < text.size() && last[common] == text[common]) ++common;
    close(common);
    for (size_t depth = common + 1; depth <= text.size(); ++depth) {
      open[depth] = nodes_.size();
      nodes_.push_back({kNoToken << 8 | static_cast<uint8_t>(text[depth - 1]), 0});
    }
    Node& end = nodes_[open[text.size()]];
    end.token_byte = static_cast<uint32_t>(token) << 8 | end.byte();
    last = text;
  }
  close(0);
}

ConstraintVocabulary::ConstraintVocabulary(const Tokenizer& tokenizer)
    : tokenizer_(tokenizer), id_(NextId()), size_(tokenizer.vocab_size()) {
  std::vector<std::pair<std::string_view, TokenId>> sorted;
  sorted.reserve(size_);
  const auto is_byte = [&](TokenId id) { return ByteOfPiece(tokenizer.Piece(id)).has_value(); };
  // Ids have 24 bits in a node of the trie.
  const size_t count = std::min<size_t>(size_, TokenTrie::kNoToken);
  for (size_t i = 0; i < count; ++i) {
    const auto id = static_cast<TokenId>(i);
    const std::string_view text = tokenizer.TokenBytes(id);
    if (text.empty() || text.size() > TokenTrie::kMaxDepth || tokenizer.IsControl(id)) continue;
    sorted.emplace_back(text, id);
  }
  std::sort(sorted.begin(), sorted.end(), [&](const auto& a, const auto& b) {
    if (a.first != b.first) return a.first < b.first;
    const bool byte_a = is_byte(a.second), byte_b = is_byte(b.second);
    return byte_a != byte_b ? byte_b : a.second < b.second;
  });
  const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
  sorted.erase(std::unique(sorted.begin(), sorted.end(), same), sorted.end());
  all_ = TokenTrie(sorted);
  num_text_tokens_ = sorted.size();
  const size_t words = (size_ + 63) / 64;
  text_.assign(words, 0);
  std::vector<std::pair<std::string_view, TokenId>> rest;
  for (const auto& [text, id] : sorted) {
    const auto bit = static_cast<size_t>(id);
    text_[bit / 64] |= uint64_t{1} << (bit % 64);
    max_token_bytes_ = std::max(max_token_bytes_, static_cast<uint32_t>(text.size()));
    const uint32_t chars = PlainChars(text);
    if (chars == 0) {
      rest.emplace_back(text, id);
      continue;
    }
    if (plain_.size() < chars) plain_.resize(chars, std::vector<uint64_t>(words, 0));
    plain_[chars - 1][bit / 64] |= uint64_t{1} << (bit % 64);
  }
  for (size_t chars = 1; chars < plain_.size(); ++chars) {
    for (size_t w = 0; w < words; ++w) plain_[chars][w] |= plain_[chars - 1][w];
  }
  not_plain_ = TokenTrie(rest);
}

bool ConstraintVocabulary::IsText(TokenId id) const {
  if (id < 0 || static_cast<size_t>(id) >= size_) return false;
  return (text_[static_cast<size_t>(id) / 64] >> (id % 64) & 1) != 0;
}

const ConstraintVocabulary& LazyConstraintVocabulary::Get(const Tokenizer& tokenizer) const {
  const std::lock_guard lock(mutex_);
  if (vocabulary_ == nullptr) vocabulary_ = std::make_unique<const ConstraintVocabulary>(tokenizer);
  return *vocabulary_;
}

}  // namespace gemma3
