// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/automata/char_set.h"

#include <algorithm>
#include <string>

namespace gemma3 {
namespace {

struct CategoryRun {
  uint32_t first, last;
  char category[3];
};
constexpr CategoryRun kRuns[] = {
#include "src/automata/unicode_categories.inc"
};

constexpr struct {
  std::string_view name, category;
} kLongNames[] = {
    {"Letter", "L"},
    {"Cased_Letter", "LC"},
    {"Uppercase_Letter", "Lu"},
    {"Lowercase_Letter", "Ll"},
    {"Titlecase_Letter", "Lt"},
    {"Modifier_Letter", "Lm"},
    {"Other_Letter", "Lo"},
    {"Mark", "M"},
    {"Combining_Mark", "M"},
    {"Nonspacing_Mark", "Mn"},
    {"Spacing_Mark", "Mc"},
    {"Enclosing_Mark", "Me"},
    {"Number", "N"},
    {"Decimal_Number", "Nd"},
    {"digit", "Nd"},
    {"Letter_Number", "Nl"},
    {"Other_Number", "No"},
    {"Punctuation", "P"},
    {"punct", "P"},
    {"Connector_Punctuation", "Pc"},
    {"Dash_Punctuation", "Pd"},
    {"Open_Punctuation", "Ps"},
    {"Close_Punctuation", "Pe"},
    {"Initial_Punctuation", "Pi"},
    {"Final_Punctuation", "Pf"},
    {"Other_Punctuation", "Po"},
    {"Symbol", "S"},
    {"Math_Symbol", "Sm"},
    {"Currency_Symbol", "Sc"},
    {"Modifier_Symbol", "Sk"},
    {"Other_Symbol", "So"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Line_Separator", "Zl"},
    {"Paragraph_Separator", "Zp"},
    {"Other", "C"},
    {"Control", "Cc"},
    {"cntrl", "Cc"},
    {"Format", "Cf"},
    {"Private_Use", "Co"},
    {"Unassigned", "Cn"},
};

}  // namespace

void CharSet::Add(uint32_t first, uint32_t last) {
  if (first > last) return;
  if (first < 0xE000 && last > 0xD7FF) {  // leave the surrogates out
    if (first < 0xD800) Add(first, 0xD7FF);
    if (last > 0xDFFF) Add(0xE000, last);
    return;
  }
  const auto begin = std::lower_bound(
      ranges_.begin(), ranges_.end(), first,
      [](const CharRange& range, uint32_t value) { return range.last + 1 < value; });
  auto end = begin;
  while (end != ranges_.end() && end->first <= last + 1) {
    first = std::min(first, end->first);
    last = std::max(last, end->last);
    ++end;
  }
  const auto at = ranges_.erase(begin, end);
  ranges_.insert(at, {first, last});
}

void CharSet::Add(const CharSet& other) {
  if (ranges_.empty()) {
    ranges_ = other.ranges_;
    return;
  }
  for (const CharRange& range : other.ranges_) Add(range.first, range.last);
}

CharSet CharSet::Negated() const {
  CharSet negated;
  uint32_t next = 0;
  for (const CharRange& range : ranges_) {
    if (range.first > next) negated.Add(next, range.first - 1);
    next = range.last + 1;
  }
  if (next <= kLastChar) negated.Add(next, kLastChar);
  return negated;
}

bool CharSet::Contains(uint32_t c) const {
  const auto it =
      std::lower_bound(ranges_.begin(), ranges_.end(), c,
                       [](const CharRange& range, uint32_t value) { return range.last < value; });
  return it != ranges_.end() && it->first <= c;
}

std::optional<CharSet> UnicodeCategory(std::string_view name) {
  for (const auto& long_name : kLongNames) {
    if (name == long_name.name) name = long_name.category;
  }
  CharSet set;
  for (const CategoryRun& run : kRuns) {
    const std::string_view category = run.category;
    const bool is_cased =
        name == "LC" && (category == "Lu" || category == "Ll" || category == "Lt");
    if (is_cased || category == name || (name.size() == 1 && category[0] == name[0])) {
      set.Add(run.first, run.last);
    }
  }
  if (name == "Any") return CharSet::All();
  if (name == "ASCII") return CharSet{{0, 0x7F}};
  if (set.empty()) return std::nullopt;
  return set;
}

uint32_t TakeChar(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(text[i])); };
  const uint32_t lead = byte(0);
  size_t size = 1;
  uint32_t c = lead;
  if (lead >= 0xF0) {
    size = 4;
    c = lead & 7;
  } else if (lead >= 0xE0) {
    size = 3;
    c = lead & 15;
  } else if (lead >= 0xC0) {
    size = 2;
    c = lead & 31;
  }
  size = std::min(size, text.size());
  for (size_t i = 1; i < size; ++i) c = c << 6 | (byte(i) & 63);
  text.remove_prefix(size);
  return c;
}

void AppendUtf8(uint32_t c, std::string& out) {
  const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 63));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 63));
    put(0x80 | (c & 63));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 63));
    put(0x80 | (c >> 6 & 63));
    put(0x80 | (c & 63));
  }
}

}  // namespace gemma3
