// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/guard.h"

#include <algorithm>

#include "src/base/ascii.h"
#include "src/base/status.h"
#include "tools/prompt.h"
#include "tools/text.h"

namespace gemma3::serve {
namespace {

// "example.org:8080" or "[::1]:80" without the port, in lower case. Empty: neither.
std::string NameOf(std::string_view host) {
  size_t end = host.size();
  if (host.starts_with('[')) {
    const size_t bracket = host.find(']');
    if (bracket == std::string_view::npos) return {};
    end = bracket + 1;
  } else {
    end = std::min(host.find(':'), host.size());
  }
  const std::string_view port = host.substr(end);
  const bool digits = std::ranges::all_of(port.substr(std::min<size_t>(1, port.size())),
                                          [](char c) { return c >= '0' && c <= '9'; });
  if (!port.empty() && (port[0] != ':' || !digits)) return {};
  std::string name = AsciiLower(host.substr(0, end));
  if (name.ends_with('.')) name.pop_back();
  return name;
}

// 127.0.0.0/8 in its usual spelling.
bool IsLoopbackV4(std::string_view name) {
  if (!name.starts_with("127.") || std::ranges::count(name, '.') != 3) return false;
  return name.find("..") == std::string_view::npos && name.back() != '.' &&
         std::ranges::all_of(name, [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

bool IsLocal(std::string_view name) {
  return name == "localhost" || name.ends_with(".localhost") || name == "[::1]" ||
         IsLoopbackV4(name);
}

// The time does not depend on where they differ.
bool SameBytes(std::string_view a, std::string_view b) {
  size_t differ = a.size() ^ b.size();
  for (size_t i = 0; i < a.size(); ++i) {
    const unsigned char other = b.empty() ? 0 : static_cast<unsigned char>(b[i % b.size()]);
    differ |= static_cast<unsigned char>(a[i]) ^ other;
  }
  return differ == 0;
}

}  // namespace

bool Guard::HostAllowed(std::string_view host) const {
  if (!options_.check_host && options_.hosts.empty()) return true;
  if (host.empty()) return true;  // HTTP/1.0, which no browser speaks
  const std::string name = NameOf(host);
  if (name.empty()) return false;
  const auto is = [&name](const std::string& known) { return NameOf(known) == name; };
  return IsLocal(name) || std::ranges::any_of(options_.own_names, is) ||
         std::ranges::any_of(options_.hosts, is);
}

bool Guard::OriginAllowed(std::string_view origin, std::string_view host) const {
  const std::string lower = AsciiLower(origin);
  for (const std::string& known : options_.origins) {
    if (AsciiLower(known) == lower) return true;
  }
  std::string_view rest = lower;
  if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else {
    return false;  // "null", files, extensions
  }
  return IsLocal(NameOf(rest)) || (!host.empty() && rest == AsciiLower(host));
}

std::optional<size_t> Guard::KeyOf(const HttpRequest& request) const {
  if (options_.keys.empty()) return 0;
  std::string_view given = request.Header("authorization");
  if (given.size() > 7 && AsciiLower(given.substr(0, 7)) == "bearer ") {
    given = cli::TrimSpace(given.substr(7));
  } else {
    given = {};
    for (const char* name : {"x-api-key", "x-goog-api-key"}) {
      if (given.empty()) given = request.Header(name);
    }
  }
  size_t found = 0;
  for (size_t i = 0; i < options_.keys.size(); ++i) {
    if (SameBytes(given, options_.keys[i])) found = i + 1;
  }
  if (found == 0) return std::nullopt;
  return found;
}

bool NamesHost(std::string_view text) {
  const std::string name = NameOf(text);
  return !name.empty() && name.find_first_of("/* ") == std::string::npos;
}

bool NamesOrigin(std::string_view text) {
  const size_t scheme = text.find("://");
  return text == "null" || (scheme != 0 && scheme != std::string_view::npos &&
                            text.find_first_of("/* ", scheme + 3) == std::string_view::npos);
}

Result<std::vector<std::string>> ReadKeys(const std::string& path) {
  GEMMA3_TRY(const std::string text, cli::ReadAll(path));
  std::vector<std::string> keys;
  for (std::string_view left = text; !left.empty();) {
    const size_t end = std::min(left.find('\n'), left.size());
    const std::string_view line = cli::TrimSpace(left.substr(0, end));
    if (!line.empty() && !line.starts_with('#')) keys.emplace_back(line);
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  if (keys.empty()) return Fail(ErrorCode::kInvalidArgument, path, " holds no key");
  return keys;
}

}  // namespace gemma3::serve
