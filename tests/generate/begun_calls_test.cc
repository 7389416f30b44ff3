// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Calls that a model begins by itself: free text until then, then what is read as a call with
// arguments of its tool's schema, then free text again. The model is a script, and noise behind it.

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "src/generate/request.h"
#include "tests/constrain/judge.h"
#include "tests/support/demo_model.h"

namespace gemma3::testing {
namespace {

using Json = nlohmann::json;

constexpr const char* kWeather = R"({"type": "object", "properties": {
    "city": {"type": "string", "minLength": 1, "maxLength": 6},
    "days": {"type": "integer", "minimum": 1, "maximum": 7},
    "exact": {"type": ["boolean", "null"]},
    "places": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2}},
    "required": ["city", "exact"]})";

std::shared_ptr<const ToolSet> Tools(bool parallel = true) {
  auto tools = ToolSet::Create({.tools = {{.name = "weather", .parameters = kWeather},
                                          {.name = "stop"},
                                          {.name = "weather.now", .parameters = kWeather}},
                                .parallel_tool_calls = parallel});
  EXPECT_TRUE(tools) << tools.error().message;
  return std::make_shared<const ToolSet>(*std::move(tools));
}

struct Way {
  bool constrained = true, guess = false, ends = true, parallel = true;
  size_t max_tokens = 400;
};

// An answer of a model that says `script`, then random tokens; where it may, it ends.
GenerationResult Say(const std::string& script, uint32_t seed, const Way& way) {
  static const LazyConstraintVocabulary vocabulary;
  const ModelConfig& config = DemoModel().config();
  const Tokenizer& tokenizer = **DemoModel().tokenizer();
  const auto tools = Tools(way.parallel);
  const std::vector<TokenId> said = *tokenizer.Encode(script);
  GenerationOptions options;
  options.temperature = 0;
  options.max_tokens = way.max_tokens;
  PromptPlan prompt;
  prompt.layout.ids = *tokenizer.Encode("How is the weather?");
  prompt.tools = tools;
  const size_t prompt_tokens = prompt.layout.ids.size();
  auto created = Request::Create(
      config, tokenizer, options, PromptKind::kChat, std::move(prompt), 4096, vocabulary,
      way.constrained ? std::make_shared<const CallConstraints>(tools) : nullptr);
  EXPECT_TRUE(created) << created.error().message;
  Request& request = **created;
  const auto pool = std::make_shared<KvPool>(config.text, KvTypes(), size_t{64} << 20);
  request.stage = Request::Stage::kPrompt;
  request.BeginPrompt(KvCache(pool));
  const TokenId end = tokenizer.Find("<end_of_turn>");
  while (request.stage != Request::Stage::kFinished) {
    const auto part = request.Next(64, true, way.guess, nullptr);
    EXPECT_TRUE(part) << part.error().message;
    const size_t before = request.cache->size();
    EXPECT_TRUE(request.cache->MakeRoom(before + part->ids.size()));
    request.cache->Append(before + part->ids.size());
    // The logits of a place depend on the place alone.
    const size_t rows = request.wanted().size();
    std::vector<std::vector<float>> values(rows, std::vector<float>(config.text.vocab_size));
    std::vector<std::span<float>> logits;
    for (size_t r = 0; r < rows; ++r) {
      const size_t place = request.cache->size() - rows + r + 1 - prompt_tokens;
      std::mt19937 random(seed * 1000 + static_cast<uint32_t>(place));
      for (float& v : values[r]) v = static_cast<float>(random() % 4096) / 4096;
      if (place < said.size()) values[r][static_cast<size_t>(said[place])] = 10;
      if (place >= said.size() && way.ends) values[r][static_cast<size_t>(end)] = 10;
      const Request::LogitsWanted& wanted = request.wanted()[r];
      logits.emplace_back(values[r]);
      if (wanted.all) continue;
      // What was not asked for is not there.
      std::vector<float> listed(values[r].size(), -std::numeric_limits<float>::infinity());
      for (const TokenId id : wanted.tokens) {
        listed[static_cast<size_t>(id)] = values[r][static_cast<size_t>(id)];
      }
      values[r] = std::move(listed);
      logits.back() = values[r];
      if (wanted.tokens.empty()) logits.back() = {};
    }
    request.Take(logits);
  }
  request.Deliver();
  auto result = *request.outbox.Take().result;
  EXPECT_TRUE(result) << result.error().message;
  return *std::move(result);
}

void ExpectValid(const ToolCall& call, const std::string& why) {
  const Json arguments = Json::parse(call.arguments, nullptr, false);
  const Json schema = Json::parse(call.name == "stop" ? R"({"maxProperties": 0})" : kWeather);
  EXPECT_TRUE(arguments.is_object() && Judge(schema).Meets(arguments))
      << call.name << " " << call.arguments << " of " << why;
}

// As models begin calls; what each may still become is anything.
constexpr const char* kBegun[] = {
    R"({"name": "weather")",
    R"({"name": "weather", "parameters": {"city": ")",
    R"({"name":"weather","arguments":{)",
    "{\n  \"name\": \"weather.now\",\n  \"parameters\": {\n",
    R"([{"name": "weather", "parameters": {"city": "Rome", "exact": true}}, {"name": "stop")",
    R"({"type": "function", "function": {"name": "weather", "arguments": {)",
    R"({"id": "call_1", "type": "function", "function": {"name": "weather")",
    R"({"tool_calls": [{"name": "weather", "arguments": {)",
    R"({"tool_calls": [{"id": "a", "name": "weather.now")",
    R"({"tool_call": {"name": "weather")",
    "```json\n{\"name\": \"weather\"",
    "```tool_code\nweather(",
    "```tool_code\nprint(weather.now(city=\"Rome\", ",
    "[weather(",
    "[stop(), weather(city=\"",
    "[weather.now(city=\"Rome\", days=",
    "weather(",
    "print(weather(",
    "Let me look.\n{\"name\": \"weather\"",
    "Let me look: [{\"name\": \"weather\"",
};

