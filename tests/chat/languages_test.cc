// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/chat/languages.h"

#include <gtest/gtest.h>

#include <string>

namespace gemma3 {
namespace {

using Table = std::vector<Language>;

TEST(ParseLanguageTable, TakesPairsOfCodesAndNames) {
  EXPECT_EQ(ParseLanguageTable("{% set l = {\"aa\": \"Afar\", 'zh-Hant' : 'Chinese',\n\t\"es_419\":"
                               "\"Spanish\",} %}"),
            (Table{{"aa", "Afar"}, {"es-419", "Spanish"}, {"zh-Hant", "Chinese"}}));
  // Both kinds of quotes inside each other, escapes, and letters beyond ASCII.
  EXPECT_EQ(
      ParseLanguageTable("{\"nqo\": \"N'Ko\", 'xx': 'a \\'b\\' \\\\', \"vo\": \"Volap\\u00fck\", "
                         "\"nb\": \"Norwegian Bokm\xC3\xA5l\"}"),
      (Table{{"nb", "Norwegian Bokm\xC3\xA5l"},
             {"nqo", "N'Ko"},
             {"vo", "Volap\xC3\xBCk"},
             {"xx", "a 'b' \\"}}));
  // Of two entries the last counts, and of several lists the longest.
  EXPECT_EQ(ParseLanguageTable("{\"de\": \"A\", \"de\": \"B\", \"fr\": \"C\"}"),
            (Table{{"de", "B"}, {"fr", "C"}}));
  EXPECT_EQ(ParseLanguageTable("{'url': 'x'} {\"de\": \"D\", \"fr\": \"F\"} {'src': 'y'}"),
            (Table{{"de", "D"}, {"fr", "F"}}));
}

TEST(ParseLanguageTable, LeavesOutWhatIsNoEntry) {
  for (const std::string text : {"",
                                 "{",
                                 "\"de",
                                 "\"de\":",
                                 "\"de\": \"German",
                                 "\"de\" \"German\"",
                                 "\"d\": \"D\"",
                                 "\"role\": \"user\"",
                                 "\"d e\": \"D\"",
                                 "\"de-\": \"D\"",
                                 "\"de-a\": \"D\"",
                                 "\"12\": \"D\"",
                                 "\"de\": \"\"",
                                 "\"de\": \"a\nb\"",
                                 "\"de\": \"\xFF\"",
                                 "\"de\": \"\\x41\"",
                                 "\"de\": \"\\ud800\"",
                                 "\"de\": \"\\u00\"",
                                 "\"de\": 1",
                                 "'de': \"German'"}) {
    EXPECT_TRUE(ParseLanguageTable(text).empty()) << text;
  }
  EXPECT_TRUE(ParseLanguageTable("\"de\": \"" + std::string(101, 'a') + "\"").empty());
  EXPECT_TRUE(ParseLanguageTable("\"" + std::string(100, 'a') + "\": \"x\"").empty());
}

TEST(FindLanguage, InTheModelsTable) {
  const Table table = {{"de", "German"},
                       {"en", "English"},
                       {"en-GB", "English"},
                       {"zh-Hans", "Chinese"},
                       {"zh-Hant", "Chinese"}};
  EXPECT_EQ(FindLanguage("de", table, "x"), (Language{"de", "German"}));
  EXPECT_EQ(FindLanguage("en_GB", table, "x"), (Language{"en-GB", "English"}));
  EXPECT_EQ(FindLanguage("EN-gb", table, "x"), (Language{"en-GB", "English"}));
  EXPECT_EQ(FindLanguage("zh_hant", table, "x"), (Language{"zh-Hant", "Chinese"}));
  const auto refused = [&](const char* code, const char* part) {
    const auto found = FindLanguage(code, table, "source language");
    ASSERT_FALSE(found) << code;
    EXPECT_EQ(found.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(found.error().message.find("the source language \"" + std::string(code)),
              std::string::npos)
        << found.error().message;
    EXPECT_NE(found.error().message.find(part), std::string::npos) << found.error().message;
  };
  refused("zh-CN", "it knows zh-Hans, zh-Hant");
  refused("fr", "codes look like");
  refused("German", "codes look like");
  refused("", "codes look like");
}

TEST(FindLanguage, WithoutATable) {
  const struct {
    const char *given, *code, *name;
  } kCases[] = {
      {"de", "de", "German"},
      {"DE", "de", "German"},
      {"pt_br", "pt-BR", "Portuguese"},
      {"zh-hant", "zh-Hant", "Chinese"},
      {"fil_PH", "fil-PH", "Filipino"},
      {"es-419", "es-419", "Spanish"},
      {"zh_hant_tw", "zh-Hant-TW", "Chinese"},
  };
  for (const auto& [given, code, name] : kCases) {
    EXPECT_EQ(FindLanguage(given, {}, "x"), (Language{code, name})) << given;
  }
  for (const char* bad : {"xx", "german", "", "d", "de-", "de--AT", "de AT", "../de"}) {
    EXPECT_FALSE(FindLanguage(bad, {}, "x")) << bad;
  }
}

}  // namespace
}  // namespace gemma3
