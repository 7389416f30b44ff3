// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Calls between control tokens of their own, as FunctionGemma was trained:
//
//   <start_function_call>call:get_weather{city:<escape>Rome<escape>,days:3}<end_function_call>
//   <start_function_response>response:get_weather{sky:<escape>sunny<escape>}<end_function_response>
//
// <escape> stands on both sides of a string, whose text is raw; keys are bare. Everything is
// written and read as token ids, so neither a string that spells a mark nor one with commas and
// braces can be taken for structure. Source: ai.google.dev/gemma/docs/functiongemma and the
// chat_template of functiongemma-270m-it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "gemma3/tokenizer.h"
#include "gemma3/tools.h"
#include "src/chat/prompt_builder.h"
#include "src/chat/tool_set.h"

namespace gemma3 {

struct CallMarks {
  TokenId begin_declaration, end_declaration;
  TokenId begin_call, end_call;
  TokenId begin_response, end_response;  // the first ends an answer, too
  TokenId escape;

  // By FunctionGemma's spellings, else <unused40> to <unused46>, whose ids these are.
  // Errors: kBadModel for a vocabulary without them.
  static Result<CallMarks> Find(const Tokenizer& tokenizer);
};

// ---- The prompt
// ----------------------------------------------------------------------------------

// The developer's turn says this in front of the declarations; without it the model calls nothing.
inline constexpr std::string_view kCallsSentence =
    "You are a model that can do function calling with the following functions";

Status WriteDeclaration(const ToolSet::Entry& tool, const CallMarks& marks, PromptBuilder& builder);

// A call that another program made. `arguments` is a JSON object without blanks.
Status WriteMarkedCall(std::string_view name, std::string_view arguments, const CallMarks& marks,
                       PromptBuilder& builder);

// What stands between the marks of a result. The members of `text` where it is a JSON object, else
// all of it as a string.
Status WriteMarkedResult(std::string_view name, std::string_view text, const CallMarks& marks,
                         PromptBuilder& builder);

// ---- The answer
// ----------------------------------------------------------------------------------

// Reads the calls of one answer. Keeps a reference to the tools.
class MarkedCallReader {
 public:
  static constexpr size_t kMaxCalls = 128;

  // Calls get the ids MakeCallId(id_seed, 0), ...
  MarkedCallReader(const ToolSet& tools, const CallMarks& marks, uint64_t id_seed)
      : tools_(tools), marks_(marks), id_seed_(id_seed) {}

  // Takes the next token of the answer with its bytes, and appends to `out` the bytes that are
  // text. What stood between the marks of a call and is none is text, marks included.
  void Feed(TokenId id, std::string_view bytes, std::string& out);
  // The answer is over. A call whose end mark is missing counts if it is complete.
  void Flush(std::string& out);

  const std::vector<ToolCall>& calls() const { return calls_; }
  bool in_call() const { return in_call_; }

 private:
  // A run of bytes outside or inside of <escape> marks.
  struct Piece {
    bool is_string;
    std::string text;
  };
  void EndCall(std::string& out);
  std::optional<ToolCall> ReadCall() const;

  const ToolSet& tools_;
  const CallMarks marks_;
  const uint64_t id_seed_;
  std::vector<ToolCall> calls_;
  bool in_call_ = false, in_string_ = false;
  bool dropped_ = false;  // a call, since one answer holds one
  std::vector<Piece> pieces_;
  std::string written_;  // the call with its marks, should it be text
};

}  // namespace gemma3
