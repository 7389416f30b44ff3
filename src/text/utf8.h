// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// UTF-8: validation, and a stream that only lets whole characters through.
//
// Well-formed means table 3-7 of the Unicode standard: no overlong forms, no surrogates, nothing
// above U+10FFFF. U+0000 is an ordinary character.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gemma3 {

// U+FFFD, what stands for bytes that are not UTF-8.
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

// One look at the beginning of a byte string.
struct Utf8Char {
  enum class Kind {
    kValid,       // size bytes are one character
    kInvalid,     // size bytes (1..3) can never be part of one, or begin one that is broken off
    kIncomplete,  // all size bytes that there are begin a character; more are needed
  };
  Kind kind;
  size_t size;
};
// bytes must not be empty.
Utf8Char NextUtf8Char(std::string_view bytes);

// Offset of the first byte of `text` that is not part of a well-formed character (a character cut
// off at the end counts as malformed), or npos where all is well.
size_t FindInvalidUtf8(std::string_view text);

// `text` without Unicode white space at both ends: the characters that Python's str.strip removes,
// which is what the published chat templates call. Expects valid UTF-8.
std::string_view TrimUnicodeWhitespace(std::string_view text);

// Turns bytes that arrive in arbitrary pieces into whole characters. The concatenated output does
// not depend on how the input was cut. Malformed bytes become one U+FFFD per maximal subpart (the
// Unicode standard's recommendation, section 3.9).
class Utf8Stream {
 public:
  // Appends to `out` all characters that `bytes` completes.
  void Push(std::string_view bytes, std::string& out);
  // The end of the text: what is still held back cannot be completed any more.
  void Flush(std::string& out);
  // Whether bytes are held back.
  bool waiting() const { return pending_size_ > 0; }

 private:
  // Bytes held back, at most 3.
  std::string_view pending() const { return {pending_, pending_size_}; }

  char pending_[4] = {};
  size_t pending_size_ = 0;
};

}  // namespace gemma3
