// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Any lines as a server of the Model Context Protocol: it is talked to or refused, and what it
// gives is clean. Also any text as a file of tools, as a command line, and as what a tool printed.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "src/base/json.h"
#include "tools/mcp_client.h"
#include "tools/terminal.h"
#include "tools/tool_file.h"
#include "tools/tool_text.h"

namespace {

using namespace gemma3;
using namespace gemma3::cli;

// Answers with the lines of a text. A '#' stands for the id of the last request, so that mutations
// need not guess it.
class TextServer : public McpChannel {
 public:
  explicit TextServer(std::string_view text) : text_(text) {}

  void Send(std::string_view line) override {
    const auto json = JsonValue::Parse(line, "line", {.max_depth = 200});
    if (!json || line.find('\n') != std::string_view::npos) std::abort();
    if (const auto method = json->Find("method"); method && json->Find("id")) ++last_id_;
  }
  Got Receive(std::string* line, Clock::time_point, const StopCheck&) override {
    if (text_.empty()) return Got::kClosed;
    const size_t end = text_.find('\n');
    line->clear();
    for (const char c : text_.substr(0, end)) {
      if (c == '#') {
        *line += std::to_string(last_id_);
      } else {
        *line += c;
      }
    }
    text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
    return Got::kLine;
  }
  std::string LastWords() override { return "exit code 0"; }

 private:
  std::string_view text_;
  size_t last_id_ = 0;
};

void CheckClean(std::string_view text) {
  for (std::string_view left = text; !left.empty();) {
    const Utf8Char c = FirstUtf8Char(left);
    if (c.length == 0 || (c.code_point < 0x20 && c.code_point != '\n' && c.code_point != '\t')) {
      std::abort();
    }
    left.remove_prefix(static_cast<size_t>(c.length));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const McpLimits limits{.pages = 5, .tools = 10};
  auto client = McpClient::Connect(std::make_unique<TextServer>(text), "the server", limits, {});
  if (client) {
    if ((*client)->tools().size() > limits.tools) std::abort();
    for (const Tool& tool : (*client)->tools()) {
      CheckClean(tool.description);
      const auto schema = JsonValue::Parse(tool.parameters.empty() ? "{}" : tool.parameters,
                                           "schema", {.max_depth = 200});
      if (!schema || !schema->IsObject()) std::abort();
    }
    for (const char* name : {"echo", "other"}) {
      const auto result = (*client)->Call(name, "{\"a\":1}", {});
      if (!result) std::abort();
      CheckClean(result->text);
    }
  }
  CheckClean(CleanToolText(text));
  const std::string line = OneLine(text, 200);
  CheckClean(line);
  if (line.find('\n') != std::string::npos) std::abort();
  if (const auto words = SplitCommand(text)) {
    if (words->empty() || words->front().empty()) std::abort();
  }
  if (const auto tools = ParseTools(text, "tools.json")) {
    for (const ProgramTool& tool : *tools) {
      if (tool.tool.name.empty()) std::abort();
    }
  }
  return 0;
}
