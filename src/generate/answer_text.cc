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
  pieces_.push_back(
      {std::move(shown), text_.size(), tokens_, !characters_.waiting() && !stops_.waiting(), last});
}

bool AnswerText::Feed(TokenId id) {
  ++tokens_;
  whole_.clear();
  characters_.Push(thought_.Feed(id, tokenizer_->TokenBytes(id)), whole_);
  const bool stopped = stops_.Feed(whole_, certain_);
  Add(/*last=*/stopped);
  return stopped;
}

void AnswerText::Finish() {
  whole_.clear();
  characters_.Push(thought_.Flush(), whole_);
  characters_.Flush(whole_);
  stops_.Feed(whole_, certain_);
  stops_.Flush(certain_);
  Add(/*last=*/true);
}

}  // namespace gemma3
