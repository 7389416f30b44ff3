// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/decode/thought.h"

#include <utility>

namespace gemma3 {
namespace {

constexpr std::string_view kHead = "thought";

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

bool IsAllSpace(std::string_view text) {
  for (const char c : text) {
    if (!IsSpace(c)) return false;
  }
  return true;
}

}  // namespace

std::string_view ThoughtSplitter::Feed(TokenId id, std::string_view bytes) {
  ++tokens_;
  switch (state_) {
    case State::kBefore:
      if (id == begin_ && end_ >= 0) {
        state_ = State::kHead;
        mark_ = bytes;
        return {};
      }
      if (!IsAllSpace(bytes)) state_ = State::kAnswer;
      return bytes;
    case State::kHead:
      if (id == end_ && head_ == kHead) {
        BeginThought();
        EndThought();
        characters_.Push(bytes, written_);
        return {};
      }
      if (id == end_ || id == begin_) return NoThought(bytes);
      head_ += bytes;
      if (head_.size() <= kHead.size()) {
        return kHead.starts_with(head_) ? std::string_view() : NoThought({});
      }
      if (!head_.starts_with(kHead) || !IsSpace(head_[kHead.size()])) return NoThought({});
      BeginThought();
      return {};
    case State::kThought:
      if (id == end_) EndThought();
      characters_.Push(bytes, written_);
      return {};
    case State::kAnswer:
      break;
  }
  return bytes;
}

std::string_view ThoughtSplitter::Flush() {
  if (state_ == State::kHead) {
    if (head_ != kHead) return NoThought({});
    BeginThought();
  }
  if (state_ == State::kThought) EndThought();
  return {};
}

std::string ThoughtSplitter::Thought() const {
  return written_.substr(thought_at_, thought_end_ - thought_at_);
}

std::string ThoughtSplitter::TakeWritten() {
  std::string part = written_.substr(taken_);
  taken_ = written_.size();
  return part;
}

std::string_view ThoughtSplitter::NoThought(std::string_view bytes) {
  state_ = State::kAnswer;
  out_ = std::exchange(mark_, {}) + std::exchange(head_, {});
  out_ += bytes;
  return out_;
}

// The character behind the head is a part of it.
void ThoughtSplitter::BeginThought() {
  state_ = State::kThought;
  written_ = mark_ + head_.substr(0, kHead.size() + 1);
  thought_at_ = written_.size();
  if (head_.size() > kHead.size()) {
    characters_.Push(std::string_view(head_).substr(kHead.size() + 1), written_);
  }
}

void ThoughtSplitter::EndThought() {
  characters_.Flush(written_);
  state_ = State::kAnswer;
  thought_end_ = written_.size();
  tokens_before_ = tokens_;
}

}  // namespace gemma3
