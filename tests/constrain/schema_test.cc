// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gemma3/constraint.h"
#include "src/constrain/schema_compiler.h"
#include "src/constrain/schema_document.h"
#include "tests/constrain/texts.h"

namespace gemma3 {
namespace {

struct Vector {
  const char* schema;
  std::vector<std::string> accepted, refused;
};

void CheckVectors(const std::vector<Vector>& vectors, const JsonSchemaOptions& options = {}) {
  for (const Vector& v : vectors) {
    const auto schema = JsonSchema::Compile(v.schema, options);
    ASSERT_TRUE(schema.has_value()) << v.schema << "\n" << schema.error().message;
    for (const std::string& text : v.accepted)
      EXPECT_TRUE(Accepts(*schema, text)) << v.schema << text;
    for (const std::string& text : v.refused)
      EXPECT_FALSE(Accepts(*schema, text)) << v.schema << text;
  }
}

std::string ErrorOf(const std::string& schema, ErrorCode code,
                    const JsonSchemaOptions& options = {}) {
  const auto compiled = JsonSchema::Compile(schema, options);
  EXPECT_FALSE(compiled.has_value()) << schema.substr(0, 200);
  if (compiled) return "";
  EXPECT_EQ(compiled.error().code, code) << compiled.error().message;
  return compiled.error().message;
}

std::string Repeat(const std::string& text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

constexpr char kTwoMembers[] =
    R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},)"
    R"("required":["a"],"additionalProperties":false})";

TEST(JsonSchema, AcceptsWhatIsValidAndNothingElse) {
  CheckVectors({
      {kTwoMembers,
       {R"({"a":1})", R"({"a": 1, "b": ""})", "{\n  \"a\": 1,\n  \"b\": \"x\"\n}"},
       {"{}", R"({"b":"","a":1})", R"({"a":1,})", R"({"a":1,"c":2})", "{\"a\":1}\n",
        R"({"a":1,"a":2})", R"({"a" :1})", R"({"a":1 ,"b":""})", R"( {"a":1})"}},
      {R"({"type":["string","null"],"maxLength":2})",
       {"null", R"("")", R"("é😀")", R"("\ud83d\ude00x")", R"("\n\t")", R"("\u00e9")"},
       {R"("abc")", R"("\ud83d")", "\"\n\"", "nul", R"("\ude00")", R"("\x")", "\"\xC3\""}},
      {R"({"enum":["a\"b",1.0,null,{"k":[1,2]}]})",
       {R"("a\"b")", "1.0", "1", "null", R"({"k":[1,2]})", R"({"k": [1, 2]})"},
       {R"("a")", R"({"k":[2,1]})", "2"}},
      {R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"boolean"}],"items":false})",
       {"[]", "[1]", "[1, true]"},
       {"[true]", "[1,true,2]", "[1,]"}},
      {R"({"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3})",
       {"[1,2]", "[1,2,3]"},
       {"[]", "[1]", "[1,2,3,4]"}},
      {R"({"$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":)"
       R"([{"$ref":"#/$defs/n"},{"type":"null"}]}},"required":["v","next"],)"
       R"("additionalProperties":false}},"$ref":"#/$defs/n"})",
       {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":null}})"},
       {R"({"v":1})", R"({"v":1,"next":{}})"}},
      {R"({"type":"string","pattern":"^[a-z]+$","minLength":2})",
       {R"("ab")"},
       {R"("a")", R"("aB")", R"("ab\n")", R"("")"}},
      {R"({"type":"string","pattern":"b"})",
       {R"("b")", R"("abc")", R"("日b")"},
       {R"("a")", R"("")"}},
      {R"({"type":"object","additionalProperties":{"type":"integer"},"properties":{"x":{"type":"string"}}})",
       {"{}", R"({"x":"1"})", R"({"y":1})", R"({"x":"","xx":2})"},
       {R"({"x":1})", R"({"y":"1"})", R"({"\u0078":1})"}},
      {R"({"anyOf":[{"type":"integer"},false,{"type":"string","enum":["q"]}]})",
       {"5", R"("q")"},
       {R"("r")", "5.5", "true"}},
      {R"({"oneOf":[{"type":"object","properties":{"t":{"const":"c"},"r":{"type":"number"}},)"
       R"("required":["t","r"]},{"type":"object","properties":{"t":{"const":"s"},"w":)"
       R"({"type":"number"}},"required":["t","w"]}]})",
       {R"({"t":"c","r":1.5})", R"({"t":"s","w":0})"},
       {R"({"t":"c","w":1})", R"({"t":"x"})"}},
      {R"({"oneOf":[{"type":"integer"},{"type":"number","minimum":2}]})",
       {"1", "2.5", "-7"},
       {"2", "3", "1.5"}},
      {R"({"allOf":[{"type":"integer","minimum":3},{"maximum":5}]})",
       {"3", "5"},
       {"2", "6", "4.5"}},
      {R"({"type":"string","format":"date"})",
       {R"("2024-02-29")"},
       {R"("2023-02-29")", R"("2024-13-01")", R"("24-01-01")"}},
      {"true",
       {R"({"a":[1,{"b":null}]})", "-1.5e3", R"("x")", Repeat("[", 32) + Repeat("]", 32)},
       {"{a:1}", "[1 2]", "'x'", "01", "nan", Repeat("[", 33) + Repeat("]", 33)}},
      {R"({"type":"object","properties":{"a/b":{"type":"integer"},"c~d":{"$ref":)"
       R"("#/properties/a~1b"}},"required":["c~d"],"additionalProperties":false})",
       {R"({"c~d":1})", R"({"a/b":1,"c~d":2})"},
       {R"({"c~d":"x"})"}},
      {R"({"type":"object","properties":{"p":false,"q":{}},"required":["q"]})",
       {R"({"q":[]})"},
       {R"({"p":1,"q":1})"}},
      {R"({"type":"object","required":["x","y"]})",
       {R"({"x":1,"y":2})", R"({"y":1,"z":0,"x":2})"},
       {R"({"x":1})", R"({"x":1,"x":2,"y":1})"}},
      {R"({"type":"object","propertyNames":{"enum":["p","q"]},"minProperties":2})",
       {R"({"q":1,"p":2})", R"({"p":1,"q":2})"},
       {R"({"p":1})", R"({"p":1,"p":1})", "{}"}},
      {R"({"type":"object","properties":{"a":{},"b":{},"c":{}},"maxProperties":1,"additionalProperties":false})",
       {"{}", R"({"c":1})"},
       {R"({"a":1,"b":1})"}},
      {R"({"type":"array","uniqueItems":true,"items":{"enum":["a",1,null]},"minItems":2})",
       {R"(["a",1])", R"([null, "a", 1])"},
       {R"(["a","a"])", R"(["a"])", R"([1,null,1])"}},
      {R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},)"
       R"("dependentRequired":{"a":["b"]},"additionalProperties":false})",
       {"{}", R"({"b":1})", R"({"a":1,"b":1})"},
       {R"({"a":1})"}},
      {R"({"type":"object","properties":{"k":{"enum":["x","y"]},"v":{}},"required":["k"],)"
       R"("if":{"properties":{"k":{"const":"x"}}},"then":{"required":["v"]},"additionalProperties":false})",
       {R"({"k":"y"})", R"({"k":"x","v":1})"},
       {R"({"k":"x"})"}},
      {R"({"type":"object","patternProperties":{"^n":{"type":"integer"}},"additionalProperties":false})",
       {"{}", R"({"n1":1,"nn":2})"},
       {R"({"x":1})", R"({"n":"x"})"}},
      {R"({"minimum":0,"exclusiveMinimum":true,"type":"integer"})", {"1"}, {"0"}},
      {R"({"type":"string","not":{"enum":["a","b"]}})",
       {R"("c")", R"("aa")"},
       {R"("a")", R"("b")"}},
  });
}

