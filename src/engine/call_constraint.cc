// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/engine/call_constraint.h"

#include <string>

namespace gemma3 {
namespace {

// References of a schema ("#/$defs/...") mean its own root, also where it stands inside another.
std::string WithOwnRoot(const std::string& schema, const std::string& name) {
  if (schema.find("\"$ref\"") == std::string::npos || schema.find("\"$id\"") != std::string::npos) {
    return schema;
  }
  return "{\"$id\":\"gemma3:/tools/" + name + "\"," + schema.substr(1);
}

}  // namespace

Result<std::optional<Constraint>> ConstraintOfCalls(const ToolOptions& options,
                                                    const ToolSet& tools,
                                                    const ModelConfig& config) {
  if (options.choice.mode != ToolChoice::Mode::kRequired) return std::optional<Constraint>();
  if (config.chat_template.kind == ChatTemplateKind::kFunctionGemma) {
    return Fail(
        ErrorCode::kUnsupported,
        "FunctionGemma writes calls with marks that are no text: it cannot be made to call, "
        "only asked to (tool choice auto)");
  }
  const JsonSchemaOptions lenient = {.closed_objects = true, .lenient = true};
  const auto arguments_of = [](const ToolSet::Entry& tool) {
    return tool.schema.empty() ? std::string("{\"type\":\"object\"}") : tool.schema;
  };
  std::string calls;
  for (const ToolSet::Entry& tool : tools.tools()) {
    if (!tool.callable) continue;
    // Names are of letters that JSON need not escape.
    calls += (calls.empty() ? "" : ",") +
             ("{\"type\":\"object\",\"properties\":{\"name\":{\"const\":\"" + tool.name +
              "\"},\"parameters\":") +
             WithOwnRoot(arguments_of(tool), tool.name) +
             "},\"required\":[\"name\",\"parameters\"],\"additionalProperties\":false}";
  }
  auto constraint = JsonSchema::Compile("{\"anyOf\":[" + calls + "]}", lenient);
  if (constraint) return std::optional<Constraint>(*std::move(constraint));
  // Whose fault it is, the user can look for in the tool's own schema only.
  for (const ToolSet::Entry& tool : tools.tools()) {
    if (!tool.callable) continue;
    if (const auto alone = JsonSchema::Compile(arguments_of(tool), lenient); !alone) {
      return Fail(alone.error().code, "the parameters of the tool ", tool.name, ": ",
                  alone.error().message);
    }
  }
  return std::unexpected(std::move(constraint).error());
}

}  // namespace gemma3
