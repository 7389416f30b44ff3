// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/chat/call_lexer.h"

#include <utility>

namespace gemma3 {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Names of tools hold these; names of parameters may be in any script.
bool InWord(char c) {
  return IsLetter(c) || IsDigit(c) || c == '_' || c == '-' || c == '.' || c == '/' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool InNumber(char c) { return InWord(c) || c == '+'; }

int HexDigit(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Digits, less the single underscores between them. Empty: none, or an underscore elsewhere.
std::string TakeDigits(std::string_view& text) {
  std::string digits;
  size_t i = 0;
  for (; i < text.size(); ++i) {
    if (IsDigit(text[i])) {
      digits += text[i];
    } else if (text[i] != '_' || digits.empty() || i + 1 == text.size() || !IsDigit(text[i + 1])) {
      break;
    }
  }
  text.remove_prefix(i);
  return digits;
}

}  // namespace

std::string JsonNumber(std::string_view text) {
  std::string number;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    if (text[0] == '-') number += '-';
    text.remove_prefix(1);
  }
  const std::string whole = TakeDigits(text);
  if (whole.size() > 1 && whole[0] == '0') return {};
  number += whole.empty() ? "0" : whole;
  std::string fraction;
  if (!text.empty() && text[0] == '.') {
    text.remove_prefix(1);
    fraction = TakeDigits(text);
    if (whole.empty() && fraction.empty()) return {};
    number += '.';
    number += fraction.empty() ? "0" : fraction;
  } else if (whole.empty()) {
    return {};
  }
  if (!text.empty() && (text[0] == 'e' || text[0] == 'E')) {
    number += text[0];
    text.remove_prefix(1);
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
      number += text[0];
      text.remove_prefix(1);
    }
    const std::string exponent = TakeDigits(text);
    if (exponent.empty()) return {};
    number += exponent;
  }
  return text.empty() ? number : std::string();
}

void AppendJsonString(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
      case '\\':
        (out += '\\') += c;
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          constexpr char kDigits[] = "0123456789abcdef";
          ((out += "\\u00") += kDigits[c >> 4]) += kDigits[c & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

CallLexer::Taken CallLexer::Take(char c, CallToken& token) {
  switch (state_) {
    case State::kBetween:
      return TakeBetween(c, token);
    case State::kWord:
      if (InWord(c)) return text_ += c, Taken::kInside;
      break;
    case State::kNumber:
      if (InNumber(c)) return text_ += c, Taken::kInside;
      break;
    default:
      return TakeInString(c, token);
  }
  // The end of a number or a word. What begins like a number and is none may be a tool's name.
  token.kind = CallToken::Kind::kWord;
  if (state_ == State::kNumber) {
    if (std::string number = JsonNumber(text_); !number.empty()) {
      token.kind = CallToken::Kind::kNumber;
      text_ = std::move(number);
    }
  }
  token.text = std::exchange(text_, {});
  state_ = State::kBetween;
  return Taken::kTokenBefore;
}

CallLexer::Taken CallLexer::TakeBetween(char c, CallToken& token) {
  if (IsBlank(c)) return Taken::kInside;
  if (c == '"' || c == '\'') {
    quote_ = c;
    state_ = State::kString;
    return Taken::kInside;
  }
  if (std::string_view("{}[](),:=").find(c) != std::string_view::npos) {
    token = {CallToken::Kind::kPunctuation, std::string(1, c)};
    return Taken::kToken;
  }
  if (!InNumber(c) || c == '/') return Taken::kBad;
  state_ = IsDigit(c) || c == '-' || c == '+' || c == '.' ? State::kNumber : State::kWord;
  text_ = c;
  return Taken::kInside;
}

CallLexer::Taken CallLexer::TakeInString(char c, CallToken& token) {
  switch (state_) {
    case State::kEscape:
      return TakeEscape(c) ? Taken::kInside : Taken::kBad;
    case State::kHex: {
      const int digit = HexDigit(c);
      if (digit < 0) return Taken::kBad;
      code_point_ = code_point_ * 16 + static_cast<uint32_t>(digit);
      if (--digits_left_ > 0) return Taken::kInside;
      state_ = State::kString;
      return AppendCodePoint(code_point_) ? Taken::kInside : Taken::kBad;
    }
    case State::kOctal:
      if (c >= '0' && c <= '7' && digits_left_ > 0) {
        code_point_ = code_point_ * 8 + static_cast<uint32_t>(c - '0');
        --digits_left_;
        return Taken::kInside;
      }
      state_ = State::kString;
      if (!AppendCodePoint(code_point_)) return Taken::kBad;
      break;  // c is what follows
    default:
      break;
  }
  if (c == '\\') return state_ = State::kEscape, Taken::kInside;
  if (high_surrogate_ != 0) return Taken::kBad;
  if (c != quote_) return text_ += c, Taken::kInside;  // raw line ends, too: models write them
  token = {CallToken::Kind::kString, std::exchange(text_, {})};
  state_ = State::kBetween;
  return Taken::kToken;
}

// Escapes of JSON and of Python. One that neither knows is two characters, as in Python: models
// write regular expressions so.
bool CallLexer::TakeEscape(char c) {
  constexpr std::string_view kNames = "ntrbfav\\'\"/";
  constexpr std::string_view kValues = "\n\t\r\b\f\a\v\\'\"/";
  if (high_surrogate_ != 0 && c != 'u') return false;
  state_ = State::kString;
  if (const size_t i = kNames.find(c); i != std::string_view::npos) {
    text_ += kValues[i];
  } else if (c == 'x' || c == 'u' || c == 'U') {
    state_ = State::kHex;
    code_point_ = 0;
    digits_left_ = c == 'x' ? 2 : c == 'u' ? 4 : 8;
  } else if (c >= '0' && c <= '7') {
    state_ = State::kOctal;
    code_point_ = static_cast<uint32_t>(c - '0');
    digits_left_ = 2;
  } else if (c == 'N') {
    return false;          // a character by its Unicode name
  } else if (c != '\n') {  // which continues a line of Python
    (text_ += '\\') += c;
  }
  return true;
}

// False for half a surrogate pair and beyond Unicode.
bool CallLexer::AppendCodePoint(uint32_t c) {
  if (high_surrogate_ != 0) {
    if (c < 0xDC00 || c > 0xDFFF) return false;
    c = 0x10000 + ((high_surrogate_ - 0xD800) << 10) + (c - 0xDC00);
    high_surrogate_ = 0;
  } else if (c >= 0xD800 && c <= 0xDBFF) {
    high_surrogate_ = c;
    return true;
  }
  if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return false;
  if (c < 0x80) {
    text_ += static_cast<char>(c);
  } else if (c < 0x800) {
    text_ += static_cast<char>(0xC0 | (c >> 6));
    text_ += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    text_ += static_cast<char>(0xE0 | (c >> 12));
    text_ += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    text_ += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    text_ += static_cast<char>(0xF0 | (c >> 18));
    text_ += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    text_ += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    text_ += static_cast<char>(0x80 | (c & 0x3F));
  }
  return true;
}

}  // namespace gemma3
