// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// How JSON is laid out, and JSON that nothing is asked of: what the grammars of all schemas share.
// Or the literals of Python, whose lists, dictionaries and strings may be written alike.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/constraint.h"
#include "gemma3/error.h"
#include "src/constrain/grammar.h"

namespace gemma3 {

class JsonGrammar {
 public:
  // python: true, false and null are also written True, False and None.
  JsonGrammar(GrammarBuilder& builder, const JsonForm& form, bool python = false);

  // What an object or a call is written between.
  struct Brackets {
    uint32_t open;   // and blanks
    uint32_t close;  // blanks and the bracket
    uint32_t bare;   // the bracket alone, behind blanks
  };
  Brackets braces() const { return {open_brace_, close_brace_, bare_brace_}; }
  Brackets Of(char open, char close);
  // How `word`, one of null, true and false, may be written.
  void AppendWord(std::string_view word, std::vector<std::string>& texts) const;

  uint32_t open_brace() const { return open_brace_; }  // { and blanks
  uint32_t open_bracket() const { return open_bracket_; }
  uint32_t comma() const { return comma_; }  // , and blanks
  uint32_t colon() const { return colon_; }
  uint32_t close_brace() const { return close_brace_; }  // blanks and }
  uint32_t close_bracket() const { return close_bracket_; }
  uint32_t bare_brace() const { return bare_brace_; }  // } alone, behind blanks
  uint32_t bare_bracket() const { return bare_bracket_; }
  uint32_t any_string() const { return any_string_; }
  const std::shared_ptr<const TextDfa>& any_text() const { return any_text_; }

  // Rules, made when first asked for.
  Result<uint32_t> AnyValue();
  Result<uint32_t> AnyObject();

 private:
  Status MakeAny();

  GrammarBuilder& builder_;
  JsonForm form_;
  bool python_;
  std::shared_ptr<const TextDfa> any_text_;
  uint32_t open_brace_, open_bracket_, comma_, colon_, close_brace_, close_bracket_, bare_brace_,
      bare_bracket_, any_string_;
  uint32_t any_value_ = UINT32_MAX, any_object_ = UINT32_MAX;
};

}  // namespace gemma3
