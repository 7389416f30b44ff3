// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What an answer may be: JSON by a schema, any JSON object, or a grammar.
//
//   auto schema = gemma3::JsonSchema::Compile(R"({"type": "object", ...})");
//   if (!schema) return Report(schema.error());
//   options.constraint = *schema;   // every complete answer is valid by the schema
//
// An answer that ends by itself meets its constraint; one that is cut off (max_tokens, a stop
// string, a full context) is the beginning of such a text.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"

namespace gemma3 {

// Cheap to copy; copies share what was compiled. Immutable, so threads may share one.
class Constraint {
 public:
  // What was asked for and is not enforced, one sentence each, with the JSON pointer: words that
  // the standard calls annotations and that look like more (an unknown format), words that are no
  // keywords, and what JsonSchemaOptions::lenient let pass. Empty for a grammar.
  const std::vector<std::string>& remarks() const;
  // Whether anything was let pass by JsonSchemaOptions::lenient.
  bool relaxed() const;
  // The text of the schema or grammar it was made from.
  const std::string& source() const;

  struct Impl;  // hides the compiled form
  explicit Constraint(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  const std::shared_ptr<const Impl>& impl() const { return impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

// How JSON is written, and how much of it. The bounds only narrow what is valid: they keep a model
// from writing blanks, digits or brackets for ever.
struct JsonForm {
  // No white space at all. Otherwise, behind { [ , and before } ] there may be nothing, one space,
  // or one or two line ends and up to `max_indent` spaces and tabs; behind a colon nothing or one
  // space; and none before and behind the whole.
  bool compact = false;
  // Or one space behind each comma and colon and none elsewhere, as Python's json.dumps writes.
  bool spaced = false;
  size_t max_indent = 40;
  // More where the bounds of a schema need more.
  size_t max_integer_digits = 20, max_fraction_digits = 17, max_exponent_digits = 3;
  size_t max_depth = 32;  // of arrays and objects inside each other where a schema leaves them free
  size_t max_recursion = 64;  // of a schema inside itself, by $ref
};

struct JsonSchemaOptions {
  // additionalProperties and items that a schema does not mention are closed instead of open, as
  // for the arguments of a tool. The standard leaves them open.
  bool closed_objects = false;
  // Where a schema has keywords of one type alone and no `type`, values are of that type.
  bool infer_type = false;
  // What cannot be enforced is left out and named in Constraint::remarks, instead of an error.
  bool lenient = false;
  JsonForm form = {};
};

// JSON Schema: drafts 4 to 2020-12, told by $schema, else all of them together.
class JsonSchema {
 public:
  // Members come in the order of `properties`. What each keyword means here is in
  // src/constrain/README.md. Errors, each with the JSON pointer of the place: kInvalidArgument for
  // what is no schema, or one that nothing can satisfy; kUnsupported for keywords that cannot be
  // enforced, and beyond the limits.
  static Result<Constraint> Compile(std::string_view schema, const JsonSchemaOptions& options = {});
  // Any JSON object.
  static Result<Constraint> AnyObject(const JsonForm& form = {});
};

// Grammars in GBNF, llama.cpp's notation; the start is the rule `root`.
class Grammar {
 public:
  // Errors with line:column: kInvalidArgument for what is no grammar, left recursion, and rules
  // that never end; kUnsupported beyond the limits.
  static Result<Constraint> Parse(std::string_view gbnf);
};

}  // namespace gemma3
