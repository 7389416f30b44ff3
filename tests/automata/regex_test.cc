// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/automata/regex.h"

#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <vector>

#include "src/constrain/formats.h"

namespace gemma3 {
namespace {

struct Case {
  const char* pattern;
  std::vector<std::string> found, missing;
};

TEST(Pattern, IsFoundWhereEcmaFindsIt) {
  const Case cases[] = {
      {"b", {"b", "abc", "日b"}, {"a", ""}},
      {"^a|b$", {"ax", "xb", "a"}, {"xa", "bx"}},
      {"^[a-z]+$", {"ab"}, {"aB", "ab\n", ""}},
      {"^a*$", {"", "aaa"}, {"b"}},
      {"^\\d{2,4}$", {"12", "1234"}, {"1", "12345", "१२"}},
      {"^(ab)+?c??$", {"ab", "abab", "abc"}, {"c", "abcc"}},
      {"^[^\\d\\s]$", {"a", "é", "😀"}, {"1", " ", "\u00a0", "ab"}},
      {"^.$", {"a", "\u0085"}, {"\n", "\r", "\u2028", "ab"}},
      {"^\\p{Lu}\\P{L}$", {"A1", "É-"}, {"a1", "AB"}},
      {"^\\u0041\\x42\\u{1F600}\\cJ\\0$", {std::string("AB😀\n\0", 8)}, {"AB😀\n"}},
      {"^\\uD83D\\uDE00$", {"😀"}, {"x"}},
      {"^[a-zA-Z-_0-9]+$", {"a-_9"}, {"."}},
      {"^[\\w-.]+$", {"a-.b"}, {"a b"}},
      {"^(?<year>\\d+)-(?:x|y)$", {"1-x"}, {"1-z"}},
      {"^$|^x", {"", "xy"}, {"yx"}},
      {"a{0}b{2,}", {"bb", "abbb"}, {"b", "aab"}},
      {"(^a|b)c", {"ac", "xbc"}, {"xac"}},
      {"", {"", "anything"}, {}},
      {"^}]$", {"}]"}, {"]"}},
      {"^\\/\\-\\.$", {"/-."}, {"/-x"}},
      {"x*", {"", "y"}, {}},
      {"^(a|)+$", {"", "aa"}, {"b"}},
  };
  for (const Case& c : cases) {
    const auto dfa = CompilePattern(c.pattern);
    ASSERT_TRUE(dfa.has_value()) << dfa.error().message;
    for (const std::string& text : c.found) EXPECT_TRUE(dfa->Matches(text)) << c.pattern << text;
    for (const std::string& text : c.missing) EXPECT_FALSE(dfa->Matches(text)) << c.pattern << text;
  }
}

// Every text of up to five of these characters, against the standard library.
TEST(Pattern, AgreesWithAnotherEngineOnAllShortTexts) {
  const char* patterns[] = {"a",           "^a",      "a$",           "^(a|ab)(c|bcd)$", "a.*b",
                            "^[ab]{2,3}$", "(a|b)*c", "^(aa|b)+$",    "^a?a?aa$",        "b{2}|^c",
                            "^(a*)*b$",    "[^a]b",   "^((a|b)c?)+$", "a{1,2}$|^b"};
  std::vector<std::string> texts = {""};
  for (size_t i = 0; i < texts.size() && texts[i].size() < 5; ++i) {
    for (const char c : {'a', 'b', 'c'}) texts.push_back(texts[i] + c);
  }
  for (const char* pattern : patterns) {
    const auto dfa = CompilePattern(pattern);
    ASSERT_TRUE(dfa.has_value()) << dfa.error().message;
    const std::regex other(pattern);
    for (const std::string& text : texts) {
      EXPECT_EQ(dfa->Matches(text), std::regex_search(text, other)) << pattern << " " << text;
    }
  }
}

TEST(Pattern, RefusesWhatItDoesNotCompute) {
  for (const char* pattern : {"(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", "(a)\\1", "\\k<n>", "\\bx",
                              "\\B", "(?i)a", "\\p{Greek}", "a{200000}"}) {
    const auto dfa = CompilePattern(pattern);
    ASSERT_FALSE(dfa.has_value()) << pattern;
    EXPECT_EQ(dfa.error().code, ErrorCode::kUnsupported) << pattern;
    EXPECT_NE(dfa.error().message.find("byte"), std::string::npos) << dfa.error().message;
  }
  for (const char* pattern : {"(", ")", "[a", "a**", "*a", "{2}", "a{", "a{2,1}", "[b-a]", "\\q",
                              "\\u12", "\\u{110000}", "\\", "^*", "(a"}) {
    const auto dfa = CompilePattern(pattern);
    ASSERT_FALSE(dfa.has_value()) << pattern;
    EXPECT_EQ(dfa.error().code, ErrorCode::kInvalidArgument) << pattern;
  }
  EXPECT_FALSE(CompilePattern(std::string(60000, '(')).has_value());
  EXPECT_FALSE(CompilePattern("(((((x{99}){99}){99}){99}){99}){99}").has_value());
  // Exponential in the number of states: refused, not computed.
  EXPECT_FALSE(CompilePattern("(a|b)*a(a|b){30}").has_value());
}

TEST(Formats, AreEnforcedAsTheirStandardsSay) {
  const Case cases[] = {
      {"date",
       {"2024-02-29", "2000-02-29", "1999-12-31"},
       {"2023-02-29", "1900-02-29", "2024-13-01", "2024-04-31", "24-01-01", "0000-01-01"}},
      {"time",
       {"23:59:59Z", "00:00:00.123+01:30"},
       {"24:00:00Z", "23:59:60Z", "12:00", "12:00:00"}},
      {"date-time", {"2024-02-29T01:02:03Z"}, {"2024-02-29 01:02:03Z", "2023-02-29T01:02:03Z"}},
      {"duration", {"P1Y2M3D", "PT1H", "P4W", "P1DT2M3S"}, {"P", "PT", "P1S", "P1Y1W", "1D"}},
      {"email",
       {"a.b@c.org", "a@b.c.de"},
       {"a", "a@localhost", "@c", "a..b@c.org", ".a@c.org", "a@-c.org"}},
      {"hostname", {"a", "a-b.example"}, {"", "-a", "a-", "a..b", "xn--x", "ab--c", "a_b"}},
      {"ipv4", {"0.0.0.0", "255.1.20.3"}, {"256.1.1.1", "1.1.1", "01.1.1.1"}},
      {"ipv6",
       {"::", "1::", "::1", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4", "1:2::8"},
       {":", "1::2::3", "1:2:3:4:5:6:7:8:9", "12345::", "::1.2.3"}},
      {"uuid", {"2EB8AA08-aa98-11ea-B4AA-73B441D16380"}, {"2eb8aa08aa9811eab4aa73b441d16380"}},
      {"uri",
       {"http://a.b/c?d#e", "urn:x:y", "ldap://[2001:db8::7]/c", "mailto:a@b"},
       {"a/b", "//a", "http://a b", "http://a/%zz", "http://[x]/"}},
      {"uri-reference", {"", "a/b", "//a", "#f", "http://a"}, {"a b", "\\x", "%"}},
      {"json-pointer", {"", "/a~1b/0", "/"}, {"a", "/~2", "/~"}},
      {"byte", {"", "QQ==", "QUJD"}, {"Q", "Q===", "QUJ"}},
  };
  for (const Case& c : cases) {
    const auto format = FindTextFormat(c.pattern);
    ASSERT_TRUE(format.has_value()) << c.pattern;
    auto dfa = CompilePattern(format->pattern);
    ASSERT_TRUE(dfa.has_value()) << dfa.error().message;
    if (!format->without.empty()) {
      dfa = TextDfa::Combine(*dfa, *CompilePattern(format->without), TextDfa::Op::kWithout);
    }
    for (const std::string& text : c.found) EXPECT_TRUE(dfa->Matches(text)) << c.pattern << text;
    for (const std::string& text : c.missing) EXPECT_FALSE(dfa->Matches(text)) << c.pattern << text;
  }
  EXPECT_FALSE(FindTextFormat("colour").has_value());
}

}  // namespace
}  // namespace gemma3