TEST(JsonSchema, WritesNoBlanksWhereCompactIsAsked) {
  CheckVectors({{kTwoMembers, {R"({"a":1,"b":"x"})"}, {R"({"a": 1})", "{\n\"a\":1}"}}},
               {.form = {.compact = true}});
}

TEST(JsonSchema, ClosesObjectsAndInfersTypesWhereAsked) {
  CheckVectors(
      {{R"({"type":"object"})", {"{}"}, {R"({ "x":1})"}},
       {R"({"type":"object","additionalProperties":{"type":"null"}})", {R"({"x":null})"}, {}}},
      {.closed_objects = true});
  CheckVectors(
      {{R"({"properties":{"a":{"minimum":1}}})", {"{}", R"({"a":2})"}, {"1", R"({"a":"x"})"}},
       {R"({"minLength":1,"minimum":1})", {"[]", "2", R"("a")"}, {"0"}}},
      {.infer_type = true});
  CheckVectors({{R"({"properties":{"a":{"minimum":1}}})", {"1", R"({"a":"x"})"}, {R"({"a":0})"}}});
}

TEST(JsonSchema, NamesTheKeywordItCannotEnforce) {
  const struct {
    const char *schema, *pointer, *word;
  } cases[] = {
      {R"({"properties":{"t":{"contains":{"type":"null"},"minContains":99,"type":"array"}}})",
       "#/properties/t", "contains"},
      {R"({"type":"array","contains":{"const":1},"allOf":[{"contains":{"const":2}}]})", "#/allOf/0",
       "contains"},
      {R"({"items":{"$dynamicRef":"#x"}})", "#/items", "$dynamicRef"},
      {R"({"anyOf":[{}],"unevaluatedProperties":false})", "#", "unevaluatedProperties"},
      {R"({"type":"array","uniqueItems":true,"items":{}})", "#", "uniqueItems"},
      {R"({"not":{"format":"regex"},"type":"string"})", "#/not", "format"},
      {R"({"oneOf":[{"additionalProperties":{"type":"null"}},{"type":"object"}]})", "#/oneOf/0",
       "additionalProperties"},
      {R"({"properties":{"p":{"type":"string","pattern":"a(?=b)c"}}})", "#/properties/p/pattern",
       "look-ahead"},
      {R"({"$ref":"http://example.com/other.json"})", "#/$ref", "another document"},
      {R"({"type":"number","multipleOf":1.23456789})", "#", "multiples"},
  };
  for (const auto& c : cases) {
    const std::string message = ErrorOf(c.schema, ErrorCode::kUnsupported);
    EXPECT_TRUE(message.starts_with(std::string(c.pointer) + ":")) << message;
    EXPECT_NE(message.find(c.word), std::string::npos) << message;
  }
  // Where its type is excluded, it does not matter.
  CheckVectors({{R"({"type":"string","contains":{"$dynamicRef":"#x"}})", {R"("a")"}, {"[]"}}});
}

TEST(JsonSchema, CountsItemsThatMeetMore) {
  CheckVectors({
      {R"({"contains":{"type":"null"}})",
       {"[null]", "[1,null]", "[null,null,2]", "3"},
       {"[]", "[1]", "[1,[null]]"}},
      {R"({"type":"array","items":{"type":["integer","null"]},"contains":{"minimum":5},
           "minContains":2,"maxContains":3,"maxItems":5})",
       {"[5,6]", "[1,7,null,8]", "[null,null]", "[5,5,5,1,1]", "[null,1,2,5]"},
       {"[5]", "[1,2,3]", "[5,6,7,8]", "[5,null,1,2,3,4]", "[null,null,null,null]"}},
      {R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],
           "contains":{"const":1}})",
       {"[1]", R"([2,"a",1])", R"([1,"a"])", R"([2,"1",3,1])"},
       {"[]", "[2]", R"([2,"a"])", "[true]", R"([2,1])"}},
      {R"({"type":"array","contains":{"const":1},"minContains":0,"maxContains":1})",
       {"[]", "[1]", "[1,2]", "[2,3]"},
       {"[1,1]", "[1,2,1]", "[1,1.0]"}},
      {R"({"type":"array","contains":{"const":1},"minContains":0})", {"[]", "[1,1]"}, {"{}"}},
      {R"({"type":"array","contains":{"const":1},"minItems":3,"maxItems":3})",
       {"[1,2,3]", "[2,3,1]", "[1,1,1]"},
       {"[1,2]", "[2,3,4]", "[1,2,3,4]"}},
      // The negation of items: some item does not meet it.
      {R"({"type":"array","not":{"items":{"type":"integer"}}})",
       {R"(["a"])", "[1,true]", "[null,2]"},
       {"[]", "[1]", "[1,2]"}},
      {R"({"oneOf":[{"items":{"type":"integer"}},{"type":"array","maxItems":2}]})",
       {"[1,2,3]", R"(["a"])", R"([1,"a"])", "3"},
       {"[]", "[1]", "[1,2]", R"([1,"a",2])"}},
      {R"({"type":"array","not":{"contains":{"type":"null"}}})",
       {"[]", "[1]"},
       {"[null]", "[1,null]"}},
  });
}

