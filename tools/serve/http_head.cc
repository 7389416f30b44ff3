// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/http_head.h"

#include <algorithm>

#include "src/base/ascii.h"

namespace gemma3::serve {
namespace {

HeadFault Bad(std::string message) { return {400, std::move(message)}; }

std::string_view TrimBlanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<HeadFault> CheckRequestLine(std::string_view line, const HeadLimits& limits,
                                          bool* http10) {
  const size_t first = line.find(' ');
  const size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos || line.find(' ', second + 1) != std::string_view::npos) {
    return Bad("the request line is not METHOD TARGET HTTP/1.1");
  }
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, second - first - 1);
  const std::string_view version = line.substr(second + 1);
  if (method.empty() || !std::ranges::all_of(method, IsTokenChar)) return Bad("bad method");
  if (target.size() > limits.target_bytes) return HeadFault{414, "the target is too long"};
  const bool plain = std::ranges::all_of(target, [](char c) { return c > ' ' && c < '\x7f'; });
  if (!plain || (!target.starts_with('/') && target != "*")) return Bad("bad target");
  *http10 = version == "HTTP/1.0";
  if (!*http10 && version != "HTTP/1.1") {
    return version.starts_with("HTTP/") ? HeadFault{505, "only HTTP/1.1 and 1.0 are spoken here"}
                                        : Bad("bad version");
  }
  return std::nullopt;
}

}  // namespace

std::optional<HeadFault> CheckPartOfHead(std::string_view part, const HeadLimits& limits) {
  if (part.size() > limits.bytes) return HeadFault{431, "the head is too long"};
  for (size_t i = 0; i < part.size(); ++i) {
    if (part[i] == '\0') return Bad("a NUL in the head");
    if (part[i] == '\n' && (i == 0 || part[i - 1] != '\r')) return Bad("a line ends in a lone LF");
    if (part[i] == '\r' && i + 1 < part.size() && part[i + 1] != '\n') return Bad("a lone CR");
  }
  return std::nullopt;
}

std::optional<HeadFault> CheckHead(std::string_view head, const HeadLimits& limits) {
  if (auto fault = CheckPartOfHead(head, limits)) return fault;
  if (!head.ends_with("\r\n\r\n")) return Bad("the head does not end");
  bool http10 = false;
  size_t lines = 0, lengths = 0, encodings = 0, hosts = 0;
  for (std::string_view left = head.substr(0, head.size() - 2); !left.empty(); ++lines) {
    const size_t end = left.find("\r\n");
    const std::string_view line = left.substr(0, end);
    left.remove_prefix(end + 2);
    if (lines == 0) {
      if (auto fault = CheckRequestLine(line, limits, &http10)) return fault;
      continue;
    }
    if (lines > limits.lines) return HeadFault{431, "too many header lines"};
    std::string_view name, value;
    if (auto fault = SplitField(line, &name, &value)) return fault;
    if (auto fault = CheckLine(value)) return fault;
    const std::string lower = AsciiLower(name);
    if (lower == "content-length") {
      ++lengths;
      const bool digits = !value.empty() && value.size() <= 18 &&
                          std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; });
      if (!digits) return Bad("Content-Length is no number");
    } else if (lower == "transfer-encoding") {
      ++encodings;
      if (AsciiLower(value) != "chunked") return Bad("the only Transfer-Encoding here is chunked");
    } else if (lower == "host") {
      ++hosts;
    }
  }
  if (lines == 0) return Bad("no request line");
  if (lengths > 1 || encodings > 1) return Bad("the length is said twice");
  if (lengths + encodings > 1) return Bad("both Content-Length and Transfer-Encoding");
  if (encodings > 0 && http10) return Bad("HTTP/1.0 has no Transfer-Encoding");
  if (hosts > 1 || (hosts == 0 && !http10)) return Bad("there must be one Host header");
  return std::nullopt;
}

std::optional<HeadFault> CheckLine(std::string_view line) {
  for (const char c : line) {
    if ((static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f') {
      return Bad("a control code in a line");
    }
  }
  return std::nullopt;
}

std::optional<HeadFault> SplitField(std::string_view line, std::string_view* name,
                                    std::string_view* value) {
  const size_t colon = line.find(':');
  *name = line.substr(0, colon);
  if (colon == std::string_view::npos || name->empty() ||
      !std::ranges::all_of(*name, IsTokenChar)) {
    return Bad("a header line is not NAME: VALUE");
  }
  *value = TrimBlanks(line.substr(colon + 1));
  return std::nullopt;
}

bool IsTokenChar(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool IsPlainId(std::string_view text) {
  return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
  });
}

}  // namespace gemma3::serve
