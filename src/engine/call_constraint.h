// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What an answer may be where it has to be a call.
#pragma once

#include <optional>

#include "gemma3/config.h"
#include "gemma3/constraint.h"
#include "gemma3/tools.h"
#include "src/base/status.h"
#include "src/chat/tool_set.h"

namespace gemma3 {

// With ToolChoice::Mode::kRequired: one call of a tool that may be called, with arguments that are
// valid by its schema, in the JSON style whatever style the prompt asks for, since that is read as
// well. Keywords that cannot be enforced are let pass. Nothing for other choices: there the model
// decides, and what it writes is read leniently. Errors: those of JsonSchema::Compile, naming the
// tool; kUnsupported for FunctionGemma, whose calls are no text.
Result<std::optional<Constraint>> ConstraintOfCalls(const ToolOptions& options,
                                                    const ToolSet& tools,
                                                    const ModelConfig& config);

}  // namespace gemma3
