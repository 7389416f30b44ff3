// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "src/chat/call_reader.h"

#include <algorithm>
#include <utility>

#include "src/base/ascii.h"

namespace gemma3 {
namespace {

constexpr size_t kFenceTicks = 3;
constexpr size_t kMaxInfo = 16;

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

}  // namespace

std::string_view CallReader::open_call() const {
  if (!attempt_) return {};
  const bool begun = !attempt_->calls.empty() || (attempt_->unit && attempt_->unit->begun());
  return begun ? std::string_view(held_).substr(attempt_->begin - base_) : std::string_view();
}

CallReader::OpenUnit CallReader::open_unit() const {
  if (!attempt_ || !attempt_->unit || !attempt_->unit->begun()) return {};
  const size_t begin = attempt_->unit_begin;
  return {begin, std::string_view(held_).substr(begin - base_)};
}

void CallReader::Feed(std::string_view text, std::string& out) {
  held_ += text;
  Run(out);
  held_.erase(0, shown_ - base_);
  base_ = shown_;
}

void CallReader::Flush(std::string& out) {
  Run(out);
  while (attempt_) {
    // What is behind the last unit can only be blanks, a fence, or a part of its end.
    using Phase = Attempt::Phase;
    const bool clean = attempt_->phase == Phase::kClosed ||
                       (attempt_->phase == Phase::kClosing && attempt_->fence != Fence::kNone) ||
                       (attempt_->phase == Phase::kGap && !attempt_->separated);
    const Mark mark = attempt_->if_answer_ends;
    if (clean && mark.calls > 0 && mark.calls == attempt_->calls.size()) {
      Accept({end(), mark.calls});
    } else {
      GiveUp();
      Run(out);
    }
  }
  if (calls_read_ == 0) Show(end(), out);
}

void CallReader::Run(std::string& out) {
  for (; at_ < end(); ++at_) {
    const char c = At(at_);
    if (!attempt_ && MayBegin(c)) {
      attempt_.emplace(Attempt{.begin = at_, .first = !any_text_ && calls_read_ == 0});
      if (c == '`') attempt_->phase = Attempt::Phase::kTicks;
    }
    if (attempt_) {
      if (Step(*attempt_, c) && at_ - attempt_->begin < kMaxHeldBytes) continue;
      GiveUp();
      --at_;  // it is looked at again
    } else if (!IsBlank(c)) {
      Show(at_ + 1, out);
    }
  }
}

bool CallReader::MayBegin(char c) const {
  if (!any_callable_ || in_code_ || at_ < no_attempt_before_) return false;
  if (c == '[' || c == '{') return true;
  if (c == '`') return last_ != '`' || at_ > shown_;
  return IsLetter(c) && !any_text_ && calls_read_ == 0;
}

// False: c cannot stand there.
bool CallReader::Step(Attempt& attempt, char c) {
  using Phase = Attempt::Phase;
  switch (attempt.phase) {
    case Phase::kTicks:
    case Phase::kInfo:
    case Phase::kClosing:
      return StepFence(attempt, c);
    case Phase::kUnit:
      return StepUnit(attempt, c);
    case Phase::kClosed:
      if (c == '`' && At(at_ - 1) == '`') {  // one of more than three ticks
        for (size_t* end : {&attempt.if_text_follows.end, &attempt.if_answer_ends.end}) {
          if (*end == at_) ++*end;
        }
        attempt.complete_end = at_ + 1;
        return true;
      }
      if (c == '`') {  // another fence
        attempt.phase = Phase::kTicks;
        attempt.ticks = 1;
        attempt.info.clear();
        return true;
      }
      return IsBlank(c);
    case Phase::kGap:
      if (IsBlank(c)) return true;
      if (attempt.complete_end > 0 && !attempt.separated && (c == ',' || c == ';')) {
        return attempt.separated = true;
      }
      if (c == '`') {
        if (attempt.complete_end == 0 || attempt.separated) return false;
        attempt.phase = Phase::kClosing;
        attempt.ticks = 1;
        return true;
      }
      attempt.separated = false;
      attempt.phase = Phase::kUnit;
      attempt.unit.emplace(tools_);
      attempt.unit_begin = at_;
      return StepUnit(attempt, c);
  }
  return false;
}

bool CallReader::StepFence(Attempt& attempt, char c) {
  using Phase = Attempt::Phase;
  if (attempt.phase != Phase::kInfo) {
    if (c == '`') {
      if (++attempt.ticks == kFenceTicks && attempt.phase == Phase::kClosing) EndFence(attempt);
      return true;
    }
    if (attempt.phase == Phase::kClosing || attempt.ticks < kFenceTicks) return false;
    attempt.phase = Phase::kInfo;
  }
  if (IsLetter(c) && attempt.info.size() < kMaxInfo) {
    attempt.info += ToLower(c);
    return true;
  }
  if (attempt.info.empty()) {
    attempt.fence = Fence::kPlain;
  } else if (attempt.info == "json") {
    attempt.fence = Fence::kJson;
  } else if (attempt.info == "python" || attempt.info == "py") {
    attempt.fence = Fence::kPython;
  } else if (attempt.info == "tool_code" || attempt.info == "tool_call" ||
             attempt.info == "tool_calls") {
    attempt.fence = Fence::kToolCode;
  } else {
    return false;
  }
  if (attempt.fence == Fence::kPython && !attempt.first) return false;
  attempt.phase = Phase::kGap;
  return Step(attempt, c);
}

bool CallReader::StepUnit(Attempt& attempt, char c) {
  CallUnit::Status status = CallUnit::Status::kMore;
  const bool taken = attempt.lexer.Push(c, [&](const CallToken& token) {
    status = attempt.unit->Push(token);
    return status != CallUnit::Status::kBad;
  });
  if (!taken || !attempt.unit->MayBegin(attempt.lexer.open_word())) return false;
  if (status != CallUnit::Status::kDone) return true;
  for (ReadCall& call : attempt.unit->TakeCalls()) attempt.calls.push_back(std::move(call));
  if (calls_read_ + attempt.calls.size() > kMaxCalls) return false;
  EndUnit(attempt);
  return true;
}

void CallReader::EndUnit(Attempt& attempt) {
  const Mark mark{at_ + 1, attempt.calls.size()};
  const bool bare = attempt.unit->bare();
  switch (attempt.fence) {
    case Fence::kNone:
      // Behind a bare call nothing but calls may follow, so one of them is enough.
      if (attempt.first && !bare && attempt.if_text_follows.calls == attempt.if_answer_ends.calls) {
        attempt.if_text_follows = mark;
      }
      if (attempt.first || !bare) attempt.if_answer_ends = mark;
      break;
    case Fence::kPlain:
    case Fence::kJson:
      if (attempt.first || !bare) attempt.if_answer_ends = mark;
      break;
    case Fence::kPython:
    case Fence::kToolCode:
      attempt.if_answer_ends = mark;
      break;
  }
  attempt.complete_end = mark.end;
  attempt.unit.reset();
  attempt.phase = Attempt::Phase::kGap;
}

void CallReader::EndFence(Attempt& attempt) {
  const Mark mark{at_ + 1, attempt.calls.size()};
  // A fence that was never opened closes nothing; models write such ones at the end.
  if (attempt.fence != Fence::kNone && (attempt.first || attempt.fence == Fence::kToolCode)) {
    attempt.if_text_follows = mark;
  }
  attempt.complete_end = mark.end;
  attempt.fence = Fence::kNone;
  attempt.phase = Attempt::Phase::kClosed;
}

// The next byte is no part of what was attempted.
void CallReader::GiveUp() {
  if (attempt_->if_text_follows.calls > 0) return Accept(attempt_->if_text_follows);
  // All of it is text. What was complete in it need not be looked at again, so that many units in
  // a row are read twice at most.
  at_ = attempt_->begin;
  no_attempt_before_ = std::max(at_ + 1, attempt_->complete_end);
  attempt_.reset();
}

void CallReader::Accept(Mark mark) {
  for (size_t i = 0; i < mark.calls; ++i, ++calls_read_) {
    if (!tools_.parallel() && !calls_.empty()) continue;
    ReadCall& call = attempt_->calls[i];
    calls_.push_back(
        {MakeCallId(id_seed_, calls_.size()), std::move(call.name), std::move(call.arguments)});
  }
  attempt_.reset();
  shown_ = at_ = mark.end;  // the blanks before it are dropped
  line_start_ = false;
}

void CallReader::Show(size_t until, std::string& out) {
  for (; shown_ < until; ++shown_) {
    const char c = At(shown_);
    if (c == '\n') {
      line_start_ = true;
      line_ticks_ = 0;
    } else if (c == '`' && (line_start_ || line_ticks_ > 0)) {
      line_start_ = false;
      if (++line_ticks_ == kFenceTicks) in_code_ = !in_code_;
    } else {
      line_start_ = line_start_ && IsBlank(c);
      line_ticks_ = 0;
    }
    last_ = c;
    if (!any_text_ && calls_read_ > 0 && IsBlank(c)) continue;  // between calls and the first text
    if (!IsBlank(c)) any_text_ = true;
    out += c;
  }
}

}  // namespace gemma3
