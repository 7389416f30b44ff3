// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Files of tools (--tools FILE). JSON: a tool, a list of tools, or {"tools": [...]}. A tool is
//
//   {"name": "weather", "description": "...", "parameters": {JSON Schema},
//    "command": ["weather", "--json"], "confirm": false, "timeout": 10}
//
// or has the first three inside "function" and "type": "function" beside it, as OpenAI's interface.
// With a command the program runs it (tool_process.h), after it has asked the user unless "confirm"
// is false; "timeout" is in seconds. Without one the call is printed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "tools/tool_box.h"

namespace gemma3::cli {

// `where` names the text in errors. Errors: kInvalidArgument saying which tool and which key, a key
// that is not known included: a misspelt "command" must not turn into a call that nobody answers.
Result<std::vector<ProgramTool>> ParseTools(std::string_view text, const std::string& where);

// Errors: kIo; as above.
Status AddToolFile(const std::string& path, ToolBox& box);

}  // namespace gemma3::cli
