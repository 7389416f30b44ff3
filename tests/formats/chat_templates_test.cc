// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/chat_templates.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/temp_folder.h"

namespace gemma3 {
namespace {

TEST(ReadChatTemplates, FromEachPlaceInTransformersOrder) {
  const testing::TempFolder folder;
  Remarks remarks;
  EXPECT_TRUE(ReadChatTemplates(folder.path(), &remarks).empty());
  folder.Write("tokenizer_config.json", R"({"bos_token":"<bos>","chat_template":"C"})");
  folder.Write("chat_template.json", R"({"chat_template":"B"})");
  folder.Write("chat_template.jinja", "A\n");
  const auto templates = ReadChatTemplates(folder.path(), &remarks);
  ASSERT_EQ(templates.size(), 3u);
  EXPECT_EQ(templates[0].text, "A\n");
  EXPECT_EQ(templates[0].where, folder.path() + "/chat_template.jinja");
  EXPECT_EQ(templates[1].text, "B");
  EXPECT_EQ(templates[2].text, "C");
  EXPECT_TRUE(remarks.warnings.empty());
}

TEST(ReadChatTemplates, ADamagedFileIsNoReasonToRefuseTheModel) {
  const testing::TempFolder folder;
  folder.Write("tokenizer_config.json", "{\"chat_template\": ");
  folder.Write("chat_template.json", R"({"chat_template":"B"})");
  Remarks remarks;
  const auto templates = ReadChatTemplates(folder.path(), &remarks);
  ASSERT_EQ(templates.size(), 1u);
  ASSERT_EQ(remarks.warnings.size(), 1u);
  EXPECT_NE(remarks.warnings[0].find("tokenizer_config.json"), std::string::npos);
}

TEST(ChatTemplateFromJson, StringsAndListsOfNamedTemplates) {
  const struct {
    const char *json, *text;
  } kCases[] = {
      {R"({"chat_template":"A"})", "A"},
      {R"({"chat_template":null})", ""},
      {R"({"other":1})", ""},
      {R"({"chat_template":[{"name":"tool_use","template":"T"},{"name":"default","template":"D"}]})",
       "D"},
      {R"({"chat_template":[{"name":"rag","template":"R"},{"name":"tool_use","template":"T"}]})",
       "R"},
      {R"({"chat_template":[]})", ""},
  };
  for (const auto& [json, text] : kCases) EXPECT_EQ(ChatTemplateFromJson(json, "f"), text) << json;
  EXPECT_FALSE(ChatTemplateFromJson(R"({"chat_template":1})", "f"));
  EXPECT_FALSE(ChatTemplateFromJson(R"({"chat_template":[{"template":1}]})", "f"));
}

}  // namespace
}  // namespace gemma3
