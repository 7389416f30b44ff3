// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/tool_text.h"

#include <algorithm>

#include "tools/terminal.h"
#include "tools/text.h"

namespace gemma3::cli {
namespace {

constexpr char kEscape = '\x1B';

// The length of the escape sequence (ECMA-48) at the front of `text`, which begins with ESC.
size_t EscapeLength(std::string_view text) {
  if (text.size() < 2) return text.size();
  const char kind = text[1];
  if (kind == '[') {  // parameters, then one byte from '@' on
    for (size_t i = 2; i < text.size(); ++i) {
      if (text[i] >= '@' && text[i] <= '~') return i + 1;
      if (text[i] < ' ' || text[i] > '?') return i;
    }
    return text.size();
  }
  if (kind == ']' || kind == 'P' || kind == 'X' || kind == '^' || kind == '_') {
    // A string up to BEL or ESC \. One without an end stops at the line's.
    for (size_t i = 2; i < text.size(); ++i) {
      if (text[i] == '\a') return i + 1;
      if (text[i] == '\n') return i;
      if (text[i] == kEscape) return i + 1 < text.size() && text[i + 1] == '\\' ? i + 2 : i;
    }
    return text.size();
  }
  size_t i = 1;
  while (i < text.size() && text[i] >= ' ' && text[i] <= '/') ++i;  // such as ESC ( B
  return std::min(i + (i < text.size() && text[i] >= '0' && text[i] <= '~' ? 1 : 0), text.size());
}

bool IsInvisible(char32_t c) {
  return (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x206F) || c == 0x061C || c == 0xFEFF || c == 0x00AD ||
         (c >= 0xE0000 && c <= 0xE007F);
}

// The longest beginning of whole characters.
std::string_view WholeCharacters(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  while (max_bytes > 0 && (text[max_bytes] & 0xC0) == 0x80) --max_bytes;
  return text.substr(0, max_bytes);
}

}  // namespace

std::string CleanToolText(std::string_view bytes) {
  std::string clean;
  clean.reserve(bytes.size());
  while (!bytes.empty()) {
    if (bytes[0] == kEscape) {
      bytes.remove_prefix(EscapeLength(bytes));
      continue;
    }
    const auto [c, length] = FirstUtf8Char(bytes);
    const size_t size = length == 0 ? 1 : static_cast<size_t>(length);
    if (length == 0) {
      AppendUtf8(clean, 0xFFFD);
    } else if (c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7F) || c >= 0xA0) {
      clean.append(bytes.substr(0, size));
    } else if (c == '\r' && !bytes.substr(1).starts_with('\n')) {
      clean += '\n';  // of progress bars
    }
    bytes.remove_prefix(size);
  }
  return clean;
}

std::string OneLine(std::string_view text, size_t max_bytes) {
  const std::string visible = SanitizeForTerminal(text);
  std::string line;
  for (std::string_view left = visible; !left.empty();) {
    const auto [c, length] = FirstUtf8Char(left);
    if (c == '\n' || c == '\t') {
      AppendUtf8(line, 0x2400 + c);
    } else if (IsInvisible(c)) {
      AppendUtf8(line, 0xFFFD);
    } else {
      line.append(left.substr(0, static_cast<size_t>(length)));
    }
    left.remove_prefix(static_cast<size_t>(length));
  }
  if (line.size() <= max_bytes) return line;
  const std::string_view whole = line;
  const std::string_view begin = WholeCharacters(whole, max_bytes / 2);
  size_t end = whole.size() - max_bytes / 2;
  while (end < whole.size() && (whole[end] & 0xC0) == 0x80) ++end;
  return std::string(begin) + Format(" [... %zu bytes ...] ", end - begin.size()) +
         std::string(whole.substr(end));
}

std::string CutToolText(std::string text, size_t max_bytes, size_t dropped_before) {
  const size_t size = text.size();
  text.resize(WholeCharacters(text, max_bytes).size());
  if (const size_t dropped = size - text.size() + dropped_before; dropped > 0) {
    text += Format("\n[%zu more bytes were left out]", dropped);
  }
  return text;
}

}  // namespace gemma3::cli
