// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/tool_round.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <utility>
#include <vector>

#include "src/base/status.h"

namespace gemma3::cli {
namespace {

// As in the program: what writes to a child that has died is told so by an error.
const auto ignored = ::signal(SIGPIPE, SIG_IGN);

// A model that says what it was told to, one message after the other.
struct Script {
  std::vector<Message> says = {};
  std::vector<size_t> lengths = {};  // of the conversations it saw
  std::vector<bool> might_call = {};

  Answerer Answer() {
    return [this](std::span<const Message> conversation, bool may_call) -> Result<Message> {
      if (lengths.size() == says.size()) return Fail(ErrorCode::kContextTooLong, "no more");
      lengths.push_back(conversation.size());
      might_call.push_back(may_call);
      return says[lengths.size() - 1];
    };
  }
};

ProgramTool Echo(const std::string& name, bool confirm) {
  ProgramTool tool;
  tool.tool.name = name;
  tool.confirm = confirm;
  tool.run = [](const std::string& arguments, const StopCheck& stop) -> Result<ToolResult> {
    if (stop && stop()) return Fail(ErrorCode::kCancelled, "stopped");
    return ToolResult{"got " + arguments, arguments == R"({"a":"bad"})"};
  };
  return tool;
}

ToolBox Box() {
  ToolBox box;
  EXPECT_TRUE(box.Add(Echo("free", false)));
  EXPECT_TRUE(box.Add(Echo("asks", true)));
  ProgramTool printed;
  printed.tool.name = "printed";
  EXPECT_TRUE(box.Add(printed));
  return box;
}

Message Calls(std::vector<ToolCall> calls, std::string_view text = "") {
  return Message::ModelCalls(text, std::move(calls));
}

std::string TextOf(const Message& message) { return message.parts.at(0).text; }

TEST(ToolRound, RunsUntilTheModelAnswers) {
  Script model{
      {Calls({{"1", "free", R"({"a":1})"}, {"2", "free", R"({"a":"bad"})"}}, "Let me see."),
       Calls({{"3", "free", "{}"}}), Message::Model("Done.")}};
  std::vector<Message> conversation = {Message::User("Do it.")};
  std::vector<std::string> lines;
  const ToolBox box = Box();
  const auto rounds =
      AnswerWithTools(conversation, box, model.Answer(),
                      {.show = [&](const std::string& line) { lines.push_back(line); }});
  ASSERT_TRUE(rounds) << rounds.error().message;
  EXPECT_EQ(TextOf(rounds->answer), "Done.");
  EXPECT_EQ(rounds->rounds, 2u);
  EXPECT_FALSE(rounds->limited);
  EXPECT_TRUE(rounds->open_calls.empty());
  EXPECT_EQ(model.lengths, (std::vector<size_t>{1, 4, 6}));
  ASSERT_EQ(conversation.size(), 7u);
  EXPECT_EQ(conversation[2].role, Role::kTool);
  EXPECT_EQ(conversation[2].call_id, "1");
  EXPECT_EQ(TextOf(conversation[2]), R"(got {"a":1})");
  EXPECT_EQ(TextOf(conversation[3]), R"(got {"a":"bad"})");
  EXPECT_EQ(lines, (std::vector<std::string>{R"(free {"a":1})", R"(free {"a":"bad"})",
                                             R"(free failed: got {"a":"bad"})", "free {}"}));
}

TEST(ToolRound, TheUserIsAskedFirst) {
  const ToolBox box = Box();
  const std::vector<ToolCall> calls = {{"1", "asks", R"({"a":1})"}, {"2", "asks", R"({"a":2})"}};
  const auto results = [&](ToolRoundOptions options) {
    Script model{{Calls(calls), Message::Model("Done.")}};
    std::vector<Message> conversation = {Message::User("Do it.")};
    EXPECT_TRUE(AnswerWithTools(conversation, box, model.Answer(), options));
    return std::pair(TextOf(conversation[2]), TextOf(conversation[3]));
  };
  std::vector<std::string> asked;
  const std::string no = "The user did not allow this call.";
  EXPECT_EQ(results({.ask =
                         [&](const std::string& call) {
                           asked.push_back(call);
                           return asked.size() == 2;
                         }}),
            std::pair(no, std::string(R"(got {"a":2})")));
  EXPECT_EQ(asked, (std::vector<std::string>{R"(asks {"a":1})", R"(asks {"a":2})"}));
  EXPECT_EQ(results({}), std::pair(no, no));  // nobody to ask
  EXPECT_EQ(results({.yes = true}).second, R"(got {"a":2})");
}

TEST(ToolRound, CallsThatTheProgramDoesNotRunAreTheCallers) {
  Script model{{Calls({{"1", "free", "{}"}, {"2", "printed", "{}"}})}};
  std::vector<Message> conversation = {Message::User("Do it.")};
  const ToolBox box = Box();
  const auto rounds = AnswerWithTools(conversation, box, model.Answer(), {});
  ASSERT_TRUE(rounds);
  EXPECT_EQ(rounds->open_calls.size(), 2u);
  EXPECT_EQ(rounds->rounds, 0u);
  EXPECT_EQ(conversation.size(), 2u);  // none was run
}

TEST(ToolRound, ResultsThatDoNotFitAreCut) {
  ToolBox box = Box();
  const std::string huge(100'000, 'x');
  const std::vector<ToolCall> calls = {{"1", "free", "{\"a\":\"" + huge + "\"}"},
                                       {"2", "free", "{}"}};
  std::vector<size_t> sizes;
  bool called = false;
  const Answerer answerer = [&](std::span<const Message> messages, bool) -> Result<Message> {
    if (!std::exchange(called, true)) return Calls(calls);
    sizes.push_back(TextOf(messages[2]).size());
    EXPECT_EQ(TextOf(messages[3]), "got {}");
    if (sizes.back() > 10'000) return Fail(ErrorCode::kContextTooLong, "too long");
    return Message::Model("Done.");
  };
  std::vector<Message> conversation = {Message::User("Do it.")};
  const auto rounds = AnswerWithTools(conversation, box, answerer, {});
  ASSERT_TRUE(rounds) << rounds.error().message;
  EXPECT_EQ(TextOf(rounds->answer), "Done.");
  EXPECT_GT(sizes.size(), 2u);
  EXPECT_LT(sizes.back(), 10'000u);
  EXPECT_TRUE(TextOf(conversation[2]).ends_with("more bytes were left out]"));
  // Nothing helps where it is not the results that are too long.
  const Answerer never = [&](std::span<const Message>, bool) -> Result<Message> {
    return Fail(ErrorCode::kContextTooLong, "too long");
  };
  EXPECT_FALSE(AnswerWithTools(conversation, box, never, {}));
}

TEST(ToolRound, RoundsAreBounded) {
  Script model;
  for (int i = 0; i < 10; ++i) model.says.push_back(Calls({{"1", "free", "{}"}}, "Again."));
  std::vector<Message> conversation = {Message::User("Do it.")};
  const ToolBox box = Box();
  const auto rounds = AnswerWithTools(conversation, box, model.Answer(), {.max_rounds = 3});
  ASSERT_TRUE(rounds);
  EXPECT_TRUE(rounds->limited);
  EXPECT_EQ(rounds->rounds, 3u);
  EXPECT_EQ(model.might_call, (std::vector<bool>{true, true, true, false}));
  EXPECT_EQ(TextOf(rounds->answer), "Again.");
  EXPECT_TRUE(conversation.back().calls.empty());
}

TEST(ToolRound, ErrorsLeaveAConversationThatCanGoOn) {
  const ToolBox box = Box();
  Script model{{Calls({{"1", "free", "{}"}})}};
  std::vector<Message> conversation = {Message::User("Do it.")};
  auto rounds = AnswerWithTools(conversation, box, model.Answer(), {});
  ASSERT_FALSE(rounds);
  EXPECT_EQ(rounds.error().code, ErrorCode::kContextTooLong);
  EXPECT_EQ(conversation.back().role, Role::kTool);

  for (const char* tool : {"free", "asks"}) {
    Script stopped{{Calls({{"1", tool, "{}"}})}};
    conversation = {Message::User("Do it.")};
    rounds = AnswerWithTools(conversation, box, stopped.Answer(), {.stop = [] { return true; }});
    ASSERT_FALSE(rounds);
    EXPECT_EQ(rounds.error().code, ErrorCode::kCancelled);
    EXPECT_EQ(conversation.size(), 2u);
  }
}

TEST(ToolRound, ACallIsShownInOneLineThatCommandsNothing) {
  EXPECT_EQ(CallLine({"", "f", "{\"a\":\"\x1B[2J\u202E\n\"}"}), "f {\"a\":\"␛[2J\uFFFD␊\"}");
  const std::string line = CallLine({"", "f", "{\"a\":\"" + std::string(10000, 'x') + "END\"}"});
  EXPECT_LT(line.size(), 2200u);
  EXPECT_TRUE(line.ends_with("END\"}"));  // what is left out is in the middle
}

TEST(ToolRound, PicturesGoToModelsThatSee) {
  ToolBox box;
  ProgramTool tool = Echo("shows", false);
  tool.run = [](const std::string&, const StopCheck&) -> Result<ToolResult> {
    return ToolResult{"[picture 1]", false, {std::make_shared<const Image>()}};
  };
  ASSERT_TRUE(box.Add(tool));
  for (const bool sees : {false, true}) {
    Script model{{Calls({{"1", "shows", "{}"}}), Message::Model("Done.")}};
    std::vector<Message> conversation = {Message::User("Do it.")};
    ASSERT_TRUE(AnswerWithTools(conversation, box, model.Answer(), {.sees = sees}));
    EXPECT_EQ(conversation[2].parts.size(), sees ? 2u : 1u);
    EXPECT_EQ(TextOf(conversation[2]).find("not shown") == std::string::npos, sees);
  }
}

TEST(ToolRound, ACallIsPrintedAsAnObject) {
  EXPECT_EQ(CallJson({"call_1", "f", R"({"a":1.0,"b":1e400})"}),
            R"({"id":"call_1","name":"f","arguments":{"a":1.0,"b":1e400}})");
}

}  // namespace
}  // namespace gemma3::cli
