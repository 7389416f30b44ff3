// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/terminal.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace gemma3::cli {
namespace {

TEST(SanitizeForTerminal, KeepsPlainText) {
  const std::string text = "a\tb\nc ~ \u00e9 \u4e2d\u6587 \ud55c\uad6d\uc5b4 \U0001F600";
  EXPECT_EQ(SanitizeForTerminal(text), text);
}

TEST(SanitizeForTerminal, ShowsControlCodes) {
  EXPECT_EQ(SanitizeForTerminal("\033[31mred"), "\u241b[31mred");
  EXPECT_EQ(SanitizeForTerminal("\033]0;title\a"), "\u241b]0;title\u2407");
  EXPECT_EQ(SanitizeForTerminal("a\rb"), "a\u240db");
  EXPECT_EQ(SanitizeForTerminal(std::string("\0", 1)), "\u2400");
  EXPECT_EQ(SanitizeForTerminal("\x7f"), "\u2421");
}

TEST(SanitizeForTerminal, ShowsC1CodesAsTheirSevenBitForm) {
  EXPECT_EQ(SanitizeForTerminal("\u009b31m"), "\u241b[31m");  // CSI
  EXPECT_EQ(SanitizeForTerminal("\u009d0;x"), "\u241b]0;x");  // OSC
  EXPECT_EQ(SanitizeForTerminal("\u00a0"), "\u00a0");         // the first that is no control
}

TEST(SanitizeForTerminal, ReplacesBytesThatAreNoUtf8) {
  EXPECT_EQ(SanitizeForTerminal("\x9b"), "\ufffd");
  EXPECT_EQ(SanitizeForTerminal("a\xff"), "a\ufffd");
  EXPECT_EQ(SanitizeForTerminal("\xc0\x9b"), "\ufffd\ufffd");            // overlong ESC
  EXPECT_EQ(SanitizeForTerminal("\xed\xa0\x80"), "\ufffd\ufffd\ufffd");  // surrogate
  EXPECT_EQ(SanitizeForTerminal("\xe4\xb8"), "\ufffd\ufffd");            // cut off
}

TEST(SanitizeForTerminal, LeavesNoControlByteForAnyInput) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(random());
    std::string clean = SanitizeForTerminal(text);
    for (std::string_view rest = clean; !rest.empty();) {
      const Utf8Char c = FirstUtf8Char(rest);
      ASSERT_GT(c.length, 0);
      const bool control = (c.code_point < 0x20 && c.code_point != '\n' && c.code_point != '\t') ||
                           (c.code_point >= 0x7F && c.code_point < 0xA0);
      ASSERT_FALSE(control);
      rest.remove_prefix(static_cast<size_t>(c.length));
    }
    EXPECT_EQ(SanitizeForTerminal(clean), clean);
  }
}

TEST(Utf8, EveryCodePointComesBack) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    AppendUtf8(text, c);
    const Utf8Char read = FirstUtf8Char(text);
    ASSERT_EQ(read.code_point, c);
    ASSERT_EQ(static_cast<size_t>(read.length), text.size());
  }
}

}  // namespace
}  // namespace gemma3::cli
