// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Tools of a run or a chat: the flags that name them, and an answer of a session with them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "gemma3/session.h"
#include "tools/args.h"
#include "tools/tool_box.h"

namespace gemma3::cli {

struct ToolFlags {
  std::vector<std::string> files;    // --tools
  std::vector<std::string> servers;  // --mcp, command lines
  bool yes = false;                  // --yes

  bool any() const { return !files.empty() || !servers.empty(); }
};

void AddToolFlags(Args& args, ToolFlags* flags);
// False: the settings choose among tools, and the flags name none.
bool HasToolsToChoose(const ToolFlags& flags, const GenerationOptions& generation);

struct OpenedTools {
  ToolBox box;
  std::vector<Tool> offered = {};
  bool yes = false;
};
// Reads the files and starts the servers; prints the servers' notes. Errors: kInvalidArgument, also
// where the user would have to be asked and there is no terminal to ask on; kIo; kCancelled.
Result<OpenedTools> OpenTools(const ToolFlags& flags, const StopCheck& stop);

struct ToolAnswer {
  GenerationResult result;           // of the last answer
  std::vector<ToolCall> open_calls;  // that the program does not run
};
// Answers `conversation` in the session, running tools as often as the model calls them, by the
// choice and style of generation.tools. The user sees a line for each call on standard error. On an
// error the session has the conversation that it had before.
Result<ToolAnswer> AnswerWithTools(Session& session, std::vector<Message> conversation,
                                   const GenerationOptions& generation, const OpenedTools& tools,
                                   const StopCheck& stop, const TextCallback& on_text,
                                   const ProgressCallback& on_progress,
                                   const std::function<void()>& before_line);

}  // namespace gemma3::cli