// A free name may come twice, and is one member then.
TEST(JsonSchema, CountsFreeNamesAsOne) {
  CheckVectors({
      {R"({"type":"object","properties":{"a":{},"b":{}},"minProperties":2})",
       {R"({"a":1,"b":2})", R"({"a":1,"x":2})", R"({"a":1,"x":1,"y":2})", R"({"b":1,"x":1,"x":2})"},
       {"{}", R"({"a":1})", R"({"x":1})", R"({"x":1,"x":2})"}},
      {R"({"type":"object","properties":{"a":{},"b":{}},"minProperties":2,"maxProperties":3})",
       {R"({"a":1,"b":2})", R"({"a":1,"b":2,"x":3})", R"({"b":1,"x":2})"},
       {R"({"a":1})", R"({"x":1,"x":2})", R"({"a":1,"b":2,"x":3,"y":4})"}},
      {R"({"type":"object","minProperties":1})", {R"({"x":1})", R"({"x":1,"x":2})"}, {"{}"}},
  });
  EXPECT_NE(ErrorOf(R"({"type":"object","minProperties":2})", ErrorCode::kUnsupported)
                .find("minProperties"),
            std::string::npos);
  const auto lenient = JsonSchema::Compile(R"({"minProperties":2})", {.lenient = true});
  ASSERT_TRUE(lenient.has_value());
  EXPECT_TRUE(lenient->relaxed());
}

