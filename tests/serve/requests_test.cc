// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What requests for chats and completions are read as, and how answers are told: functions of
// values, without a server.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/serve/request_parts.h"
#include "tools/base64.h"
#include "tools/serve/conversation.h"
#include "tools/serve/json_in.h"
#include "tools/serve/openai_chat.h"
#include "tools/serve/openai_completions.h"
#include "tools/serve/openai_fields.h"
#include "tools/serve/picture_in.h"

namespace gemma3::serve {
namespace {

Json Messages(std::initializer_list<std::pair<const char*, Json>> list) {
  Json messages = Json::array();
  for (const auto& [role, content] : list) {
    messages.push_back({{"role", role}, {"content", content}});
  }
  return messages;
}

Json Body(Json more = Json::object()) {
  Json body = {{"model", "tiny"}, {"messages", Messages({{"user", "Hi"}})}};
  body.update(more);
  return body;
}

Ask Read(const Json& body, const AskDefaults& defaults = {}) {
  auto ask = ReadChat(In(body), View(), defaults);
  EXPECT_TRUE(ask) << ask.error().message << "\n" << body.dump();
  return ask ? *std::move(ask) : Ask();
}

ApiError ErrorOf(const Json& body) {
  auto ask = ReadChat(In(body), View(), {});
  EXPECT_FALSE(ask) << body.dump();
  return ask ? ApiError() : ask.error();
}

// "user: Hi | model: Hello"
std::string ConversationOf(const Json& messages) {
  return Shown(Read({{"messages", messages}}).prompts.at(0));
}

TEST(JsonInTest, BodiesAreBounded) {
  EXPECT_FALSE(JsonIn::ParseObject("[]"));
  EXPECT_FALSE(JsonIn::ParseObject("{\"a\":NaN}"));
  EXPECT_FALSE(JsonIn::ParseObject("{\"a\":1,\"a\":2}"));
  EXPECT_FALSE(JsonIn::ParseObject("{\"a\":\"\\ud800\"}"));
  EXPECT_FALSE(JsonIn::ParseObject("{\"a\":\"\xff\"}"));
  EXPECT_FALSE(JsonIn::ParseObject("{\"a\":1} x"));
  const auto nested = [](size_t depth) {
    return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_TRUE(JsonIn::ParseObject(nested(JsonIn::kMaxDepth - 1)));
  EXPECT_FALSE(JsonIn::ParseObject(nested(JsonIn::kMaxDepth)));
  EXPECT_FALSE(JsonIn::ParseObject(nested(1'000'000)));
  std::string many = "{\"a\":[0";
  for (size_t i = 0; i < JsonIn::kMaxValues; ++i) many += ",0";
  const auto bomb = JsonIn::ParseObject(many + "]}");
  ASSERT_FALSE(bomb);
  EXPECT_NE(bomb.error().message.find("values"), std::string::npos);
}

TEST(JsonInTest, TheModelIsFoundBeforeTheRestIsRead) {
  EXPECT_EQ(JsonIn::ModelOf(R"({"a": {"model": "x"}, "b": ["model", "y"], "model": "z"})"), "z");
  EXPECT_EQ(JsonIn::ModelOf(R"({"mod\u0065l": "z", "rest": [)"), "z");
  EXPECT_EQ(JsonIn::ModelOf(R"({"model": null})"), "");
  EXPECT_EQ(JsonIn::ModelOf(R"({"model": ["z"]})"), "");
  EXPECT_EQ(JsonIn::ModelOf(R"({"model": {"model": "z"}})"), "");
  EXPECT_EQ(JsonIn::ModelOf(R"(["model", "z"])"), "");
  EXPECT_EQ(JsonIn::ModelOf("{\"model"), "");
  EXPECT_EQ(JsonIn::ModelOf(""), "");
  EXPECT_EQ(JsonIn::ModelOf(std::string(1'000'000, '[')), "");
}

TEST(JsonInTest, NumbersAreCheckedBeforeTheyAreUsed) {
  const auto parsed = JsonIn::ParseObject(R"({"a": 5, "b": 5.0, "c": 1e3, "d": 5.5, "e": "5",
      "f": 9223372036854775807, "h": -1})");
  ASSERT_TRUE(parsed);
  const JsonIn& json = *parsed;
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(*json.FindInteger("a", 0, 10), 5);
  EXPECT_EQ(*json.FindInteger("b", 0, 10), 5);
  EXPECT_EQ(*json.FindInteger("c", 0, kMost), 1000);
  EXPECT_EQ(*json.FindInteger("f", 0, kMost), kMost);
  EXPECT_EQ(*json.FindInteger("none", 0, 1), std::nullopt);
  EXPECT_FALSE(json.FindInteger("d", 0, 10));
  EXPECT_FALSE(json.FindInteger("e", 0, 10));
  EXPECT_FALSE(json.FindInteger("h", 0, 10));
  EXPECT_FALSE(json.FindInteger("c", 0, 999));
  const auto large = JsonIn::ParseObject(R"({"g": 9223372036854775808, "i": 1e300})");
  ASSERT_TRUE(large);
  EXPECT_FALSE(large->FindInteger("g", 0, kMost));
  EXPECT_FALSE(large->FindInteger("i", 0, kMost));
  EXPECT_EQ(json.FindInteger("d", 0, 10).error().param, "d");
}

TEST(PicturesTest, Base64IsStrict) {
  EXPECT_EQ(cli::DecodeBase64("aGVsbG8="), "hello");
  EXPECT_EQ(cli::DecodeBase64("aGVs\n bG8="), "hello");
  EXPECT_EQ(cli::DecodeBase64(""), "");
  for (const char* bad : {"aGVsbG8", "aGVsbG8==", "aGV=bG8=", "aGVsbG9=", "a",
                          "====", "aGVsb-8=", "aGVsbG8=aGVsbG8=", "=aaa"}) {
    EXPECT_EQ(cli::DecodeBase64(bad), std::nullopt) << bad;
  }
  for (const std::string bytes : {"", "a", "ab", "abc", "\xff\xfe\x00"}) {
    EXPECT_EQ(cli::DecodeBase64(cli::EncodeBase64(bytes)), bytes);
  }
}

TEST(PicturesTest, OnlyTheBytesThemselvesAreTaken) {
  const auto read = [](const std::string& url, PictureBudget budget = {}) {
    return PictureReader({}, budget).FromUrl(url, "x");
  };
  EXPECT_TRUE(read("data:image/png;base64," + std::string(kPixel)));
  EXPECT_TRUE(read("DATA:;base64," + std::string(kPixel)));
  EXPECT_TRUE(read(kPixel));
  EXPECT_TRUE(read("data:image/jpeg;base64," + std::string(kPixel)));  // told by its bytes
  for (const char* url : {"http://127.0.0.1/a.png", "https://a/b", "file:///etc/passwd",
                          "data:image/png,abc", "data:image/png;base64",
                          "data:text/plain;base64,YQ==", "ftp://a", "data:image/png;base64,!!!!"}) {
    const auto part = read(url);
    ASSERT_FALSE(part) << url;
    EXPECT_EQ(part.error().status, 400) << url;
    EXPECT_EQ(part.error().param, "x") << url;
  }
  EXPECT_FALSE(read(kPixel, {.pictures = 0}));
  EXPECT_FALSE(read(kPixel, {.pictures = 1, .pixels = 0}));
}

TEST(ConversationTest, EveryConversationBecomesTurnsAndNothingIsLost) {
  EXPECT_EQ(ConversationOf(Messages({{"user", "A"}})), "user: A");
  EXPECT_EQ(ConversationOf(Messages({{"system", "S"}, {"user", "A"}})), "system: S | user: A");
  EXPECT_EQ(ConversationOf(Messages({{"developer", "S"}, {"user", "A"}, {"system", "T"}})),
            "system: S\n\nT | user: A");
  EXPECT_EQ(ConversationOf(Messages({{"user", "A"}, {"user", "B"}})), "user: A\n\nB");
  EXPECT_EQ(ConversationOf(
                Messages({{"user", "A"}, {"assistant", "B"}, {"assistant", "C"}, {"user", "D"}})),
            "user: A | model: B\n\nC | user: D");
  EXPECT_EQ(ConversationOf(Messages({{"assistant", "Hello"}, {"user", "A"}})),
            "user: | model: Hello | user: A");
  EXPECT_EQ(ConversationOf(Messages({{"user", "A"}, {"assistant", "B"}})),
            "user: A | model: B ...");
  EXPECT_EQ(ConversationOf(Messages({{"system", "S"}})), "system: S | user:");
  const Json parts = Json::array(
      {{{"type", "text"}, {"text", "What"}},
       {{"type", "image_url"}, {"image_url", {{"url", std::string("data:;base64,") + kPixel}}}},
       {{"type", "image_url"}, {"image_url", std::string("data:;base64,") + kPixel}}});
  EXPECT_EQ(ConversationOf(Messages({{"user", parts}})), "user: What [picture] [picture]");
  EXPECT_EQ(ConversationOf(Messages({{"user", "A"}, {"user", parts}})),
            "user: A\n\nWhat [picture] [picture]");
}

TEST(ConversationTest, CallsAndResultsFollowEachOther) {
  Json messages = Messages({{"user", "A"}});
  messages.push_back(Json::parse(R"({"role": "assistant", "content": null, "tool_calls": [
      {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}},
      {"id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}}]})"));
  const Json until_calls = messages;
  messages.push_back(Json::parse(R"({"role": "tool", "tool_call_id": "c2", "content": "two"})"));
  messages.push_back(Json::parse(
      R"({"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "one"}]})"));
  messages.push_back({{"role", "user"}, {"content", "B"}});
  EXPECT_EQ(ConversationOf(messages),
            "user: A | model: f{\"a\": 1} g{} | tool: two | tool: one | user: B");
  EXPECT_EQ(ErrorOf({{"messages", until_calls}}).param, "messages");
}

