// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Lists of numbers as Linux writes sets of processors and of memory nodes: "0-3,8,10-11".
#pragma once

#include <charconv>
#include <cstddef>
#include <string_view>
#include <vector>

namespace gemma3 {

// The numbers in order. What is no such list gives none; numbers beyond 65535 are none.
inline std::vector<size_t> ParseNumberList(std::string_view text) {
  constexpr size_t kMost = 65535;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  std::vector<size_t> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&](size_t* value) {
    const auto [next, error] = std::from_chars(at, end, *value);
    if (error != std::errc() || *value > kMost) return false;
    at = next;
    return true;
  };
  while (at != end) {
    size_t first = 0;
    if (!number(&first)) return {};
    size_t last = first;
    if (at != end && *at == '-') {
      ++at;
      if (!number(&last) || last < first) return {};
    }
    for (size_t i = first; i <= last; ++i) numbers.push_back(i);
    if (at == end) break;
    if (*at++ != ',' || at == end) return {};
  }
  return numbers;
}

}  // namespace gemma3
