// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/tool_text.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace gemma3::cli {
namespace {

using namespace std::string_literals;

TEST(CleanToolText, KeepsTextAndDropsCommands) {
  EXPECT_EQ(CleanToolText("a\tb\nc é 東 😀"), "a\tb\nc é 東 😀");
  EXPECT_EQ(CleanToolText("a\r\nb\rc"), "a\nb\nc");
  EXPECT_EQ(CleanToolText("\x1B[1;31mred\x1B[0m \x1B[2Jx"), "red x");
  EXPECT_EQ(CleanToolText("\x1B]0;title\a|\x1B]8;;http://x\x1B\\link\x1B]8;;\x1B\\"), "|link");
  EXPECT_EQ(CleanToolText("\x1B(Ba\x1B=b\x1B"
                          "7c"),
            "abc");
  EXPECT_EQ(CleanToolText("\x1B]0;no end\nnext"), "\nnext");
  EXPECT_EQ(CleanToolText("a\x1B"), "a");
  EXPECT_EQ(CleanToolText("\0\a\b\x7F"s + "a\u0085\u009B" + "b"), "ab");
  EXPECT_EQ(CleanToolText("\xFF"
                          "a\xE2\x82"),
            "\uFFFDa\uFFFD\uFFFD");
}

TEST(OneLine, CannotCommandOrMislead) {
  EXPECT_EQ(OneLine("a\nb\t\x1B[2J"), "a␊b␉␛[2J");
  // A right-to-left override would show arguments in another order.
  EXPECT_EQ(OneLine("rm \u202Egpj.x\u200B\u2028"), "rm \uFFFDgpj.x\uFFFD\uFFFD");
  const std::string line = OneLine(std::string(3000, 'a') + std::string(3000, 'b'), 100);
  EXPECT_EQ(line, std::string(50, 'a') + " [... 5900 bytes ...] " + std::string(50, 'b'));
  EXPECT_EQ(OneLine("éééé", 5), "é [... 4 bytes ...] é");
}

TEST(CutToolText, KeepsWholeCharactersAndSaysWhatIsMissing) {
  EXPECT_EQ(CutToolText("abc", 3), "abc");
  EXPECT_EQ(CutToolText("abc", 2), "ab\n[1 more bytes were left out]");
  EXPECT_EQ(CutToolText("aé", 2), "a\n[2 more bytes were left out]");
  EXPECT_EQ(CutToolText("a", 2, 7), "a\n[7 more bytes were left out]");
}

TEST(CleanToolText, NothingIsLeftOfNonsenseThatATerminalObeys) {
  std::mt19937 random(3);
  for (int i = 0; i < 20000; ++i) {
    std::string bytes;
    for (size_t n = random() % 12; n > 0; --n) {
      constexpr char kBytes[] = "\x1B[]\a\\0;mP(\n\xC2\x9B\x80\xE2x";
      bytes += kBytes[random() % (sizeof(kBytes) - 1)];
    }
    for (const std::string& clean : {CleanToolText(bytes), OneLine(bytes)}) {
      EXPECT_EQ(clean.find('\x1B'), std::string::npos);
      EXPECT_EQ(clean.find('\a'), std::string::npos);
      EXPECT_EQ(clean.find("\xC2\x9B"), std::string::npos);
    }
    EXPECT_EQ(OneLine(bytes).find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace gemma3::cli