// Ollama's and Google's results say whose they are by name, in any order.
TEST(ConversationTest, ResultsWithoutIdsFindTheirCallByName) {
  const auto calls_of = [](const std::vector<std::string>& names,
                           const std::vector<std::pair<std::string, std::string>>& results) {
    Conversation conversation;
    conversation.User({Part::Text("A")});
    std::vector<ToolCall> calls;
    for (const std::string& name : names) calls.push_back({"", name, "{}"});
    conversation.Model({}, std::move(calls));
    for (const auto& [name, text] : results) conversation.Result("", name, {Part::Text(text)});
    auto prompt = std::move(conversation).Finish("", "messages");
    EXPECT_TRUE(prompt);
    std::string shown;
    for (size_t i = 2; i < prompt->messages.size(); ++i) {
      const Message& result = prompt->messages[i];
      const auto& made = prompt->messages[1].calls;
      const auto call = std::ranges::find(made, result.call_id, &ToolCall::id);
      shown += result.parts[0].text + "=" +
               (result.call_id.empty() || call == made.end()
                    ? "?"
                    : call->name + std::to_string(call - made.begin())) +
               " ";
    }
    return shown;
  };
  EXPECT_EQ(calls_of({"f", "g"}, {{"g", "1"}, {"f", "2"}}), "1=g1 2=f0 ");
  EXPECT_EQ(calls_of({"f", "g", "f"}, {{"f", "1"}, {"f", "2"}, {"g", "3"}}), "1=f0 2=f2 3=g1 ");
  std::vector<std::string> names;
  std::vector<std::pair<std::string, std::string>> results;
  for (int i = 0; i < 10'000; ++i) {  // minutes, where each looks at all
    names.push_back("f");
    results.push_back({"f", std::to_string(i)});
  }
  EXPECT_TRUE(calls_of(names, results).ends_with(" 9999=f9999 "));
  // The engine takes those without a name in order.
  EXPECT_EQ(calls_of({"f", "g"}, {{"", "1"}, {"h", "2"}}), "1=? 2=? ");
  EXPECT_EQ(calls_of({"f"}, {{"f", "1"}, {"f", "2"}}), "1=f0 2=? ");
}

