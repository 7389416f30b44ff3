// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gemma3/constraint.h"
#include "tests/constrain/texts.h"

namespace gemma3 {
namespace {

TEST(Gbnf, AcceptsWhatTheGrammarDerives) {
  const struct {
    const char* grammar;
    std::vector<std::string> accepted, refused;
  } cases[] = {
      {R"(root ::= "yes" | "no")", {"yes", "no"}, {"", "y", "yesno", "Yes", "yes "}},
      {"root ::= [0-9]{2,4}", {"12", "123", "1234"}, {"1", "12345", "1a"}},
      {R"(root ::= "ab"{0,2} "c")", {"c", "abc", "ababc"}, {"abababc", "ac"}},
      {"root ::= [a-c^-]+", {"a", "-", "^c", "-^-"}, {"", "d", "a d"}},
      {R"(root ::= [^"\\\x00-\x1F]*)", {"", "abc", "日本 ok", "a]b"}, {"a\"", "\\", "a\nb"}},
      {R"(root ::= "\u00e9" | "\U0001F600" | "\x41")", {"é", "😀", "A"}, {"e", "a", "\\u00e9"}},
      {"root ::= .{2}", {"ab", "é😀", "\n\n"}, {"a", "abc", "\xC3"}},
      {"# list\nroot ::= item (\",\" item)* # tail\nitem ::= [a-z]+\n",
       {"a", "ab,c"},
       {"", "a,", ",a", "a, b"}},
      {"root ::= ws obj\nws ::= | \" \" | \"\\n\"\nobj ::= \"{\" ws \"}\"",
       {"{}", " {}", "{\n}", "\n{ }"},
       {"  {}", "{", "{}\n"}},
      {"root ::= (\n  \"x\"\n  | \"y\"\n )+ \".\"", {"x.", "xyx."}, {".", "xy", "x.y"}},
      {"root ::= \"a\" |\n  \"b\"", {"a", "b"}, {"ab", ""}},
      {R"x(root ::= "(" root ")" | "")x", {"", "()", "((()))"}, {"(", "())", ")("}},
      {R"(root ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)?)",
       {"0", "-0", "10", "-12.50"},
       {"01", "-", "1.", ".5", "+1"}},
      {R"(root ::= ("a"*)* "b")", {"b", "aab"}, {"", "a", "ba"}},
      {R"(root ::= [\]\[\\-]+)", {"]", "[\\", "-"}, {"", "a"}},
      {"root ::= a-b1\na-b1 ::= \"q\" a-b1 | \"!\"", {"!", "qq!"}, {"", "q"}},
      {"root ::= (\"(\" root \")\"){2,3} | \"x\"", {"x", "(x)(x)", "(x)((x)(x)(x))"}, {"(x)", ""}},
      {"root ::= x{2,} \"!\"\nx ::= \"a\" | \"(\" x \")\"", {"aa!", "a(a)a!"}, {"a!", "!"}},
      {"root ::= \"\"", {""}, {"a"}},
  };
  for (const auto& c : cases) {
    const auto grammar = Grammar::Parse(c.grammar);
    ASSERT_TRUE(grammar.has_value()) << c.grammar << "\n" << grammar.error().message;
    for (const std::string& text : c.accepted)
      EXPECT_TRUE(Accepts(*grammar, text)) << c.grammar << text;
    for (const std::string& text : c.refused)
      EXPECT_FALSE(Accepts(*grammar, text)) << c.grammar << text;
  }
}

