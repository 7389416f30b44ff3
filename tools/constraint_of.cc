// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/constraint_of.h"

#include <string_view>

#include "src/base/status.h"
#include "tools/output.h"
#include "tools/prompt.h"
#include "tools/terminal.h"
#include "tools/text.h"

namespace gemma3::cli {

Result<std::optional<Constraint>> ConstraintOf(const Settings& settings) {
  const int wanted =
      !settings.json_schema.empty() + !settings.grammar.empty() + (settings.json_object ? 1 : 0);
  if (wanted == 0) return std::optional<Constraint>();
  if (wanted > 1) {
    return Fail(ErrorCode::kInvalidArgument,
                "json-schema, grammar and json-object exclude each other: an answer can meet one");
  }
  if (settings.json_object) {
    GEMMA3_TRY(Constraint object, JsonSchema::AnyObject());
    return std::optional<Constraint>(std::move(object));
  }
  const bool is_grammar = !settings.grammar.empty();
  std::string text = settings.json_schema, name = "json-schema";
  const std::string_view start = TrimSpace(text);
  if (is_grammar || (!start.starts_with('{') && start != "true" && start != "false")) {
    name = is_grammar ? settings.grammar : settings.json_schema;
    GEMMA3_TRY(text, ReadAll(name));
  }
  // A batch asks for each line and a chat for each message: what was learnt about the last one is
  // kept, and its remarks are told once.
  static std::optional<Constraint> last;
  if (last && last->source() == text) return last;
  auto made = is_grammar ? Grammar::Parse(text) : JsonSchema::Compile(text);
  if (!made) {
    return Fail(made.error().code, name, is_grammar ? ":" : ": ", made.error().message);
  }
  for (const std::string& remark : made->remarks()) {
    WriteStderr("note: " + SanitizeForTerminal(name + ": " + remark) + "\n");
  }
  last = *made;
  return last;
}

void AddSchemaPrompt(const Settings& settings, const std::optional<Constraint>& constraint,
                     Message& message) {
  if (!constraint || !settings.schema_prompt || !settings.grammar.empty()) return;
  const std::string words =
      settings.json_object
          ? "\n\nAnswer with a JSON object and nothing else."
          : "\n\nAnswer with JSON that is valid by this schema and nothing else:\n" +
                constraint->source();
  message.parts.push_back(Part::Text(words));
}

std::string FirstCodeBlock(const std::string& text) {
  size_t begin = 0;  // of a line
  size_t ticks = 0;  // of the fence that is open
  std::string block;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    const size_t indent = line.find_first_not_of(" \t");
    const std::string_view rest = indent == std::string_view::npos ? "" : line.substr(indent);
    const size_t count = std::min(rest.find_first_not_of('`'), rest.size());
    // Behind an opening fence there are no more ticks, else it is code within a line.
    if (ticks == 0 && count >= 3 && rest.find('`', count) == std::string_view::npos) {
      ticks = count;
    } else if (ticks > 0 && count >= ticks && TrimSpace(rest.substr(count)).empty()) {
      return block;
    } else if (ticks > 0) {
      block.append(line);
      block += '\n';
    }
    begin = end + 1;
  }
  return ticks > 0 ? block : text;  // an answer that was cut off in its block
}

}  // namespace gemma3::cli
