// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Which tokens end an answer, and which never stand in one.
//
// A chat's turns are laid out with the vocabulary's marks (template.h), so the same marks end an
// answer, whatever ids the model's files list: many fine-tunes name <eos> alone, or nothing.
#pragma once

#include <string>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/tokenizer.h"

namespace gemma3 {

struct AnswerMarks {
  std::vector<TokenId> stop;
  std::vector<TokenId> banned;  // none of `stop`
};

// Of a chat: the files' stop tokens and, by spelling, <end_of_turn>, <eos> and <start_of_turn>. A
// model that opens another turn has ended its own, and what would follow is an invented question.
// FunctionGemma's <start_function_response> is the same for calls: what follows is for them to say.
AnswerMarks ChatAnswerMarks(const ModelConfig& config, const Tokenizer& tokenizer);

// Of raw text: the files' stop tokens alone.
AnswerMarks RawAnswerMarks(const ModelConfig& config, const Tokenizer& tokenizer);

// For people: the files' stop tokens that are ordinary text. They are obeyed, and an answer that
// ends at the first line break or full stop surprises.
std::vector<std::string> StopTokenNotes(const ModelConfig& config, const Tokenizer& tokenizer);

}  // namespace gemma3
