// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// GBNF, the notation for grammars of llama.cpp (its grammars/README.md).
//
//   root ::= "a" [^"\\\x00-\x1F] .        a rule: its name, then what it matches
//   item* item+ item? item{2,4} ( ... )   repetition, groups
//   a | b                                 alternatives
//   "\n" "\x41" "\u00e9" "\U0001F600"     escapes, also \t \r \\ \" \[ \] \-
//   # comment
//
// A rule ends with its line, except behind ::= and | and inside of parentheses. References to
// tokens, <...>, are refused: text is all that a grammar may ask for.
#pragma once

#include <memory>
#include <string_view>

#include "gemma3/error.h"
#include "src/constrain/grammar.h"

namespace gemma3 {

// Errors: see Grammar::Parse.
Result<std::shared_ptr<const CompiledGrammar>> CompileGbnf(std::string_view text);

}  // namespace gemma3
