// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Asking the user whether a tool may run, on the terminal: standard input may be the prompt, and
// standard output the answer.
#pragma once

#include <functional>
#include <string>

#include "tools/tool_box.h"

namespace gemma3::cli {

// Writes "Run LINE? [y/N] " to `out` and reads a line from `in`: y or yes, in any case, is yes;
// anything else, the end of the input, an interruption and `stop` are no.
bool AskYesNo(int in, int out, const std::string& line, const StopCheck& stop);

// For ToolRoundOptions::ask, on the terminal of this process. Null where it has none.
std::function<bool(const std::string& line)> AskOnTerminal(StopCheck stop);

}  // namespace gemma3::cli
