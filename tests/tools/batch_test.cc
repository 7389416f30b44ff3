// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// gemma3 run --batch and --session, as scripts use them.

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/tools/program_run.h"
#include "tools/errors.h"

namespace gemma3::cli {
namespace {

using Json = nlohmann::ordered_json;

std::vector<Json> Lines(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
  return lines;
}

class BatchTest : public ProgramTest {
 protected:
  std::string Input() {
    std::string lines;
    lines += R"({"id": "a", "prompt": "Calculate 184 + 886."})"
             "\n\n";
    lines += R"({"prompt": "Tell me a story about Freya and a window.", "max_tokens": 5})"
             "\n";
    lines += R"({"id": {"x": 3}, "messages": [{"role": "system", "content": "Be brief."},
      {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"},
      {"role": "user", "content": [{"type": "text", "text": "What does a wolf do?"}]}],
      "temperature": 0.5, "seed": 7, "max_tokens": 8, "stop": ["zzz", "qqq"], "logprobs": 2})";
    std::replace(lines.begin() + static_cast<ptrdiff_t>(lines.find("\"id\": {")), lines.end(), '\n',
                 ' ');
    lines +=
        "\n"
        R"({"id": 4, "prompt": "What is in the picture?", "images": [")" +
        kPicture + "\"]}\n";
    lines += R"({"id": 5, "prompt": "x", "max_tokes": 5})"
             "\n";
    lines += R"({"id": 6})"
             "\n";
    lines += "no json\n";
    lines += R"({"id": 8, "prompt": "x", "context": 100})"
             "\n";
    lines += R"({"id": 9, "prompt": "The last", "max_tokens": 1})";  // without a line end
    return lines;
  }
};

TEST_F(BatchTest, AnswersLineByLineInOrder) {
  Write("in.jsonl", Input());
  const Outcome run = Run({"run", "demo", "--temperature", "0", "--batch", Path("in.jsonl")});
  EXPECT_EQ(run.code, kExitUsage) << run.err;  // that of the first line that failed
  const std::vector<Json> lines = Lines(run.out);
  ASSERT_EQ(lines.size(), 9u) << run.out;
  EXPECT_EQ(lines[0]["id"], "a");
  EXPECT_EQ(lines[0]["text"].get<std::string>() + "\n", Ask({"Calculate 184 + 886."}).out);
  EXPECT_EQ(lines[1]["id"], 3);  // the line's number
  EXPECT_EQ(lines[1]["tokens"], 5);
  EXPECT_EQ(lines[1]["finish_reason"], "length");
  EXPECT_EQ(lines[2]["id"], Json::parse(R"({"x": 3})"));
  EXPECT_EQ(lines[2]["seed"], 7);
  ASSERT_EQ(lines[2]["logprobs"].size(), lines[2]["tokens"]);
  EXPECT_EQ(lines[2]["logprobs"][0]["likeliest"].size(), 2u);
  EXPECT_EQ(lines[3]["text"], kPictureText);
  EXPECT_EQ(lines[3]["images"], 1);
  const auto error = [&](size_t i) { return lines[i]["error"]["message"].get<std::string>(); };
  EXPECT_NE(error(4).find("max-tokens"), std::string::npos) << error(4);
  EXPECT_EQ(lines[4]["id"], 5);
  EXPECT_NE(error(5).find("prompt"), std::string::npos) << error(5);
  EXPECT_NE(error(6).find("JSON"), std::string::npos) << error(6);
  EXPECT_NE(error(7).find("--context"), std::string::npos) << error(7);
  EXPECT_EQ(lines[8]["tokens"], 1);

  // One at a time, and through standard streams: the same texts.
  const Outcome piped =
      Run({"run", "demo", "--temperature", "0", "--batch", "-", "--output", "-", "--parallel", "2"},
          Bytes(Input()));
  const std::vector<Json> again = Lines(piped.out);
  ASSERT_EQ(again.size(), lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(again[i].value("text", ""), lines[i].value("text", "")) << i;
    EXPECT_EQ(again[i]["id"], lines[i]["id"]);
  }
}

std::string StripBlanks(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n' || c == '\t'; });
  return text;
}

