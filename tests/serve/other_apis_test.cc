// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Requests and tellings as in requests_test.cc, of OpenAI's Responses, Ollama's and Google's API.
#include <gtest/gtest.h>

#include "tests/constrain/texts.h"
#include "tests/serve/request_parts.h"
#include "tools/serve/google.h"
#include "tools/serve/ollama.h"
#include "tools/serve/openai_responses.h"

namespace gemma3::serve {
namespace {

TEST(ResponsesRequestTest, ACallThatNoToolCanBeIsNotRequired) {
  Json body = {{"input", "A"}, {"tools", Json::array({{{"type", "web_search"}}})}};
  for (const Json& choice : {Json("auto"), Json({{"type", "web_search"}})}) {
    body["tool_choice"] = choice;
    EXPECT_TRUE(ReadResponses(In(body), View(), {})) << choice;
  }
  body["tool_choice"] = "required";
  const auto wrong = ReadResponses(In(body), View(), {});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().param, "tool_choice");
}

TEST(ResponsesRequestTest, ItemsBecomeTurns) {
  const auto ask = ReadResponses(In(Json::parse(R"({"instructions": "S", "store": false,
    "include": [], "reasoning": null, "prompt_cache_key": "k", "client_metadata": {},
    "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": false},
              {"type": "web_search"}, {"type": "local_shell"}],
    "input": [{"role": "developer", "content": [{"type": "input_text", "text": "T"}]},
              {"type": "message", "role": "user", "content": "A"},
              {"type": "reasoning", "summary": []},
              {"type": "message", "role": "assistant",
               "content": [{"type": "output_text", "text": "B"}]},
              {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
              {"type": "function_call_output", "call_id": "c1", "output": "R"}]})")),
                                 View(), {});
  ASSERT_TRUE(ask) << ask.error().message;
  EXPECT_EQ(Shown(ask->prompts.at(0)), "system: S\n\nT | user: A | model: B f{} | tool: R");
  EXPECT_EQ(ask->options.tools.tools.size(), 1u);
  const auto stored =
      ReadResponses(In({{"input", "A"}, {"previous_response_id", "resp_1"}}), View(), {});
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().param, "previous_response_id");
  for (const auto& [name, value] :
       {std::pair("text", Json("x")), std::pair("include", Json("x")),
        std::pair("text", Json({{"format", "json_schema"}})), std::pair("tools", Json("x"))}) {
    const auto wrong = ReadResponses(In({{"input", "A"}, {name, value}}), View(), {});
    ASSERT_FALSE(wrong) << name;
    EXPECT_TRUE(wrong.error().param.starts_with(name)) << wrong.error().param;
  }
}

TEST(ResponsesTellingTest, WhatWasAskedIsEchoed) {
  const Json body = {{"input", "A"},       {"instructions", "Be \"brief\"\n"},
                     {"temperature", 0.5}, {"metadata", {{"a", 1}}},
                     {"top_p", nullptr},   {"max_output_tokens", 7}};
  auto ask = ReadResponses(In(body), View(), {});
  ASSERT_TRUE(ask);
  const GenerationResult result = AnswerOf("Hi");
  const Json response = Json::parse(ask->telling->Whole(std::span(&result, 1)));
  for (const char* name :
       {"instructions", "temperature", "metadata", "top_p", "max_output_tokens"}) {
    EXPECT_EQ(response[name], body[name]) << name;
  }
  EXPECT_EQ(response["tool_choice"], "auto");
  EXPECT_EQ(response["parallel_tool_calls"], true);
  EXPECT_EQ(response["tools"], Json::array());
  EXPECT_EQ(response["text"]["format"]["type"], "text");
  const Json failed = EventsOf(ask->telling->Failed(ApiError(503, "full"))).front()["response"];
  EXPECT_EQ(failed["status"], "failed");
  EXPECT_EQ(failed["error"]["message"], "full");

  std::string metadata = "{";  // what looks through all members for each takes minutes
  for (int i = 0; i < 200'000; ++i) metadata += "\"key" + std::to_string(i) + "\":0,";
  metadata.back() = '}';
  const auto large = JsonIn::ParseObject("{\"input\":\"A\",\"metadata\":" + metadata + "}");
  ASSERT_TRUE(large);
  ask = ReadResponses(*large, View(), {});
  ASSERT_TRUE(ask);
  EXPECT_NE(ask->telling->Whole(std::span(&result, 1)).find(metadata), std::string::npos);
}

TEST(ResponsesTellingTest, EventsComeInOrderAndNumbered) {
  auto ask = ReadResponses(In({{"input", "A"}, {"stream", true}}), View(), {});
  ASSERT_TRUE(ask);
  GenerationResult result = AnswerOf("Hi");
  result.calls = {{"call_1", "f", "{}"}};
  std::string stream = ask->telling->Begin();
  stream += ask->telling->Step(0, {"Hi", 1, {}});
  stream += ask->telling->Done(0, result);
  stream += ask->telling->End(std::span(&result, 1));
  std::string names;
  const std::vector<Json> events = EventsOf(stream);
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i]["sequence_number"], i);
    names += events[i]["type"].get<std::string>().substr(9) + " ";
  }
  EXPECT_EQ(names,
            "created in_progress output_item.added content_part.added output_text.delta "
            "output_text.done content_part.done output_item.done output_item.added "
            "function_call_arguments.delta function_call_arguments.done output_item.done "
            "completed ");
  const Json& response = events.back()["response"];
  EXPECT_EQ(response["status"], "completed");
  EXPECT_EQ(response["output"][0]["content"][0]["text"], "Hi");
  EXPECT_EQ(response["output"][1]["call_id"], "call_1");
  EXPECT_EQ(response["usage"]["total_tokens"], 14);
}

