// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/constrain/json_grammar.h"

#include <utility>

#include "src/base/status.h"
#include "src/constrain/number.h"

namespace gemma3 {
namespace {

// `before`, then blanks as JsonForm allows them, then `behind`. One of the two is one byte, the
// other is none.
ByteDfa WithBlanks(char before, char behind, const JsonForm& form) {
  if (form.spaced) return ByteDfa::AnyOf({before == ',' ? ", " : std::string(1, before + behind)});
  ByteDfa dfa;
  std::vector<std::vector<ByteDfa::Edge>> edges;
  std::vector<bool> accepts;
  const auto add = [&](bool is_end) {
    edges.emplace_back();
    accepts.push_back(is_end);
    return static_cast<uint32_t>(edges.size() - 1);
  };
  const auto edge = [&](uint32_t from, char byte, uint32_t to) {
    edges[from].push_back({static_cast<uint8_t>(byte), static_cast<uint8_t>(byte), to});
  };
  const bool leads = before != 0;
  uint32_t start = add(false);
  if (leads) {
    const uint32_t next = add(true);
    edge(start, before, next);
    start = next;
  }
  uint32_t end = 0;
  if (!leads) {
    end = add(true);
    edge(start, behind, end);
  }
  const auto blank = [&](uint32_t from, char byte) {
    const uint32_t next = add(leads);
    edge(from, byte, next);
    if (!leads) edge(next, behind, end);
    return next;
  };
  if (!form.compact) {
    blank(start, ' ');
    const uint32_t line = blank(start, '\n');
    const uint32_t second = blank(line, '\n');
    // The indent behind one line end and behind two is the same.
    uint32_t from = line;
    for (size_t i = 0; i < form.max_indent; ++i) {
      const uint32_t next = blank(from, ' ');
      edge(from, '\t', next);
      if (i == 0) {
        edge(second, ' ', next);
        edge(second, '\t', next);
      }
      from = next;
    }
  }
  for (uint32_t s = 0; s < edges.size(); ++s) {
    dfa.states.push_back({static_cast<uint32_t>(dfa.edges.size()),
                          static_cast<uint32_t>(dfa.edges.size() + edges[s].size()), accepts[s]});
    dfa.edges.insert(dfa.edges.end(), edges[s].begin(), edges[s].end());
  }
  return dfa;
}

}  // namespace

JsonGrammar::JsonGrammar(GrammarBuilder& builder, const JsonForm& form, bool python)
    : builder_(builder),
      form_(form),
      python_(python),
      any_text_(std::make_shared<const TextDfa>(TextDfa::Any())),
      open_brace_(builder.Bytes(WithBlanks('{', 0, form))),
      open_bracket_(builder.Bytes(WithBlanks('[', 0, form))),
      comma_(builder.Bytes(WithBlanks(',', 0, form))),
      colon_(builder.Bytes(form.compact  ? ByteDfa::AnyOf({":"})
                           : form.spaced ? ByteDfa::AnyOf({": "})
                                         : ByteDfa::AnyOf({":", ": "}))),
      close_brace_(builder.Bytes(WithBlanks(0, '}', form))),
      close_bracket_(builder.Bytes(WithBlanks(0, ']', form))),
      bare_brace_(builder.Literal("}")),
      bare_bracket_(builder.Literal("]")),
      any_string_(builder.Text({.dfa = any_text_, .form = TextTerminal::Form::kFree})) {}

JsonGrammar::Brackets JsonGrammar::Of(char open, char close) {
  return {builder_.Bytes(WithBlanks(open, 0, form_)), builder_.Bytes(WithBlanks(0, close, form_)),
          builder_.Literal(std::string(1, close))};
}

void JsonGrammar::AppendWord(std::string_view word, std::vector<std::string>& texts) const {
  texts.emplace_back(word);
  if (!python_) return;
  if (word == "null") texts.emplace_back("None");
  if (word == "true") texts.emplace_back("True");
  if (word == "false") texts.emplace_back("False");
}

Status JsonGrammar::MakeAny() {
  if (any_value_ != UINT32_MAX) return {};
  any_value_ = builder_.AddRule();
  any_object_ = builder_.AddRule(DepthKind::kFreeJson);
  const uint32_t array = builder_.AddRule(DepthKind::kFreeJson);
  const NumberSpec spec = {.whole_digits = form_.max_integer_digits,
                           .fraction_digits = form_.max_fraction_digits,
                           .exponent_digits = form_.max_exponent_digits};
  GEMMA3_TRY(ByteDfa number, NumberTexts(spec));
  std::vector<std::string> words;
  for (const char* word : {"null", "true", "false"}) AppendWord(word, words);
  const NodeId end = builder_.Return();
  builder_.SetEntry(
      any_value_,
      builder_.Alt({builder_.Terminal(any_string_, end),
                    builder_.Terminal(builder_.Bytes(std::move(number)), end),
                    builder_.Terminal(builder_.Bytes(ByteDfa::AnyOf(std::move(words))), end),
                    builder_.Call(any_object_, end), builder_.Call(array, end)}));
  // {"key": value, ...}
  {
    const NodeId behind = builder_.Reserve(1);
    const NodeId member = builder_.Terminal(
        any_string_, builder_.Terminal(colon_, builder_.Call(any_value_, behind)));
    builder_.SetAlt(behind,
                    {builder_.Terminal(comma_, member), builder_.Terminal(close_brace_, end)});
    const NodeId inside = builder_.Alt({member, builder_.Terminal(bare_brace_, end)});
    builder_.SetEntry(any_object_, builder_.Terminal(open_brace_, inside));
  }
  {
    const NodeId behind = builder_.Reserve(1);
    const NodeId item = builder_.Call(any_value_, behind);
    builder_.SetAlt(behind,
                    {builder_.Terminal(comma_, item), builder_.Terminal(close_bracket_, end)});
    const NodeId inside = builder_.Alt({item, builder_.Terminal(bare_bracket_, end)});
    builder_.SetEntry(array, builder_.Terminal(open_bracket_, inside));
  }
  return {};
}

Result<uint32_t> JsonGrammar::AnyValue() {
  GEMMA3_CHECK_OK(MakeAny());
  return any_value_;
}

Result<uint32_t> JsonGrammar::AnyObject() {
  GEMMA3_CHECK_OK(MakeAny());
  return any_object_;
}

}  // namespace gemma3
