// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Language codes and the English names that TranslateGemma's prompt gives them.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"

namespace gemma3 {

// The table in a chat template's text: the longest list of neighbouring pairs such as
// "pt-BR": "Portuguese", in either kind of quotes. Sorted by code; of two entries for one code the
// last counts, as in the template's language. `text` may be any bytes; what does not look like a
// code (two or three letters, then subtags) or a name (a line of UTF-8) is not taken.
std::vector<Language> ParseLanguageTable(std::string_view text);

// The entry for a user's code: "_" is read as "-", and case does not matter where the exact
// spelling is not there. With an empty table the codes of ISO 639-1 are known, and a region or
// script behind one keeps its name. Errors: kInvalidArgument naming `what` ("source language"), the
// code and the nearest ones.
Result<Language> FindLanguage(std::string_view code, std::span<const Language> table,
                              std::string_view what);

}  // namespace gemma3
