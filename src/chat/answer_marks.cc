// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/chat/answer_marks.h"

#include <algorithm>
#include <utility>

#include "src/chat/marked_calls.h"

namespace gemma3 {
namespace {

void Add(TokenId id, std::vector<TokenId>& ids) {
  if (id >= 0 && std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
}

AnswerMarks WithBanned(std::vector<TokenId> stop, const ModelConfig& config,
                       const Tokenizer& tokenizer) {
  AnswerMarks marks{std::move(stop), {}};
  const SpecialTokens& special = config.tokens;
  for (const TokenId id : {special.pad, special.bos, special.start_of_image, special.end_of_image,
                           special.image_soft_token}) {
    // Trainers name what they like as padding: the end of a turn, which must be drawn to end one,
    // or a piece of text, without which the model could not write that text.
    const bool text =
        id < 0 || (static_cast<size_t>(id) < tokenizer.vocab_size() && !tokenizer.IsControl(id));
    if (!text && std::ranges::find(marks.stop, id) == marks.stop.end()) Add(id, marks.banned);
  }
  return marks;
}

}  // namespace

AnswerMarks ChatAnswerMarks(const ModelConfig& config, const Tokenizer& tokenizer) {
  std::vector<TokenId> stop = config.generation.stop_tokens;
  for (const char* mark : {"<end_of_turn>", "<eos>", "<start_of_turn>"}) {
    Add(tokenizer.Find(mark), stop);
  }
  if (config.chat_template.kind == ChatTemplateKind::kFunctionGemma) {
    if (const auto calls = CallMarks::Find(tokenizer)) Add(calls->begin_response, stop);
  }
  return WithBanned(std::move(stop), config, tokenizer);
}

AnswerMarks RawAnswerMarks(const ModelConfig& config, const Tokenizer& tokenizer) {
  return WithBanned(config.generation.stop_tokens, config, tokenizer);
}

std::vector<std::string> StopTokenNotes(const ModelConfig& config, const Tokenizer& tokenizer) {
  std::vector<std::string> notes;
  for (const TokenId id : config.generation.stop_tokens) {
    if (tokenizer.Piece(id).empty() || tokenizer.IsControl(id)) continue;
    const std::string piece(tokenizer.Piece(id));
    notes.push_back("answers end at token " + std::to_string(id) + ", which is no mark but " +
                    (piece == "\n" ? "a line break" : "\"" + piece + "\"") +
                    ": the files list it as eos_token_id");
  }
  return notes;
}

}  // namespace gemma3