TEST(ResponsesTellingTest, AnAnswerThatIsCutIsIncompleteInEachEvent) {
  auto ask = ReadResponses(In({{"input", "A"}, {"stream", true}}), View(), {});
  ASSERT_TRUE(ask);
  const GenerationResult result = AnswerOf("Hi", StopReason::kMaxTokens);
  std::string stream = ask->telling->Begin();
  stream += ask->telling->Step(0, {"Hi", 1, {}});
  stream += ask->telling->Done(0, result);
  stream += ask->telling->End(std::span(&result, 1));
  const std::vector<Json> events = EventsOf(stream);
  const Json& item = events[events.size() - 2];
  EXPECT_EQ(item["type"], "response.output_item.done");
  EXPECT_EQ(item["item"]["status"], "incomplete");
  EXPECT_EQ(events.back()["type"], "response.incomplete");
  EXPECT_EQ(events.back()["response"]["output"][0]["status"], "incomplete");
}

TEST(OllamaRequestTest, PicturesThatCannotBeShownAreRefused) {
  for (const char* role : {"system", "assistant"}) {
    const Json message = {
        {"role", role}, {"content", "A"}, {"images", Json::array({std::string(kPixel)})}};
    const auto ask = ReadOllamaChat(
        In({{"messages", Json::array({message, {{"role", "user"}, {"content", "B"}}})}}), View(),
        {});
    ASSERT_FALSE(ask) << role;
    EXPECT_EQ(ask.error().param, "messages[0].images");
  }
}

TEST(OllamaRequestTest, FormsAndTimes) {
  auto ask = ReadOllamaChat(
      In(Json::parse(
          R"({"model": "m", "messages": [{"role": "USER", "content": "A", "images": [")" +
          std::string(kPixel) + R"("]}], "options": {"num_predict": 5, "num_ctx": 4096,
      "temperature": 0, "mirostat": 0}, "format": "json", "keep_alive": "5m", "think": false})")),
      View(), {});
  ASSERT_TRUE(ask) << ask.error().message;
  EXPECT_TRUE(ask->stream);  // where nothing is said
  EXPECT_EQ(ask->options.max_tokens, 5u);
  EXPECT_EQ(ask->options.temperature, 0.f);
  EXPECT_TRUE(ask->options.constraint);
  EXPECT_TRUE(Shown(ask->prompts.at(0)).starts_with("user: [picture] A"));
  GenerationResult result = AnswerOf("x");
  // Numbers stay as the model wrote them.
  result.calls = {{"call_1", "f", "{\"a\":1.50,\"b\":12345678901234567890123}"}};
  const std::string whole = ask->telling->Whole(std::span(&result, 1));
  EXPECT_NE(whole.find("\"arguments\":{\"a\":1.50,\"b\":12345678901234567890123}"),
            std::string::npos)
      << whole;
  const Json json = Json::parse(whole);
  EXPECT_EQ(json["message"]["tool_calls"][0]["function"]["name"], "f");
  EXPECT_EQ(json["done_reason"], "stop");
  for (const char* name : {"total_duration", "prompt_eval_duration", "eval_duration"}) {
    EXPECT_GT(json[name], 0) << name;
  }
  EXPECT_EQ(json["prompt_eval_count"], 11);
  EXPECT_FALSE(
      ReadOllamaGenerate(In({{"prompt", "a"}, {"context", Json::array({1})}}), View(), {}));
  EXPECT_FALSE(ReadOllamaGenerate(In({{"prompt", "a"}, {"template", "{{ x }}"}}), View(), {}));
  EXPECT_TRUE(WantsUnload(In({{"keep_alive", 0}})));
  EXPECT_TRUE(WantsUnload(In({{"keep_alive", "0s"}})));
  for (const Json& keep : {Json("5m"), Json(-1), Json(), Json("10m")}) {
    EXPECT_FALSE(WantsUnload(In({{"keep_alive", keep}}))) << keep;
  }
}

