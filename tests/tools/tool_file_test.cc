// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/tool_file.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/temp_folder.h"

namespace gemma3::cli {
namespace {

std::vector<ProgramTool> Parsed(std::string_view text) {
  auto tools = ParseTools(text, "tools.json");
  EXPECT_TRUE(tools) << tools.error().message;
  return tools ? *std::move(tools) : std::vector<ProgramTool>();
}

TEST(ToolFile, BothForms) {
  const std::string parameters =
      R"({"type":"object","properties":{"z":{"type":"string"},)"
      R"("a":{"maximum":123456789012345678901234,"minimum":0.1000000000000000055}}})";
  for (const std::string& text : {
           R"({"type":"function","function":{"name":"f","description":"d","parameters":)" +
               parameters + R"(,"strict":true},"command":["cat"],"confirm":false})",
           R"([{"name":"f","description":"d","parameters":)" + parameters +
               R"(,"command":["cat"],"confirm":false,"timeout":30.5}])",
           R"({"tools":[{"type":"function","name":"f","description":"d","parameters":)" +
               parameters + R"(,"command":["cat"],"confirm":false}]})",
       }) {
    const auto tools = Parsed(text);
    ASSERT_EQ(tools.size(), 1u) << text;
    EXPECT_EQ(tools[0].tool.name, "f");
    EXPECT_EQ(tools[0].tool.description, "d");
    EXPECT_EQ(tools[0].tool.parameters, parameters);  // in its order and spelling
    EXPECT_FALSE(tools[0].confirm);
    ASSERT_TRUE(tools[0].run);
    const auto result = tools[0].run("{\"z\":1}", {});
    ASSERT_TRUE(result);
    EXPECT_EQ(result->text, "{\"z\":1}\n");
  }
  const auto printed = Parsed(R"({"name":"f"})");
  EXPECT_FALSE(printed[0].run);
  EXPECT_TRUE(printed[0].confirm);
  EXPECT_EQ(printed[0].tool.parameters, "");
}

TEST(ToolFile, SaysWhatIsWrong) {
  const auto refused = [](std::string_view text, const char* words) {
    const auto tools = ParseTools(text, "tools.json");
    ASSERT_FALSE(tools) << text;
    EXPECT_EQ(tools.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(tools.error().message.find(words), std::string::npos) << tools.error().message;
  };
  refused("", "tools.json: not valid JSON");
  refused("[", "not valid JSON");
  refused("3", "should hold a list of tools");
  refused("[]", "holds no tools");
  refused("[1]", "tool 1 should be an object");
  refused(R"([{"name":"a"},{"description":"x"}])", "tool 2 has no \"name\"");
  refused(R"({"name":"a","comand":["x"]})", "there is no key \"comand\" in a tool");
  refused(R"({"tools":[{"name":"a"}],"x":1})", "there is no key \"x\"");
  refused(R"({"type":"function","function":{"name":"a","command":["x"]}})", "\"command\"");
  refused(R"({"type":"web","function":{"name":"a"}})", "\"type\": \"function\"");
  refused(R"({"name":1})", "\"name\" should be a string");
  refused(R"({"name":"a","parameters":[]})", "\"parameters\" should be a JSON Schema");
  refused(R"({"name":"a","command":"ls -l"})", "tool 1 (a): \"command\" should be a list");
  refused(R"({"name":"a","command":[]})", "\"command\" should be a list");
  refused(R"({"name":"a","command":["x",1]})", "\"command\" should be a list");
  refused(R"({"name":"a","command":["x\u0000y"]})", "\"command\" should be a list");
  refused(R"({"name":"a","confirm":false})", "\"confirm\" is of no use without");
  refused(R"({"name":"a","command":["x"],"confirm":"no"})", "true or false");
  refused(R"({"name":"a","command":["x"],"timeout":0})", "\"timeout\" should be");
  refused(R"({"name":"a","command":["x"],"timeout":1e9})", "\"timeout\" should be");
  refused(R"({"name":"a","name":"b"})", "appears twice");
  refused(std::string(1000, '['), "nested deeper");
}

TEST(ToolFile, FilesShareOneListOfNames) {
  const testing::TempFolder folder;
  ToolBox box;
  EXPECT_TRUE(AddToolFile(folder.Write("a.json", R"([{"name":"f"},{"name":"g"}])"), box));
  const Status twice = AddToolFile(folder.Write("b.json", R"({"name":"g"})"), box);
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().message.find("b.json: the tool \"g\" has the name of one of"),
            std::string::npos);
  EXPECT_NE(twice.error().message.find("a.json"), std::string::npos);
  const Status missing = AddToolFile(folder.path() + "/none.json", box);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kIo);
  EXPECT_EQ(box.Offered().size(), 2u);
  EXPECT_FALSE(box.AsksFirst());
}

}  // namespace
}  // namespace gemma3::cli
