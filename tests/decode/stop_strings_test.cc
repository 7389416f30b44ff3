// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/decode/stop_strings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemma3 {
namespace {

using Strings = std::vector<std::string>;

StopStrings MakeStops(const Strings& stops) {
  auto result = StopStrings::Create(stops);
  EXPECT_TRUE(result) << result.error().message;
  return *std::move(result);
}

// The answer and whether a stop string ended it, for text that comes in these pieces.
std::pair<std::string, bool> Answer(const Strings& stops, const Strings& pieces) {
  StopStrings matcher = MakeStops(stops);
  std::string out;
  for (const std::string& piece : pieces) matcher.Feed(piece, out);
  matcher.Flush(out);
  return {out, matcher.stopped()};
}

// The rule itself: the first position where some stop string is complete, the longest one there.
std::pair<std::string, bool> Reference(const Strings& stops, const std::string& text) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& stop : stops) {
      if (std::string_view(text).substr(0, end).ends_with(stop)) {
        longest = std::max(longest, stop.size());
      }
    }
    if (longest > 0) return {text.substr(0, end - longest), true};
  }
  return {text, false};
}

TEST(StopStrings, WithoutAnyAllTextIsCertain) {
  StopStrings matcher = MakeStops({});
  std::string out;
  EXPECT_FALSE(matcher.Feed("abc", out));
  EXPECT_EQ(out, "abc");
  matcher.Flush(out);
  EXPECT_EQ(out, "abc");
  EXPECT_FALSE(matcher.stopped());
}

TEST(StopStrings, HoldsBackWhatMayBecomeOne) {
  StopStrings matcher = MakeStops({"END"});
  std::string out;
  EXPECT_FALSE(matcher.Feed("the E", out));
  EXPECT_EQ(out, "the ");
  EXPECT_FALSE(matcher.Feed("N", out));
  EXPECT_EQ(out, "the ");
  EXPECT_FALSE(matcher.Feed("E", out));
  EXPECT_EQ(out, "the EN");
  EXPECT_TRUE(matcher.Feed("ND and more", out));
  EXPECT_EQ(out, "the EN");
  EXPECT_TRUE(matcher.stopped());
  EXPECT_TRUE(matcher.Feed("still more", out));
  matcher.Flush(out);
  EXPECT_EQ(out, "the EN");
}

TEST(StopStrings, FlushGivesWhatWasHeldBack) {
  EXPECT_EQ(Answer({"\n\nUser:"}, {"Hi", "\n\nUse"}),
            (std::pair<std::string, bool>("Hi\n\nUse", false)));
}

TEST(StopStrings, TheFirstCompleteOneCounts) {
  EXPECT_EQ(Answer({"abcd", "bc"}, {"xabcd"}).first, "xa");
  EXPECT_EQ(Answer({"c", "abc"}, {"xabcd"}).first, "x");  // both end at c: the longer
  EXPECT_EQ(Answer({"abc", "abc"}, {"abc"}), (std::pair<std::string, bool>("", true)));
  EXPECT_EQ(Answer({"aab"}, {"aaab"}).first, "a");  // overlap with itself
  EXPECT_EQ(Answer({"abab!", "b?"}, {"ababab?"}).first, "ababa");
}

TEST(StopStrings, WholeCharactersStayWhole) {
  StopStrings matcher = MakeStops({"\u00E9"});
  std::string out;
  matcher.Feed("\u00E8", out);  // the same first byte
  EXPECT_EQ(out, "\u00E8");
  EXPECT_TRUE(matcher.Feed("x\u00E9", out));
  EXPECT_EQ(out, "\u00E8x");
}

TEST(StopStrings, RefusesEmptyAndBrokenOnes) {
  const auto empty = StopStrings::Create(Strings{"a", ""});
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(empty.error().message.find("2 of 2"), std::string::npos);
  const auto broken = StopStrings::Create(Strings{"a\xFF"});
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(broken.error().message.find("byte 1"), std::string::npos);
}

TEST(StopStrings, AgreesWithTheRuleHoweverTheTextIsCut) {
  std::mt19937 random(3);
  const auto letters = [&](size_t max) {
    std::string text;
    for (size_t n = random() % (max + 1); n > 0; --n) text += static_cast<char>('a' + random() % 3);
    return text;
  };
  int stopped = 0;
  for (int round = 0; round < 20'000; ++round) {
    Strings stops;
    for (size_t n = random() % 4; n > 0; --n) stops.push_back("a" + letters(5));
    const std::string text = letters(30);
    Strings pieces;
    for (size_t begin = 0; begin < text.size();) {
      const size_t size = 1 + random() % 5;
      pieces.push_back(text.substr(begin, size));
      begin += size;
    }
    const auto expected = Reference(stops, text);
    ASSERT_EQ(Answer(stops, pieces), expected) << text;
    ASSERT_EQ(Answer(stops, {text}), expected) << text;
    stopped += expected.second;
  }
  EXPECT_GT(stopped, 1000);
  EXPECT_LT(stopped, 19'000);
}

// What has been given out is never a stop string's beginning that comes true later.
TEST(StopStrings, NothingIsGivenOutTooEarly) {
  const Strings stops = {"aab", "abba", "b\u00E9"};
  const std::string text = "aaabb aab";
  for (size_t fed = 0; fed <= text.size(); ++fed) {
    StopStrings matcher = MakeStops(stops);
    std::string out;
    matcher.Feed(text.substr(0, fed), out);
    EXPECT_TRUE(Reference(stops, text).first.starts_with(out)) << fed;
  }
}

}  // namespace
}  // namespace gemma3
