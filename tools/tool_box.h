// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The tools that a run or a chat offers to its model, and what runs them.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "gemma3/image.h"
#include "gemma3/tools.h"

namespace gemma3::cli {

// What a call gave. A tool that failed has a result, too: the model is told, and goes on.
struct ToolResult {
  std::string text;
  bool failed = false;
  std::vector<std::shared_ptr<const Image>> pictures = {};  // the text names them by their number
};

// Whether the user wants to stop; asked while something is waited for.
using StopCheck = std::function<bool()>;

struct ProgramTool {
  Tool tool;
  bool confirm = true;  // the user is asked before each call
  std::string from;     // for people: a file or a server
  // Null: the program runs nothing and prints the calls. Arguments are a JSON object. The error is
  // kCancelled, where the user stopped it.
  std::function<Result<ToolResult>(const std::string& arguments, const StopCheck& stop)> run;
};

class ToolBox {
 public:
  // Errors: kInvalidArgument where there is a tool of that name.
  Status Add(ProgramTool tool);
  // Keeps something alive that the tools use.
  void Keep(std::shared_ptr<void> owner) { owners_.push_back(std::move(owner)); }

  bool empty() const { return tools_.empty(); }
  const ProgramTool* Find(std::string_view name) const;
  std::span<const ProgramTool> tools() const { return tools_; }
  // For ToolOptions::tools.
  std::vector<Tool> Offered() const;
  // Whether some tool may not be run before the user has said so.
  bool AsksFirst() const;

 private:
  std::vector<std::shared_ptr<void>> owners_;
  std::vector<ProgramTool> tools_;
};

}  // namespace gemma3::cli
