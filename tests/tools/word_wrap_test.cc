// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/word_wrap.h"

#include <gtest/gtest.h>

#include <clocale>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tools/terminal.h"
#include "tools/text.h"
#include "tools/text_width.h"

namespace gemma3::cli {
namespace {

// The characters of a text as a terminal gets them.
std::vector<std::string> Characters(std::string_view text) {
  std::vector<std::string> characters;
  while (!text.empty()) {
    const auto length = static_cast<size_t>(FirstUtf8Char(text).length);
    characters.emplace_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return characters;
}

// What a terminal of so many columns shows of a text: a character that does not fit goes to the
// next row.
struct Screen {
  struct Row {
    std::string text;
    bool broken_by_terminal = false;  // and copied as one line with the next
  };
  std::vector<Row> rows = {{}};

  Screen(std::string_view text, size_t columns) {
    WidthCounter counter;
    size_t column = 0;
    for (const std::string& bytes : Characters(text)) {
      if (bytes == "\n") {
        rows.emplace_back();
        column = 0;
        continue;
      }
      const size_t width = bytes == "\t"
                               ? 8 - column % 8
                               : static_cast<size_t>(counter.Add(FirstUtf8Char(bytes).code_point));
      if (column + width > columns) {
        rows.back().broken_by_terminal = true;
        rows.emplace_back();
        column = 0;
      }
      column += width;
      rows.back().text += bytes;
    }
  }

  std::vector<std::string> Texts() const {
    std::vector<std::string> texts;
    for (const Row& row : rows) texts.push_back(row.text);
    return texts;
  }

  bool HasTerminalsBreaks() const {
    for (const Row& row : rows) {
      if (row.broken_by_terminal) return true;
    }
    return false;
  }
};

class WordWrapTest : public ::testing::Test {
 protected:
  void SetUp() override { std::setlocale(LC_CTYPE, "C.UTF-8"); }
  void TearDown() override { std::setlocale(LC_CTYPE, "C"); }

  static std::string Wrapped(std::string_view text, size_t columns) {
    WordWrap wrap;
    std::string out = wrap.Add(text, columns);
    return out + wrap.Flush();
  }
  static std::vector<std::string> Rows(std::string_view text, size_t columns) {
    return Screen(Wrapped(text, columns), columns).Texts();
  }
  using Texts = std::vector<std::string>;
};

std::string WithoutSpace(std::string_view text) {
  std::string left;
  for (const char c : text) {
    if (c != ' ' && c != '\n' && c != '\t') left += c;
  }
  return left;
}

TEST_F(WordWrapTest, BreaksBetweenWords) {
  EXPECT_EQ(Rows("The quick brown fox jumps", 12), (Texts{"The quick ", "brown fox ", "jumps"}));
  // Exactly as wide as the terminal, and one more.
  EXPECT_EQ(Wrapped("quick brown, fox", 12), "quick brown,\nfox");
  EXPECT_EQ(Wrapped("quick browns, fox", 12), "quick \nbrowns, fox");
  EXPECT_EQ(Wrapped("one two\n\nthree", 12), "one two\n\nthree");
  EXPECT_EQ(Wrapped("", 12), "");
}

TEST_F(WordWrapTest, HoldsBackAWordUntilItIsKnownToFit) {
  WordWrap wrap;
  EXPECT_EQ(wrap.Add("one tw", 12), "one ");
  EXPECT_EQ(wrap.Add("o", 12), "");
  EXPECT_EQ(wrap.Add(" thr", 12), "two ");
  EXPECT_EQ(wrap.Add("ee", 12), "");
  EXPECT_EQ(wrap.Flush(), "\nthree");
  EXPECT_EQ(wrap.Flush(), "");
  EXPECT_EQ(wrap.Add("fold", 12), "fold");  // of a word that has been shown
  EXPECT_EQ(wrap.Add(" x", 12), " ");
}

TEST_F(WordWrapTest, ALongWordBeginsARowAndIsLeftToTheTerminal) {
  const std::string url = "https://example.org/a/long/path?with=query";
  EXPECT_EQ(Wrapped("see " + url + " for more", 20), "see \n" + url + " for more");
  EXPECT_EQ(Rows("see " + url + " for more", 20),
            (Texts{"see ", "https://example.org/", "a/long/path?with=que", "ry for more"}));
  // Behind it the column is known: the last word has no room.
  EXPECT_EQ(Wrapped(url + " for more or nothing", 20), url + " for more or \nnothing");
  // One that fits into a row is moved whole.
  EXPECT_EQ(Wrapped("see https://example.org/ now", 20), "see \nhttps://example.org/\nnow");
}

TEST_F(WordWrapTest, SpacesBeyondTheEdgeGo) {
  EXPECT_EQ(Wrapped("0123456789   x", 10), "0123456789\nx");
  EXPECT_EQ(Wrapped("01234567   x", 10), "01234567  \nx");
  EXPECT_EQ(Wrapped("0123456789   \nx", 10), "0123456789\nx");
  EXPECT_EQ(Wrapped("0123456789 \u4e2d", 10), "0123456789\n\u4e2d");
  EXPECT_EQ(Wrapped("a  b\tc", 20), "a  b\tc");
}

TEST_F(WordWrapTest, KnowsWideCharactersAndMarks) {
  // Korean: words of three syllables, six columns.
  EXPECT_EQ(Wrapped("\uc548\ub155\ud558 \uc138\uc694\ub098 \uac00", 12),
            "\uc548\ub155\ud558 \n\uc138\uc694\ub098 \uac00");
  // The same as letters that combine, and a base letter with two marks.
  EXPECT_EQ(Wrapped("\u1112\u1161\u11ab\u1100\u116e\u11a8 0123456", 12),
            "\u1112\u1161\u11ab\u1100\u116e\u11a8 0123456");
  EXPECT_EQ(Wrapped("a\u0301\u0323bcd u\u0308fgh", 10), "a\u0301\u0323bcd u\u0308fgh");
  EXPECT_EQ(Wrapped("a\u0301\u0323bcde u\u0308fgh", 10), "a\u0301\u0323bcde u\u0308fgh");
  EXPECT_EQ(Wrapped("a\u0301\u0323bcdef u\u0308fgh", 10), "a\u0301\u0323bcdef \nu\u0308fgh");
}

TEST_F(WordWrapTest, IdeographsAreLeftToTheTerminal) {
  const std::string chinese =
      "\u6211\u4eec\u4eca\u5929\u53bb\u516c\u56ed\uff0c\u5929\u6c14\u5f88\u597d\u3002";
  EXPECT_EQ(Wrapped(chinese, 11), chinese);
  // The column behind the terminal's breaks is known: five characters to a row, three in the last.
  EXPECT_EQ(Wrapped(chinese + "Latin", 11), chinese + "Latin");
  EXPECT_EQ(Wrapped(chinese + "Python", 11), chinese + "\nPython");
  // Punctuation stays with what is before it.
  EXPECT_EQ(Wrapped("0123456 \u4e2d!? a", 10), "0123456 \u4e2d!? a");
}

TEST_F(WordWrapTest, AnEmojiOfSeveralCharactersIsNotBroken) {
  const std::string family = "\U0001F468\u200D\U0001F469\u200D\U0001F467";
  const std::string thumb = "\U0001F44D\U0001F3FD";
  const std::string flag = "\U0001F1E9\U0001F1EA";
  const std::string heart = "\u2764\uFE0F";
  for (const std::string& emoji : {family, thumb, flag, heart}) {
    for (size_t before = 0; before < 20; ++before) {
      const std::string text = std::string(before, 'x') + " " + emoji + " end";
      const std::string out = Wrapped(text, 20);
      EXPECT_NE(out.find(emoji), std::string::npos) << out;
      EXPECT_EQ(WithoutSpace(out), WithoutSpace(text));
    }
  }
  EXPECT_EQ(TextWidth(flag), 2u);
  EXPECT_EQ(TextWidth(heart), 2u);
  // Where the terminal may have drawn less, no break is left to it; and where it may have broken
  // the row all the same, the next word begins one.
  const std::string families = family + family + family + family;
  EXPECT_EQ(Wrapped("x" + families, 20), "x" + family + family + family + "\n" + family);
  EXPECT_EQ(Wrapped(families + " end", 20), families + "\nend");
}

TEST_F(WordWrapTest, ListsKeepTheirIndentation) {
  EXPECT_EQ(Wrapped("- one two three four", 12), "- one two \n  three four");
  EXPECT_EQ(Wrapped("  * one two three", 12), "  * one two \n    three");
  EXPECT_EQ(Wrapped("10. one two three", 12), "10. one two \n    three");
  EXPECT_EQ(Wrapped("  one two three", 12), "  one two \n  three");
  EXPECT_EQ(Wrapped("- one two three\none two six", 12), "- one two \n  three\none two six");
  EXPECT_EQ(Wrapped("1995 was one year", 12), "1995 was one\nyear");
  // A word that has no room behind the mark either gains nothing by another row.
  EXPECT_EQ(Wrapped("- 0123456789ab", 12), "- 0123456789ab");
  // More than half of the terminal's width is too much.
  EXPECT_EQ(Wrapped("          one two", 12), "          \none two");
}

TEST_F(WordWrapTest, CodeBlocksAreNotWrapped) {
  const std::string code = "```python\nfor x in range(10): print(x)\n    pass\n```\n";
  EXPECT_EQ(Wrapped(code + "one two three", 12), code + "one two \nthree");
  const std::string tilde = "~~~~\none two three\n~~~\n``` four five six\n~~~~~ \n";
  EXPECT_EQ(Wrapped(tilde + "one two three", 12), tilde + "one two \nthree");
  const std::string nested = "   ```\n   one two three four\n   ```\n";
  EXPECT_EQ(Wrapped(nested + "one two three", 12), nested + "one two \nthree");
  // No fence: marks inside a line, and code within a line.
  EXPECT_EQ(Wrapped("the ``` mark\none two three", 14), "the ``` mark\none two three");
  EXPECT_EQ(Wrapped("```a b```\none two three", 12), "```a b```\none two \nthree");
  EXPECT_EQ(Wrapped("``one two three``", 12), "``one two \nthree``");
}

TEST_F(WordWrapTest, WithoutAWidthEverythingComesAtOnceAsItIs) {
  const std::string text = "one two  three\n- four\tfive \u4e2d\U0001F600";
  for (const size_t columns : {0, 1, 5}) {
    WordWrap wrap;
    EXPECT_EQ(wrap.Add(text, columns), text);
    EXPECT_EQ(wrap.Flush(), "");
  }
}

TEST_F(WordWrapTest, AWindowThatBecomesNarrowerBeginsANewRow) {
  WordWrap wrap;
  std::string out = wrap.Add("one two three four five ", 40);
  // The row is longer than the window now; who knows where the cursor is.
  out += wrap.Add("six seven", 20);
  EXPECT_EQ(out, "one two three four five \nsix ");
  EXPECT_EQ(wrap.Flush(), "seven");
  // A row that fits stays, and so does one in a window that becomes wider.
  WordWrap other;
  out = other.Add("one two ", 40);
  out += other.Add("three ", 20);
  out += other.Add("four five six ", 30);
  EXPECT_EQ(out, "one two three four five six ");
  // The terminal has broken a word in two; in a wider window it may put it together.
  WordWrap wider;
  out = wider.Add("0123456789abc one ", 10);
  out += wider.Add("two ", 60);
  EXPECT_EQ(out, "0123456789abc one \ntwo ");
  // Unknown for a while, with a word in hand.
  WordWrap unknown;
  out = unknown.Add("one tw", 20);
  out += unknown.Add("o thr", 0);
  out += unknown.Add("ee four five", 20);
  EXPECT_EQ(out + unknown.Flush(), "one two three\nfour five");
}

// Texts of all kinds, in pieces of all sizes.
TEST_F(WordWrapTest, LosesNothingAndBreaksNoWordThatFits) {
  const std::vector<std::string> kinds = {"a",
                                          "b",
                                          "Z",
                                          "0",
                                          "-",
                                          ".",
                                          "!",
                                          " ",
                                          " ",
                                          " ",
                                          "  ",
                                          "\n",
                                          "\t",
                                          "- ",
                                          "1. ",
                                          "\u00fc",
                                          "e\u0301",
                                          "\u4e2d",
                                          "\u3042",
                                          "\u3002",
                                          "\ud55c",
                                          "\uae00",
                                          "\U0001F600",
                                          "\U0001F468",
                                          "\u200d",
                                          "\ufe0f",
                                          "\U0001F3FD",
                                          "\U0001F1E9",
                                          "\n```\n",
                                          "~~~",
                                          "a_long_word_without_end"};
  std::mt19937 random(1);
  for (int round = 0; round < 4000; ++round) {
    std::string text;
    for (size_t i = random() % 120; i > 0; --i) text += kinds[random() % kinds.size()];
    const size_t columns = 10 + random() % 30;
    const std::string whole = Wrapped(text, columns);
    EXPECT_EQ(WithoutSpace(whole), WithoutSpace(text));
    WordWrap wrap;
    std::string pieces, piece;
    for (const std::string& character : Characters(text)) {
      piece += character;
      if (random() % 3 == 0) pieces += wrap.Add(std::exchange(piece, ""), columns);
    }
    pieces += wrap.Add(piece, columns);
    EXPECT_EQ(pieces + wrap.Flush(), whole);
    // Also where the window changes all the time.
    WordWrap restless;
    std::string out;
    for (const std::string& character : Characters(text)) {
      out += restless.Add(character, random() % 4 == 0 ? random() % 30 : columns);
    }
    EXPECT_EQ(WithoutSpace(out + restless.Flush()), WithoutSpace(text));
  }
}

// Plain words: the terminal never breaks one, and each row holds as many as it can.
TEST_F(WordWrapTest, FillsEachRow) {
  std::mt19937 random(2);
  for (int round = 0; round < 500; ++round) {
    const size_t columns = 10 + random() % 70;
    std::string text;
    for (int i = 0; i < 60; ++i) {
      const size_t length = 1 + random() % 10;
      for (size_t k = 0; k < length; ++k) text += random() % 5 == 0 ? "\ud55c" : "x";
      text += ' ';
    }
    const Screen screen(Wrapped(text, columns), columns);
    bool fits = true;  // each word into a row
    std::string word;
    for (const std::string& c : Characters(text)) {
      word = c == " " ? "" : word + c;
      fits = fits && TextWidth(word) <= columns;
    }
    if (!fits) continue;
    EXPECT_FALSE(screen.HasTerminalsBreaks());
    for (size_t i = 0; i + 1 < screen.rows.size(); ++i) {
      const std::string& next = screen.rows[i + 1].text;
      const size_t filled = TextWidth(TrimSpace(screen.rows[i].text));
      EXPECT_LE(filled, columns);
      EXPECT_GT(filled + 1 + TextWidth(next.substr(0, next.find(' '))), columns);
    }
  }
}

}  // namespace
}  // namespace gemma3::cli