// Members and items that no value can meet, or none that is not nested too deep, are not begun;
// what cannot do without them has no value at all.
TEST(JsonSchema, BeginsNothingThatCannotBeFinished) {
  constexpr char kRecursive[] = R"({"$ref":"#"})";
  for (const std::string& schema : {
           std::string(R"({"type":"object","required":["a"],"additionalProperties":false})"),
           R"({"type":"object","required":["a"],"additionalProperties":)" +
               std::string(kRecursive) + "}",
           R"({"type":"object","properties":{"x":{}},"required":["a","x"],"patternProperties":)"
           R"({"^a$":)" +
               std::string(kRecursive) + "}}",
           std::string(R"({"type":"object","minProperties":2,"additionalProperties":false,)"
                       R"("patternProperties":{"^[ab]$":false,"^c$":true}})"),
           std::string(R"({"type":"object","minProperties":2,"properties":{"a":{}},)"
                       R"("additionalProperties":{"type":"string","enum":[1]}})"),
           std::string(R"({"type":"array","minItems":3,"maxContains":2,"contains":{"const":1},)"
                       R"("items":{"enum":[1]}})"),
       }) {
    EXPECT_NE(ErrorOf(schema, ErrorCode::kInvalidArgument).find("no value can meet"),
              std::string::npos)
        << schema;
  }
  CheckVectors({
      {R"({"type":["object","null"],"required":["a"],"propertyNames":{"const":"b"}})",
       {"null"},
       {"{", R"({"b":1})"}},
      {R"({"type":["object","null"],"minProperties":2,"additionalProperties":false,)"
       R"("patternProperties":{"^[ab]$":{"type":"null"},"^[cd]$":{"type":"string","enum":[1]}}})",
       {"null", R"({"a":null,"b":null})", R"({"b":null,"a":null})"},
       {R"({"a":null})", R"({"c")"}},
      {R"({"type":["array","null"],"minItems":3,"maxContains":2,"contains":{"const":1},)"
       R"("items":{"enum":[1]}})",
       {"null"},
       {"["}},
      {R"({"type":"array","minItems":3,"maxContains":2,"contains":{"const":1},)"
       R"("items":{"enum":[1,2]}})",
       {"[1,1,2]", "[2,1,2,1]"},
       {"[1,2]", "[1,1,1]", "[2,2,2]"}},
  });
  // Behind the last name that is left there is no comma.
  CheckVectors({
      {R"({"type":"object","propertyNames":{"enum":["a","b"]},"maxProperties":3})",
       {"{}", R"({"a":1,"b":2})", R"({"b":1,"a":2})", R"({"b":1})"},
       {R"({"a":1,"b":2,"a":3})", R"({"a":1,"a":3})"}},
  });
  for (const char* schema : {R"({"type":"object","propertyNames":{"const":"a"},"minProperties":1})",
                             R"({"type":"object","properties":{"a":{},"b":{}},"maxProperties":1})",
                             R"({"type":"object","patternProperties":{"^a$":{},"^b$":{"enum":[]}},)"
                             R"("additionalProperties":false})"}) {
    const auto one = JsonSchema::Compile(schema);
    ASSERT_TRUE(one.has_value()) << one.error().message;
    EXPECT_EQ(FailsAt(*one, R"({"a":1,)"), 6u) << schema;
    EXPECT_TRUE(Accepts(*one, R"({"a":1})"));
  }
  // Nested as deep as may be, the object that needs another one in it is not begun.
  const auto deep =
      JsonSchema::Compile(R"({"type":"object","required":["a"],"additionalProperties":)"
                          R"({"anyOf":[{"$ref":"#"},{"type":"object","maxProperties":0}]}})",
                          {.form = {.max_recursion = 3}});
  ASSERT_TRUE(deep.has_value()) << deep.error().message;
  EXPECT_TRUE(Accepts(*deep, R"({"a":{"a":{}}})"));
  for (int levels = 1; levels < 8; ++levels) {
    ConstraintMatcher matcher(*deep, nullptr);
    ASSERT_TRUE(matcher.AcceptBytes(Repeat(R"({"a":)", levels)).has_value());
    // Where it stands now, it can be closed.
    ASSERT_TRUE(matcher.AcceptBytes("{").has_value());
    ASSERT_TRUE(matcher.AcceptBytes(Repeat("}", levels + 1)).has_value());
    EXPECT_TRUE(matcher.MayEnd()) << levels;
  }
}

