// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/decode/thought.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace gemma3 {
namespace {

constexpr TokenId kBegin = 100, kEnd = 101, kText = 7;
constexpr const char* kBeginMark = "<unused94>";
constexpr const char* kEndMark = "<unused95>";

struct Split {
  std::string answer, thought, written;
  size_t tokens_before = 0;
  bool operator==(const Split&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Split& split) {
  return out << '"' << split.answer << "\", \"" << split.thought << "\", \"" << split.written
             << "\", " << split.tokens_before;
}

// Tokens are texts; the marks are those that are spelled so.
Split SplitAll(const std::vector<std::string>& tokens, TokenId begin = kBegin, TokenId end = kEnd) {
  ThoughtSplitter splitter(begin, end);
  Split out;
  for (const std::string& token : tokens) {
    const TokenId id = token == kBeginMark ? kBegin : token == kEndMark ? kEnd : kText;
    out.answer += splitter.Feed(id, token);
    out.written += splitter.TakeWritten();
  }
  out.answer += splitter.Flush();
  out.written += splitter.TakeWritten();
  out.thought = splitter.Thought();
  out.tokens_before = splitter.tokens_before_answer();
  return out;
}

TEST(Thought, IsTakenOffTheFront) {
  EXPECT_EQ(SplitAll({kBeginMark, "thought", "\n", "Two", " words.", kEndMark, "The", " answer"}),
            (Split{"The answer", "Two words.", "<unused94>thought\nTwo words.<unused95>", 6}));
  // However the tokens cut it.
  EXPECT_EQ(SplitAll({kBeginMark, "th", "ought\nTwo", " words.", kEndMark, "The answer"}),
            (Split{"The answer", "Two words.", "<unused94>thought\nTwo words.<unused95>", 5}));
  // White space before it belongs to the answer.
  EXPECT_EQ(SplitAll({"\n", kBeginMark, "thought\n", "x", kEndMark, "y"}).answer, "\ny");
  EXPECT_EQ(SplitAll({kBeginMark, "thought", kEndMark, "y"}),
            (Split{"y", "", "<unused94>thought<unused95>", 3}));
}

TEST(Thought, MayBeCutOff) {
  EXPECT_EQ(SplitAll({kBeginMark, "thought\n", "Two", " wor"}),
            (Split{"", "Two wor", "<unused94>thought\nTwo wor", 4}));
  EXPECT_EQ(SplitAll({kBeginMark, "thought"}), (Split{"", "", "<unused94>thought", 2}));
  EXPECT_EQ(SplitAll({kBeginMark, "thou"}), (Split{"<unused94>thou", "", "", 0}));
  EXPECT_EQ(SplitAll({kBeginMark}), (Split{"<unused94>", "", "", 0}));
}

// A mark that begins no thought is shown: nothing of an answer may vanish.
TEST(Thought, OtherMarksAreText) {
  for (const std::vector<std::string>& tokens :
       {std::vector<std::string>{"A", kBeginMark, "thought\n", "x", kEndMark, "y"},
        {kBeginMark, "red", " star"},
        {kBeginMark, "thoughtful"},
        {kBeginMark, "thoug", kEndMark, "y"},
        {kBeginMark, kBeginMark, "thought\n", "x"},
        {kEndMark, "x"},
        {"thought\n", "x"},
        {}}) {
    std::string all;
    for (const std::string& token : tokens) all += token;
    EXPECT_EQ(SplitAll(tokens), (Split{all, "", "", 0}));
  }
  // Only the first thought is one.
  EXPECT_EQ(SplitAll({kBeginMark, "thought\n", kEndMark, kBeginMark, "thought\n", kEndMark}).answer,
            "<unused94>thought\n<unused95>");
  // A vocabulary without the marks.
  EXPECT_EQ(SplitAll({kBeginMark, "thought\n", "x"}, -1, -1).answer, "<unused94>thought\nx");
}

TEST(Thought, CharactersAreWhole) {
  ThoughtSplitter splitter(kBegin, kEnd);
  (void)splitter.Feed(kBegin, kBeginMark);
  (void)splitter.Feed(kText, "thought\n\xE2\x82");
  EXPECT_EQ(splitter.TakeWritten(), "<unused94>thought\n");
  (void)splitter.Feed(kText, "\xAC\xE2");
  EXPECT_EQ(splitter.TakeWritten(), "\u20AC");
  (void)splitter.Feed(kEnd, kEndMark);
  EXPECT_EQ(splitter.Thought(), "\u20AC\uFFFD");
}

}  // namespace
}  // namespace gemma3
