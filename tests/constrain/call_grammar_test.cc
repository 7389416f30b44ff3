// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/constrain/call_grammar.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/constrain/texts.h"

namespace gemma3 {
namespace {

Constraint Calls(const CallForm& form) {
  static const std::vector<CallableTool> tools = {
      {"get", R"({"type":"object","properties":{"city":{"type":"string"},
                  "days":{"type":"integer","minimum":1},"live":{"type":"boolean"},
                  "a b":{"type":"null"}},"required":["city"]})"},
      {"get_all", R"({"type":"object","properties":{"in":{"$ref":"#/$defs/x"}},
                      "$defs":{"x":{"enum":[null,"y",{"z":true}]}}})"},
      {"stop", "{}"}};
  auto constraint = CompileCalls(tools, form);
  EXPECT_TRUE(constraint) << constraint.error().message;
  return *constraint;
}

TEST(CallGrammarTest, Json) {
  const Constraint one = Calls({.json = {.spaced = true}});
  for (const char* text :
       {R"({"name": "get", "parameters": {"city": "Rome"}})",
        R"({"name": "get", "parameters": {"city": "", "days": 3, "live": true, "a b": null}})",
        R"({"name": "get_all", "parameters": {"in": {"z": true}}})",
        R"({"name": "stop", "parameters": {}})"}) {
    EXPECT_TRUE(Accepts(one, text)) << text;
  }
  for (const char* text :
       {R"({"name":"stop","parameters":{}})", R"({"name": "stop", "arguments": {}})",
        R"({"name": "stop", "parameters": {"a": 1}})", R"([{"name": "stop", "parameters": {}}])",
        R"({"name": "get", "parameters": {"days": 3}})", R"({"name": "go", "parameters": {}})",
        R"({"name": "stop", "parameters": null})", R"({"name": "stop"})"}) {
    EXPECT_FALSE(Accepts(one, text)) << text;
  }
  const Constraint several = Calls({.several = true, .json = {.spaced = true}});
  EXPECT_TRUE(Accepts(several, R"({"name": "stop", "parameters": {}})"));
  EXPECT_TRUE(Accepts(
      several, R"([{"name": "stop", "parameters": {}}, {"name": "stop", "parameters": {}}])"));
  EXPECT_FALSE(Accepts(several, "[]"));
}

TEST(CallGrammarTest, WrappedJson) {
  const Constraint any = Calls({.several = true, .any_wrapping = true});
  const std::string call = R"({"name":"stop","arguments":{}})";
  for (const std::string& text : std::vector<std::string>{
           call, "[" + call + "]", "{\n  \"name\": \"stop\",\n  \"parameters\": {}\n}",
           std::string(R"({"id": "1", "type": "function", "name": "stop", "arguments": {}})"),
           R"({"type":"function","function":)" + call + "}", R"({"function":)" + call + "}",
           R"({"type":"function","id":"1","function":)" + call + "}",
           R"({"tool_call":)" + call + "}", R"({"tool_calls":[)" + call + "," + call + "]}",
           R"({"tool_calls":[{"type":"function","function":)" + call + "}]}"}) {
    EXPECT_TRUE(Accepts(any, text)) << text;
  }
  for (const std::string& text :
       std::vector<std::string>{"[" + call + ",]", R"({"tool_calls":)" + call + "}",
                                R"({"function":{"function":)" + call + "}}",
                                std::string(R"({"name":"stop","arguments":"{}"})")}) {
    EXPECT_FALSE(Accepts(any, text)) << text;
  }
}

TEST(CallGrammarTest, Python) {
  const Constraint list = Calls({.python = true, .several = true, .json = {.spaced = true}});
  for (const char* text :
       {R"([get(city="Rome")])", R"([get(city="Rome", days=2, live=True), stop()])",
        R"([get(city="", live=false)])", R"([get_all(in=None)])", R"([get_all(in={"z": True})])",
        "[get_all()]"}) {
    EXPECT_TRUE(Accepts(list, text)) << text;
  }
  for (const char* text :
       {"stop()", "[]", "[get()]", R"([get("Rome")])", R"([get(city="a", a b=None)])",
        R"([get(days=1, city="a")])", R"([get(city='a')])", "[stop(a=1)]", "[get_al()]"}) {
    EXPECT_FALSE(Accepts(list, text)) << text;
  }
  const Constraint any = Calls({.python = true, .any_wrapping = true});
  for (const char* text :
       {"stop()", "[stop()]", "print(stop())", "get(\n  city=\"a\",\n  days=1\n)"}) {
    EXPECT_TRUE(Accepts(any, text)) << text;
  }
  EXPECT_FALSE(Accepts(any, "[stop(), stop()]"));
}

TEST(CallGrammarTest, WhatNoCallCanMeetIsAnError) {
  const CallableTool bad[] = {{"f", R"({"type":"object","required":["a"],
                                        "properties":{"a":false}})"}};
  EXPECT_FALSE(CompileCalls(bad, {}));
  EXPECT_FALSE(CompileCalls({}, {}));
  // An argument that Python cannot name.
  const CallableTool named[] = {{"f", R"({"type":"object","required":["a b"],
                                          "properties":{"a b":{}}})"}};
  EXPECT_FALSE(CompileCalls(named, {.python = true}));
  EXPECT_TRUE(CompileCalls(named, {}));
}

}  // namespace
}  // namespace gemma3
