// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Sets of Unicode characters. Surrogates are no characters and are in no set.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemma3 {

struct CharRange {
  uint32_t first, last;  // inclusive
  bool operator==(const CharRange&) const = default;
};

class CharSet {
 public:
  static constexpr uint32_t kLastChar = 0x10FFFF;

  CharSet() = default;
  CharSet(std::initializer_list<CharRange> ranges) {
    for (const CharRange& range : ranges) Add(range.first, range.last);
  }
  static CharSet All() { return {{0, kLastChar}}; }

  void Add(uint32_t first, uint32_t last);
  void Add(const CharSet& other);
  CharSet Negated() const;
  bool Contains(uint32_t c) const;
  bool empty() const { return ranges_.empty(); }
  // In order, apart from each other.
  const std::vector<CharRange>& ranges() const { return ranges_; }
  bool operator==(const CharSet&) const = default;

 private:
  std::vector<CharRange> ranges_;
};

// The characters of a Unicode general category, by its short or long name ("Lu",
// "Uppercase_Letter"), or of a group of them ("L", "Letter"). Nothing for other names.
std::optional<CharSet> UnicodeCategory(std::string_view name);

// One character of UTF-8 off the front of `text`, which is valid and not empty.
uint32_t TakeChar(std::string_view& text);
void AppendUtf8(uint32_t c, std::string& out);

}  // namespace gemma3
