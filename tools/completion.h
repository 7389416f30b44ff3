// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What Tab completes in the chat: commands, names of settings and those values that are a list, and
// files, as the commands and picture paths of the chat read them, with quotes, backslashes and
// "~/".
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gemma3::cli {

// A command of the chat, without its slash. `arguments` are the placeholders that its help shows,
// and say what is completed: FILE, DIR, NAME of a setting and then VALUE.
struct CommandWords {
  std::vector<std::string> names;  // the first is its name, the others are offered where none fits
  std::string arguments;
};

struct Completion {
  size_t erase = 0;    // so many characters go from before the cursor
  std::string insert;  // and this goes in
  // Where nothing can go in because there are several ways to go on: these, to be shown.
  std::vector<std::string> choices;
};

// line: up to the cursor.
Completion CompleteLine(std::string_view line, std::span<const CommandWords> commands);

// Choices side by side in as many columns of text as `width` has room for, sorted downwards; lines
// end in a line feed. Of very many, the first.
std::string ChoiceTable(std::span<const std::string> choices, size_t width);

}  // namespace gemma3::cli
