// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Text that tools and their servers wrote: made fit for a model to read, and for a person.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gemma3::cli {

// For a model: valid UTF-8 without the sequences that colour or command a terminal and without
// other control codes than line feeds and tabs. CR LF becomes LF; what is no UTF-8 becomes U+FFFD.
std::string CleanToolText(std::string_view bytes);

// For a person, in one line that cannot command the terminal nor show in another order than it is
// written: control codes become pictures of themselves, marks of direction and invisible
// characters U+FFFD. Of more than max_bytes the middle is left out, which the line says.
std::string OneLine(std::string_view text, size_t max_bytes = 2000);

// At most max_bytes of valid UTF-8, in whole characters, and what was left out in a last line.
std::string CutToolText(std::string text, size_t max_bytes, size_t dropped_before = 0);

}  // namespace gemma3::cli
