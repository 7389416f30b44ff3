// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Running a tool that is a command: it gets the arguments on its standard input, and what it writes
// to its standard output is the result.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "gemma3/error.h"
#include "tools/tool_box.h"

namespace gemma3::cli {

struct ToolLimits {
  std::chrono::milliseconds time = std::chrono::seconds(60);
  size_t output_bytes = 64 << 10;    // of the result; more is left out, which the result says
  size_t runaway_bytes = 256 << 20;  // what writes more than this is stopped
};

// The result of a command that fails, is stopped or cannot be started says so; what it wrote to its
// standard error is a part of it then, and else of nothing: none of it reaches the terminal.
// Whatever the command leaves behind in its process group is killed. Errors: kCancelled.
Result<ToolResult> RunTool(const std::vector<std::string>& command, const std::string& arguments,
                           const ToolLimits& limits, const StopCheck& stop);

}  // namespace gemma3::cli