// unevaluatedProperties speaks of what allOf and $ref do not name; where that depends on the value
// it is an error, also where the object may be left out.
TEST(JsonSchema, KnowsWhatIsEvaluated) {
  CheckVectors({
      {R"({"type":"object","allOf":[{"properties":{"a":{"type":"string"}},"required":["a"]}],)"
       R"("unevaluatedProperties":false})",
       {R"({"a":"x"})"},
       {"{}", R"({"a":1})", R"({"a":"x","b":1})"}},
      {R"({"$ref":"#/$defs/x","properties":{"b":{"type":"null"}},)"
       R"("unevaluatedProperties":{"type":"integer"},)"
       R"("$defs":{"x":{"type":"object","allOf":[{"patternProperties":{"^p":{"type":"boolean"}}}]}}})",
       {"{}", R"({"b":null})", R"({"p1":true})", R"({"z":1})", R"({"b":null,"z":1,"p":true})"},
       {R"({"b":1})", R"({"p1":1})", R"({"z":true})"}},
      {R"({"type":"object","allOf":[{"properties":{"a":{}},"additionalProperties":{"type":"integer"}}],)"
       R"("unevaluatedProperties":false})",
       {R"({"a":"x"})", R"({"z":1})"},
       {R"({"z":"x"})"}},
      {R"({"type":"object","properties":{"a":{}},"unevaluatedProperties":false})",
       {R"({"a":1})"},
       {R"({"b":1})"}},
  });
  for (const char* schema :
       {R"({"type":"object","anyOf":[{"properties":{"a":{}},"required":["a"]}],)"
        R"("unevaluatedProperties":false})",
        R"({"properties":{"o":{"type":"object","anyOf":[{"properties":{"a":{}},"required":["a"]}],)"
        R"("unevaluatedProperties":false}}})",
        R"({"type":"object","allOf":[{"if":{"required":["a"]},"then":{"properties":{"b":{}}}}],)"
        R"("unevaluatedProperties":false})"}) {
    EXPECT_NE(ErrorOf(schema, ErrorCode::kUnsupported).find("unevaluatedProperties"),
              std::string::npos);
  }
  EXPECT_NE(ErrorOf(R"({"type":"array","allOf":[{"prefixItems":[{"type":"null"}],"minItems":1}],)"
                    R"("unevaluatedItems":false})",
                    ErrorCode::kUnsupported)
                .find("unevaluatedItems"),
            std::string::npos);
}

