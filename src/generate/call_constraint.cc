// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/generate/call_constraint.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>
#include <vector>

#include "src/base/ordered_json.h"
#include "src/base/status.h"
#include "src/constrain/call_grammar.h"
#include "src/constrain/schema_document.h"

namespace gemma3 {
namespace {

// What is read as arguments is nested no deeper than CallValue::kMaxDepth.
constexpr size_t kMaxDepth = 24, kMaxRecursion = 24;

CallableTool ToolOf(const ToolSet::Entry& tool) { return {tool.name, tool.schema}; }

// An error with its place in the schema of the tool that it is about: all that users can look into.
Error OfItsTool(const Error& error, std::span<const CallableTool> tools) {
  constexpr std::string_view kRoot = "#/$defs/";
  if (!error.message.starts_with(kRoot)) return error;
  const char* const begin = error.message.data() + kRoot.size();
  const char* const end = error.message.data() + error.message.size();
  size_t tool = 0;
  const auto [rest, status] = std::from_chars(begin, end, tool);
  if (status != std::errc() || tool >= tools.size()) return error;
  return {error.code,
          "the parameters of the tool " + tools[tool].name + ": #" + std::string(rest, end)};
}

// A schema for any arguments. As Python writes them they are those that `schema` lists: other names
// have no place there.
std::string AnyArguments(const std::string& schema, bool python) {
  std::string names;
  if (python) {
    const auto json =
        OrderedJson::Parse(schema, SchemaDocument::kMaxDepth, SchemaDocument::kMaxBytes);
    const uint32_t listed =
        json ? json->Find(OrderedJson::kRoot, "properties") : OrderedJson::kNone;
    if (listed != OrderedJson::kNone) {
      for (const std::string& name : (*json)[listed].keys) {
        (names += names.empty() ? "" : ",") += QuoteJson(name) + ":true";
      }
    }
  }
  return "{\"type\":\"object\",\"additionalProperties\":true,\"properties\":{" + names + "}}";
}

}  // namespace

bool CallConstraints::AreOf(const ToolSet& tools) const {
  const auto same = [](const ToolSet::Entry& a, const ToolSet::Entry& b) {
    return a.callable == b.callable && a.name == b.name && a.schema == b.schema;
  };
  return tools_->style() == tools.style() && tools_->parallel() == tools.parallel() &&
         std::ranges::equal(tools_->tools(), tools.tools(), same);
}

// Errors: those of CompileCalls, with the tool's name and the place in its own schema.
Result<Constraint> CallConstraints::Compile(Grammar grammar, bool required,
                                            PatternCache& patterns) const {
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
  std::vector<size_t> refused;
  auto all = CompileCalls(tools, form, &patterns, &refused);
  if (all) return all;
  if (required) return std::unexpected(OfItsTool(all.error(), tools));
  for (const size_t i : refused) {
    tools[i].parameters = AnyArguments(tools[i].parameters, form.python);
  }
  return CompileCalls(tools, form, &patterns);
}

Result<Constraint> CallConstraints::Required() const {
  std::call_once(required_once_, [this] {
    const bool python = tools_->style() == ToolStyle::kPython;
    PatternCache patterns;
    required_ = Compile(python ? kPythonSpaced : kJsonSpaced, /*required=*/true, patterns);
  });
  return *required_;
}

void CallConstraints::PrepareBegun() const {
  std::call_once(begun_once_, [this] {
    // Each notation has the same limits, and what is expensive is made for the first of them.
    PatternCache patterns;
    for (const Grammar grammar : {kJsonSpaced, kJsonAny, kPythonSpaced, kPythonAny}) {
      auto compiled = Compile(grammar, /*required=*/false, patterns);
      if (compiled) begun_[grammar] = *std::move(compiled);
    }
  });
}

std::unique_ptr<ConstraintMatcher> CallConstraints::Behind(
    std::string_view begun, const ConstraintVocabulary& vocabulary) const {
  const size_t inside = begun.find_first_not_of("[ \t\r\n");
  if (inside == std::string_view::npos) return nullptr;
  const bool json = begun[inside] == '{';
  for (const Grammar grammar : {json ? kJsonSpaced : kPythonSpaced, json ? kJsonAny : kPythonAny}) {
    if (!begun_[grammar]) continue;
    auto matcher = std::make_unique<ConstraintMatcher>(*begun_[grammar], &vocabulary);
    const auto read = matcher->AcceptBytes(begun);
    if (read && *read == begun.size()) return matcher;
  }
  return nullptr;
}

}  // namespace gemma3
