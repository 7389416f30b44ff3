// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The vocabulary by its bytes: tokens that begin alike are decided together.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/tokenizer.h"

namespace gemma3 {

// Depth first, a node directly behind its parent. 8 bytes a node.
class TokenTrie {
 public:
  struct Node {
    uint32_t token_byte;  // token << 8 | byte; kNoToken << 8 where none ends here
    uint32_t size_depth;  // nodes of the subtree, this one included << 8 | depth, 1 at the top

    uint8_t byte() const { return static_cast<uint8_t>(token_byte); }
    bool has_token() const { return token_byte >> 8 != kNoToken; }
    TokenId token() const { return static_cast<TokenId>(token_byte >> 8); }
    uint32_t size() const { return size_depth >> 8; }
    uint32_t depth() const { return size_depth & 0xFF; }
  };
  static constexpr uint32_t kNoToken = 0xFFFFFF;
  static constexpr size_t kMaxDepth = 255;

  TokenTrie() = default;
  // Texts are not empty, at most kMaxDepth bytes, sorted, each once.
  explicit TokenTrie(const std::vector<std::pair<std::string_view, TokenId>>& sorted);

  const std::vector<Node>& nodes() const { return nodes_; }

  // Goes through the nodes [begin, end), whose parents are at depth `base` and in state `root`.
  // step(state, byte) gives the next state, 0 to leave a subtree out; found(node index, state).
  template <class State, class Step, class Found>
  void Walk(size_t begin, size_t end, uint32_t base, State root, const Step& step,
            const Found& found) const {
    std::array<State, kMaxDepth + 1> states;
    states[base] = root;
    for (size_t i = begin; i < end;) {
      const Node node = nodes_[i];
      const uint32_t depth = node.depth();
      if (step(states[depth - 1], node.byte(), states[depth])) {
        found(i, states[depth]);
        ++i;
      } else {
        i += node.size();
      }
    }
  }

 private:
  std::vector<Node> nodes_;
};

// A vocabulary as constraints see it. Immutable; threads may share it.
//
// Text tokens alone take part: control tokens never do, nor do bytes that have a token of their own
// text (the tokenizer would not write them so), nor tokens of more than 255 bytes.
class ConstraintVocabulary {
 public:
  explicit ConstraintVocabulary(const Tokenizer& tokenizer);

  size_t size() const { return size_; }  // of the tokenizer's vocabulary
  std::string_view Bytes(TokenId id) const { return tokenizer_.TokenBytes(id); }
  bool IsText(TokenId id) const;
  const Tokenizer& tokenizer() const { return tokenizer_; }

  const TokenTrie& all() const { return all_; }
  // Plain tokens are whole characters of IsPlain: what JSON strings hold as it is. These are the
  // others.
  const TokenTrie& not_plain() const { return not_plain_; }
  // The most characters that a plain token has, and bits of the plain tokens with at most `chars`.
  uint32_t max_plain_chars() const { return static_cast<uint32_t>(plain_.size()); }
  const std::vector<uint64_t>& PlainUpTo(uint32_t chars) const { return plain_[chars - 1]; }
  uint32_t max_token_bytes() const { return max_token_bytes_; }
  size_t num_text_tokens() const { return num_text_tokens_; }
  // Another one for every vocabulary that this process makes: what is known of one never meets
  // another that lies at the same address later.
  uint64_t id() const { return id_; }

 private:
  const Tokenizer& tokenizer_;
  uint64_t id_;
  size_t size_;
  TokenTrie all_, not_plain_;
  std::vector<std::vector<uint64_t>> plain_;
  std::vector<uint64_t> text_;
  uint32_t max_token_bytes_ = 0;
  size_t num_text_tokens_ = 0;
};

// Makes the vocabulary when it is first asked for, which takes a tenth of a second: for the owner
// of the tokenizer, so that all requests share one.
class LazyConstraintVocabulary {
 public:
  // Any thread. `tokenizer` is the same each time and outlives this.
  const ConstraintVocabulary& Get(const Tokenizer& tokenizer) const;

 private:
  mutable std::mutex mutex_;
  mutable std::unique_ptr<const ConstraintVocabulary> vocabulary_;
};

}  // namespace gemma3
