// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/constrain/call_grammar.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "src/base/guard.h"
#include "src/base/status.h"
#include "src/constrain/constraint_impl.h"
#include "src/constrain/schema_compiler.h"
#include "src/constrain/schema_document.h"

namespace gemma3 {
namespace {

// As many as are read of one answer.
constexpr uint32_t kMaxCalls = 128;

// All schemas as one document. References in them ("#/properties/a") keep their meaning where each
// has an id.
Result<std::string> DocumentOf(std::span<const CallableTool> tools) {
  std::string text = "{\"$defs\":{";
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string& schema = tools[i].parameters;
    if (i > 0) text += ',';
    (text += '"') += std::to_string(i) + "\":";
    bool needs_id = schema.find("\"$ref\"") != std::string::npos;
    if (needs_id) {
      GEMMA3_TRY(const OrderedJson json,
                 OrderedJson::Parse(schema, SchemaDocument::kMaxDepth, SchemaDocument::kMaxBytes));
      needs_id = json.kind(OrderedJson::kRoot) == OrderedJson::Kind::kObject &&
                 json.Find(OrderedJson::kRoot, "$id") == OrderedJson::kNone;
    }
    if (needs_id) {
      text += "{\"$id\":\"gemma3:/tools/" + std::to_string(i) + "\"," +
              schema.substr(schema.find('{') + 1);
    } else {
      text += schema;
    }
  }
  return text += "}}";
}

class CallGrammar {
 public:
  CallGrammar(SchemaCompiler& compiler, std::span<const CallableTool> tools, const CallForm& form)
      : builder_(compiler.builder()), json_(compiler.form()), tools_(tools), form_(form) {}

  // arguments: the rule of each tool's.
  uint32_t Root(const std::vector<uint32_t>& arguments) {
    return form_.python ? PythonRoot(arguments) : JsonRoot(arguments);
  }

 private:
  uint32_t Rule(NodeId entry) {
    const uint32_t rule = builder_.AddRule();
    builder_.SetEntry(rule, entry);
    return rule;
  }
  NodeId Text(std::string_view text, NodeId next) {
    return builder_.Terminal(builder_.Literal(text), next);
  }

  // The name of one of the tools, then the node values + its number.
  NodeId Name(NodeId values) {
    std::vector<std::string> names;
    for (const CallableTool& tool : tools_) {
      names.push_back(form_.python ? tool.name : "\"" + tool.name + "\"");
    }
    const uint32_t set = builder_.AddKeySet(names);
    const auto last = static_cast<uint32_t>(names.size() - 1);
    NodeId name = kNoNode;
    for (uint32_t i = last + 1; i-- > 0;) name = builder_.Keys(set, i, last, values, name);
    return name;
  }

  // `item`, or several in brackets.
  NodeId ListOf(uint32_t item, NodeId next) {
    const uint32_t rule = builder_.AddRule();
    const uint32_t most = form_.several ? kMaxCalls : 1;
    builder_.SetCounts(rule, 1, most);
    const NodeId behind = builder_.Reserve(1);
    const NodeId more =
        builder_.Count(NodeKind::kCountBelow, most,
                       builder_.Call(item, builder_.Count(NodeKind::kCountUp, most, behind)));
    builder_.SetAlt(behind, {builder_.Terminal(json_.close_bracket(), builder_.Return()),
                             builder_.Count(NodeKind::kCountBelow, most,
                                            builder_.Terminal(json_.comma(), more))});
    builder_.SetEntry(rule, builder_.Terminal(json_.open_bracket(), more));
    return builder_.Call(rule, next);
  }

  // name(argument=value, ...)
  uint32_t PythonRoot(const std::vector<uint32_t>& arguments) {
    const NodeId end = builder_.Return();
    const NodeId values = builder_.Reserve(tools_.size());
    for (size_t i = 0; i < tools_.size(); ++i) {
      builder_.SetNode(values + static_cast<NodeId>(i),
                       {.kind = NodeKind::kCall, .a = arguments[i], .next = end});
    }
    const uint32_t call = Rule(Name(values));
    if (!form_.any_wrapping) return Rule(ListOf(call, builder_.Return()));
    return Rule(builder_.Alt({ListOf(call, end), builder_.Call(call, end),
                              Text("print(", builder_.Call(call, Text(")", end)))}));
  }

  // A member of an object, with the blanks behind its colon.
  NodeId Key(std::string_view name, NodeId next) {
    std::string quoted = "\"";
    (quoted += name) += '"';
    return Text(quoted, builder_.Terminal(json_.colon(), next));
  }

