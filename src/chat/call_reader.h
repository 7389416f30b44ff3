// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Tells the calls in an answer from its text, while the answer comes in.
//
// Text goes through as it comes; from where a call may begin it is held back until it is one, or
// cannot become one. Blanks are held back, too, since those beside a call are no part of the text.
// The result does not depend on how the answer was cut into pieces. A text without calls comes out
// unchanged. Reading costs time in proportion to the answer.
//
// What counts as calls are units (call_unit.h), one or several in a row, with or without a code
// fence around them,
//  - at the beginning of the answer, or
//  - at its end, behind text; there a bare Python call needs a fence of the kind tool_code, and
//    a python fence is code; or
//  - in a tool_code fence, anywhere.
// A bare Python call without a fence has to be all of the answer. In any other code block nothing
// is a call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/tools.h"
#include "src/chat/call_lexer.h"
#include "src/chat/call_unit.h"
#include "src/chat/tool_set.h"

namespace gemma3 {

// One answer; one thread. Keeps a reference to the tools.
class CallReader {
 public:
  static constexpr size_t kMaxHeldBytes = 4 << 20;  // what is longer is no call
  static constexpr size_t kMaxCalls = 128;

  // Calls get the ids MakeCallId(id_seed, 0), ...
  CallReader(const ToolSet& tools, uint64_t id_seed)
      : tools_(tools), id_seed_(id_seed), any_callable_(tools.BeginsCallable("")) {}

  // Takes the next piece of the answer (whole characters) and appends to `out` what is certain to
  // be text.
  void Feed(std::string_view text, std::string& out);
  // The answer is over: appends the text that was held back.
  void Flush(std::string& out);

  // Those that are certain; all of them after Flush.
  const std::vector<ToolCall>& calls() const { return calls_; }

  // While a tool is being called, and until it is certain that the call counts: the answer from the
  // call's beginning on, fence included. Empty elsewhere. Valid until the next Feed or Flush.
  std::string_view open_call() const;
  // Of these, the unit (call_unit.h) that is being written, where it has named its tool: where it
  // begins in the answer, and its text. No text where there is none. Valid as above.
  struct OpenUnit {
    size_t begin = 0;
    std::string_view text = {};
  };
  OpenUnit open_unit() const;

 private:
  enum class Fence { kNone, kPlain, kJson, kPython, kToolCode };
  // So many of an attempt's calls, which end there in the answer.
  struct Mark {
    size_t end = 0;
    size_t calls = 0;
  };
  // A place where calls may stand.
  struct Attempt {
    enum class Phase {
      kTicks,    // of an opening fence
      kInfo,     // the word behind it
      kGap,      // before and behind units
      kUnit,     // in one
      kClosing,  // ticks of a closing fence
      kClosed,   // behind it
    };
    size_t begin;
    bool first;  // nothing but blanks stands before it in the answer
    Phase phase = Phase::kGap;
    size_t ticks = 0;
    std::string info = {};
    Fence fence = Fence::kNone;
    bool separated = false;  // by a comma or semicolon behind the last unit
    CallLexer lexer = {};
    std::optional<CallUnit> unit = {};
    size_t unit_begin = 0;
    std::vector<ReadCall> calls = {};
    Mark if_text_follows = {};  // what counts then
    Mark if_answer_ends = {};
    size_t complete_end = 0;  // of the last unit or fence that is complete
  };

  char At(size_t position) const { return held_[position - base_]; }
  size_t end() const { return base_ + held_.size(); }
  void Run(std::string& out);
  bool MayBegin(char c) const;
  bool Step(Attempt& attempt, char c);
  bool StepFence(Attempt& attempt, char c);
  bool StepUnit(Attempt& attempt, char c);
  void EndUnit(Attempt& attempt);
  void EndFence(Attempt& attempt);
  void GiveUp();
  void Accept(Mark mark);
  void Show(size_t until, std::string& out);

  const ToolSet& tools_;
  const uint64_t id_seed_;
  const bool any_callable_;
  std::vector<ToolCall> calls_;
  size_t calls_read_ = 0;  // those that were dropped included

  // Positions count from the answer's beginning. held_ begins at base_; what is before shown_ is
  // done with, blanks up to at_ are pending, and at_ is the next byte to look at.
  std::string held_;
  size_t base_ = 0, shown_ = 0, at_ = 0;
  std::optional<Attempt> attempt_;
  size_t no_attempt_before_ = 0;

  // Of the text that was shown.
  bool any_text_ = false;
  bool line_start_ = true;
  size_t line_ticks_ = 0;  // backticks at the beginning of the line
  bool in_code_ = false;
  char last_ = '\n';
};

}  // namespace gemma3