TEST(ChatRequestTest, WrongTypesAndRangesNameTheField) {
  const std::vector<std::pair<Json, const char*>> cases = {
      {{{"temperature", "1"}}, "temperature"},
      {{{"temperature", -0.1}}, "temperature"},
      {{{"temperature", 2.1}}, "temperature"},
      {{{"top_p", 1.1}}, "top_p"},
      {{{"n", 0}}, "n"},
      {{{"n", 129}}, "n"},
      {{{"n", 1.5}}, "n"},
      {{{"max_tokens", 0}}, "max_tokens"},
      {{{"max_completion_tokens", "5"}}, "max_completion_tokens"},
      {{{"stream", "yes"}}, "stream"},
      {{{"stop", 5}}, "stop"},
      {{{"stop", Json::array({1})}}, "stop[0]"},
      {{{"stop", Json::array({"a", std::string(1025, 'b')})}}, "stop[1]"},
      {{{"stop", std::string(1025, 'b')}}, "stop"},
      {{{"cache_salt", std::string(257, 's')}}, "cache_salt"},
      {{{"frequency_penalty", 3}}, "frequency_penalty"},
      {{{"presence_penalty", -3}}, "presence_penalty"},
      {{{"logit_bias", Json::array()}}, "logit_bias"},
      {{{"logit_bias", {{"x", 1}}}}, "logit_bias"},
      {{{"logit_bias", {{"5", 101}}}}, "logit_bias.5"},
      {{{"top_logprobs", 3}}, "top_logprobs"},
      {{{"logprobs", true}, {"top_logprobs", 21}}, "top_logprobs"},
      {{{"response_format", "json"}}, "response_format"},
      {{{"response_format", {{"type", "xml"}}}}, "response_format.type"},
      {{{"response_format", {{"type", "json_schema"}}}}, "response_format"},
      {{{"tools", {{"a", 1}}}}, "tools"},
      {{{"tools", Json::array({{{"type", "custom"}}})}}, "tools[0]"},
      {{{"tools", Json::array({{{"type", "function"}}})}}, "tools[0].function"},
      {{{"tool_choice", "required"}}, "tool_choice"},
      {{{"tool_choice", "maybe"}}, "tool_choice"},
      {{{"tool_choice", {{"type", "allowed_tools"}, {"mode", "x"}, {"tools", Json::array()}}}},
       "tool_choice.mode"},
      {{{"tool_choice",
         {{"type", "allowed_tools"}, {"mode", "required"}, {"tools", Json::array()}}}},
       "tool_choice.tools"},
      {{{"grammar", "root ::= \"a\""}, {"response_format", {{"type", "json_object"}}}},
       "response_format"},
      {{{"min_tokens", 5}}, "min_tokens"},
      {{{"grammar", "root ::= ("}}, "grammar"},
      {{{"modalities", Json::array({"audio"})}}, "modalities[0]"},
      {{{"messages", Json::array()}}, "messages"},
      {{{"messages", "Hi"}}, "messages"},
      {{{"messages", Json::array({"Hi"})}}, "messages[0]"},
      {{{"messages", Messages({{"alien", "A"}})}}, "messages[0].role"},
      {{{"messages", Messages({{"user", 5}})}}, "messages[0].content"},
      {{{"messages",
         Messages({{"user", "A"}, {"user", Json::array({{{"type", "input_audio"}}})}})}},
       "messages[1].content[0]"},
      {{{"messages",
         Messages({{"user", Json::array({{{"type", "image_url"},
                                          {"image_url", {{"url", "http://a/b"}}}}})}})}},
       "messages[0].content[0].image_url.url"},
  };
  for (const auto& [more, param] : cases) {
    const ApiError error = ErrorOf(Body(more));
    EXPECT_EQ(error.status, 400) << more.dump();
    EXPECT_EQ(error.param, param) << more.dump() << "\n" << error.message;
    EXPECT_FALSE(error.message.empty());
  }
}

