// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Finds in a text the tokens that a tokenizer.json adds to the model's pieces, exactly as
// huggingface/tokenizers does (tokenizers/src/tokenizer/added_vocabulary.rs).
//
// At each place the longest token counts, and the search goes on behind it, also where
// `single_word` rejects it. Tokens that are not `normalized` are looked for in the text as it is;
// then the others in what is left, after its spaces became U+2581 (so that they take no spaces by
// lstrip and rstrip, only other white space).
#pragma once

#include <bitset>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gemma3/config.h"
#include "src/base/vocabulary.h"

namespace gemma3 {

// A part of a text: a token, or text without one.
struct TextPart {
  TokenId token = -1;  // -1: text
  std::string text;
};

class AddedTokens {
 public:
  // `content` is the token's spelling.
  void Add(std::string_view content, TokenId id, const AddedToken& how);
  // Call once, after the last Add.
  void Sort();
  bool empty() const { return as_it_is_.empty() && normalized_.empty(); }

  // The parts of valid UTF-8, in order; none is empty text.
  std::vector<TextPart> Split(std::string_view text) const;

 private:
  struct Token {
    std::string content;
    TokenId id;
    AddedToken how;
  };

  class Matcher {
   public:
    void Add(Token token) { tokens_.push_back(std::move(token)); }
    void Sort();
    bool empty() const { return tokens_.empty(); }
    // Calls found(part, -1) for text and found("", id) for tokens, in order.
    template <class Fn>
    void Split(std::string_view text, const Fn& found) const;

   private:
    // The longest token that `text` begins with, or null.
    const Token* Longest(std::string_view text) const;

    std::vector<Token> tokens_;  // by content
    std::bitset<256> first_;     // bytes that tokens begin with
  };

  Matcher as_it_is_, normalized_;
};

// \w of the regular expressions that `single_word` is defined by: letters, marks, digits,
// connecting punctuation, joiners.
bool IsWordCharacter(char32_t c);

}  // namespace gemma3