TEST(BegunCallsTest, ACallThatIsBegunBecomesOneThatMeetsItsSchema) {
  for (const char* begun : kBegun) {
    size_t ended = 0;
    for (uint32_t seed = 0; seed < (kSanitized ? 2 : 8); ++seed) {
      const GenerationResult result = Say(begun, seed, {});
      if (result.stop_reason != StopReason::kEndOfTurn) continue;
      ++ended;
      // A fence that the script opened is not closed: what stands in it is a call all the same
      // where the answer ends.
      EXPECT_FALSE(result.calls.empty()) << begun << " -> " << result.text;
      for (const ToolCall& call : result.calls) ExpectValid(call, begun);
    }
    EXPECT_GT(ended, 0u) << begun;
  }
}

TEST(BegunCallsTest, GuessesAndMissingLogitsChangeNothing) {
  for (const char* begun : kBegun) {
    const GenerationResult alone = Say(begun, 1, {.ends = false, .max_tokens = 150});
    EXPECT_EQ(Say(begun, 1, {.guess = true, .ends = false, .max_tokens = 150}).ids, alone.ids)
        << begun;
  }
}

TEST(BegunCallsTest, TextWithoutCallsIsFree) {
  for (const char* text : {"The weather is fine. ", "{\"name\": \"unknown\"", "weather is (",
                           "[1, 2", "```python\nx = [weather("}) {
    const Way free = {.constrained = false, .ends = false, .max_tokens = 80};
    const Way constrained = {.ends = false, .max_tokens = 80};
    EXPECT_EQ(Say(text, 3, constrained).ids, Say(text, 3, free).ids) << text;
  }
}

// Behind a call anything may be said again.
TEST(BegunCallsTest, BehindACallTextIsFree) {
  const std::string call = R"({"name": "stop", "parameters": {}})";
  const Way free = {.constrained = false, .ends = false, .max_tokens = 80};
  const Way constrained = {.ends = false, .max_tokens = 80};
  const GenerationResult result = Say(call + "\nThat was it. ", 4, constrained);
  EXPECT_EQ(result.ids, Say(call + "\nThat was it. ", 4, free).ids);
  EXPECT_EQ(result.calls.size(), 1u);
}

// A tool whose arguments have `patterns` patterns, which take the work of thousands of states each.
Tool Hard(const std::string& name, size_t patterns) {
  Json members = {{"count", {{"type", "integer"}}}};
  for (size_t i = 0; i < patterns; ++i) {
    const std::string letter(1, static_cast<char>('a' + i % 20));
    members["p" + std::to_string(i)] = {
        {"type", "string"}, {"pattern", letter + "[a-z]{12}" + letter + name + std::to_string(i)}};
  }
  return {.name = name, .parameters = Json({{"type", "object"}, {"properties", members}}).dump()};
}

// How much one tool may cost is left for the others, and those that are too much are free.
TEST(CallConstraintsTest, AllToolsTogetherHaveOneLimit) {
  if (kSanitized) GTEST_SKIP() << "it compiles up to a limit";
  const std::vector<Tool> tools = {Hard("early", 2), Hard("beyond", 2000), Hard("late", 2)};
  static const LazyConstraintVocabulary vocabulary;
  const auto& known = vocabulary.Get(**DemoModel().tokenizer());
  for (const ToolStyle style : {ToolStyle::kJson, ToolStyle::kPython}) {
    auto set = ToolSet::Create({.tools = tools, .style = style});
    ASSERT_TRUE(set) << set.error().message;
    const CallConstraints calls(std::make_shared<const ToolSet>(*std::move(set)));
    EXPECT_EQ(calls.Behind(R"({"name": "early")", known), nullptr);  // nothing is compiled here
    calls.PrepareBegun();
    const auto takes = [&](const std::string& begun, const std::string& rest) {
      const auto matcher = calls.Behind(begun, known);
      EXPECT_NE(matcher, nullptr) << begun;
      return matcher && matcher->AcceptBytes(rest) == rest.size();
    };
    for (const char* name : {"early", "beyond", "late"}) {
      const std::string json = std::string(R"({"name": ")") + name + '"';
      EXPECT_TRUE(takes(json, R"(, "parameters": {"count": 1)"));
      EXPECT_TRUE(takes(std::string(name) + "(", "count=1"));
      const bool free = std::string(name) != "early";
      EXPECT_EQ(takes(json, R"(, "parameters": {"count": ")"), free) << name;
      EXPECT_EQ(takes(std::string(name) + "(", "count='"), false) << name;
      EXPECT_EQ(takes(std::string(name) + "(", "count=\""), free) << name;
    }
    // Where it has to be met, it is an error that says whose it is.
    const auto required = calls.Required();
    ASSERT_FALSE(required);
    EXPECT_TRUE(required.error().message.starts_with("the parameters of the tool beyond: #"))
        << required.error().message;
  }
}

TEST(BegunCallsTest, WithoutParallelCallsAListHasOne) {
  for (uint32_t seed = 0; seed < 8; ++seed) {
    const GenerationResult result = Say("[stop(", seed, {.parallel = false});
    EXPECT_EQ(result.stop_reason, StopReason::kEndOfTurn);
    EXPECT_EQ(result.calls.size(), 1u);
    EXPECT_EQ(result.text, "");
  }
}

}  // namespace
}  // namespace gemma3::testing