TEST(Gbnf, ErrorsHaveLineAndColumn) {
  const struct {
    const char *grammar, *place, *words;
  } cases[] = {
      {R"(root ::= root "a" | "a")", "1:1", "left recursion"},
      {"root ::= b \"x\"\nb ::= root?", "1:1", "root > b > root"},
      {"root ::= a\na ::= b? root\nb ::= \"x\"", "1:1", "left recursion"},
      {R"(a ::= "x")", "1:1", "root"},
      {"root ::= b", "1:10", "not defined"},
      {"root ::= *", "1:10", "nothing to repeat"},
      {R"(root ::= "a"{,3})", "1:14", "number"},
      {R"(root ::= "a"{3,2})", "1:13", "out of order"},
      {R"(root ::= "\q")", "1:11", "escape"},
      {R"(root ::= "\x4")", "1:11", "hexadecimal"},
      {R"(root ::= "\uD800")", "1:11", "no such character"},
      {"root ::= \"a", "1:10", "unmatched"},
      {"root ::= [a", "1:10", "unmatched"},
      {"root ::= [z-a]", "1:11", "out of order"},
      {"root ::= (\"a\"", "1:10", "unmatched"},
      {"root ::= \"a\"\n  | \"b\"", "2:3", "name"},
      {"root = \"a\"", "1:6", "::="},
      {"root ::= \"a\" ]", "1:14", "unexpected"},
      {"root ::= \"x\" root", "1:1", "never ends"},
      {"root ::= \"x\"\nroot ::= \"y\"", "2:1", "twice"},
      {"", "1:1", "root"},
  };
  for (const auto& c : cases) {
    const auto grammar = Grammar::Parse(c.grammar);
    ASSERT_FALSE(grammar.has_value()) << c.grammar;
    EXPECT_EQ(grammar.error().code, ErrorCode::kInvalidArgument);
    EXPECT_TRUE(grammar.error().message.starts_with(std::string(c.place) + ": "))
        << c.grammar << "\n"
        << grammar.error().message;
    EXPECT_NE(grammar.error().message.find(c.words), std::string::npos) << grammar.error().message;
  }
  EXPECT_EQ(Grammar::Parse("root ::= <[106]>").error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(Grammar::Parse(R"(root ::= "a"{999999999999})").error().code, ErrorCode::kUnsupported);
  EXPECT_FALSE(Grammar::Parse("root ::= " + std::string(60000, '(')).has_value());
}

TEST(Gbnf, HandlesLargeGrammarsAndLongTexts) {
  const auto counted = Grammar::Parse("root ::= [a-z]{0,4000}");
  ASSERT_TRUE(counted.has_value());
  EXPECT_TRUE(Accepts(*counted, std::string(4000, 'q')));
  EXPECT_FALSE(Accepts(*counted, std::string(4001, 'q')));
  const auto star = Grammar::Parse(R"(root ::= "x"*)");
  EXPECT_TRUE(Accepts(*star, std::string(10000, 'x')));
  const auto nested = Grammar::Parse(
      R"(root ::= ((((("a"{0,99} "b"){0,99} "c"){0,99} "d"){0,99} "e"){0,99} "f"){0,99})");
  ASSERT_TRUE(nested.has_value()) << nested.error().message;
  EXPECT_TRUE(Accepts(*nested, "aabcdef"));
  EXPECT_FALSE(Accepts(*nested, "aabcde"));
  const auto parentheses = Grammar::Parse(R"x(root ::= "(" root ")" | "")x");
  EXPECT_TRUE(Accepts(*parentheses, std::string(3000, '(') + std::string(3000, ')')));
  std::string chain = "root ::= r0\n";
  for (int i = 0; i < 19990; ++i) {
    chain += "r" + std::to_string(i) + " ::= r" + std::to_string(i + 1) + "\n";
  }
  const auto long_chain = Grammar::Parse(chain + "r19990 ::= \"end\"\n");
  ASSERT_TRUE(long_chain.has_value()) << long_chain.error().message;
  EXPECT_TRUE(Accepts(*long_chain, "end"));
  // Right recursion does not nest.
  const auto list = Grammar::Parse("root ::= \"a\" root | \"[\" root \"]\" | \"b\"");
  EXPECT_TRUE(Accepts(*list, std::string(100000, 'a') + "b"));
}

// Every byte may end any number of the calls that are open: what comes behind them all is found
// once, and not for each of them again, which took minutes here.
TEST(Gbnf, ManyWaysToReadATextShareWhatTheyHaveInCommon) {
  for (const char* text : {"root ::= . root*", "root ::= (\"a\" root | \"a\" root root)?"}) {
    const auto grammar = Grammar::Parse(text);
    ASSERT_TRUE(grammar.has_value()) << grammar.error().message;
    EXPECT_TRUE(Accepts(*grammar, std::string(1000, 'a'))) << text;
    EXPECT_FALSE(Accepts(*grammar, std::string(100, 'a') + "\xFF")) << text;
  }
}

TEST(Gbnf, AnAmbiguousGrammarIsFollowedOrAnError) {
  const auto grammar = Grammar::Parse("root ::= s s s s\ns ::= \"a\" s \"a\" | s2\ns2 ::= \"a\"*");
  ASSERT_TRUE(grammar.has_value()) << grammar.error().message;
  ConstraintMatcher matcher(*grammar, nullptr);
  const auto read = matcher.AcceptBytes(std::string(2000, 'a'));
  if (!read) {
    EXPECT_EQ(read.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(read.error().message.find("ambiguous"), std::string::npos);
  } else {
    EXPECT_EQ(*read, 2000u);
  }
  // Another text of the same grammar is none the worse for it.
  EXPECT_TRUE(Accepts(*grammar, "aaaa"));
}

}  // namespace
}  // namespace gemma3
