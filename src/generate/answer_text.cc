// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/generate/answer_text.h"

namespace gemma3 {

// Makes a piece of what is known now.
void AnswerText::Add(bool last) {
  std::string shown;
  if (show_thought_) shown = thought_.TakeWritten();
  text_ += certain_;
  shown += certain_;
  certain_.clear();
  if (shown.empty()) return;
  pieces_.push_back({std::move(shown),
                     text_.size(),
                     tokens_,
                     !characters_.waiting() && !stops_.waiting() && !tools_,
                     last,
                     {}});
}

// Takes calls out of what whole_ has.
void AnswerText::Take() {
  if (!calls_) return;
  std::string text;
  calls_->Feed(whole_, text);
  whole_ = std::move(text);
}

bool AnswerText::Feed(TokenId id) {
  ++tokens_;
  whole_.clear();
  std::string_view bytes = thought_.Feed(id, tokenizer_->TokenBytes(id));
  std::string unmarked;
  if (marked_calls_) {
    marked_calls_->Feed(id, bytes, unmarked);
    bytes = unmarked;
  }
  characters_.Push(bytes, whole_);
  Take();
  const bool stopped = stops_.Feed(whole_, certain_);
  Add(/*last=*/stopped);
  return stopped;
}

void AnswerText::Finish() {
  whole_.clear();
  std::string bytes(thought_.Flush());
  if (marked_calls_) marked_calls_->Flush(bytes);
  characters_.Push(bytes, whole_);
  characters_.Flush(whole_);
  Take();
  if (calls_) calls_->Flush(whole_);
  stops_.Feed(whole_, certain_);
  stops_.Flush(certain_);
  Add(/*last=*/true);
}

}  // namespace gemma3
