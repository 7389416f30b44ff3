// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Text from a file, made fit for a message: a name in a model file may be megabytes long, or hold
// codes that would rewrite the terminal it is printed on.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gemma3 {

// At most `max_bytes` of `text`, bytes outside printable ASCII as '?'.
inline std::string Shown(std::string_view text, size_t max_bytes = 200) {
  std::string shown(text.substr(0, max_bytes));
  for (char& c : shown) {
    if (c < ' ' || c > '~') c = '?';
  }
  if (shown.size() < text.size()) shown += "...";
  return shown;
}

}  // namespace gemma3
