// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/decompose.h"

#include "tools/terminal.h"

namespace gemma3::cli {
namespace {

// By their mark: the letters without and with it.
constexpr struct {
  char32_t mark;
  std::string_view letters;
  std::u32string_view marked;
} kLatin[] = {
    {0x300, "AEIOUaeiou", U"\u00c0\u00c8\u00cc\u00d2\u00d9\u00e0\u00e8\u00ec\u00f2\u00f9"},
    {0x301, "AEIOUYaeiouyCcLlNnRrSsZz",
     U"\u00c1\u00c9\u00cd\u00d3\u00da\u00dd\u00e1\u00e9\u00ed\u00f3\u00fa\u00fd\u0106\u0107\u0139"
     U"\u013a\u0143\u0144\u0154\u0155\u015a\u015b\u0179\u017a"},
    {0x302, "AEIOUaeiouCcGgHhJjSsWwYy",
     U"\u00c2\u00ca\u00ce\u00d4\u00db\u00e2\u00ea\u00ee\u00f4\u00fb\u0108\u0109\u011c\u011d\u0124"
     U"\u0125\u0134\u0135\u015c\u015d\u0174\u0175\u0176\u0177"},
    {0x303, "ANOanoIiUu", U"\u00c3\u00d1\u00d5\u00e3\u00f1\u00f5\u0128\u0129\u0168\u0169"},
    {0x304, "AaEeIiOoUu", U"\u0100\u0101\u0112\u0113\u012a\u012b\u014c\u014d\u016a\u016b"},
    {0x306, "AaEeGgIiOoUu",
     U"\u0102\u0103\u0114\u0115\u011e\u011f\u012c\u012d\u014e\u014f\u016c\u016d"},
    {0x307, "CcEeGgIZz", U"\u010a\u010b\u0116\u0117\u0120\u0121\u0130\u017b\u017c"},
    {0x308, "AEIOUaeiouyY",
     U"\u00c4\u00cb\u00cf\u00d6\u00dc\u00e4\u00eb\u00ef\u00f6\u00fc\u00ff\u0178"},
    {0x30A, "AaUu", U"\u00c5\u00e5\u016e\u016f"},
    {0x30B, "OoUu", U"\u0150\u0151\u0170\u0171"},
    {0x30C, "CcDdEeLlNnRrSsTtZz",
     U"\u010c\u010d\u010e\u010f\u011a\u011b\u013d\u013e\u0147\u0148\u0158\u0159\u0160\u0161\u0164"
     U"\u0165\u017d\u017e"},
    {0x327, "CcGgKkLlNnRrSsTt",
     U"\u00c7\u00e7\u0122\u0123\u0136\u0137\u013b\u013c\u0145\u0146\u0156\u0157\u015e\u015f\u0162"
     U"\u0163"},
    {0x328, "AaEeIiUu", U"\u0104\u0105\u0118\u0119\u012e\u012f\u0172\u0173"},
};

void AppendDecomposed(std::string& text, char32_t c) {
  // The Unicode Standard, 3.12: syllables are numbered by first, middle and last letter.
  constexpr char32_t kSyllables = 0xAC00, kFirst = 0x1100, kMiddle = 0x1161, kLast = 0x11A7;
  constexpr char32_t kMiddles = 21, kLasts = 28, kCount = 19 * kMiddles * kLasts;
  if (c >= kSyllables && c < kSyllables + kCount) {
    const char32_t index = c - kSyllables;
    AppendUtf8(text, kFirst + index / (kMiddles * kLasts));
    AppendUtf8(text, kMiddle + index / kLasts % kMiddles);
    if (index % kLasts != 0) AppendUtf8(text, kLast + index % kLasts);
    return;
  }
  if (c >= 0xC0 && c < 0x180) {
    for (const auto& [mark, letters, marked] : kLatin) {
      const size_t at = marked.find(c);
      if (at == std::u32string_view::npos) continue;
      text += letters[at];
      AppendUtf8(text, mark);
      return;
    }
  }
  AppendUtf8(text, c);
}

}  // namespace

std::string Decomposed(std::string_view text) {
  std::string apart;
  while (!text.empty()) {
    const auto [c, length] = FirstUtf8Char(text);
    if (length == 0) {
      apart += text[0];
      text.remove_prefix(1);
    } else {
      AppendDecomposed(apart, c);
      text.remove_prefix(static_cast<size_t>(length));
    }
  }
  return apart;
}

}  // namespace gemma3::cli
