// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Regular expressions as JSON schema's `pattern` has them: ECMA-262 with the u flag, found anywhere
// in the text. Compiled whole to an automaton, so that matching never goes back.
//
//   abc  .  [a-z]  [^a-z]  \d \D \w \W \s \S  \p{L} \P{Lu}        characters and sets of them
//   \t \n \r \f \v \0 \cX \xHH \uHHHH \u{H}  \/ \- \. ...         escapes
//   ( )  (?: )  (?<name> )  |  * + ? {m} {m,} {m,n}  and lazy     groups, choices, repetition
//   ^  $                                                          the ends of the text
//
// `.` is any character but \n, \r, U+2028 and U+2029; \d and \w are of ASCII, \s is ECMA's white
// space. \p knows general categories (of Unicode 14), Any and ASCII. Look-around, back-references,
// \b, \B and flags are refused: what they exclude would come through if they were ignored.
#pragma once

#include <string_view>

#include "gemma3/error.h"
#include "src/automata/text_dfa.h"

namespace gemma3 {

// The texts in which `pattern` is found. Errors: kInvalidArgument for what is no pattern,
// kUnsupported for what is left out and beyond the limits, that of `work` among them; both name the
// byte of the pattern.
Result<TextDfa> CompilePattern(std::string_view pattern, Work* work = nullptr);

// Shared between the readers of patterns and of grammars: a tree of what is to be matched.
struct RegexNode {
  enum class Kind : uint8_t { kEmpty, kChars, kConcat, kChoice, kRepeat, kBegin, kEnd };
  static constexpr uint32_t kNoLimit = UINT32_MAX;
  Kind kind = Kind::kEmpty;
  CharSet chars = {};
  std::vector<RegexNode> parts = {};
  uint32_t least = 0, most = 0;  // kRepeat, of parts[0]
};
// The texts that are matched from end to end (`search` false), or that hold a match. Errors:
// kUnsupported where that takes more than `max_states` states, or too long to find out.
Result<TextDfa> CompileRegex(const RegexNode& root, bool search,
                             size_t max_states = TextDfa::kMaxStates, Work* work = nullptr);

}  // namespace gemma3