TEST(ChatRequestTest, FieldsReachTheOptions) {
  const Ask ask = Read(Body({{"temperature", 0.5},
                             {"top_p", 0.25},
                             {"top_k", -1},
                             {"min_p", 0.125},
                             {"seed", -1},
                             {"n", 3},
                             {"stop", Json::array({"x", "", "y"})},
                             {"max_tokens", 5},
                             {"max_completion_tokens", 7},
                             {"frequency_penalty", 1.5},
                             {"presence_penalty", -0.5},
                             {"repetition_penalty", 1.25},
                             {"logit_bias", {{"5", -100}, {"6", 2}}},
                             {"logprobs", true},
                             {"top_logprobs", 2},
                             {"stream", true},
                             {"stop_token_ids", Json::array({9})},
                             {"unheard_of", {{"a", 1}}},
                             {"user", "u"},
                             {"reasoning_effort", "high"}}));
  const GenerationOptions& options = ask.options;
  EXPECT_EQ(options.temperature, 0.5f);
  EXPECT_EQ(options.top_p, 0.25f);
  EXPECT_EQ(options.top_k, 0);
  EXPECT_EQ(options.min_p, 0.125f);
  EXPECT_EQ(options.seed, ~uint64_t{0});
  EXPECT_EQ(ask.n, 3u);
  EXPECT_EQ(options.stop, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(options.max_tokens, 7u);
  EXPECT_EQ(options.frequency_penalty, 1.5f);
  EXPECT_EQ(options.presence_penalty, -0.5f);
  EXPECT_EQ(options.repeat_penalty, 1.25f);
  ASSERT_EQ(options.logit_bias.size(), 2u);
  EXPECT_EQ(options.logit_bias[0].second, -std::numeric_limits<float>::infinity());
  EXPECT_EQ(options.logprobs, 2u);
  EXPECT_EQ(options.stop_tokens, std::vector<TokenId>{9});
  EXPECT_TRUE(ask.stream);
  // Nulls are absent, as Python's client sends them.
  Json nulls = Body();
  for (const char* name : {"temperature", "top_p", "n", "seed", "stop", "max_tokens", "tools",
                           "tool_choice", "response_format", "logit_bias", "stream", "logprobs",
                           "stream_options", "logprobs", "top_logprobs", "modalities"}) {
    nulls[name] = nullptr;
  }
  const Ask plain = Read(nulls);
  EXPECT_FALSE(plain.options.temperature);
  EXPECT_EQ(plain.n, 1u);
  EXPECT_FALSE(plain.stream);
}

TEST(ChatRequestTest, TheServersBoundOnAnswersHolds) {
  AskDefaults defaults;
  defaults.options.max_tokens = 10;
  EXPECT_EQ(Read(Body(), defaults).options.max_tokens, 10u);
  EXPECT_EQ(Read(Body({{"max_tokens", 5}}), defaults).options.max_tokens, 5u);
  EXPECT_EQ(Read(Body({{"max_tokens", 50}}), defaults).options.max_tokens, 10u);
  EXPECT_EQ(Read(Body({{"max_tokens", -1}}), defaults).options.max_tokens, 10u);
}

TEST(ChatRequestTest, ToolsAndChoices) {
  const Json tools = Json::parse(R"([
      {"type": "function", "function": {"name": "f", "description": "d",
        "parameters": {"type": "object", "properties": {"z": {"type": "string"},
                                                        "a": {"type": "number"}}}}},
      {"type": "function", "function": {"name": "g"}}])");
  const auto choice_of = [&](Json choice) {
    return Read(Body({{"tools", tools}, {"tool_choice", std::move(choice)}})).options.tools.choice;
  };
  const Ask ask = Read(Body({{"tools", tools}, {"parallel_tool_calls", false}}));
  ASSERT_EQ(ask.options.tools.tools.size(), 2u);
  // In the order in which they were sent.
  EXPECT_LT(ask.options.tools.tools[0].parameters.find("\"z\""),
            ask.options.tools.tools[0].parameters.find("\"a\""));
  EXPECT_FALSE(ask.options.tools.parallel_tool_calls);
  EXPECT_EQ(choice_of("none"), ToolChoice::None());
  EXPECT_EQ(choice_of("auto"), ToolChoice::Auto());
  EXPECT_EQ(choice_of("required"), ToolChoice::Required());
  EXPECT_EQ(choice_of(Json::parse(R"({"type": "function", "function": {"name": "g"}})")),
            ToolChoice::Named("g"));
  EXPECT_EQ(choice_of(Json::parse(R"({"type": "allowed_tools", "allowed_tools": {"mode":
      "required", "tools": [{"type": "function", "function": {"name": "f"}}]}})")),
            ToolChoice::Subset({"f"}, ToolChoice::Mode::kRequired));
}

