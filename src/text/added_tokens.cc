// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/text/added_tokens.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

#include "src/text/utf8.h"

namespace gemma3 {
namespace {

constexpr char32_t kWordEdges[] = {
#include "src/text/word_ranges.inc"
};

// The property White_Space, which \s matches.
bool IsSpace(char32_t c) {
  return (c >= 0x9 && c <= 0xD) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

// The code point of one whole character.
char32_t CodePoint(std::string_view character) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(character[i]); };
  char32_t c = character.size() == 1 ? byte(0) : byte(0) & (0xFF >> (character.size() + 1));
  for (size_t i = 1; i < character.size(); ++i) c = c << 6 | (byte(i) & 0x3F);
  return c;
}

// Of valid UTF-8; empty where the text is.
std::string_view FirstCharacter(std::string_view text) {
  return text.empty() ? text : text.substr(0, NextUtf8Char(text).size);
}
std::string_view LastCharacter(std::string_view text) {
  size_t begin = text.size();
  while (begin > 0 && (static_cast<uint8_t>(text[--begin]) & 0xC0) == 0x80) continue;
  return text.substr(begin);
}

bool IsWord(std::string_view character) {
  return !character.empty() && IsWordCharacter(CodePoint(character));
}
bool IsSpace(std::string_view character) {
  return !character.empty() && IsSpace(CodePoint(character));
}

// Bytes of white space at the end and at the beginning of a text.
size_t SpaceAtEnd(std::string_view text) {
  const size_t size = text.size();
  for (;;) {
    const std::string_view last = LastCharacter(text);
    if (!IsSpace(last)) return size - text.size();
    text.remove_suffix(last.size());
  }
}
size_t SpaceAtBegin(std::string_view text) {
  const size_t size = text.size();
  for (;;) {
    const std::string_view first = FirstCharacter(text);
    if (!IsSpace(first)) return size - text.size();
    text.remove_prefix(first.size());
  }
}

}  // namespace

bool IsWordCharacter(char32_t c) {
  const auto edge = std::upper_bound(std::begin(kWordEdges), std::end(kWordEdges), c);
  return (edge - std::begin(kWordEdges)) % 2 == 1;
}

void AddedTokens::Add(std::string_view content, TokenId id, const AddedToken& how) {
  if (content.empty()) return;
  if (how.normalized) {
    normalized_.Add({WithSpaceSymbols(content), id, how});
  } else {
    as_it_is_.Add({std::string(content), id, how});
  }
}

void AddedTokens::Sort() {
  as_it_is_.Sort();
  normalized_.Sort();
}

void AddedTokens::Matcher::Sort() {
  // Two spellings may become one; the first token counts.
  std::ranges::stable_sort(tokens_, {}, &Token::content);
  const auto rest = std::ranges::unique(tokens_, {}, &Token::content);
  tokens_.erase(rest.begin(), rest.end());
  for (const Token& token : tokens_) first_.set(static_cast<uint8_t>(token.content[0]));
}

const AddedTokens::Token* AddedTokens::Matcher::Longest(std::string_view text) const {
  if (!first_[static_cast<uint8_t>(text[0])]) return nullptr;
  const Token* longest = nullptr;
  // The tokens that agree with the text in its first `depth` bytes. Shorter ones come first.
  auto begin = tokens_.begin(), end = tokens_.end();
  for (size_t depth = 0; begin != end; ++depth) {
    if (begin->content.size() == depth) {
      longest = &*begin;
      if (++begin == end) break;
    }
    if (depth == text.size()) break;
    const auto byte_at = [depth](const Token& token) {
      return static_cast<uint8_t>(token.content[depth]);
    };
    const auto same =
        std::ranges::equal_range(begin, end, static_cast<uint8_t>(text[depth]), {}, byte_at);
    begin = same.begin(), end = same.end();
  }
  return longest;
}

template <class Fn>
void AddedTokens::Matcher::Split(std::string_view text, const Fn& found) const {
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const Token* token = Longest(text.substr(at));
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->content.size();
    at = end;
    if (token->how.single_word && (IsWord(LastCharacter(text.substr(0, begin))) ||
                                   IsWord(FirstCharacter(text.substr(end))))) {
      continue;
    }
    // White space that belongs to the token before stays there.
    if (token->how.lstrip) begin = std::max(begin - SpaceAtEnd(text.substr(0, begin)), done);
    if (token->how.rstrip) end += SpaceAtBegin(text.substr(end));
    if (done < begin) found(text.substr(done, begin - done), -1);
    found(std::string_view(), token->id);
    done = end;
  }
  if (done < text.size()) found(text.substr(done), -1);
}

std::vector<TextPart> AddedTokens::Split(std::string_view text) const {
  std::vector<TextPart> parts;
  const auto keep = [&](std::string_view part, TokenId id) {
    parts.push_back({id, std::string(part)});
  };
  as_it_is_.Split(text, [&](std::string_view part, TokenId id) {
    if (id >= 0 || normalized_.empty()) return keep(part, id);
    normalized_.Split(WithSpaceSymbols(part), keep);
  });
  return parts;
}

}  // namespace gemma3
