// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/tool_use.h"

#include <utility>

#include "src/base/status.h"
#include "tools/consent.h"
#include "tools/mcp_client.h"
#include "tools/output.h"
#include "tools/tool_file.h"
#include "tools/tool_round.h"

namespace gemma3::cli {

void AddToolFlags(Args& args, ToolFlags* flags) {
  args.AddTexts("--tools", "FILE", &flags->files,
                "functions that the model may call (README); may be repeated");
  args.AddTexts("--mcp", "COMMAND", &flags->servers,
                "start this server of the Model Context Protocol and offer its tools");
  args.AddFlag("--yes", &flags->yes, "run tools without asking");
}

bool HasToolsToChoose(const ToolFlags& flags, const GenerationOptions& generation) {
  return flags.any() || generation.tools.choice == ToolChoice::Auto();
}

Result<OpenedTools> OpenTools(const ToolFlags& flags, const StopCheck& stop) {
  OpenedTools tools;
  tools.yes = flags.yes;
  for (const std::string& file : flags.files) GEMMA3_CHECK_OK(AddToolFile(file, tools.box));
  for (const std::string& server : flags.servers) {
    GEMMA3_TRY(const std::vector<std::string> notes, AddMcpServer(server, {}, stop, tools.box));
    for (const std::string& note : notes) WriteStderr("note: " + note + "\n");
  }
  tools.offered = tools.box.Offered();
  if (tools.box.AsksFirst() && !tools.yes && !AskOnTerminal(stop)) {
    return Fail(ErrorCode::kInvalidArgument,
                "the tools would have to be asked about and there is no terminal: --yes runs them "
                "without asking, as \"confirm\": false does for one of a file");
  }
  return tools;
}

Result<ToolAnswer> AnswerWithTools(Session& session, std::vector<Message> conversation,
                                   const GenerationOptions& generation, const OpenedTools& tools,
                                   const StopCheck& stop, const TextCallback& on_text,
                                   const ProgressCallback& on_progress,
                                   const std::function<void()>& before_line) {
  const std::vector<Message> before(session.messages().begin(), session.messages().end());
  ToolAnswer out;
  bool first = true;
  const Answerer answerer = [&](std::span<const Message> messages,
                                bool may_call) -> Result<Message> {
    GenerationOptions options = generation;
    options.tools.tools = tools.offered;
    // Who had to call and has, goes on as he likes.
    if (!std::exchange(first, false) && options.tools.choice.mode == ToolChoice::Mode::kRequired) {
      options.tools.choice.mode = ToolChoice::Mode::kAuto;
    }
    if (!may_call) options.tools.choice = ToolChoice::None();
    GEMMA3_TRY(out.result, session.Generate(messages, options, on_text, on_progress));
    return session.messages().back();
  };
  ToolRoundOptions rounds;
  rounds.yes = tools.yes;
  rounds.sees = session.model().config().has_vision;
  const auto ask = AskOnTerminal(stop);
  if (ask) {
    rounds.ask = [&](const std::string& line) {
      before_line();
      return ask(line);
    };
  }
  rounds.show = [&](const std::string& line) {
    before_line();
    WriteStderr(line + "\n");
  };
  rounds.stop = stop;
  auto answered = AnswerWithTools(conversation, tools.box, answerer, rounds);
  if (!answered) {
    (void)session.SetMessages(before);  // it was laid out before, so it can be now
    return std::unexpected(answered.error());
  }
  out.open_calls = std::move(answered->open_calls);
  return out;
}

}  // namespace gemma3::cli