TEST(ChatRequestTest, FormatsBecomeConstraintsAndWords) {
  const auto last = [](const Ask& ask) { return ask.prompts.at(0).messages.back().parts; };
  EXPECT_FALSE(Read(Body({{"response_format", {{"type", "text"}}}})).options.constraint);
  const Ask object = Read(Body({{"response_format", {{"type", "json_object"}}}}));
  EXPECT_TRUE(object.options.constraint);
  EXPECT_EQ(last(object).at(0).text, "Hi\n\n" + std::string(kObjectWords));
  const Json schema = {{"type", "object"}, {"properties", {{"a", {{"type", "integer"}}}}}};
  const Ask strict =
      Read(Body({{"response_format",
                  {{"type", "json_schema"},
                   {"json_schema", {{"name", "x"}, {"strict", true}, {"schema", schema}}}}}}));
  ASSERT_TRUE(strict.options.constraint);
  EXPECT_NE(last(strict).at(0).text.find("integer"), std::string::npos);
  AskDefaults silent;
  silent.schema_prompt = false;
  const Ask no_words =
      Read(Body({{"response_format", {{"type", "json_object"}, {"schema", schema}}}}), silent);
  ASSERT_TRUE(no_words.options.constraint);
  EXPECT_EQ(no_words.options.constraint->source(), strict.options.constraint->source());
  EXPECT_EQ(last(no_words).at(0).text, "Hi");
}

