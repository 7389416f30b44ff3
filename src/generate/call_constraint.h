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
#include "src/constrain/schema_check.h"
#include "src/constrain/token_trie.h"

namespace gemma3 {

// The grammars of the calls of one set of tools, compiled once for all answers. Threads may share
// it.
//
// Arguments meet the tool's schema; keywords that cannot be enforced are let pass, and where the
// schema is beyond the limits, any arguments are. What no grammar has, an argument by its place or
// in single quotes, is read as well, but not written under one.
class CallConstraints {
 public:
  explicit CallConstraints(std::shared_ptr<const ToolSet> tools) : tools_(std::move(tools)) {}
  const ToolSet& tools() const { return *tools_; }
  // Whether calls of `tools` are those of this.
  bool AreOf(const ToolSet& tools) const;

  // One call, or, where several tools may be called and several calls made, a list of them, in the
  // style that the prompt asks for. Errors: those of JsonSchema::Compile, naming the tool.
  Result<Constraint> Required() const;

  // Compiles what Behind needs, once. To be called before the answer begins: a model begins its
  // call in the middle of a step, where all answers would wait for the compiler.
  void PrepareBegun() const;

  // A matcher behind `begun`, the beginning of a call (CallReader::open_unit), for the rest of it:
  // with the blanks of prompts if it has been written so, else with any. Null where there is none,
  // as the call is written in a way that no grammar has.
  std::unique_ptr<ConstraintMatcher> Behind(std::string_view begun,
                                            const ConstraintVocabulary& vocabulary) const;

 private:
  enum Grammar { kJsonSpaced, kJsonAny, kPythonSpaced, kPythonAny, kNumGrammars };
  Result<Constraint> Compile(Grammar grammar, bool required, PatternCache& patterns) const;

  const std::shared_ptr<const ToolSet> tools_;
  // Errors are remembered, too.
  mutable std::once_flag begun_once_, required_once_;
  mutable std::array<std::optional<Constraint>, kNumGrammars> begun_;
  mutable std::optional<Result<Constraint>> required_;
};

}  // namespace gemma3