// What stands beside a oneOf may make its schemas exclude each other. (Twelve members in each:
// their negations would multiply to more than the limit.)
TEST(JsonSchema, ReadsOneOfInItsPlace) {
  std::string branches;
  for (const char* kind : {"a", "b", "c", "d"}) {
    std::string members;
    for (int i = 0; i < 12; ++i) {
      members += (i > 0 ? ",\"" : "\"") + std::string(kind) + std::to_string(i) +
                 R"(":{"type":"string","minLength":1})";
    }
    branches += (branches.empty() ? R"({"properties":{"kind":{"enum":[")"
                                  : R"(,{"properties":{"kind":{"enum":[")") +
                std::string(kind) +
                R"("]},"of":{"type":"object","additionalProperties":false,"properties":{)" +
                members + "}}}}";
  }
  const std::string one_of =
      R"({"type":"object","properties":{"kind":{}},"oneOf":[)" + branches + "]";
  CheckVectors(
      {{(one_of + R"(,"required":["kind"]})").c_str(),
        {R"({"kind":"a","of":{"a3":"x"}})", R"({"kind":"d"})", R"({"kind":"b","of":{},"x":1})"},
        {R"({"kind":"a","of":{"b3":"x"}})", R"({"of":{}})", R"({"kind":"e"})", "{}"}}});
  // That no value which meets both meets the whole does not make them exclude each other.
  CheckVectors({{R"({"oneOf":[{"type":["array","integer"]},{"enum":[1,2,"x"]}]})",
                 {"[]", "3", R"("x")"},
                 {"1", "2", R"("y")"}}});
  EXPECT_NE(ErrorOf(R"({"oneOf":[true,{"type":"number","minimum":2},{"const":[false]}]})",
                    ErrorCode::kUnsupported)
                .find("to exclude"),
            std::string::npos);
  // A schema that says nothing of a type is met by values of that type.
  CheckVectors({{R"({"oneOf":[{"minLength":2},{"maximum":3}]})",
                 {R"("a")", "4"},
                 {R"("ab")", "3", "null"}}});
}

TEST(JsonSchema, TellsClosedObjectsApart) {
  CheckVectors({
      {R"({"oneOf":[{"type":"object","properties":{"a":{"type":"integer"}},
                     "additionalProperties":false},
                    {"type":"object","properties":{"b":{"type":"integer"}},
                     "additionalProperties":false}]})",
       {R"({"a":1})", R"({"b":1})"},
       {"{}", R"({"a":1,"b":1})", R"({"c":1})", R"({"a":"x"})"}},
      {R"({"type":"object","properties":{"x1":{},"y":{}},"additionalProperties":false,
           "not":{"patternProperties":{"^x":{"type":"integer"}}}})",
       {R"({"x1":"a"})", R"({"x1":null,"y":1})"},
       {"{}", R"({"x1":1})", R"({"y":"a"})"}},
      {R"({"type":"object","properties":{"a":{},"bcd":{}},"additionalProperties":false,
           "not":{"propertyNames":{"maxLength":2}}})",
       {R"({"bcd":1})", R"({"a":1,"bcd":1})"},
       {"{}", R"({"a":1})"}},
  });
}