TEST_F(BatchTest, LinesHaveSchemasOfTheirOwn) {
  Write("yes.gbnf", "root ::= \"yes\"\n");
  const std::string schema =
      R"({"type":"object","properties":{"b":{"enum":[1]},"a":{"enum":["q"]}},)"
      R"("required":["b","a"],"additionalProperties":false})";
  std::string input = R"({"prompt": "x", "json_schema": )" + schema + "}\n";
  input += R"({"prompt": "x", "json_schema": "{\"const\": 5}"})"
           "\n";
  input += R"({"prompt": "x", "grammar": ")" + Path("yes.gbnf") + "\"}\n";
  input += R"({"prompt": "x", "json_schema": {"type": "array", "uniqueItems": true}})"
           "\n";
  input += R"({"prompt": "x", "json_schema": true, "json_object": true})"
           "\n";
  input += R"({"prompt": "x", "tool_choice": "none"})"
           "\n";
  input += R"({"prompt": "x", "json_schema": {"enum": [[12345678901234567890123, 0.10]]}})"
           "\n";
  input += R"({"prompt": "x", "json_schema": {"minimum": 1e400}})"
           "\n";
  input += R"({"prompt": "x", "json_schema": )" + std::string(100'000, '[') +
           std::string(100'000, ']') + "}\n";
  Write("in.jsonl", input);
  const Outcome run = Run({"run", "demo", "--seed", "1", "--batch", Path("in.jsonl")});
  const std::vector<Json> lines = Lines(run.out);
  ASSERT_EQ(lines.size(), 9u) << run.out;
  EXPECT_EQ(Json::parse(lines[0].value("text", "")).dump(), R"({"b":1,"a":"q"})");
  EXPECT_EQ(lines[1]["text"], "5");
  EXPECT_EQ(lines[2]["text"], "yes");
  const auto error = [&](size_t i) { return lines[i]["error"]["message"].get<std::string>(); };
  EXPECT_NE(error(3).find("uniqueItems"), std::string::npos) << error(3);
  EXPECT_NE(error(4).find("exclude"), std::string::npos) << error(4);
  EXPECT_NE(error(5).find("tools"), std::string::npos) << error(5);
  EXPECT_EQ(StripBlanks(lines[6].value("text", "")), "[12345678901234567890123,0.10]");
  EXPECT_NE(error(7).find("#/json_schema/minimum"), std::string::npos) << error(7);
  EXPECT_NE(error(8).find("nested deeper"), std::string::npos) << error(8);
}

TEST_F(BatchTest, SaysOnceWhatOfASchemaIsNotEnforced) {
  Write("in.jsonl", "{\"prompt\": \"x\"}\n{\"prompt\": \"y\"}\n");
  Write("schema.json", R"({"enum": ["a"], "format": "shape"})");
  const Outcome run =
      Run({"run", "demo", "--batch", Path("in.jsonl"), "--json-schema", Path("schema.json")});
  for (const Json& line : Lines(run.out)) EXPECT_EQ(line["text"], "\"a\"");
  const std::string note = "schema.json: #/format: the format \"shape\" is not enforced";
  const size_t at = run.err.find(note);
  ASSERT_NE(at, std::string::npos) << run.err;
  EXPECT_EQ(run.err.find(note, at + 1), std::string::npos) << run.err;
}

TEST_F(BatchTest, GoesOnWhereItWasStopped) {
  Write("in.jsonl", Input());
  const std::vector<std::string> arguments = {"run",      "demo",           "--temperature",
                                              "0",        "--batch",        Path("in.jsonl"),
                                              "--output", Path("out.jsonl")};
  EXPECT_EQ(Run(arguments).code, kExitUsage);
  const std::string whole = Read("out.jsonl");
  const std::vector<Json> expected = Lines(whole);
  ASSERT_EQ(expected.size(), 9u);
  // Cut off in the middle of the third line.
  const size_t second = whole.find('\n', whole.find('\n') + 1);
  Write("out.jsonl", whole.substr(0, second + 30));
  EXPECT_EQ(Run(arguments).code, kExitUsage);
  const std::string resumed = Read("out.jsonl");
  EXPECT_EQ(resumed.substr(0, second), whole.substr(0, second));
  const std::vector<Json> lines = Lines(resumed);
  ASSERT_EQ(lines.size(), expected.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i].value("text", ""), expected[i].value("text", "")) << i;
  }
  // All is there: nothing happens.
  EXPECT_EQ(Run(arguments).code, kExitOk);
  EXPECT_EQ(Read("out.jsonl"), resumed);
  // Answers to something else, and other files, stay as they are.
  Write("in.jsonl", R"({"id": "other", "prompt": "x"})"
                    "\n");
  EXPECT_EQ(Run(arguments).code, kExitUsage);
  EXPECT_EQ(Read("out.jsonl"), resumed);
  Write("out.jsonl", "my notes\n");
  EXPECT_EQ(Run(arguments).code, kExitUsage);
  EXPECT_EQ(Read("out.jsonl"), "my notes\n");
}

TEST_F(BatchTest, SessionFilesGoOn) {
  const std::string talk = Path("talk.gemma3-state");
  const Outcome first = Ask({"--session", talk, "Tell me a story about Freya and a window."});
  ASSERT_EQ(first.code, kExitOk) << first.err;
  const Outcome second = Ask({"--session", talk, "--json", "What does a wolf do?"});
  ASSERT_EQ(second.code, kExitOk) << second.err;
  const Json json = Json::parse(second.out);
  EXPECT_GT(json["cached_tokens"].get<int>(), 100);
  // The same in one process.
  const Outcome chat = Run({"chat", "demo", "--temperature", "0", "--no-history"},
                           Bytes("Tell me a story about Freya and a window.\n"
                                 "What does a wolf do?\n"));
  EXPECT_EQ(chat.out, first.out + json["text"].get<std::string>() + "\n");
  // A chat takes it up as well.
  const Outcome third = Run({"chat", "demo", "--session", talk, "--no-history"}, Bytes("Hello\n"));
  EXPECT_EQ(third.code, kExitOk) << third.err;
  Write("talk.gemma3-state", "damaged");
  EXPECT_NE(Ask({"--session", talk, "Hi"}).code, kExitOk);
  EXPECT_EQ(Read("talk.gemma3-state"), "damaged");
}

}  // namespace
}  // namespace gemma3::cli
