// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Breaking lines between words at a terminal's edge, while the text comes in pieces. A word is held
// back until it is known to fit, so nothing has to be erased, and no cursor codes are needed.
//
// All that is done to the text: a line feed goes in where a word would cross the edge, with spaces
// behind it that continue the indentation of a list; spaces that would lie beyond the edge go. A
// word that no row can hold begins on a new one and is left to the terminal, which then copies it
// in one piece. Between ideographs, kana and emoji, where any place will do for a break, it is left
// to the terminal too, and copies are whole there; punctuation may come to begin a row. Lines of
// code blocks, between ``` or ~~~ fences, are not touched.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "tools/text_width.h"

namespace gemma3::cli {

class WordWrap {
 public:
  // The next piece: UTF-8, no character cut in two, no control codes but line feeds and tabs.
  // Returns what to print now. `columns` is the terminal's width now, which may change as it
  // likes; 0: not known, nothing is wrapped. The first piece begins in the first column.
  std::string Add(std::string_view text, size_t columns);

  // The word that is held back, when no more text comes, or when it is to be seen at once.
  std::string Flush();

 private:
  void Resize(size_t columns);
  void AddChar(std::string_view bytes, char32_t c);
  void AddSpace(std::string_view bytes);
  void AddToWord(std::string_view bytes, size_t width);
  void EndWord();
  void EndLine();
  // One character that the terminal may put on the next row.
  void Print(std::string_view bytes, size_t width);
  void NewRow();
  size_t Indent() const;

  std::string out_;  // to be printed

  size_t columns_ = 0;
  size_t column_ = 0;    // where the cursor is, at most; equal to columns_ behind the last column
  size_t printed_ = 0;   // columns since the last line feed, over all rows that the terminal made
  bool unsure_ = false;  // the cursor may be before column_
  bool lost_ = false;    // and may be in any row or column
  bool dropped_space_ = false;    // what follows must begin a new row
  bool breaks_anywhere_ = false;  // behind an ideograph or its like
  WidthCounter width_;

  std::string word_;  // held back
  size_t word_width_ = 0;
  bool word_unsure_ = false;
  bool long_word_ = false;  // no row can hold it, it is printed as it comes

  std::string line_;       // the text's current line, or the begin of a long one
  size_t indent_ = 0;      // of the rows that continue it
  bool is_fence_ = false;  // it begins as a fence does
  bool in_code_ = false;
  std::string fence_;  // that opened the block
};

}  // namespace gemma3::cli
