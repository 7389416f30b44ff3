// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/text_width.h"

#include <wchar.h>

#include "tools/terminal.h"

namespace gemma3::cli {
namespace {

constexpr char32_t kJoiner = 0x200D;         // between the parts of an emoji
constexpr char32_t kEmojiSelector = 0xFE0F;  // asks for the coloured form, which is wide

bool IsSkinTone(char32_t c) { return c >= 0x1F3FB && c <= 0x1F3FF; }
bool IsFlagLetter(char32_t c) { return c >= 0x1F1E6 && c <= 0x1F1FF; }

// The C library's, and a guess for what is newer than its table: where emoji and ideographs are
// added, it is one.
int WidthOf(char32_t c) {
  const int known = ::wcwidth(static_cast<wchar_t>(c));
  if (known >= 0) return known;
  return (c >= 0x1F300 && c <= 0x1FAFF) || (c >= 0x20000 && c <= 0x3FFFD) ? 2 : 1;
}

}  // namespace

int WidthCounter::Add(char32_t c) {
  const int width = WidthOf(c);
  const char32_t before = last_;
  last_ = c;
  unsure_ = false;
  if (IsFlagLetter(c)) {
    extends_ = half_a_flag_;
    half_a_flag_ = !half_a_flag_;
    last_width_ = 1;
    return 1;  // a flag is two columns wide on every terminal, half a one one or two
  }
  half_a_flag_ = false;
  if (c == kEmojiSelector && last_width_ == 1) {
    extends_ = unsure_ = true;
    last_width_ = 2;
    return 1;
  }
  if (before == kJoiner || (IsSkinTone(c) && last_width_ == 2)) {
    extends_ = true;
    unsure_ = width > 0;
    last_width_ = width;
    return width;
  }
  extends_ = width == 0;
  if (width > 0) last_width_ = width;
  return width;
}

size_t TextWidth(std::string_view text) {
  WidthCounter counter;
  size_t width = 0;
  while (!text.empty()) {
    const auto [c, length] = FirstUtf8Char(text);
    width += length == 0 ? 1 : static_cast<size_t>(counter.Add(c));
    text.remove_prefix(length == 0 ? 1 : static_cast<size_t>(length));
  }
  return width;
}

}  // namespace gemma3::cli
