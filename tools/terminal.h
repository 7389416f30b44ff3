// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a terminal can do, and what text may do to it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gemma3::cli {

// Whether a file descriptor is a terminal; false for a closed one.
bool IsTerminal(int fd);

// Whether escape codes for colour and weight are wanted: a terminal that is not dumb, and no
// NO_COLOR (no-color.org).
bool WantsColor(int fd);

// Whether cursor and mode escape codes are understood: a terminal that is not dumb.
bool UnderstandsEscapes(int fd);

// The width of a terminal in columns; 0 for what is none, or does not say.
size_t TerminalColumns(int fd);

// Text that cannot command a terminal: control codes become visible pictures of themselves (ESC is
// U+241B, a C1 code is U+241B and the letter that follows ESC in its 7-bit form), bytes that are no
// UTF-8 become U+FFFD. Line feeds and tabs stay. Pieces must not split a character.
std::string SanitizeForTerminal(std::string_view text);

// Appends a code point as UTF-8. Surrogates and values beyond U+10FFFF become U+FFFD.
void AppendUtf8(std::string& text, char32_t code_point);

// The code point at the front of `text`, which is not empty, and how many bytes it takes. length 0:
// the first byte begins no valid UTF-8 character.
struct Utf8Char {
  char32_t code_point;
  int length;
};
Utf8Char FirstUtf8Char(std::string_view text);

}  // namespace gemma3::cli
