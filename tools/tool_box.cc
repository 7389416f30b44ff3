// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/tool_box.h"

#include <algorithm>
#include <utility>

#include "src/base/shown.h"
#include "src/base/status.h"

namespace gemma3::cli {

Status ToolBox::Add(ProgramTool tool) {
  if (const ProgramTool* other = Find(tool.tool.name)) {
    return Fail(ErrorCode::kInvalidArgument, tool.from, ": the tool \"", Shown(tool.tool.name, 128),
                "\" has the name of one of ", other->from);
  }
  tools_.push_back(std::move(tool));
  return {};
}

const ProgramTool* ToolBox::Find(std::string_view name) const {
  const auto it =
      std::ranges::find_if(tools_, [&](const ProgramTool& tool) { return tool.tool.name == name; });
  return it == tools_.end() ? nullptr : &*it;
}

std::vector<Tool> ToolBox::Offered() const {
  std::vector<Tool> offered;
  for (const ProgramTool& tool : tools_) offered.push_back(tool.tool);
  return offered;
}

bool ToolBox::AsksFirst() const {
  return std::ranges::any_of(tools_,
                             [](const ProgramTool& tool) { return tool.run && tool.confirm; });
}

}  // namespace gemma3::cli
