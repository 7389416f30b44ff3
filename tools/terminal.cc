// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace gemma3::cli {

bool IsTerminal(int fd) { return ::isatty(fd) == 1; }

bool UnderstandsEscapes(int fd) {
  const char* term = std::getenv("TERM");
  return IsTerminal(fd) && term != nullptr && std::string_view(term) != "dumb" && *term != '\0';
}

bool WantsColor(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  return UnderstandsEscapes(fd) && (no_color == nullptr || *no_color == '\0');
}

size_t TerminalColumns(int fd) {
  winsize size = {};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void AppendUtf8(std::string& text, char32_t c) {
  if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) c = 0xFFFD;
  if (c < 0x80) {
    text += static_cast<char>(c);
    return;
  }
  const int extra = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  static constexpr unsigned kLead[] = {0, 0xC0, 0xE0, 0xF0};
  text += static_cast<char>(kLead[extra] | (c >> (6 * extra)));
  for (int i = extra - 1; i >= 0; --i) text += static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3F));
}

Utf8Char FirstUtf8Char(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const int length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < static_cast<size_t>(length)) return {0, 0};
  char32_t c = lead & (0x7F >> length);
  for (int i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {0, 0};
    c = (c << 6) | (byte(i) & 0x3F);
  }
  static constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (c < kSmallest[length] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return {0, 0};
  return {c, length};
}

std::string SanitizeForTerminal(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    const auto [c, length] = FirstUtf8Char(text);
    if (length == 0) {
      AppendUtf8(clean, 0xFFFD);
      text.remove_prefix(1);
      continue;
    }
    if (c == '\n' || c == '\t') {
      clean += static_cast<char>(c);
    } else if (c < 0x20) {
      AppendUtf8(clean, 0x2400 + c);  // the block Control Pictures, in order
    } else if (c == 0x7F) {
      AppendUtf8(clean, 0x2421);
    } else if (c >= 0x80 && c < 0xA0) {
      AppendUtf8(clean, 0x241B);
      clean += static_cast<char>(c - 0x40);
    } else {
      clean.append(text.substr(0, static_cast<size_t>(length)));
    }
    text.remove_prefix(static_cast<size_t>(length));
  }
  return clean;
}

}  // namespace gemma3::cli