TEST(JsonSchema, WritesRegularExpressionsAndTemplates) {
  CheckVectors({{R"({"type":"string","format":"regex"})",
                 {R"("^[a-z]+(-\\d{2})*$")", R"("")", R"("a|b?")", R"("[^0-9_-]\\.")",
                  R"("^[a-zA-Z0-9_]{3,16}$")", R"("a{2,}b{12}c{3,3}")"},
                 {R"("a{3,2}")", R"("a{,2}")", R"("(")", R"("a**")", R"("[z-a]")", R"("\\")",
                  R"("^*")", R"("a{")"}},
                {R"({"type":"string","format":"uri-template"})",
                 {R"("/a/{id}{?q,page*}")", R"("{+x:3}")"},
                 {R"("{")", R"("{}")", R"("a b")"}}});
}

TEST(JsonSchema, SaysWhatIsNoSchema) {
  const struct {
    const char *schema, *words;
  } cases[] = {
      {R"({"properties":{"a":{"type":"strin"}}})", "#/properties/a/type:"},
      {R"({"minLength":"3"})", "#/minLength:"},
      {R"({"required":[1]})", "#/required/0:"},
      {R"({"anyOf":[]})", "#/anyOf:"},
      {R"({"pattern":3})", "#/pattern:"},
      {R"({"pattern":"("})", "#/pattern:"},
      {R"({"multipleOf":0})", "#/multipleOf:"},
      {R"({"$ref":"#/nowhere"})", "#/$ref:"},
      {R"({"properties":{"a":1}})", "#/properties/a:"},
      {R"({"a":1,"a":2})", "twice"},
      {"[]", "#:"},
      {"{", "line 1, column 2"},
      {R"({"items":{"enum":[1,1e400]}})", "#/items/enum/1: the number 1e400"},
      {R"({"type":"integer","minimum":5,"maximum":4})", "#:"},
      {R"({"type":"object","properties":{"a":{"enum":[]}},"required":["a"]})", "no value"},
      {"false", "no value"},
      {R"({"$ref":"#"})", "refers to itself"},
      {R"({"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"anyOf":[{"$ref":"#"},true]}}})",
       "refers to itself"},
      {R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})", "no value"},
  };
  for (const auto& c : cases) {
    const std::string message = ErrorOf(c.schema, ErrorCode::kInvalidArgument);
    EXPECT_NE(message.find(c.words), std::string::npos) << message;
  }
}

TEST(JsonSchema, NamesWhatLenientLeavesOut) {
  const auto schema = JsonSchema::Compile(
      R"({"type":"array","contains":{"const":"b"},"minContains":40,
          "items":{"type":"string","pattern":"(?=a)b"}})",
      {.lenient = true});
  ASSERT_TRUE(schema.has_value()) << schema.error().message;
  EXPECT_TRUE(schema->relaxed());
  ASSERT_EQ(schema->remarks().size(), 2u);
  EXPECT_NE(schema->remarks()[0].find("contains"), std::string::npos);
  EXPECT_NE(schema->remarks()[1].find("#/items/pattern"), std::string::npos);
  const auto words = JsonSchema::Compile(R"({"format":"colour","x-order":1})");
  ASSERT_TRUE(words.has_value());
  EXPECT_FALSE(words->relaxed());
  EXPECT_EQ(words->remarks().size(), 2u);
}

TEST(JsonSchema, KeepsToItsLimits) {
  const std::string deep = Repeat(R"({"items":)", 300) + "{}" + Repeat("}", 300);
  EXPECT_NE(ErrorOf(deep, ErrorCode::kInvalidArgument).find("256"), std::string::npos);
  EXPECT_NE(ErrorOf(std::string(2 << 20, ' '), ErrorCode::kInvalidArgument).find("limit"),
            std::string::npos);
  std::string values;
  for (int i = 0; i < 10001; ++i) values += (i > 0 ? "," : "") + std::to_string(i);
  EXPECT_NE(ErrorOf("{\"enum\":[" + values + "]}", ErrorCode::kUnsupported).find("10000"),
            std::string::npos);
  // 2^12 alternatives.
  std::string choices;
  for (int i = 0; i < 12; ++i) {
    choices += std::string(i > 0 ? "," : "") + R"({"anyOf":[{"required":["a)" + std::to_string(i) +
               R"("]},{"required":["b)" + std::to_string(i) + R"("]}]})";
  }
  ErrorOf("{\"type\":\"object\",\"allOf\":[" + choices + "]}", ErrorCode::kUnsupported);
  ErrorOf("true", ErrorCode::kInvalidArgument, {.form = {.max_depth = 0}});
}

// {"type": "object", ...} with `count` members that have patterns; each takes the work of some
// thousands of states.
std::string HardPatterns(size_t count, char first = 'a') {
  std::string members;
  for (size_t i = 0; i < count; ++i) {
    const std::string letter(1, static_cast<char>(first + i % 20));
    members += (i > 0 ? ",\"p" : "\"p") + std::to_string(i) +
               "\":{\"type\":\"string\",\"pattern\":\"" + letter + "[a-z]{12}" + letter + letter +
               std::to_string(i) + "\"}";
  }
  return "{\"type\":\"object\",\"properties\":{" + members + "}}";
}

