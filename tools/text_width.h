// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// How many columns of a terminal text takes: none for combining marks, two for East Asian wide
// characters and emoji, by the C library's table, which needs a UTF-8 locale (main.cc sets one).
//
// Terminals disagree on emoji that are made of several characters: some draw a family joined by
// U+200D in two columns, others its members side by side. The width here is the most that any
// draws, and says so: who leaves room for that never runs over the edge.
#pragma once

#include <cstddef>
#include <string_view>

namespace gemma3::cli {

class WidthCounter {
 public:
  // The columns that `c` adds to what came before it.
  int Add(char32_t c);

  // Whether the last character belongs to the one before it: a combining mark, a part of an emoji.
  // No line may be broken between them.
  bool extends() const { return extends_; }

  // Whether a terminal may have drawn less than was counted for the last character.
  bool unsure() const { return unsure_; }

 private:
  char32_t last_ = 0;
  int last_width_ = 0;        // of the last character that is no mark
  bool half_a_flag_ = false;  // the last is the first letter of two that make a flag
  bool extends_ = false, unsure_ = false;
};

// Of UTF-8 text without control codes; a byte that begins no character counts one.
size_t TextWidth(std::string_view text);

}  // namespace gemma3::cli
