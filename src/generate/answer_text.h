// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// From the tokens of an answer to its text: the thought in front and calls of tools are told apart,
// bytes wait until they are whole characters, and text that may become a stop string or a call
// waits until it is known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gemma3/generation.h"
#include "gemma3/tokenizer.h"
#include "src/chat/call_reader.h"
#include "src/chat/marked_calls.h"
#include "src/chat/tool_set.h"
#include "src/decode/stop_strings.h"
#include "src/decode/thought.h"
#include "src/text/utf8.h"

namespace gemma3 {

// What became certain with one token, and how far the answer was then: enough to end it there.
struct AnswerPiece {
  std::string text;       // for the caller; with the thought's where it is to be shown
  size_t text_bytes = 0;  // of the answer's text, this included
  size_t tokens = 0;      // of the answer, the thought's included
  bool whole = false;     // the text is all that those tokens spell: nothing waits
  bool last = false;      // came with the end of the answer
  std::vector<TokenLogprobs> logprobs = {};  // of the tokens since the last piece, if asked for
};

class AnswerText {
 public:
  // The tokenizer must outlive this. tools: null where nothing may be called. marks: how a model
  // with marks for calls writes them; unset: as text. Calls get ids made of id_seed.
  AnswerText(const Tokenizer& tokenizer, StopStrings stops, bool show_thought,
             std::shared_ptr<const ToolSet> tools, const std::optional<CallMarks>& marks,
             uint64_t id_seed)
      : tokenizer_(&tokenizer),
        thought_(tokenizer.Find("<unused94>"), tokenizer.Find("<unused95>")),
        stops_(std::move(stops)),
        show_thought_(show_thought),
        tools_(std::move(tools)) {
    if (tools_ && marks) marked_calls_.emplace(*tools_, *marks, id_seed);
    if (tools_ && !marks) calls_.emplace(*tools_, id_seed);
  }

  // Takes the next token. True once a stop string has come up; text after it is ignored.
  bool Feed(TokenId id);
  // The answer is over: what waited is text.
  void Finish();

  // What became certain since the last call.
  std::vector<AnswerPiece> TakePieces() { return std::exchange(pieces_, {}); }

  const std::string& text() const { return text_; }
  // All of them after Finish.
  std::vector<ToolCall> calls() const {
    return calls_          ? calls_->calls()
           : marked_calls_ ? marked_calls_->calls()
                           : std::vector<ToolCall>();
  }
  // The call that is being written as text (CallReader::open_unit).
  CallReader::OpenUnit open_unit() const {
    return calls_ ? calls_->open_unit() : CallReader::OpenUnit();
  }
  std::string thought() const { return thought_.Thought(); }
  // Final after Finish.
  size_t tokens_before_answer() const { return thought_.tokens_before_answer(); }

 private:
  void Take();
  void Add(bool last);

  const Tokenizer* tokenizer_;
  ThoughtSplitter thought_;
  Utf8Stream characters_;
  StopStrings stops_;
  bool show_thought_;
  std::shared_ptr<const ToolSet> tools_;
  std::optional<CallReader> calls_;
  std::optional<MarkedCallReader> marked_calls_;
  std::string text_;
  std::vector<AnswerPiece> pieces_;
  size_t tokens_ = 0;
  std::string whole_;    // characters completed by a token
  std::string certain_;  // of these, what cannot belong to a stop string any more
};

}  // namespace gemma3
