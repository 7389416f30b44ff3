// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What an answer may be where it calls tools: all of it, where it has to be a call, or from where
// the model has begun one by itself.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "gemma3/config.h"
#include "gemma3/constraint.h"
#include "gemma3/error.h"
#include "src/chat/tool_set.h"
#include "src/constrain/matcher.h"
#include "src/constrain/token_trie.h"

namespace gemma3 {

// The grammars of the calls of one set of tools, each compiled when it is first needed, once for
// all answers. Threads may share it.
//
// Arguments meet the tool's schema; keywords that cannot be enforced are let pass. What no grammar
// has, an argument by its place or in single quotes, is read as well, but not written under one.
class CallConstraints {
 public:
  explicit CallConstraints(std::shared_ptr<const ToolSet> tools) : tools_(std::move(tools)) {}
  const ToolSet& tools() const { return *tools_; }
  // Whether calls of `tools` are those of this.
  bool AreOf(const ToolSet& tools) const;

  // One call, or, where several tools may be called and several calls made, a list of them, in the
  // style that the prompt asks for. Errors: those of JsonSchema::Compile, naming the tool.
  Result<Constraint> Required() const;

  // A matcher behind `begun`, the beginning of a call (CallReader::open_unit), for the rest of it:
  // with the blanks of prompts if it has been written so, else with any. Null where there is none,
  // as the call is written in a way that no grammar has, or a schema is beyond the limits.
  std::unique_ptr<ConstraintMatcher> Behind(std::string_view begun,
                                            const ConstraintVocabulary& vocabulary) const;

 private:
  enum Grammar { kJsonSpaced, kJsonAny, kPythonSpaced, kPythonAny, kNumGrammars };
  Result<Constraint> Compile(Grammar grammar, bool required) const;

  const std::shared_ptr<const ToolSet> tools_;
  mutable std::mutex mutex_;
  // Of calls that were begun; an error is remembered, too.
  mutable std::array<std::optional<Result<Constraint>>, kNumGrammars> begun_;
  mutable std::optional<Constraint> required_;
};

}  // namespace gemma3