// A call that is required is no JSON of a schema: OpenAI's servers call as well.
TEST(ChatRequestTest, ACallThatIsRequiredWinsOverAFormat) {
  const Json tools = Json::parse(R"([{"type": "function", "function": {"name": "f"}}])");
  const Json format = {{"type", "json_object"}};
  EXPECT_TRUE(Read(Body({{"response_format", format}, {"tools", tools}})).options.constraint);
  const Json named = {{"type", "function"}, {"function", {{"name", "f"}}}};
  for (const Json& choice : {Json("required"), named}) {
    const Ask ask =
        Read(Body({{"response_format", format}, {"tools", tools}, {"tool_choice", choice}}));
    EXPECT_FALSE(ask.options.constraint) << choice;
    EXPECT_EQ(Shown(ask.prompts.at(0)), "user: Hi");  // nor a word of the format
  }
  EXPECT_FALSE(
      Read(Body({{"grammar", "root ::= \"a\""}, {"tools", tools}, {"tool_choice", "required"}}))
          .options.constraint);
  // What is wrong with the format is said all the same.
  EXPECT_EQ(ErrorOf(Body({{"response_format", {{"type", "xml"}}},
                          {"tools", tools},
                          {"tool_choice", "required"}}))
                .param,
            "response_format.type");
}

TEST(ChatTellingTest, WholeAnswersHaveTheStatedForm) {
  const Ask ask = Read(Body({{"n", 2}}));
  GenerationResult called = AnswerOf("");
  called.calls = {{"call_1", "f", "{\"a\":1}"}};
  const std::vector<GenerationResult> results = {AnswerOf("Hi.", StopReason::kMaxTokens), called};
  const Json json = Json::parse(ask.telling->Whole(results));
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_TRUE(json["created"].is_number_integer());
  EXPECT_EQ(json["model"], "tiny");
  ASSERT_EQ(json["choices"].size(), 2u);
  EXPECT_EQ(json["choices"][0].dump(),
            R"({"index":0,"message":{"role":"assistant","content":"Hi.","refusal":null},)"
            R"("logprobs":null,"finish_reason":"length"})");
  EXPECT_EQ(json["choices"][1]["message"].dump(),
            R"({"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"call_1",)"
            R"("type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]})");
  EXPECT_EQ(json["choices"][1]["finish_reason"], "tool_calls");
  EXPECT_EQ(json["usage"].dump(), R"({"prompt_tokens":11,"completion_tokens":6,"total_tokens":17,)"
                                  R"("prompt_tokens_details":{"cached_tokens":4}})");
}

TEST(ChatTellingTest, StreamsKeepTheRulesOfClients) {
  const Ask ask =
      Read(Body({{"n", 2}, {"stream", true}, {"stream_options", {{"include_usage", true}}}}));
  GenerationResult called = AnswerOf("ab");
  called.calls = {{"call_1", "f", "{\"a\":1}"}, {"call_2", "g", "{}"}};
  const std::vector<GenerationResult> results = {AnswerOf("Hi"), called};
  std::string stream = ask.telling->Begin();
  stream += ask.telling->Step(0, {"Hi", 1, {}});
  stream += ask.telling->Done(0, results[0]);
  stream += ask.telling->Step(1, {"ab\n", 1, {}});
  stream += ask.telling->Done(1, results[1]);
  stream += ask.telling->End(results);
  EXPECT_TRUE(stream.ends_with("data: [DONE]\n\n"));
  const std::vector<Json> events = EventsOf(stream);
  int roles[2] = {};
  std::string arguments[2], finish[2];
  for (size_t i = 0; i < events.size(); ++i) {
    const Json& event = events[i];
    EXPECT_EQ(event["id"], events[0]["id"]);
    EXPECT_EQ(event["created"], events[0]["created"]);
    if (i + 1 == events.size()) {
      EXPECT_EQ(event["choices"], Json::array());
      EXPECT_EQ(event["usage"]["total_tokens"], 17);
      continue;
    }
    EXPECT_TRUE(event["usage"].is_null());
    ASSERT_EQ(event["choices"].size(), 1u);
    const Json& choice = event["choices"][0];
    const size_t index = choice["index"];
    if (i < 2) {
      EXPECT_EQ(index, i);  // one for each choice, the lowest first
    }
    if (choice["delta"].contains("role")) ++roles[index];
    if (!choice["finish_reason"].is_null()) finish[index] = choice["finish_reason"];
    if (choice["delta"].contains("tool_calls")) {
      const Json& call = choice["delta"]["tool_calls"][0];
      const size_t k = call["index"];
      arguments[k] += call["function"]["arguments"];
      // Clients put repeated texts together: each comes once.
      EXPECT_EQ(call.contains("id"), call["function"].contains("name"));
    }
  }
  EXPECT_EQ(roles[0], 1);
  EXPECT_EQ(roles[1], 1);
  EXPECT_EQ(arguments[0], "{\"a\":1}");
  EXPECT_EQ(arguments[1], "{}");
  EXPECT_EQ(finish[0], "stop");
  EXPECT_EQ(finish[1], "tool_calls");
  // Without being asked for there is no usage.
  const Ask plain = Read(Body({{"stream", true}}));
  EXPECT_EQ(plain.telling->End(std::span(results).first(1)), "data: [DONE]\n\n");
  EXPECT_EQ(plain.telling->Begin().find("usage"), std::string::npos);
}