uint64_t WorkOf(const std::string& schema, PatternCache& patterns, bool* compiled) {
  const auto document = SchemaDocument::Parse(schema);
  const JsonSchemaOptions options;
  SchemaCompiler compiler(*document, options, patterns);
  *compiled = compiler.Compile().has_value();
  return compiler.work();
}

// Whatever else is compiled at the time, or was before.
TEST(JsonSchema, TakesTheSameWorkEachTime) {
  const std::string schema = HardPatterns(2);
  PatternCache first, second;
  bool compiled = false;
  const uint64_t work = WorkOf(schema, first, &compiled);
  EXPECT_TRUE(compiled);
  EXPECT_GT(work, 1'000'000u);
  EXPECT_EQ(WorkOf(schema, first, &compiled), work);
  WorkOf(HardPatterns(3), second, &compiled);
  EXPECT_EQ(WorkOf(schema, second, &compiled), work);
}

TEST(JsonSchema, RefusesWhatTakesTooMuchWork) {
  const std::string message = ErrorOf(HardPatterns(2000), ErrorCode::kUnsupported);
  EXPECT_NE(message.find("#/properties/p"), std::string::npos) << message;
  EXPECT_NE(message.find("million steps"), std::string::npos) << message;
  // Names of so many different characters that the automaton of other names is too large to make.
  std::string members;
  for (int i = 0; i < 10000; ++i) {
    std::string name;
    for (int k = 0; k < 4; ++k) {
      const int c = 0x4E00 + (i * 17 + k * 4001) % 9000;
      name += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
               static_cast<char>(0x80 | (c & 0x3F))};
    }
    members += (i > 0 ? ",\"" : "\"") + name + std::to_string(i) + "\":{}";
  }
  const std::string names = "{\"properties\":{" + members + "},\"additionalProperties\":";
  ErrorOf(names + "{\"type\":\"string\"}}", ErrorCode::kUnsupported);
  EXPECT_TRUE(JsonSchema::Compile(names + "false}"));
}

TEST(JsonSchema, JudgesLongListsOfValuesOnce) {
  std::string numbers, texts;
  for (int i = 0; i < 9000; ++i) {
    numbers += (i > 0 ? "," : "") + std::to_string(7 * i);
    texts += (i > 0 ? ",\"value " : "\"value ") + std::to_string(i) + '"';
  }
  const auto of_numbers = JsonSchema::Compile("{\"enum\":[" + numbers + "]}");
  ASSERT_TRUE(of_numbers) << of_numbers.error().message;
  EXPECT_TRUE(Accepts(*of_numbers, "62993"));
  EXPECT_FALSE(Accepts(*of_numbers, "62994"));
  const auto of_texts = JsonSchema::Compile("{\"type\":\"string\",\"enum\":[" + texts +
                                            "],\"not\":{\"const\":\"value 17\"}}");
  ASSERT_TRUE(of_texts) << of_texts.error().message;
  EXPECT_TRUE(Accepts(*of_texts, "\"value 16\""));
  EXPECT_FALSE(Accepts(*of_texts, "\"value 17\""));
}

TEST(JsonSchema, EndsRecursionBeforeItGetsTooDeep) {
  // A member may hold the whole again; at the limit only those that need not are written.
  const auto schema = JsonSchema::Compile(
      R"({"type":"object","properties":{"n":{"$ref":"#"},"v":{"type":"null"}},"additionalProperties":false})",
      {.form = {.max_recursion = 3}});
  ASSERT_TRUE(schema.has_value()) << schema.error().message;
  EXPECT_TRUE(Accepts(*schema, R"({"n":{"n":{"n":{"v":null}}}})"));
  // The refusal comes where there is still another way: behind the quote, where "v" may begin.
  EXPECT_EQ(FailsAt(*schema, R"({"n":{"n":{"n":{"n":{}}}}})"), 17u);
}

TEST(JsonSchema, AnyObjectIsAnObject) {
  const auto any = JsonSchema::AnyObject();
  ASSERT_TRUE(any.has_value());
  EXPECT_TRUE(Accepts(*any, R"({"a": [1, {"b": null}], "c": "\u00e9"})"));
  EXPECT_TRUE(Accepts(*any, "{}"));
  EXPECT_FALSE(Accepts(*any, "[]"));
  EXPECT_FALSE(Accepts(*any, "```json"));
}

}  // namespace
}  // namespace gemma3