  // What some models write before the name: an id, and a type.
  NodeId Preamble(NodeId next) {
    const NodeId comma_next = builder_.Terminal(json_.comma(), next);
    const NodeId type = builder_.Alt({Key("type", Text("\"function\"", comma_next)), next});
    const NodeId id =
        Key("id", builder_.Terminal(json_.any_string(), builder_.Terminal(json_.comma(), type)));
    const NodeId type_id =
        Key("type",
            Text("\"function\"",
                 builder_.Terminal(json_.comma(),
                                   Key("id", builder_.Terminal(json_.any_string(), comma_next)))));
    return builder_.Alt({id, type_id, type});
  }

  // {"name": name, "parameters": {...}}
  uint32_t JsonRoot(const std::vector<uint32_t>& arguments) {
    const NodeId end = builder_.Return();
    const NodeId close = builder_.Terminal(json_.close_brace(), end);
    const NodeId values = builder_.Reserve(tools_.size());
    for (size_t i = 0; i < tools_.size(); ++i) {
      const NodeId value = builder_.Call(arguments[i], close);
      NodeId key = Key("parameters", value);
      if (form_.any_wrapping) key = builder_.Alt({key, Key("arguments", value)});
      builder_.SetNode(values + static_cast<NodeId>(i),
                       {.kind = NodeKind::kTerminal, .a = json_.comma(), .next = key});
    }
    const NodeId named = Key("name", Name(values));
    if (!form_.any_wrapping) {
      const uint32_t call = Rule(builder_.Terminal(json_.open_brace(), named));
      if (!form_.several) return call;
      return Rule(builder_.Alt({builder_.Call(call, end), ListOf(call, end)}));
    }
    const uint32_t call = Rule(builder_.Terminal(json_.open_brace(), Preamble(named)));
    const NodeId function = Key("function", builder_.Call(call, close));
    const uint32_t wrapped = Rule(builder_.Terminal(json_.open_brace(), Preamble(function)));
    const uint32_t entry =
        Rule(builder_.Alt({builder_.Call(call, end), builder_.Call(wrapped, end)}));
    const NodeId outer = builder_.Terminal(
        json_.open_brace(), builder_.Alt({Key("tool_call", builder_.Call(entry, close)),
                                          Key("tool_calls", ListOf(entry, close))}));
    return Rule(builder_.Alt({builder_.Call(entry, end), ListOf(entry, end), outer}));
  }

  GrammarBuilder& builder_;
  JsonGrammar& json_;
  const std::span<const CallableTool> tools_;
  const CallForm& form_;
};

}  // namespace

Result<Constraint> CompileCalls(std::span<const CallableTool> tools, const CallForm& form,
                                PatternCache* patterns, std::vector<size_t>* refused) {
  return Guarded("compile the tools", "", [&]() -> Result<Constraint> {
    if (tools.empty()) return Fail(ErrorCode::kInvalidArgument, "there is no tool to call");
    auto impl = std::make_shared<Constraint::Impl>();
    GEMMA3_TRY(impl->source, DocumentOf(tools));
    GEMMA3_TRY(const SchemaDocument document, SchemaDocument::Parse(impl->source));
    const JsonSchemaOptions options = {.closed_objects = true, .lenient = true, .form = form.json};
    PatternCache own;
    SchemaCompiler compiler(document, options, patterns ? *patterns : own, form.python);
    const OrderedJsonNode& schemas =
        document.json()[document.json().Find(OrderedJson::kRoot, "$defs")];
    std::vector<uint32_t> arguments;
    std::optional<Error> first;
    for (size_t i = 0; i < tools.size(); ++i) {
      const auto rule = compiler.ObjectRule(schemas.children[i], /*keywords=*/form.python);
      const Status made = rule ? compiler.FillRules() : std::unexpected(rule.error());
      if (!made && refused == nullptr) return std::unexpected(made.error());
      if (!made && !first) first = made.error();
      if (!made) refused->push_back(i);
      if (rule) arguments.push_back(*rule);
    }
    if (first) return std::unexpected(*std::move(first));
    const uint32_t root = CallGrammar(compiler, tools, form).Root(arguments);
    GEMMA3_TRY(impl->grammar, compiler.Finish(root));
    impl->remarks = compiler.remarks();
    impl->relaxed = compiler.relaxed();
    return Constraint(std::move(impl));
  });
}

}  // namespace gemma3
