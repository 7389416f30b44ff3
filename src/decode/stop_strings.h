// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Ends an answer before a stop string, while the answer is being streamed.
//
// The result does not depend on how the text was cut into pieces: of several stop strings the one
// that is complete first counts, and of those that end at the same character the longest.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"

namespace gemma3 {

// One generation; not thread-safe.
class StopStrings {
 public:
  // Errors: kInvalidArgument for a stop string that is empty or not valid UTF-8. No stop strings at
  // all is fine: then all text is certain at once.
  static Result<StopStrings> Create(std::span<const std::string> stops);

  // Takes the next piece of text (whole characters) and appends to `out` what is certain to belong
  // to the answer: never a stop string, nor what may be the beginning of one. True once a stop
  // string has come up; text after it is ignored.
  bool Feed(std::string_view text, std::string& out);

  // The text is over: appends what was held back, unless a stop string came up.
  void Flush(std::string& out);

  bool stopped() const { return stopped_; }
  // Whether text is held back.
  bool waiting() const { return !held_.empty(); }

 private:
  // A stop string and how far its beginning is matched: Knuth, Morris, Pratt.
  struct Pattern {
    std::string text;
    std::vector<size_t> border;  // [i]: longest proper prefix of text[0..i] that also ends it
    size_t matched = 0;          // longest prefix of text that ends what was fed

    explicit Pattern(std::string_view stop);
    void Advance(char c);
  };

  std::vector<Pattern> patterns_;
  std::string held_;  // the longest end of the text that begins some stop string
  bool stopped_ = false;
};

}  // namespace gemma3
