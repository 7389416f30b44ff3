// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/chat/conversation_json.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gemma3 {
namespace {

TEST(ConversationJson, KeepsCallsAndTheirResults) {
  SavedConversation saved;
  saved.messages = {Message::User("a"),
                    Message::ModelCalls("b", {{"call_1", "f", R"({"x":1.0,"y":"\"<end_of_turn>"})"},
                                              {"call_2", "g", "{}"}}),
                    Message::ToolResult("call_1", "c"), Message::ToolResult("", "d")};
  saved.messages[1].ids = {7, 8};
  const auto read = ParseConversationJson(ConversationJson(saved), "saved");
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->messages.size(), saved.messages.size());
  for (size_t i = 0; i < saved.messages.size(); ++i) {
    const Message& is = read->messages[i];
    const Message& was = saved.messages[i];
    EXPECT_EQ(is.role, was.role);
    EXPECT_EQ(is.parts.at(0).text, was.parts.at(0).text);
    EXPECT_EQ(is.calls, was.calls);
    EXPECT_EQ(is.call_id, was.call_id);
    EXPECT_EQ(is.ids, was.ids);
  }
}

TEST(ConversationJson, SaysWhatIsWrongWithCalls) {
  for (const char* calls : {"1", R"([{"name":1}])", R"([{"arguments":{}}])"}) {
    const auto read = ParseConversationJson(
        std::string(R"({"messages":[{"role":"model","parts":[],"calls":)") + calls + "}]}",
        "saved");
    ASSERT_FALSE(read) << calls;
    EXPECT_EQ(read.error().code, ErrorCode::kBadModel);
    EXPECT_NE(read.error().message.find("calls"), std::string::npos) << read.error().message;
  }
}

}  // namespace
}  // namespace gemma3
