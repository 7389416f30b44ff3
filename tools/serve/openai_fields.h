// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Fields that OpenAI's APIs have in common, read into the options of a generation. A field of the
// wrong type, or out of its range, is an error that names it; fields that are not known are
// ignored, because clients add some every month.
#pragma once

#include <string>
#include <vector>

#include "gemma3/generation.h"
#include "gemma3/tools.h"
#include "tools/serve/ask.h"
#include "tools/serve/json_in.h"

namespace gemma3::serve {

// temperature, top_p, seed, stop, penalties, logit_bias, ..., and what other servers take besides:
// top_k, min_p, repeat_penalty, ignore_eos, grammar, ...
Api<void> ReadSampling(const JsonIn& body, const ModelView& model, GenerationOptions& options);

// The texts that end an answer, under the name that an API has for them.
Api<void> ReadStops(const JsonIn& body, std::string_view name, GenerationOptions& options);

// Lowers the bound on the answer to what the client asks for. tokens: what it said, if anything.
void LimitTokens(std::optional<int64_t> tokens, const AskDefaults& defaults,
                 GenerationOptions& options);

// Whether the answer must be a call: then no format of answers holds.
bool CallsOnly(const GenerationOptions& options);

// The schema of {"type": "text" | "json_object" | "json_schema", ...} as a constraint, and the
// words that tell the model of it (empty: none).
Api<void> ReadResponseFormat(const JsonIn& format, bool schema_prompt, GenerationOptions& options,
                             std::string* words);
// A schema that a client gave. strict: what cannot be enforced is an error.
Api<Constraint> CompileSchema(const JsonIn& schema, bool strict);
std::string SchemaWords(const Constraint& constraint);
inline constexpr std::string_view kObjectWords = "Answer with a JSON object and nothing else.";

// One function: {name, description?, parameters?}.
Api<Tool> ReadFunction(const JsonIn& function);
// "none", "auto", "required", or an object that names functions.
Api<ToolChoice> ReadToolChoice(const JsonIn& choice);

// A text, or a list of text parts, joined as they are.
Api<std::string> TextOf(const JsonIn& content);

// Whether a value is a list of token ids, and these; whose they are is for the engine to say.
bool AreTokens(const JsonIn& value);
Api<std::vector<TokenId>> ReadTokens(const JsonIn& value);

// What a member says that holds JSON: a text with it, or the value itself. For arguments.
Api<std::string> ArgumentsOf(const JsonIn& value);

}  // namespace gemma3::serve
