// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "gemma3/constraint.h"

#include <utility>

#include "src/base/guard.h"
#include "src/base/status.h"
#include "src/constrain/constraint_impl.h"
#include "src/constrain/gbnf.h"
#include "src/constrain/json_grammar.h"
#include "src/constrain/schema_compiler.h"
#include "src/constrain/schema_document.h"

namespace gemma3 {
namespace {

constexpr size_t kMostDepth = 10000;

Status CheckForm(const JsonForm& form) {
  const auto within = [](const char* name, size_t value, size_t least, size_t most) -> Status {
    if (value >= least && value <= most) return {};
    return Fail(ErrorCode::kInvalidArgument, name, " is ", value, "; it should be from ", least,
                " to ", most);
  };
  if (form.compact && form.spaced) {
    return Fail(ErrorCode::kInvalidArgument, "JSON is written compact or spaced, not both");
  }
  GEMMA3_CHECK_OK(within("max_indent", form.max_indent, 0, 1000));
  GEMMA3_CHECK_OK(within("max_integer_digits", form.max_integer_digits, 1, 300));
  GEMMA3_CHECK_OK(within("max_fraction_digits", form.max_fraction_digits, 1, 300));
  GEMMA3_CHECK_OK(within("max_exponent_digits", form.max_exponent_digits, 0, 3));
  GEMMA3_CHECK_OK(within("max_depth", form.max_depth, 1, kMostDepth));
  return within("max_recursion", form.max_recursion, 1, kMostDepth);
}

}  // namespace

const std::vector<std::string>& Constraint::remarks() const { return impl_->remarks; }
bool Constraint::relaxed() const { return impl_->relaxed; }
const std::string& Constraint::source() const { return impl_->source; }

Result<Constraint> JsonSchema::Compile(std::string_view schema, const JsonSchemaOptions& options) {
  return Guarded("compile the schema", "", [&]() -> Result<Constraint> {
    GEMMA3_CHECK_OK(CheckForm(options.form));
    GEMMA3_TRY(const SchemaDocument document, SchemaDocument::Parse(schema));
    PatternCache patterns;
    SchemaCompiler compiler(document, options, patterns);
    auto impl = std::make_shared<Constraint::Impl>();
    GEMMA3_TRY(impl->grammar, compiler.Compile());
    impl->remarks = compiler.remarks();
    impl->relaxed = compiler.relaxed();
    impl->source = std::string(schema);
    return Constraint(std::move(impl));
  });
}

Result<Constraint> JsonSchema::AnyObject(const JsonForm& form) {
  return Guarded("compile the grammar of JSON", "", [&]() -> Result<Constraint> {
    GEMMA3_CHECK_OK(CheckForm(form));
    GrammarBuilder builder;
    JsonGrammar json(builder, form);
    GEMMA3_TRY(const uint32_t root, json.AnyObject());
    auto impl = std::make_shared<Constraint::Impl>();
    impl->grammar = std::move(builder).Finish(
        root, {.free_depth = static_cast<uint32_t>(form.max_depth)}, true);
    impl->source = R"({"type": "object"})";
    return Constraint(std::move(impl));
  });
}

Result<Constraint> Grammar::Parse(std::string_view gbnf) {
  return Guarded("compile the grammar", "", [&]() -> Result<Constraint> {
    auto impl = std::make_shared<Constraint::Impl>();
    GEMMA3_TRY(impl->grammar, CompileGbnf(gbnf));
    impl->source = std::string(gbnf);
    return Constraint(std::move(impl));
  });
}

}  // namespace gemma3
