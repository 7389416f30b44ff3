// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/word_wrap.h"

#include <algorithm>

#include "tools/terminal.h"
#include "tools/text.h"

namespace gemma3::cli {
namespace {

// In a narrower window wrapping would do more harm than good.
constexpr size_t kMinColumns = 10;

// Of a line; what tells fences and lists lies in front of that.
constexpr size_t kMaxLine = 256;

// Korean is written with spaces, and broken at them, for all that its characters are wide.
bool IsHangul(char32_t c) {
  return (c >= 0x1100 && c <= 0x11FF) || (c >= 0x3130 && c <= 0x318F) ||
         (c >= 0xA960 && c <= 0xA97F) || (c >= 0xAC00 && c <= 0xD7FF);
}

// Punctuation that belongs to what is before it.
bool IsClosing(char32_t c) {
  return std::u32string_view(U"!?.,;:)]}%\"'\u2019\u201d\u00bb\u2026").find(c) !=
         std::u32string_view::npos;
}

// "-", "*", "3." and the like, with which an item of a list begins, or a quotation.
bool IsListMark(std::string_view text) {
  if (text == "-" || text == "*" || text == "+" || text == ">" || text == "\u2022") return true;
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits < 1 || digits > 9) return false;
  text.remove_prefix(digits);
  return text == "." || text == ")";
}

// The ``` or ~~~ that `line` begins with, at least three, or nothing.
std::string_view FenceOf(std::string_view line) {
  line = TrimSpace(line);
  if (!line.starts_with("```") && !line.starts_with("~~~")) return {};
  return line.substr(0, std::min(line.find_first_not_of(line[0]), line.size()));
}

}  // namespace

std::string WordWrap::Add(std::string_view text, size_t columns) {
  out_.clear();
  Resize(columns < kMinColumns ? 0 : columns);
  while (!text.empty()) {
    auto [c, length] = FirstUtf8Char(text);
    if (length == 0) length = 1;
    AddChar(text.substr(0, static_cast<size_t>(length)), c);
    text.remove_prefix(static_cast<size_t>(length));
  }
  return std::move(out_);
}

std::string WordWrap::Flush() {
  out_.clear();
  const bool is_inside = long_word_ || !word_.empty();
  EndWord();
  long_word_ = is_inside;  // should it go on
  return std::move(out_);
}

void WordWrap::Resize(size_t columns) {
  if (columns == columns_) return;
  // Some terminals lay rows out anew that they had broken themselves or that are too long now,
  // others leave or cut them. Where there are none of these, the cursor is where it was.
  if (printed_ > std::min(columns, columns_)) lost_ = true;
  columns_ = columns;
}

void WordWrap::AddChar(std::string_view bytes, char32_t c) {
  if (c == '\n') return EndLine();
  if (line_.size() < kMaxLine) line_ += bytes;
  if (c == '\t' && (in_code_ || is_fence_ || columns_ == 0)) {
    Print(bytes, 8 - column_ % 8);
    return;
  }
  if (c == ' ' || c == '\t') return AddSpace(bytes);
  const auto width = static_cast<size_t>(width_.Add(c));
  if (in_code_ || is_fence_ || columns_ == 0) {
    EndWord();  // held from before
    Print(bytes, width);
    long_word_ = true;  // should the width become known inside of it
  } else if (width_.extends()) {
    if (word_.empty()) {
      Print(bytes, width);
    } else {
      word_ += bytes;
      word_width_ += width;
      word_unsure_ = word_unsure_ || width_.unsure();
    }
  } else if ((width == 2 && !IsHangul(c)) || (breaks_anywhere_ && word_.empty() && IsClosing(c))) {
    EndWord();
    // Behind the terminal's own break the column is known only if it was before.
    const bool crosses = column_ + width > columns_;
    if (lost_ || dropped_space_ || (unsure_ && crosses)) NewRow();
    Print(bytes, width);
    breaks_anywhere_ = true;
  } else {
    AddToWord(bytes, width);
  }
}

void WordWrap::AddSpace(std::string_view bytes) {
  EndWord();
  breaks_anywhere_ = false;
  width_ = {};  // nothing joins over a space
  const bool is_tab = bytes == "\t";
  const size_t width = is_tab ? 8 - column_ % 8 : 1;
  const bool wraps = columns_ != 0 && !in_code_ && !is_fence_;
  if (wraps && (lost_ || column_ + width > columns_)) {
    dropped_space_ = true;
    return;
  }
  Print(bytes, width);
  const std::string_view begin = TrimSpace(line_);
  if (begin.empty() || IsListMark(begin)) indent_ = column_;
}

void WordWrap::AddToWord(std::string_view bytes, size_t width) {
  breaks_anywhere_ = false;
  if (!long_word_ && word_width_ + width > columns_ - Indent()) {
    EndWord();
    long_word_ = true;
  }
  if (long_word_) {
    if (unsure_ && column_ + width > columns_) NewRow();
    Print(bytes, width);
    return;
  }
  word_ += bytes;
  word_width_ += width;
  word_unsure_ = word_unsure_ || width_.unsure();
  if ((word_ == "```" || word_ == "~~~") && TrimSpace(line_) == word_) {
    EndWord();
    is_fence_ = true;
  }
}

void WordWrap::EndWord() {
  long_word_ = false;
  if (word_.empty()) return;
  if (columns_ != 0) {
    const bool crosses = column_ + word_width_ > columns_;
    if (lost_ || dropped_space_ || (crosses && column_ > Indent())) NewRow();
    // Held while the window became too narrow for it.
    if (column_ + word_width_ > columns_) lost_ = true;
  }
  out_ += word_;
  column_ += word_width_;
  printed_ += word_width_;
  unsure_ = unsure_ || word_unsure_;
  word_.clear();
  word_width_ = 0;
  word_unsure_ = false;
}

void WordWrap::EndLine() {
  EndWord();
  const std::string_view fence = FenceOf(line_);
  if (line_.size() < kMaxLine && !fence.empty()) {
    const std::string_view behind = TrimSpace(TrimSpace(line_).substr(fence.size()));
    if (in_code_) {
      in_code_ = !(fence.starts_with(fence_) && behind.empty());
    } else if (fence[0] == '~' || behind.find('`') == std::string_view::npos) {
      // Else it is code within a line, whose marks are three.
      in_code_ = true;
      fence_ = fence;
    }
  }
  out_ += '\n';
  column_ = printed_ = indent_ = 0;
  unsure_ = lost_ = dropped_space_ = breaks_anywhere_ = is_fence_ = false;
  width_ = {};
  line_.clear();
}

void WordWrap::Print(std::string_view bytes, size_t width) {
  out_ += bytes;
  printed_ += width;
  unsure_ = unsure_ || width_.unsure();
  if (columns_ == 0 || column_ + width <= columns_) {
    column_ += width;
    return;
  }
  // The terminal has broken the row in front of this character, or has it drawn smaller.
  column_ = width;
  if (width_.extends() || unsure_) lost_ = true;
}

void WordWrap::NewRow() {
  out_ += '\n';
  out_.append(Indent(), ' ');
  column_ = printed_ = Indent();
  unsure_ = lost_ = dropped_space_ = false;
}

size_t WordWrap::Indent() const { return 2 * indent_ > columns_ ? 0 : indent_; }

}  // namespace gemma3::cli
