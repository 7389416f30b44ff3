// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What --json-schema, --grammar and --json-object ask for.
#pragma once

#include <optional>
#include <string>

#include "gemma3/constraint.h"
#include "gemma3/message.h"
#include "tools/options.h"

namespace gemma3::cli {

// Nothing where none of them is set. Prints what a schema asks for and is not enforced to standard
// error. Errors: kInvalidArgument for several of them; those of JsonSchema::Compile and
// Grammar::Parse; kIo.
Result<std::optional<Constraint>> ConstraintOf(const Settings& settings);

// Tells the model what is expected of it, behind the text of its prompt, where the setting
// schema-prompt wants that.
void AddSchemaPrompt(const Settings& settings, const std::optional<Constraint>& constraint,
                     Message& message);

// The text of the first code block, or all of it where there is none.
std::string FirstCodeBlock(const std::string& text);

}  // namespace gemma3::cli
