// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Finding pictures that a user named in a line typed into the chat, or dragged into the window.
// Only for text typed at a terminal: text from elsewhere must not make the program open files.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace gemma3::cli {

// A line is text, then a picture, then text, and so on.
struct LinePiece {
  std::string text;
  bool is_image = false;  // text is the path
};

// Splits `line` at words that end in the name extension of a picture and for which `exists` is
// true. A word with spaces stands in quotes or has backslashes before them; "~/" and "file://" at
// the front are understood, and punctuation behind a path is not part of it. Text comes back as it
// was typed.
std::vector<LinePiece> SplitAtImages(std::string_view line,
                                     const std::function<bool(const std::string&)>& exists);

// One path as typed: surrounding quotes, backslashes, "~/" and "file://" resolved.
std::string UnquotePath(std::string_view typed);

// A path that is being typed: what the functions above would read, up to where it ends.
struct OpenPath {
  std::string text;
  size_t name_characters = 0;  // as typed, behind the last slash
  char quote = 0;              // the quote that is still open
  bool is_closed = false;  // nothing can be added to it: behind a quote's end, or inside an escape
};
// The last word of a line, empty behind a space; and a path that is all of `typed`, also with
// spaces.
OpenPath LastOpenPath(std::string_view line);
OpenPath ReadOpenPath(std::string_view typed);

// The path with the user's home for "~/" at its front.
std::string WithHome(std::string path);

// Whether the name ends as those of pictures do.
bool HasImageExtension(std::string_view path);

// Whether it is a regular file that this process may read.
bool IsReadableFile(const std::string& path);

}  // namespace gemma3::cli
