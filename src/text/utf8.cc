// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// UTF-8: validation, and a stream that only lets whole characters through.
#include "src/text/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace gemma3 {
namespace {

// Python: str.isspace, i.e. bidirectional class WS, B or S, or category Zs.
bool IsPythonSpace(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

// The code point of one well-formed character.
uint32_t CodePoint(std::string_view character) {
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<uint8_t>(character[i]));
  };
  switch (character.size()) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3:
      return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    default:
      return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 |
             (byte(3) & 0x3F);
  }
}

}  // namespace

Utf8Char NextUtf8Char(std::string_view bytes) {
  using Kind = Utf8Char::Kind;
  const uint8_t lead = static_cast<uint8_t>(bytes[0]);
  if (lead < 0x80) return {Kind::kValid, 1};
  // The second byte's range rules out overlong forms, surrogates and what lies above U+10FFFF.
  size_t size = 0;
  uint8_t low = 0x80, high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    size = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    size = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    size = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {Kind::kInvalid, 1};
  }
  for (size_t i = 1; i < size; ++i) {
    if (i == bytes.size()) return {Kind::kIncomplete, i};
    const uint8_t next = static_cast<uint8_t>(bytes[i]);
    if (next < low || next > high) return {Kind::kInvalid, i};
    low = 0x80;
    high = 0xBF;
  }
  return {Kind::kValid, size};
}

size_t FindInvalidUtf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    // Most text is mostly ASCII: eight bytes at a time.
    uint64_t word;
    if (text.size() - i >= sizeof(word)) {
      std::memcpy(&word, text.data() + i, sizeof(word));
      if ((word & 0x8080808080808080u) == 0) {
        i += sizeof(word);
        continue;
      }
    }
    const Utf8Char next = NextUtf8Char(text.substr(i));
    if (next.kind != Utf8Char::Kind::kValid) return i;
    i += next.size;
  }
  return std::string_view::npos;
}

std::string_view TrimUnicodeWhitespace(std::string_view text) {
  while (!text.empty()) {
    const size_t size = NextUtf8Char(text).size;
    if (!IsPythonSpace(CodePoint(text.substr(0, size)))) break;
    text.remove_prefix(size);
  }
  while (!text.empty()) {
    size_t begin = text.size() - 1;
    while (begin > 0 && (static_cast<uint8_t>(text[begin]) & 0xC0) == 0x80) --begin;
    if (!IsPythonSpace(CodePoint(text.substr(begin)))) break;
    text.remove_suffix(text.size() - begin);
  }
  return text;
}

void Utf8Stream::Push(std::string_view bytes, std::string& out) {
  // Complete what is held back, byte by byte: at most three turns until it is decided.
  while (pending_size_ > 0 && !bytes.empty()) {
    pending_[pending_size_++] = bytes.front();
    bytes.remove_prefix(1);
    const Utf8Char next = NextUtf8Char(pending());
    if (next.kind == Utf8Char::Kind::kIncomplete) continue;
    if (next.kind == Utf8Char::Kind::kValid) {
      out.append(pending());
      pending_size_ = 0;
    } else {
      // Only the byte just added can be what broke the character; it may begin the next one.
      out.append(kReplacementCharacter);
      const char last = pending_[pending_size_ - 1];
      pending_size_ = 0;
      const Utf8Char again = NextUtf8Char({&last, 1});
      if (again.kind == Utf8Char::Kind::kValid) {
        out.push_back(last);
      } else if (again.kind == Utf8Char::Kind::kInvalid) {
        out.append(kReplacementCharacter);
      } else {
        pending_[pending_size_++] = last;
      }
    }
  }
  while (!bytes.empty()) {
    const Utf8Char next = NextUtf8Char(bytes);
    if (next.kind == Utf8Char::Kind::kIncomplete) {
      std::copy(bytes.begin(), bytes.end(), pending_);
      pending_size_ = bytes.size();
      return;
    }
    out.append(next.kind == Utf8Char::Kind::kValid ? bytes.substr(0, next.size)
                                                   : kReplacementCharacter);
    bytes.remove_prefix(next.size);
  }
}

void Utf8Stream::Flush(std::string& out) {
  if (pending_size_ > 0) out.append(kReplacementCharacter);
  pending_size_ = 0;
}

}  // namespace gemma3