TEST(GoogleRequestTest, SchemasAndContents) {
  const auto schema = JsonIn::ParseObject(R"({"type": "OBJECT", "propertyOrdering": ["b", "a"],
    "properties": {"a": {"type": "STRING", "nullable": true, "format": "enum", "enum": ["x"]},
                   "b": {"type": "ARRAY", "items": {"type": "INTEGER", "format": "int32"},
                         "minItems": "1"}}})");
  ASSERT_TRUE(schema);
  EXPECT_EQ(JsonSchemaOf(*schema),
            R"({"type":"object","properties":{"b":{"type":"array","items":{"type":"integer"},)"
            R"("minItems":1},"a":{"type":["string","null"],"enum":["x",null]}}})");
  auto ask = ReadGoogle(In(Json::parse(R"({"systemInstruction": {"parts": [{"text": "S"}]},
      "contents": [{"role": "user", "parts": [{"text": "A"},
          {"inlineData": {"mimeType": "image/png", "data": ")" +
                                       std::string(kPixel) + R"("}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"x": 1}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"y": 2}}}]}],
      "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT",
          "properties": {"x": {"type": "NUMBER"}}}}]}],
      "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
      "generationConfig": {"maxOutputTokens": 9, "topK": 3, "stopSequences": ["z"]}})")),
                        View(), {}, GoogleForm::kEvents);
  ASSERT_TRUE(ask) << ask.error().message;
  EXPECT_EQ(Shown(ask->prompts.at(0)),
            "system: S | user: A [picture] | model: f{\"x\":1} | tool: {\"y\":2}");
  EXPECT_EQ(ask->options.max_tokens, 9u);
  EXPECT_EQ(ask->options.stop, std::vector<std::string>{"z"});
  EXPECT_EQ(ask->options.tools.choice, ToolChoice::Subset({"f"}, ToolChoice::Mode::kRequired));
  GenerationResult result = AnswerOf("Hi", StopReason::kMaxTokens);
  const Json told = Json::parse(ask->telling->Whole(std::span(&result, 1)));
  EXPECT_EQ(told["candidates"][0]["content"]["parts"][0]["text"], "Hi");
  EXPECT_EQ(told["candidates"][0]["finishReason"], "MAX_TOKENS");
  EXPECT_EQ(told["usageMetadata"]["totalTokenCount"], 14);
}

// As protocol buffers have it: both spellings, everywhere.
TEST(GoogleRequestTest, NamesHaveTwoSpellings) {
  const auto read = [](const Json& config) {
    return ReadGoogle(In({{"contents", "A"}, {"generation_config", config}}), View(), {},
                      GoogleForm::kWhole);
  };
  const auto ask = read({{"max_output_tokens", 9},
                         {"top_k", 3},
                         {"top_p", 0.5},
                         {"candidate_count", 2},
                         {"presence_penalty", 0.25},
                         {"stop_sequences", Json::array({"z"})},
                         {"response_mime_type", "application/json"},
                         {"response_schema", {{"type", "INTEGER"}}}});
  ASSERT_TRUE(ask) << ask.error().message;
  EXPECT_EQ(ask->options.max_tokens, 9u);
  EXPECT_EQ(ask->options.top_k, 3);
  EXPECT_EQ(ask->options.top_p, 0.5f);
  EXPECT_EQ(ask->options.presence_penalty, 0.25f);
  EXPECT_EQ(ask->options.stop, std::vector<std::string>{"z"});
  EXPECT_EQ(ask->n, 2u);
  EXPECT_TRUE(ask->options.constraint);
  const auto wrong = read({{"max_output_tokens", "many"}});
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("generation_config.max_output_tokens"), std::string::npos);
}

TEST(GoogleRequestTest, AnEnumIsAnsweredWithoutQuotes) {
  const Json schema = {{"type", "STRING"}, {"enum", Json::array({"a b", "\"c\""})}};
  Json config = {{"responseMimeType", "text/x.enum"}, {"responseSchema", schema}};
  const auto read = [&] {
    return ReadGoogle(In({{"contents", "A"}, {"generationConfig", config}}), View(), {},
                      GoogleForm::kWhole);
  };
  const auto ask = read();
  ASSERT_TRUE(ask) << ask.error().message;
  ASSERT_TRUE(ask->options.constraint);
  const auto accepts = [&](std::string_view text) {
    return Accepts(*ask->options.constraint, text);
  };
  EXPECT_TRUE(accepts("a b"));
  EXPECT_TRUE(accepts("\"c\""));
  EXPECT_FALSE(accepts("\"a b\""));
  config["responseSchema"] = {{"type", "STRING"}};
  EXPECT_FALSE(read());
}

}  // namespace
}  // namespace gemma3::serve
