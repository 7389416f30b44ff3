// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Who may ask: keys, and what browsers are let do.
//
// A page of any site can make a browser send requests to a server on the same machine. Two headers
// that pages cannot forge tell such requests apart: Host, which holds the site's own name where it
// has had that name point here (DNS rebinding), and Origin, which browsers add to what pages send
// across origins.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "tools/serve/http.h"

namespace gemma3::serve {

struct GuardOptions {
  std::vector<std::string> keys;            // empty: anybody may ask
  std::vector<std::string> hosts;           // names besides the machine's own
  std::vector<std::string> origins;         // "https://chat.example.org", besides this machine's
  bool check_host = true;                   // where only this machine can connect
  std::vector<std::string> own_names = {};  // the bound address, the machine's name
};

class Guard {
 public:
  explicit Guard(GuardOptions options) : options_(std::move(options)) {}

  bool HostAllowed(std::string_view host) const;  // the header's value; empty where there is none
  // Whether pages of that origin may ask. host: the request's, whose own pages may.
  bool OriginAllowed(std::string_view origin, std::string_view host) const;
  // Which key the request brings, counted from 1; 0 where none is needed. Nothing: none that is
  // known. Takes as long for a wrong key as for a right one.
  std::optional<size_t> KeyOf(const HttpRequest& request) const;
  bool has_keys() const { return !options_.keys.empty(); }

 private:
  GuardOptions options_;
};

// Whether an option can ever match: NAME[:PORT], and what browsers send as Origin.
bool NamesHost(std::string_view text);
bool NamesOrigin(std::string_view text);

// One key a line; empty lines and those that begin with # are skipped. Errors: kIo;
// kInvalidArgument for a file without keys.
Result<std::vector<std::string>> ReadKeys(const std::string& path);

}  // namespace gemma3::serve
