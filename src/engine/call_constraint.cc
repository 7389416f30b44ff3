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
  std::string calls;
  for (const ToolSet::Entry& tool : tools.tools()) {
    if (!tool.callable) continue;
    const std::string arguments = tool.schema.empty() ? "{\"type\":\"object\"}" : tool.schema;
    if (const auto alone = JsonSchema::Compile(arguments, lenient); !alone) {
      return Fail(alone.error().code, "the parameters of the tool ", tool.name, ": ",
                  alone.error().message);
    }
    // Names are of letters that JSON need not escape.
    calls += (calls.empty() ? "" : ",") +
             ("{\"type\":\"object\",\"properties\":{\"name\":{\"const\":\"" + tool.name +
              "\"},\"parameters\":") +
             WithOwnRoot(arguments, tool.name) +
             "},\"required\":[\"name\",\"parameters\"],\"additionalProperties\":false}";
  }
  GEMMA3_TRY(Constraint constraint, JsonSchema::Compile("{\"anyOf\":[" + calls + "]}", lenient));
  return std::optional<Constraint>(std::move(constraint));
}

}  // namespace gemma3
