// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/generate/call_constraint.h"

#include <algorithm>
#include <vector>

#include "src/base/status.h"
#include "src/constrain/call_grammar.h"

namespace gemma3 {
namespace {

// What is read as arguments is nested no deeper than CallValue::kMaxDepth.
constexpr size_t kMaxDepth = 24, kMaxRecursion = 24;

CallableTool ToolOf(const ToolSet::Entry& tool) { return {tool.name, tool.schema}; }

}  // namespace

bool CallConstraints::AreOf(const ToolSet& tools) const {
  const auto same = [](const ToolSet::Entry& a, const ToolSet::Entry& b) {
    return a.callable == b.callable && a.name == b.name && a.schema == b.schema;
  };
  return tools_->style() == tools.style() && tools_->parallel() == tools.parallel() &&
         std::ranges::equal(tools_->tools(), tools.tools(), same);
}

Result<Constraint> CallConstraints::Compile(Grammar grammar, bool required) const {
  std::vector<CallableTool> tools;
  for (const ToolSet::Entry& tool : tools_->tools()) {
    if (tool.callable) tools.push_back(ToolOf(tool));
  }
  CallForm form = {.python = grammar == kPythonSpaced || grammar == kPythonAny,
                   .several = tools_->parallel() && (tools.size() > 1 || !required),
                   .any_wrapping = !required,
                   .json = {.spaced = grammar == kJsonSpaced || grammar == kPythonSpaced,
                            .max_depth = kMaxDepth,
                            .max_recursion = kMaxRecursion}};
  auto all = CompileCalls(tools, form);
  if (all) return all;
  for (CallableTool& tool : tools) {
    const auto alone = CompileCalls({&tool, 1}, form);
    if (alone) continue;
    // Whose fault it is, the user can look for in the tool's own schema only.
    if (required) {
      std::string message = alone.error().message;
      constexpr std::string_view kRoot = "#/$defs/0";
      if (message.starts_with(kRoot)) message = "#" + message.substr(kRoot.size());
      return Fail(alone.error().code, "the parameters of the tool ", tool.name, ": ", message);
    }
    tool.parameters = R"({"type": "object", "additionalProperties": true})";
  }
  return required ? std::move(all) : CompileCalls(tools, form);
}

Result<Constraint> CallConstraints::Required() const {
  const std::scoped_lock lock(mutex_);
  if (!required_) {
    const bool python = tools_->style() == ToolStyle::kPython;
    GEMMA3_TRY(required_, Compile(python ? kPythonSpaced : kJsonSpaced, /*required=*/true));
  }
  return *required_;
}

std::unique_ptr<ConstraintMatcher> CallConstraints::Behind(
    std::string_view begun, const ConstraintVocabulary& vocabulary) const {
  const size_t inside = begun.find_first_not_of("[ \t\r\n");
  if (inside == std::string_view::npos) return nullptr;
  const bool json = begun[inside] == '{';
  for (const Grammar grammar : {json ? kJsonSpaced : kPythonSpaced, json ? kJsonAny : kPythonAny}) {
    std::optional<Constraint> constraint;
    {
      const std::scoped_lock lock(mutex_);
      auto& known = begun_[grammar];
      if (!known) known = Compile(grammar, /*required=*/false);
      if (!*known) continue;
      constraint = **known;
    }
    auto matcher = std::make_unique<ConstraintMatcher>(*constraint, &vocabulary);
    const auto read = matcher->AcceptBytes(begun);
    if (read && *read == begun.size()) return matcher;
  }
  return nullptr;
}

}  // namespace gemma3
