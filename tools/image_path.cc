// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/image_path.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <utility>

#include "tools/text.h"

namespace gemma3::cli {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n'; }
bool IsQuote(char c) { return c == '"' || c == '\''; }
bool IsEscapedInQuotes(char c) { return c == '"' || c == '\\'; }  // in double ones

struct QuotedWord {
  std::string text;
  size_t end;
};

// The word in quotes that begins at `begin`, as a shell reads it: terminals write it's.png as
// 'it'\''s.png' where a file is dropped on them. Nothing where no quote begins or one is not
// closed.
std::optional<QuotedWord> ReadQuoted(std::string_view line, size_t begin) {
  if (!IsQuote(line[begin])) return std::nullopt;
  QuotedWord word{"", begin};
  while (word.end < line.size()) {
    const char quote = line[word.end];
    if (quote == '\\' && word.end + 1 < line.size()) {
      word.text += line[word.end + 1];
      word.end += 2;
      continue;
    }
    if (!IsQuote(quote)) break;
    size_t i = word.end + 1;
    for (; i < line.size() && line[i] != quote; ++i) {
      const bool escape =
          quote == '"' && line[i] == '\\' && i + 1 < line.size() && IsEscapedInQuotes(line[i + 1]);
      if (escape) ++i;
      word.text += line[i];
    }
    if (i >= line.size()) return std::nullopt;
    word.end = i + 1;
  }
  return word;
}

// The end of the word that begins at `begin`: that of its quotes, or the first space without a
// backslash.
size_t WordEnd(std::string_view line, size_t begin) {
  if (const auto quoted = ReadQuoted(line, begin)) return quoted->end;
  size_t end = begin;
  while (end < line.size() && !IsSpace(line[end])) {
    end += line[end] == '\\' && end + 1 < line.size() ? 2 : 1;
  }
  return end;
}

// A path that begins at `begin`, and its end. A quote that is not closed is taken for one that will
// be.
std::pair<OpenPath, size_t> ReadOpen(std::string_view line, size_t begin, bool ends_at_space) {
  OpenPath path;
  size_t i = begin;
  const bool is_quoted = i < line.size() && IsQuote(line[i]);
  size_t name_begin = begin + (is_quoted ? 1 : 0);
  for (; i < line.size(); ++i) {
    const char c = line[i];
    if (path.quote != 0 && c == path.quote) {
      path.quote = 0;
      path.is_closed = true;
    } else if (c == '\\' && path.quote != '\'') {
      const bool has_next = i + 1 < line.size();
      const bool escapes = path.quote == 0 || !has_next || IsEscapedInQuotes(line[i + 1]);
      if (escapes) ++i;
      if (!has_next) path.is_closed = true;
      if (has_next) path.text += line[i];
    } else if (path.quote == 0 && is_quoted) {
      // Behind a quote's end only another quote or an escape goes on with the word.
      if (!IsQuote(c)) break;
      path.quote = c;
      path.is_closed = false;
    } else if (path.quote == 0 && ends_at_space && IsSpace(c)) {
      break;
    } else {
      path.text += c;
    }
    if (path.text.ends_with('/')) name_begin = i + 1;
  }
  for (const char c : line.substr(name_begin, i - name_begin)) {
    if ((c & 0xC0) != 0x80) ++path.name_characters;  // not the rest of one
  }
  return {std::move(path), i};
}

std::string DecodePercent(std::string_view text) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 &&
        digit(text[i + 2]) >= 0) {
      decoded += static_cast<char>(16 * digit(text[i + 1]) + digit(text[i + 2]));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

}  // namespace

std::string UnquotePath(std::string_view typed) {
  typed = TrimSpace(typed);
  std::string path;
  const auto quoted = typed.empty() ? std::nullopt : ReadQuoted(typed, 0);
  if (quoted && quoted->end == typed.size()) {
    path = quoted->text;
  } else {
    for (size_t i = 0; i < typed.size(); ++i) {
      if (typed[i] == '\\' && i + 1 < typed.size()) ++i;
      path += typed[i];
    }
  }
  if (path.starts_with("file://")) path = DecodePercent(std::string_view(path).substr(7));
  return WithHome(std::move(path));
}

std::string WithHome(std::string path) {
  const char* home = std::getenv("HOME");
  if (home != nullptr && path.starts_with("~/")) path.replace(0, 1, home);
  return path;
}

OpenPath ReadOpenPath(std::string_view typed) {
  return ReadOpen(typed, 0, /*ends_at_space=*/false).first;
}

OpenPath LastOpenPath(std::string_view line) {
  for (size_t begin = 0; begin < line.size();) {
    if (IsSpace(line[begin])) {
      ++begin;
      continue;
    }
    auto [word, end] = ReadOpen(line, begin, /*ends_at_space=*/true);
    if (end >= line.size()) return std::move(word);
    begin = end;
  }
  return {};
}

bool HasImageExtension(std::string_view path) {
  static constexpr std::array<std::string_view, 11> kExtensions = {
      ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".ppm", ".pgm", ".pnm", ".jfif", ".jpe"};
  const size_t dot = path.rfind('.');
  if (dot == std::string_view::npos) return false;
  std::string extension(path.substr(dot));
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

bool IsReadableFile(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         ::access(path.c_str(), R_OK) == 0;
}

std::vector<LinePiece> SplitAtImages(std::string_view line,
                                     const std::function<bool(const std::string&)>& exists) {
  std::vector<LinePiece> pieces;
  size_t text_begin = 0;
  const auto flush_text = [&](size_t end) {
    if (end > text_begin) {
      pieces.push_back({std::string(line.substr(text_begin, end - text_begin)), false});
    }
  };
  for (size_t begin = 0; begin < line.size();) {
    if (IsSpace(line[begin])) {
      ++begin;
      continue;
    }
    const size_t word_end = WordEnd(line, begin);
    size_t end = word_end;
    std::string path = UnquotePath(line.substr(begin, end - begin));
    // "what is in cat.png?"
    while (!HasImageExtension(path) && end > begin + 1 &&
           std::string_view(".,;:!?)").find(line[end - 1]) != std::string_view::npos) {
      --end;
      path = UnquotePath(line.substr(begin, end - begin));
    }
    if (HasImageExtension(path) && exists(path)) {
      flush_text(begin);
      pieces.push_back({std::move(path), true});
      text_begin = end;
    }
    begin = word_end;
  }
  flush_text(line.size());
  return pieces;
}

}  // namespace gemma3::cli
