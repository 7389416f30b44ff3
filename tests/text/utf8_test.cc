// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/text/utf8.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace gemma3 {
namespace {

using namespace std::string_literals;

constexpr size_t kValid = std::string_view::npos;

// The encoding of any number below 2^21 by the general scheme, also of those that are forbidden.
std::string EncodeAnything(uint32_t c) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xC0 | c >> 6), tail(0)};
  if (c < 0x10000) return {static_cast<char>(0xE0 | c >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | c >> 18), tail(12), tail(6), tail(0)};
}

bool IsScalarValue(uint32_t c) { return c < 0xD800 || (c > 0xDFFF && c < 0x110000); }

TEST(Utf8, AcceptsExactlyTheScalarValues) {
  for (uint32_t c = 0; c < 0x200000; ++c) {
    const std::string text = EncodeAnything(c);
    ASSERT_EQ(FindInvalidUtf8(text) == kValid, IsScalarValue(c)) << std::hex << c;
    if (!IsScalarValue(c)) continue;
    for (size_t cut = 1; cut < text.size(); ++cut) {
      ASSERT_EQ(FindInvalidUtf8(text.substr(0, cut)), 0u) << std::hex << c;
      ASSERT_EQ(NextUtf8Char(text.substr(0, cut)).kind, Utf8Char::Kind::kIncomplete);
      ASSERT_EQ(FindInvalidUtf8(text.substr(cut)), 0u) << std::hex << c;
    }
  }
}

TEST(Utf8, RefusesOverlongForms) {
  for (const std::string& bad :
       {"\xC0\x80"s, "\xC1\xBF"s, "\xE0\x80\x80"s, "\xE0\x9F\xBF"s, "\xF0\x80\x80\x80"s,
        "\xF0\x8F\xBF\xBF"s, "\xF8\x88\x80\x80\x80"s}) {
    EXPECT_EQ(FindInvalidUtf8(bad), 0u);
  }
}

TEST(Utf8, SaysWhereTheFirstBadByteIs) {
  EXPECT_EQ(FindInvalidUtf8(""), kValid);
  EXPECT_EQ(FindInvalidUtf8("0123456789abcdef\0more"s), kValid);
  for (size_t before = 0; before < 40; ++before) {
    EXPECT_EQ(FindInvalidUtf8(std::string(before, 'a') + "\xFF" + "tail"), before);
    EXPECT_EQ(FindInvalidUtf8(std::string(before, 'a') + "\u00E9\xE2\x82"), before + 2);
  }
}

TEST(Trim, RemovesWhatPythonStripRemoves) {
  const uint32_t spaces[] = {9,      0xA,    0xB,    0xC,    0xD,    0x1C,   0x1D,   0x1E,
                             0x1F,   0x20,   0x85,   0xA0,   0x1680, 0x2000, 0x2001, 0x2002,
                             0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200A,
                             0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
  size_t found = 0;
  for (uint32_t c = 0; c < 0x110000; ++c) {
    if (!IsScalarValue(c)) continue;
    const std::string character = EncodeAnything(c);
    if (TrimUnicodeWhitespace(character).empty()) {
      ASSERT_LT(found, std::size(spaces));
      EXPECT_EQ(spaces[found++], c);
    }
  }
  EXPECT_EQ(found, std::size(spaces));
  EXPECT_EQ(TrimUnicodeWhitespace(" \u3000\n a \t b\u00A0\u2003"), "a \t b");
  EXPECT_EQ(TrimUnicodeWhitespace("\u200B"), "\u200B");  // zero width space is none
  EXPECT_EQ(TrimUnicodeWhitespace(""), "");
  EXPECT_EQ(TrimUnicodeWhitespace(" \n "), "");
}

std::string Stream(std::string_view bytes, const std::vector<size_t>& cuts) {
  Utf8Stream stream;
  std::string out;
  size_t begin = 0;
  for (const size_t cut : cuts) {
    stream.Push(bytes.substr(begin, cut - begin), out);
    EXPECT_EQ(FindInvalidUtf8(out), kValid);
    begin = cut;
  }
  stream.Push(bytes.substr(begin), out);
  EXPECT_EQ(FindInvalidUtf8(out), kValid);
  stream.Flush(out);
  return out;
}

TEST(Utf8Stream, HoldsBackUntilACharacterIsWhole) {
  Utf8Stream stream;
  std::string out;
  const std::string text = "\u00E9\u20AC\U0001F600";
  std::vector<size_t> sizes;
  for (const char c : text) {
    stream.Push({&c, 1}, out);
    sizes.push_back(out.size());
  }
  EXPECT_EQ(sizes, (std::vector<size_t>{0, 2, 2, 2, 5, 5, 5, 5, 9}));
  EXPECT_EQ(out, text);
  stream.Flush(out);
  EXPECT_EQ(out, text);
}

TEST(Utf8Stream, ReplacesMaximalSubparts) {
  // The example of the Unicode standard, table 3-8.
  EXPECT_EQ(Stream("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64", {}),
            "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
  EXPECT_EQ(Stream("\xF0\x9F\x98", {}), "\uFFFD");
  EXPECT_EQ(Stream("", {}), "");
}

TEST(Utf8Stream, OutputDoesNotDependOnTheCuts) {
  std::mt19937 random(1);
  const std::string alphabet[] = {"a",    "\u00E9",   "\u20AC", "\U0001F600", "\x80",
                                  "\xBF", "\xC2",     "\xE0",   "\xE1",       "\xED\xA0",
                                  "\xF0", "\xF4\x8F", "\xFF",   "\0"s};
  for (int round = 0; round < 3000; ++round) {
    std::string bytes;
    for (size_t n = random() % 12; n > 0; --n) bytes += alphabet[random() % std::size(alphabet)];
    const std::string whole = Stream(bytes, {});
    std::vector<size_t> each, some;
    for (size_t i = 1; i < bytes.size(); ++i) {
      each.push_back(i);
      if (random() % 2) some.push_back(i);
    }
    EXPECT_EQ(Stream(bytes, each), whole);
    EXPECT_EQ(Stream(bytes, some), whole);
    if (FindInvalidUtf8(bytes) == kValid) {
      EXPECT_EQ(whole, bytes);
    }
  }
}

}  // namespace
}  // namespace gemma3
