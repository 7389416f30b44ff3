// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Cuts what may be a call into tokens, byte by byte: JSON, Python's literals, and mixtures of both,
// as models write them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gemma3 {

struct CallToken {
  enum class Kind {
    kPunctuation,  // one of { } [ ] ( ) , : =
    kString,       // in either kind of quotes
    kNumber,
    kWord,  // a name, True, null, ...
  };
  Kind kind = Kind::kPunctuation;
  // The character; the string decoded; the number as JSON spells it; the word.
  std::string text = {};

  bool Is(char punctuation) const { return kind == Kind::kPunctuation && text[0] == punctuation; }
};

// `text` as a number of JSON, nothing changed that JSON allows: Python's +1, .5, 1. and 1_000
// become 1, 0.5, 1.0 and 1000. Empty where it is no decimal number.
std::string JsonNumber(std::string_view text);

// A JSON string of `text`, in quotes. Control codes are escaped and nothing else that need not be.
void AppendJsonString(std::string_view text, std::string& out);

// A byte costs a constant, so a text costs its length.
class CallLexer {
 public:
  // Takes one byte and hands the tokens that it completes, at most two, to `sink`, a function of a
  // CallToken& that returns whether to go on. False: the byte, or a token, belongs to no call.
  template <class Sink>
  bool Push(char c, Sink&& sink) {
    CallToken token;
    switch (Take(c, token)) {
      case Taken::kBad:
        return false;
      case Taken::kInside:
        return true;
      case Taken::kToken:
        return sink(token);
      case Taken::kTokenBefore:  // c ended a number or a word that it is no part of
        return sink(token) && Push(c, sink);
    }
    return false;
  }

  // What there is of a word that may go on.
  std::string_view open_word() const {
    return state_ == State::kWord ? std::string_view(text_) : std::string_view();
  }

 private:
  enum class State { kBetween, kWord, kNumber, kString, kEscape, kHex, kOctal };
  enum class Taken { kInside, kToken, kTokenBefore, kBad };

  Taken Take(char c, CallToken& token);
  Taken TakeBetween(char c, CallToken& token);
  Taken TakeInString(char c, CallToken& token);
  bool TakeEscape(char c);
  bool AppendCodePoint(uint32_t code_point);

  State state_ = State::kBetween;
  std::string text_;             // of the token that is open
  char quote_ = 0;               // which quotes it is in
  uint32_t code_point_ = 0;      // of the escape that is open
  int digits_left_ = 0;          // of it
  uint32_t high_surrogate_ = 0;  // waits for its other half
};

}  // namespace gemma3