TEST(CompletionRequestTest, PromptsOfAllForms) {
  ModelView view = View();
  view.decode = [](std::span<const TokenId> ids) { return std::to_string(ids.size()) + " ids"; };
  const auto read = [&](Json body) { return ReadCompletion(In(body), view, {}); };
  auto one = read({{"prompt", "Once"}});
  ASSERT_TRUE(one);
  EXPECT_EQ(one->prompts.size(), 1u);
  EXPECT_EQ(one->options.max_tokens, 16u);
  auto ids = read({{"prompt", Json::array({5, 6})}, {"max_tokens", 0}, {"echo", true}});
  ASSERT_TRUE(ids);
  EXPECT_EQ(ids->prompts.at(0).ids, (std::vector<TokenId>{5, 6}));
  EXPECT_EQ(ids->options.max_tokens, 1u);
  const std::vector<GenerationResult> results = {AnswerOf("never told")};
  const Json told = Json::parse(ids->telling->Whole(results));
  EXPECT_EQ(told["choices"][0]["text"], "2 ids");
  EXPECT_EQ(told["usage"]["completion_tokens"], 0);
  EXPECT_EQ(read({{"prompt", Json::array({"a", "b"})}, {"n", 2}})->prompts.size(), 2u);
  EXPECT_EQ(
      read({{"prompt", Json::array({Json::array({1}), Json::array({2, 3})})}})->prompts.size(), 2u);
  EXPECT_EQ(read({{"prompt", Json::array()}}).error().param, "prompt");
  EXPECT_EQ(read({{"prompt", Json::array({5, "x"})}}).error().param, "prompt[1]");
  EXPECT_EQ(read({{"prompt", Json::array({-1})}}).error().param, "prompt[0]");
  EXPECT_EQ(read({{"prompt", "a"}, {"suffix", "b"}}).error().param, "suffix");
  EXPECT_EQ(read({{"prompt", "a"}, {"best_of", 3}}).error().param, "best_of");
  EXPECT_EQ(read(Json::object()).error().code, "missing_required_parameter");
}

TEST(CompletionTellingTest, TokensThatAreSpelledAlikeAreTheLikeliestOfThem) {
  auto ask = ReadCompletion(In({{"prompt", "A"}, {"logprobs", 3}}), View(), {});
  ASSERT_TRUE(ask);
  GenerationResult result = AnswerOf("x");
  TokenLogprobs& token = result.logprobs.emplace_back();
  token.chosen = {.id = 5, .bytes = "x", .logprob = -0.5};
  for (const auto& [id, logprob] : {std::pair(6, -1.), std::pair(7, -2.)}) {
    token.likeliest.push_back({.id = id, .bytes = "\xf0", .logprob = logprob});
  }
  const Json told = Json::parse(ask->telling->Whole(std::span(&result, 1)));
  EXPECT_EQ(told["choices"][0]["logprobs"]["top_logprobs"][0], Json({{"\ufffd", -1.0}}));
}

}  // namespace
}  // namespace gemma3::serve
