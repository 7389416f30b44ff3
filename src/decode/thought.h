// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Takes the thought off the front of an answer.
//
// MedGemma, asked to think, answers "<unused94>thought\n", its thought, "<unused95>" and then what
// is meant for the reader; Google's example splits it there. Other models write neither mark. A
// thought stands first, but for white space, and has that head: a lone <unused94> is shown like any
// other token.
//
// Later prompts of the conversation hold the answer alone. So they are the same whether a program
// keeps the session or sends back the texts that it was given.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "gemma3/config.h"
#include "src/text/utf8.h"

namespace gemma3 {

class ThoughtSplitter {
 public:
  // The ids of <unused94> and <unused95>; -1 where the vocabulary has none.
  ThoughtSplitter(TokenId begin, TokenId end) : begin_(begin), end_(end) {}

  // Takes the next token with its bytes. Returns the bytes that are now known to belong to the
  // answer; they are valid until the next call.
  std::string_view Feed(TokenId id, std::string_view bytes);
  // The end of the answer: returns what was held back.
  std::string_view Flush();

  // The thought, without marks and head.
  std::string Thought() const;
  // What was written of it since the last call, with marks and head, in whole characters.
  std::string TakeWritten();
  // How many of the tokens came before the answer, marks and thought. Final after Flush.
  size_t tokens_before_answer() const { return tokens_before_; }

 private:
  enum class State {
    kBefore,   // nothing but white space so far
    kHead,     // after the first mark; head_ may become "thought\n"
    kThought,  // up to the second mark
    kAnswer,
  };
  // head_ is no thought's head: it and `bytes` are text.
  std::string_view NoThought(std::string_view bytes);
  void BeginThought();
  void EndThought();

  TokenId begin_, end_;
  State state_ = State::kBefore;
  std::string head_;                         // behind the first mark
  std::string mark_;                         // spelling of the first mark
  std::string written_;                      // marks, head and thought
  size_t thought_at_ = 0, thought_end_ = 0;  // in written_
  size_t taken_ = 0;                         // of written_
  size_t tokens_ = 0, tokens_before_ = 0;
  std::string out_;
  Utf8Stream characters_;  // of the thought
};

}  // namespace gemma3
