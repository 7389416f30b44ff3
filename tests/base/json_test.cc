// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/json.h"

#include <gtest/gtest.h>

#include <string>

namespace gemma3 {
namespace {

JsonValue Parse(const std::string& text) {
  auto value = JsonValue::Parse(text, "a.json");
  EXPECT_TRUE(value) << (value ? "" : value.error().message);
  return *std::move(value);
}

TEST(Json, TypedReadingNamesTheKeyAndWhatWasFound) {
  const JsonValue root = Parse(R"({"a": {"b": [1, 2.5, "x", -3, 1e3, true]}})");
  const JsonValue list = *root.Find("a")->Find("b");
  EXPECT_EQ(list[0].AsUint(), 1u);
  EXPECT_EQ(list[1].AsDouble(), 2.5);
  EXPECT_EQ(list[2].AsString(), "x");
  EXPECT_EQ(list[3].AsInt(), -3);
  EXPECT_EQ(list[5].AsBool(), true);
  for (const size_t i : {1u, 2u, 3u, 4u, 5u}) {
    const auto number = list[i].AsUint();
    ASSERT_FALSE(number);
    EXPECT_EQ(number.error().code, ErrorCode::kBadModel);
    EXPECT_NE(number.error().message.find("a.json: a.b[" + std::to_string(i) + "]"),
              std::string::npos)
        << number.error().message;
  }
}

TEST(Json, MissingAndNullGiveTheFallback) {
  const JsonValue root = Parse(R"({"a": null, "b": 7})");
  EXPECT_EQ(root.Uint("a", 5), 5u);
  EXPECT_EQ(root.Uint("b", 5), 7u);
  EXPECT_EQ(root.Uint("c", 5), 5u);
  EXPECT_EQ(root.String("c", "d"), "d");
  EXPECT_FALSE(root.Bool("b", true));  // an error, not a fallback
  EXPECT_FALSE(root.Find("a"));
  EXPECT_FALSE(Parse("[1]").Find("a"));
}

TEST(Json, DamagedTextIsAnError) {
  for (const char* text : {"", "{", "[1,]", "{\"a\":NaN}", "{\"a\":Infinity}", "1 2", "{'a':1}",
                           "\"\xff\"", "{\"a\":1e999}"}) {
    EXPECT_FALSE(JsonValue::Parse(text, "a.json")) << text;
  }
}

TEST(Json, DeepNestingIsRefusedBeforeParsing) {
  const std::string deep(100000, '[');
  EXPECT_FALSE(JsonValue::Parse(deep + std::string(100000, ']'), "a.json"));
  EXPECT_FALSE(JsonValue::Parse(deep, "a.json"));
  EXPECT_TRUE(JsonValue::Parse("\"" + deep + "\"", "a.json"));  // brackets in a string are text
  EXPECT_TRUE(JsonValue::Parse("[[[1]]]", "a.json", {.max_depth = 3}));
  EXPECT_FALSE(JsonValue::Parse("[[[[1]]]]", "a.json", {.max_depth = 3}));
}

TEST(Json, RepeatedKeysAreRefusedOnRequest) {
  const char* text = R"({"a": {"x": 1}, "b": {"x": 2, "x": 3}})";
  EXPECT_TRUE(JsonValue::Parse(text, "a.json"));
  EXPECT_FALSE(JsonValue::Parse(text, "a.json", {.reject_duplicate_keys = true}));
  EXPECT_TRUE(JsonValue::Parse(R"({"a": {"x": 1}, "b": {"x": 2}})", "a.json",
                               {.reject_duplicate_keys = true}));
}

TEST(Json, LargeIntegers) {
  const JsonValue root = Parse("[18446744073709551615, 18446744073709551616, 9223372036854775808]");
  EXPECT_EQ(root[0].AsUint(), UINT64_MAX);
  EXPECT_FALSE(root[1].AsUint());
  EXPECT_FALSE(root[2].AsInt());
}

TEST(Json, PythonsNumbersAreStringsOnRequest) {
  const std::string text =
      R"({"a":NaN,"b":[Infinity,-Infinity,-1],"c":"NaN \"Infinity\" \\","d":-0.5,"e":null})";
  EXPECT_FALSE(JsonValue::Parse(text, "f"));
  const auto read = JsonValue::Parse(text, "f", {.python_numbers = true});
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->Find("a")->AsString(), "NaN");
  EXPECT_FALSE(read->Find("a")->AsDouble());
  EXPECT_EQ((*read->Find("b"))[0].AsString(), "Infinity");
  EXPECT_EQ((*read->Find("b"))[1].AsString(), "-Infinity");
  EXPECT_EQ((*read->Find("b"))[2].AsInt(), -1);
  EXPECT_EQ(read->Find("c")->AsString(), "NaN \"Infinity\" \\");
  EXPECT_EQ(read->Find("d")->AsDouble(), -0.5);
  EXPECT_TRUE(read->HasNull("e"));
  EXPECT_FALSE(read->HasNull("a") || read->HasNull("f"));
  for (const char* bad : {"{\"a\":Na}", "{NaN:1}", "{\"a\":NaNNaN}", "[Infinity", "\"NaN"}) {
    EXPECT_FALSE(JsonValue::Parse(bad, "f", {.python_numbers = true})) << bad;
  }
}

TEST(Json, SameValuesInOtherSpellings) {
  const auto read = JsonValue::Parse(R"([8,8.0,8.5,[1,{"a":2}],[1.0,{"a":2}],"8"])", "f");
  ASSERT_TRUE(read);
  EXPECT_TRUE((*read)[0].SameAs((*read)[1]));
  EXPECT_FALSE((*read)[0].SameAs((*read)[2]));
  EXPECT_TRUE((*read)[3].SameAs((*read)[4]));
  EXPECT_FALSE((*read)[0].SameAs((*read)[5]));
}

}  // namespace
}  // namespace gemma3
