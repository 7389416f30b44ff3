// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Answers that have to meet a constraint, and calls of tools, on the demo model, which knows
// neither: whatever it would like to say, what it says is valid.

#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>

#include "tests/engine/demo_session.h"

namespace gemma3::testing {
namespace {

using Json = nlohmann::json;

constexpr const char* kPerson = R"({
  "type": "object",
  "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 12},
    "age": {"type": "integer", "minimum": 0, "maximum": 150},
    "colours": {"type": "array", "items": {"enum": ["red", "blue"]}, "minItems": 1, "maxItems": 3}
  },
  "required": ["name", "age", "colours"],
  "additionalProperties": false
})";

void ExpectPerson(const std::string& text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(json.is_object()) << text;
  EXPECT_EQ(json.size(), 3u) << text;
  ASSERT_TRUE(json.contains("name") && json.contains("age") && json.contains("colours")) << text;
  EXPECT_TRUE(json["name"].is_string()) << text;
  EXPECT_TRUE(json["age"].is_number_integer()) << text;
  EXPECT_GE(json["age"].get<int>(), 0);
  EXPECT_LE(json["age"].get<int>(), 150);
  EXPECT_GE(json["colours"].size(), 1u);
  EXPECT_LE(json["colours"].size(), 3u);
  for (const Json& colour : json["colours"]) {
    EXPECT_TRUE(colour == "red" || colour == "blue") << text;
  }
}

GenerationOptions Constrained(const GenerationOptions& options, const Constraint& constraint) {
  GenerationOptions out = options;
  out.constraint = constraint;
  return out;
}

TEST(ConstrainedTest, AnswersThatEndAreValid) {
  const auto schema = JsonSchema::Compile(kPerson);
  ASSERT_TRUE(schema) << schema.error().message;
  Session session = DemoSession();
  size_t ended = 0;
  for (uint64_t seed = 0; seed < (kSanitized ? 3 : 40); ++seed) {
    GenerationOptions options = Constrained(Sampled(seed, 200), *schema);
    options.temperature = std::array{0.0f, 1.0f, 5.0f}[seed % 3];
    session.Clear();
    std::string streamed;
    const auto result = session.Send(Message::User(kStory), options, [&](std::string_view text) {
      streamed += text;
      return true;
    });
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(streamed, result->text);
    if (result->stop_reason == StopReason::kEndOfTurn) {
      ExpectPerson(result->text);
      ++ended;
    } else {
      EXPECT_EQ(result->stop_reason, StopReason::kMaxTokens);
    }
    // The same without guesses, in another batch, and in the middle of a conversation.
    GenerationOptions plain = options;
    plain.speculate = false;
    const GenerationResult alone =
        Fresh({Message::User(kStory)}, plain, {.threads = 1, .prefill_batch = 16});
    EXPECT_EQ(alone.ids, result->ids) << seed;
    EXPECT_EQ(alone.tokens, result->tokens);
    if (seed % 5 == 0) {
      const auto next = session.Send(Message::User(kSum), options);
      ASSERT_TRUE(next);
      std::vector<Message> messages(session.messages().begin(), session.messages().end() - 1);
      EXPECT_EQ(Fresh(messages, plain).ids, next->ids);
    }
  }
  EXPECT_GT(ended, 2u);
}

// Nothing to choose: nothing is computed, and the text is there.
TEST(ConstrainedTest, AConstantCostsNoSteps) {
  const auto grammar = Grammar::Parse(
      "root ::= \"The red star is above the blue square and left of the yellow one.\"");
  ASSERT_TRUE(grammar) << grammar.error().message;
  GenerationOptions options = Constrained(Sampled(1), *grammar);
  options.logprobs = 2;
  const auto result = DemoSession().Send(Message::User(kSum), options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->text, "The red star is above the blue square and left of the yellow one.");
  EXPECT_EQ(result->stop_reason, StopReason::kEndOfTurn);
  // As the tokenizer itself cuts it, but for the end, which might have been cut otherwise.
  const auto ids = (*DemoModel().tokenizer())->Encode(result->text);
  EXPECT_EQ(result->ids, *ids);
}

TEST(ConstrainedTest, GrammarsChoiceAndStops) {
  const auto grammar = Grammar::Parse("root ::= (\"yes\" | \"no\") \"!\"?");
  ASSERT_TRUE(grammar);
  for (uint64_t seed = 0; seed < 8; ++seed) {
    const auto result =
        DemoSession().Send(Message::User(kSum), Constrained(Sampled(seed, 20), *grammar));
    ASSERT_TRUE(result);
    EXPECT_TRUE(result->text == "yes" || result->text == "no" || result->text == "yes!" ||
                result->text == "no!")
        << result->text;
  }
  GenerationOptions options = Constrained(Greedy(20), *grammar);
  options.max_tokens = 1;
  const auto cut = DemoSession().Send(Message::User(kSum), options);
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->tokens, 1u);
  EXPECT_EQ(cut->stop_reason, StopReason::kMaxTokens);
}

