// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/chat/call_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "src/base/json.h"

namespace gemma3 {
namespace {

struct Read {
  std::string text;
  std::vector<std::pair<std::string, std::string>> calls;  // name, arguments
  bool operator==(const Read&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Read& read) {
  out << "text \"" << read.text << '"';
  for (const auto& [name, arguments] : read.calls) out << ", " << name << ' ' << arguments;
  return out;
}

using Calls = std::vector<std::pair<std::string, std::string>>;
Read Text(std::string text) { return {std::move(text), {}}; }
Read Called(Calls calls, std::string text = "") { return {std::move(text), std::move(calls)}; }

ToolOptions TestTools() {
  ToolOptions options;
  options.tools = {
      {.name = "f",
       .description = "",
       .parameters = R"({"type":"object","properties":{"a":{},"b":{},"c":{}}})"},
      {.name = "g"},
      {.name = "get_weather",
       .description = "",
       .parameters =
           R"({"type":"object","properties":{"city":{"type":"string"}},"required":["city"]})"},
      {.name = "math.sqrt",
       .description = "",
       .parameters = R"({"type":"object","properties":{"x":{"type":"number"}}})"},
      {.name = "get-time"},
      {.name = "3d_render"},
  };
  return options;
}

const ToolSet& Tools() {
  static const ToolSet tools = ToolSet::Create(TestTools()).value();
  return tools;
}

// In pieces of `size` bytes; cuts inside of characters do not matter to the reader.
Read ReadIn(std::string_view answer, size_t size, const ToolSet& tools = Tools()) {
  CallReader reader(tools, 1);
  Read read;
  for (size_t i = 0; i < answer.size(); i += size) reader.Feed(answer.substr(i, size), read.text);
  reader.Flush(read.text);
  for (const ToolCall& call : reader.calls()) read.calls.emplace_back(call.name, call.arguments);
  return read;
}

Read ReadAll(std::string_view answer, const ToolSet& tools = Tools()) {
  const Read read = ReadIn(answer, std::max<size_t>(answer.size(), 1), tools);
  for (const size_t size : {1, 2, 3, 7}) {
    EXPECT_EQ(ReadIn(answer, size, tools), read) << "in pieces of " << size << ": " << answer;
  }
  return read;
}

TEST(CallReader, TheKnownStyles) {
  const std::string deep(10000, '[');
  const struct {
    const char* number;
    std::string answer;
    Read expected;
  } vectors[] = {
      {"1", R"([get_weather(city="Rome")])", Called({{"get_weather", R"({"city":"Rome"})"}})},
      {"2", R"([f(a=-1, b=[1, {'k': None}], c=True), g()])",
       Called({{"f", R"({"a":-1,"b":[1,{"k":null}],"c":true})"}, {"g", "{}"}})},
      {"3", "```tool_code\nf(q=\"a)b]\\\"c\")\n```", Called({{"f", R"({"q":"a)b]\"c"})"}})},
      {"4", R"({"name": "f", "parameters": {"x": 1.0}})", Called({{"f", R"({"x":1.0})"}})},
      {"5", R"({"parameters": {}, "name": "f"})", Called({{"f", "{}"}})},
      {"6", R"({"name":"f","arguments":"{\"x\":1}"})", Called({{"f", R"({"x":1})"}})},
      {"7", "```json\n[{\"name\":\"f\",\"arguments\":{}},{\"name\":\"g\",\"arguments\":{}}]\n```",
       Called({{"f", "{}"}, {"g", "{}"}})},
      {"8", "{\"name\":\"f\",\"parameters\":{}}\n{\"name\":\"g\",\"parameters\":{}}",
       Called({{"f", "{}"}, {"g", "{}"}})},
      {"9", "Sure! [f(a=1)]", Called({{"f", R"({"a":1})"}}, "Sure!")},
      {"9, not at the end", "Sure! [f(a=1)] is it.", Text("Sure! [f(a=1)] is it.")},
      {"10", "[1, 2, 3]", Text("[1, 2, 3]")},
      {"11", "[unknown(a=1)]", Text("[unknown(a=1)]")},
      {"12", "[f(a=1", Text("[f(a=1")},
      {"13", "You can write f(a=1) here.", Text("You can write f(a=1) here.")},
      {"14", "[f(1, 2)]", Called({{"f", R"({"a":1,"b":2})"}})},
      {"14, too many", "[f(1, 2, 3, 4)]", Text("[f(1, 2, 3, 4)]")},
      {"15", R"([f(a="x", a="y")])", Text(R"([f(a="x", a="y")])")},
      {"16", R"([f(city='L\'Aquila')])", Called({{"f", R"({"city":"L'Aquila"})"}})},
      {"17, three quotes", R"([f(t="""x""")])", Text(R"([f(t="""x""")])")},
      {"17, f-string", R"([f(t=f"x")])", Text(R"([f(t=f"x")])")},
      {"17, expression", "[f(t=1+1)]", Text("[f(t=1+1)]")},
      {"17, name", "[f(t=x)]", Text("[f(t=x)]")},
      {"18", R"({"name":"f","parameters":null})", Called({{"f", "{}"}})},
      {"18, missing", R"({"name":"f"})", Called({{"f", "{}"}})},
      {"18, required", R"({"name":"get_weather"})", Text(R"({"name":"get_weather"})")},
      {"18, null where required", R"({"name":"get_weather","parameters":null})",
       Text(R"({"name":"get_weather","parameters":null})")},
      {"19, calls", R"({"tool_calls":[{"name":"f","arguments":{}}]})", Called({{"f", "{}"}})},
      {"19, call", R"({"tool_call":{"name":"f","arguments":{"a":1}}})",
       Called({{"f", R"({"a":1})"}})},
      {"19, other keys", R"({"function":"f","args":{}})", Text(R"({"function":"f","args":{}})")},
      {"20", deep, Text(deep)},
  };
  for (const auto& [number, answer, expected] : vectors) {
    EXPECT_EQ(ReadAll(answer), expected) << "vector " << number;
  }
}

TEST(CallReader, PythonLiterals) {
  const struct {
    std::string value, json;  // json empty: no call
  } values[] = {
      {"None", "null"},
      {"null", "null"},
      {"False", "false"},
      {"true", "true"},
      {"0", "0"},
      {"-0.5e-3", "-0.5e-3"},
      {"+1", "1"},
      {".5", "0.5"},
      {"-.5", "-0.5"},
      {"1.", "1.0"},
      {"1.E5", "1.0E5"},
      {"1_000_000", "1000000"},
      {"12345678901234567890123", "12345678901234567890123"},
      {"1.10", "1.10"},
      {"007", ""},
      {"1__0", ""},
      {"_1", ""},
      {"1_", ""},
      {"0x1F", ""},
      {"1j", ""},
      {"1e", ""},
      {"-", ""},
      {"--1", ""},
      {"nan", ""},
      {"2*3", ""},
      {"(1, 2)", ""},
      {"{1, 2}", ""},
      {"[]", "[]"},
      {"[1, 2,]", "[1,2]"},
      {"[,]", ""},
      {"[1 2]", ""},
      {"{}", "{}"},
      {"{'a': {'b': [None]}, \"c\": 'd',}", R"({"a":{"b":[null]},"c":"d"})"},
      {"{'a': 1, 'a': 2}", ""},
      {"{1: 2}", ""},
      {"{a: 2}", ""},
      {"{'a' 2}", ""},
      {"''", R"("")"},
      {R"("it's")", R"("it's")"},
      {R"('say "hi"')", R"("say \"hi\"")"},
      {R"('a\nb\tc\\d')", R"("a\nb\tc\\d")"},
      {R"('\x41\u00e9\U0001F600\101\0')", R"("Aé😀A\u0000")"},
      {R"('\ud83d\ude00')", R"("😀")"},
      {R"('\ud83d')", ""},
      {R"('\ud83dx')", ""},
      {R"('\ude00')", ""},
      {R"('\U00110000')", ""},
      {R"('\xg1')", ""},
      {R"('\d+\.')", R"("\\d+\\.")"},
      {"'a\\\nb'", R"("ab")"},
      {"'a\nb'", R"("a\nb")"},
      {"'\x01'", R"("\u0001")"},
      {"'été 東京 😀'", R"("été 東京 😀")"},
      {"'\xff'", ""},
      {"b'x'", ""},
      {"'a' 'b'", ""},
      {"'a' + 'b'", ""},
      {"f()", ""},
      {"'<end_of_turn>'", R"("<end_of_turn>")"},
  };
  for (const auto& [value, json] : values) {
    const std::string answer = "[f(a=" + value + ")]";
    const Read expected = json.empty() ? Text(answer) : Called({{"f", "{\"a\":" + json + "}"}});
    EXPECT_EQ(ReadAll(answer), expected) << value;
  }
}

TEST(CallReader, PythonCalls) {
  const struct {
    std::string answer;
    Calls calls;  // empty: text
  } answers[] = {
      {"[math.sqrt(x=2)]", {{"math.sqrt", R"({"x":2})"}}},
      {"[get-time()]", {{"get-time", "{}"}}},
      {"[3d_render()]", {{"3d_render", "{}"}}},
      {" \n [ g ( ) , f ( a = 1 , ) , ] \n", {{"g", "{}"}, {"f", R"({"a":1})"}}},
      {"[f(\n    a=1,\n    b=\"x\",\n)]", {{"f", R"({"a":1,"b":"x"})"}}},
      {"[f(1, c=2)]", {{"f", R"({"a":1,"c":2})"}}},
      {"[f(True, None)]", {{"f", R"({"a":true,"b":null})"}}},
      {"[get_weather('Rome')]", {{"get_weather", R"({"city":"Rome"})"}}},
      {"[f(1, a=2)]", {}},
      {"[f(c=2, 1)]", {}},
      {"[f(x, 1)]", {}},
      {"[g(1)]", {}},  // no parameter of that place
      {"[f(*[1])]", {}},
      {"[f(**{'a': 1})]", {}},
      {"[f(a=1)", {}},
      {"[f(a=1)}", {}},
      {"[f(a=1]", {}},
      {"[f(a=1) g()]", {}},
      {"[f(a=1),, g()]", {}},
      {"[]", {}},
      {"[f]", {}},
      {"[F(a=1)]", {}},
      {"[f(a=1), unknown()]", {}},
      {"[[f(a=1)]]", {}},
      {"[{\"name\":\"f\"}, g()]", {}},
      {"f(a=1)", {{"f", R"({"a":1})"}}},
      {"f(a=1)\ng()", {{"f", R"({"a":1})"}, {"g", "{}"}}},
      {"print(f(a=1))", {{"f", R"({"a":1})"}}},
      {"print(\"x\")", {}},
      {"f(a=1).b", {}},
      {"f(a=1) + 1", {}},
      {"x = f(a=1)", {}},
      {"[f(a=1)][f(a=2)]", {{"f", R"({"a":1})"}, {"f", R"({"a":2})"}}},
  };
  for (const auto& [answer, calls] : answers) {
    EXPECT_EQ(ReadAll(answer), calls.empty() ? Text(answer) : Called(calls)) << answer;
  }
}

TEST(CallReader, JsonCalls) {
  const struct {
    std::string answer;
    Calls calls;  // empty: text
  } answers[] = {
      {R"({"name":"f","parameters":{"b":1,"a":[1e400,"\/",{}]}})",
       {{"f", R"({"b":1,"a":[1e400,"/",{}]})"}}},
      {R"({'name': 'f', 'parameters': {'a': True, 'b': None}})", {{"f", R"({"a":true,"b":null})"}}},
      {R"({"name":"f","parameters":{"a":"x)]}\"{"}})", {{"f", R"({"a":"x)]}\"{"})"}}},
      {R"([{"name":"f","parameters":{}}])", {{"f", "{}"}}},
      {R"([{"name":"f","parameters":{}}, {"name":"unknown","parameters":{}}])", {}},
      {R"([{"name":"f","parameters":{}}, 1])", {}},
      {R"({"name":"f","parameters":{}},{"name":"g"})", {{"f", "{}"}, {"g", "{}"}}},
      {R"({"name":"f","parameters":{}}; {"name":"g"})", {{"f", "{}"}, {"g", "{}"}}},
      {R"({"name":"f","parameters":{},})", {{"f", "{}"}}},
      {R"({"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}})",
       {{"f", R"({"a":1})"}}},
      {R"({"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":{}}},)"
       R"({"name":"g","arguments":{}}]})",
       {{"f", "{}"}, {"g", "{}"}}},
      {R"({"tool_calls":[]})", {}},
      {R"({"tool_calls":[{"name":"f"}],"content":""})", {}},
      {R"({"tool_call":{"tool_call":{"name":"f"}}})", {}},
      {R"({"name":"f","parameters":{},"arguments":{}})", {}},
      {R"({"name":"f","name":"g","parameters":{}})", {}},
      {R"({"name":"f","parameters":{"a":1,"a":2}})", {}},
      {R"({"name":"f","parameters":[1]})", {}},
      {R"({"name":"f","parameters":"x"})", {}},
      {R"({"name":"f","parameters":"[1]"})", {}},
      {R"({"name":"f","parameters":"\"{}\""})", {}},  // unwrapped once, not twice
      {R"({"name":"f","parameters":""})", {{"f", "{}"}}},
      {R"({"name":"f","parameters":"{\"a\":\"{\\\"b\\\":1}\"}"})", {{"f", R"({"a":"{\"b\":1}"})"}}},
      {R"({"name":1,"parameters":{}})", {}},
      {R"({"name":"Alice","age":3})", {}},
      // A tool's description is no call.
      {R"({"name":"f","description":"","parameters":{"type":"object"}})", {}},
      {R"({"name":"f","parameters":{"a":1})", {}},
      {R"({"f":{"a":1}})", {}},
      {R"({})", {}},
      {R"({"name":"f","parameters":{"a":"\ud800"}})", {}},
  };
  for (const auto& [answer, calls] : answers) {
    EXPECT_EQ(ReadAll(answer), calls.empty() ? Text(answer) : Called(calls)) << answer;
  }
}

TEST(CallReader, FencesAndTheTextBesideThem) {
  const std::string json = R"({"name":"f","parameters":{}})";
  const Calls f = {{"f", "{}"}};
  const struct {
    std::string answer;
    Read expected;
  } answers[] = {
      {"\n```tool_code\nget_weather(city=\"Rome\")\n```",
       Called({{"get_weather", R"({"city":"Rome"})"}})},
      {"```tool_code\nprint(f())\n```\n", Called(f)},
      {"```tool_code\nf()\ng()\n```", Called({{"f", "{}"}, {"g", "{}"}})},
      {"```tool_code\nf()\n```\n```tool_code\ng()\n```", Called({{"f", "{}"}, {"g", "{}"}})},
      {"```TOOL_CODE f()```", Called(f)},
      {"````json\n" + json + "\n````", Called(f)},
      {"```\n" + json + "\n```", Called(f)},
      {"```python\n[f()]\n```", Called(f)},
      {"```tool_call\n{'name': 'f', 'arguments': {}}\n```", Called(f)},
      {"```tool_code\nf()", Called(f)},  // the fence's end is missing
      {"[f()]\n```", Called(f)},         // its beginning
      {"```json\n" + json + "\n```\n\nDone.", Called(f, "Done.")},
      {"One moment.\n\n```tool_code\nf()\n```\nThere.", Called(f, "One moment.\nThere.")},
      {"One moment.\n```json\n" + json + "\n```", Called(f, "One moment.")},
      {"One moment.\n" + json + "\n" + json, Called({{"f", "{}"}, {"f", "{}"}}, "One moment.")},
      {json + "\nDone.", Called(f, "Done.")},
      {"[f()]\n\nDone. \n", Called(f, "Done.")},
      {json + "\n{\"name\":\"g\",\"par", Called(f, "{\"name\":\"g\",\"par")},
  };
  for (const auto& [answer, expected] : answers) EXPECT_EQ(ReadAll(answer), expected) << answer;

  for (const std::string& text : {
           "To call it:\n```json\n" + json + "\n```\nLike this.",
           std::string("To call it:\n```python\nf()\n```"),
           std::string("To call it:\n```\nf()\n```"),
           std::string("To call it, write `[f()]`"),
           "```yaml\n" + json + "\n```",
           "Code:\n```cpp\n" + json + "\n" + json,
           std::string("f() does it."),
           std::string("```tool_code\nf() +\n```"),
           std::string("```tool_code\n```"),
           std::string("```"),
           std::string("``[f()]``"),
           json + "\n```\nnot json " + json + " x",
           std::string("  leading and trailing blanks  \n"),
           std::string("\n"),
           std::string(""),
           std::string("print"),
           std::string("Use [g] or {f}."),
           std::string("[f(a=1)] [f(a=2"),
       }) {
    const Read read = ReadAll(text);
    if (text.starts_with(json)) {
      EXPECT_EQ(read.calls, f);
    } else if (text.starts_with("[f(a=1)]")) {
      EXPECT_EQ(read, Called({{"f", R"({"a":1})"}}, "[f(a=2"));
    } else {
      EXPECT_EQ(read, Text(text));
    }
  }
}

TEST(CallReader, TheChoiceSaysWhichCallsCount) {
  ToolOptions options = TestTools();
  options.choice = ToolChoice::None();
  EXPECT_EQ(ReadAll("[g()]", ToolSet::Create(options).value()), Text("[g()]"));
  options.choice = ToolChoice::Subset({"g"});
  const ToolSet subset = ToolSet::Create(options).value();
  EXPECT_EQ(ReadAll("[g()]", subset), Called({{"g", "{}"}}));
  EXPECT_EQ(ReadAll("[f()]", subset), Text("[f()]"));

  options = TestTools();
  options.parallel_tool_calls = false;
  const ToolSet single = ToolSet::Create(options).value();
  EXPECT_EQ(ReadAll("[g(), f()]", single), Called({{"g", "{}"}}));
  EXPECT_EQ(ReadAll("{\"name\":\"g\"}\n{\"name\":\"f\"}", single), Called({{"g", "{}"}}));
}

TEST(CallReader, TextIsShownAsItComesAndCallsAreNot) {
  CallReader reader(Tools(), 1);
  std::string text;
  reader.Feed("Sure", text);
  EXPECT_EQ(text, "Sure");
  reader.Feed("! [no", text);
  EXPECT_EQ(text, "Sure! [no");  // no tool begins so
  reader.Feed("te] [get", text);
  EXPECT_EQ(text, "Sure! [note]");
  EXPECT_EQ(reader.open_call(), "");  // not yet
  reader.Feed("_weather(", text);
  EXPECT_EQ(reader.open_call(), "[get_weather(");
  reader.Feed("city='Rome')]", text);
  EXPECT_TRUE(reader.calls().empty());  // text may follow
  EXPECT_EQ(text, "Sure! [note]");
  reader.Flush(text);
  EXPECT_EQ(text, "Sure! [note]");
  ASSERT_EQ(reader.calls().size(), 1u);
  EXPECT_EQ(reader.calls()[0].id, MakeCallId(1, 0));
  EXPECT_EQ(reader.open_call(), "");
}

TEST(CallReader, AJsonCallIsKnownByItsName) {
  CallReader reader(Tools(), 1);
  std::string text;
  reader.Feed("```json\n{\"name\": \"f", text);
  EXPECT_EQ(reader.open_call(), "");
  reader.Feed("\"", text);
  EXPECT_EQ(reader.open_call(), "```json\n{\"name\": \"f\"");
  EXPECT_EQ(text, "");
  CallReader other(Tools(), 1);
  other.Feed("{\"city\"", text);
  EXPECT_EQ(text, "{\"city\"");
}

// Every way to repeat what may begin a call: if one of them cost time with the square of its
// length, this would take hours.
TEST(CallReader, LongAnswersCostTimeInProportion) {
  const std::string object = R"({"name":"f","parameters":{"a":)";
  const std::string units[] = {"[",
                               "{",
                               "[f(",
                               "[f(a=",
                               "[f(a=1)] x ",
                               "[f(a=1)],",
                               "f(a=1)\n",
                               "`",
                               "```json\n",
                               "```json\n{\"name\":\"f\"}\n```\n",
                               object,
                               object + "\"",
                               object + "'",
                               "[f(a=\"",
                               "[f(a='x",
                               "[f(a=[{'k':",
                               "{\"name\":\"f\"}\n",
                               "{\"name\":\"f\"}, ",
                               "\\\"",
                               " ",
                               "print(",
                               "[{\"name\":\"f\",\"parameters\":\"{\\\"a\\\":",
                               "\n\n```tool_code\nf()\n",
                               "[g(),"};
  for (const std::string& unit : units) {
    for (const std::string& begin :
         {std::string(), std::string("Text. "), std::string("[f(a=\"")}) {
      std::string answer = begin;
      while (answer.size() < 100000) answer += unit;
      for (const std::string& end : {std::string(), std::string("x")}) {
        const Read read = ReadIn(answer + end, 5);
        EXPECT_LE(read.calls.size(), CallReader::kMaxCalls);
      }
    }
  }
}

// What holds for every answer: nothing is lost where there are no calls, arguments are JSON
// objects, and cuts do not matter.
TEST(CallReader, HoldsItsPromisesOnNonsense) {
  const std::string pieces[] = {
      "[",     "]",         "{",        "}",
      "(",     ")",         ",",        "\"",
      "'",     "f",         "g",        "=",
      ":",     "\n",        " ",        "```",
      "json",  "tool_code", "\"name\"", "\"parameters\"",
      "\"f\"", "1",         "-",        "\\",
      "print", "True",      "[f(a=1)]", "{\"name\":\"f\",\"parameters\":{}}",
      "x",     "é",         ";",        "`"};
  std::mt19937 random(7);
  size_t with_calls = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string answer;
    for (size_t n = 1 + random() % 14; n > 0; --n) answer += pieces[random() % std::size(pieces)];
    const Read read = ReadIn(answer, answer.size());
    EXPECT_EQ(ReadIn(answer, 1 + random() % 3), read) << answer;
    if (read.calls.empty()) {
      ASSERT_EQ(read.text, answer);
    } else {
      ++with_calls;
    }
    for (const auto& [name, arguments] : read.calls) {
      ASSERT_NE(Tools().Callable(name), nullptr);
      const auto json = JsonValue::Parse(arguments, "x", {.reject_duplicate_keys = true});
      ASSERT_TRUE(json && json->IsObject()) << arguments;
    }
  }
  EXPECT_GT(with_calls, 500u);
}

}  // namespace
}  // namespace gemma3
