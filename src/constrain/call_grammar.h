// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What a model may write where it calls tools: the notation of the calls around the schemas of
// their arguments.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "gemma3/constraint.h"
#include "gemma3/error.h"
#include "src/constrain/schema_check.h"

namespace gemma3 {

struct CallableTool {
  std::string name;        // of characters that JSON need not escape
  std::string parameters;  // a JSON schema; its references mean its own root
};

struct CallForm {
  // [f(a=1), g()], f(a=1) and print(f(a=1)); else {"name": "f", "parameters": {"a": 1}}.
  bool python = false;
  bool several = false;  // a list of calls, too
  // Everything around objects that is read as calls (chat/call_unit.h), for a model that has begun
  // by itself; where not, what prompts ask for.
  bool any_wrapping = false;
  JsonForm json = {};
};

// One call, or several in a list, of tools with names of their own. What cannot be enforced of the
// schemas is let pass and remarked; an object that says nothing of other members has none. All
// schemas together may take as much work as one may otherwise. patterns, if not
// null, are shared among notations. Errors: those of JsonSchema::Compile; #/$defs/N in them is the
// schema of tools[N], and `refused`, if not null, is all of the schemas that have one.
Result<Constraint> CompileCalls(std::span<const CallableTool> tools, const CallForm& form,
                                PatternCache* patterns = nullptr,
                                std::vector<size_t>* refused = nullptr);

}  // namespace gemma3