TEST(ConstrainedTest, AnEngineAnswersConstrainedAndFreeTogether) {
  const auto schema = JsonSchema::Compile(kPerson);
  const auto object = JsonSchema::AnyObject();
  ASSERT_TRUE(schema && object);
  auto engine = Engine::Create(DemoModel(), {.parallel = 4, .threads = 2});
  ASSERT_TRUE(engine);
  const std::vector<GenerationOptions> all = {Constrained(Sampled(1, 60), *schema), Greedy(60),
                                              Constrained(Sampled(2, 60), *object),
                                              Constrained(Sampled(3, 60), *schema)};
  std::vector<Ticket> tickets;
  for (const auto& options : all) {
    tickets.push_back(*engine->Submit(Prompt::Chat({Message::User(kStory)}), options));
  }
  for (size_t i = 0; i < all.size(); ++i) {
    const auto result = tickets[i].Wait();
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->ids, Fresh({Message::User(kStory)}, all[i]).ids) << i;
  }
}

// ---- Tools

ToolOptions Weather(ToolChoice choice) {
  return {.tools = {{.name = "get_weather",
                     .description = "The weather in a city",
                     .parameters = R"({"type": "object", "properties": {
                         "city": {"type": "string", "maxLength": 10},
                         "days": {"type": "integer", "minimum": 1, "maximum": 7}},
                         "required": ["city"]})"},
                    {.name = "stop", .description = "Stops"}},
          .choice = std::move(choice)};
}

TEST(ToolsTest, ARequiredCallIsMade) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Session session = DemoSession();
    GenerationOptions options = Sampled(seed, 120);
    options.tools = Weather(seed % 2 ? ToolChoice::Required() : ToolChoice::Named("get_weather"));
    const auto result = session.Send(Message::User("How is the weather in Rome?"), options);
    ASSERT_TRUE(result) << result.error().message;
    if (result->stop_reason != StopReason::kEndOfTurn) continue;
    ASSERT_GE(result->calls.size(), 1u) << result->text;
    if (seed % 2 == 0) EXPECT_EQ(result->calls.size(), 1u);
    EXPECT_EQ(result->text, "");
    const ToolCall& call = result->calls[0];
    const Json arguments = Json::parse(call.arguments, nullptr, false);
    ASSERT_TRUE(arguments.is_object()) << call.arguments;
    if (call.name == "get_weather") {
      EXPECT_TRUE(arguments["city"].is_string());
      if (arguments.contains("days")) {
        EXPECT_GE(arguments["days"].get<int>(), 1);
        EXPECT_LE(arguments["days"].get<int>(), 7);
      }
    } else {
      EXPECT_EQ(call.name, "stop");
      EXPECT_EQ(seed % 2, 1u);
    }
    // The result goes back, and what was computed is found.
    const std::vector<Message> before(session.messages().begin(), session.messages().end());
    ASSERT_EQ(before.back().calls.size(), result->calls.size());
    std::vector<Message> next = before;
    for (const ToolCall& made : result->calls) {
      next.push_back(Message::ToolResult(made.id, "Sunny <end_of_turn>"));
    }
    options.tools.choice = ToolChoice::Auto();
    options.max_tokens = 5;
    const auto answer = session.Generate(next, options);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_GE(answer->cached_tokens + 4, result->prompt_tokens + result->ids.size());
  }
}

TEST(ToolsTest, SchemasWithDefinitionsCanBeRequired) {
  GenerationOptions options = Sampled(3, 150);
  options.tools.tools = {
      {.name = "paint", .description = "", .parameters = R"({"type": "object", "properties": {
                              "colour": {"$ref": "#/$defs/colour"}}, "required": ["colour"],
                              "$defs": {"colour": {"enum": ["red", "blue"]}}})"},
      {.name = "stop", .description = "Stops"}};
  options.tools.choice = ToolChoice::Named("paint");
  // What an answer in words has to be does not keep the model from the call.
  options.constraint = JsonSchema::Compile(R"({"type": "integer"})").value();
  const auto result = DemoSession().Send(Message::User("Paint it"), options);
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_EQ(result->calls.size(), 1u);
  const Json arguments = Json::parse(result->calls[0].arguments, nullptr, false);
  EXPECT_TRUE(arguments["colour"] == "red" || arguments["colour"] == "blue");
}

TEST(ToolsTest, WithoutCallsTextIsText) {
  const GenerationOptions plain = Greedy(60);
  GenerationOptions options = plain;
  options.tools = Weather(ToolChoice::Auto());
  Session session = DemoSession();
  const auto result = session.Send(Message::User(kStory), options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->calls.empty());
  EXPECT_FALSE(result->text.empty());
  // The next turn finds it, and usage counts the tools.
  EXPECT_GT(session.usage().used_tokens, result->prompt_tokens);
  const auto next = session.Send(Message::User(kSum), options);
  ASSERT_TRUE(next);
  EXPECT_GE(next->cached_tokens + 4, result->prompt_tokens + result->ids.size());
  options.tools.tools[0].name = "no good name";
  EXPECT_EQ(session.Send(Message::User(kSum), options).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(session.Complete("a", options).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace gemma3::testing
