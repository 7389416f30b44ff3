// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Ends an answer before a stop string, while the answer is being streamed.
#include "src/decode/stop_strings.h"

#include <algorithm>

#include "src/base/status.h"
#include "src/text/utf8.h"

namespace gemma3 {

StopStrings::Pattern::Pattern(std::string_view stop) : text(stop), border(stop.size(), 0) {
  for (size_t i = 1; i < text.size(); ++i) {
    size_t length = border[i - 1];
    while (length > 0 && text[i] != text[length]) length = border[length - 1];
    border[i] = length + (text[i] == text[length] ? 1 : 0);
  }
}

void StopStrings::Pattern::Advance(char c) {
  while (matched > 0 && text[matched] != c) matched = border[matched - 1];
  if (text[matched] == c) ++matched;
}

Result<StopStrings> StopStrings::Create(std::span<const std::string> stops) {
  StopStrings result;
  for (size_t i = 0; i < stops.size(); ++i) {
    if (stops[i].empty()) {
      return Fail(ErrorCode::kInvalidArgument, "stop string ", i + 1, " of ", stops.size(),
                  " is empty; it would end every answer at once");
    }
    if (const size_t at = FindInvalidUtf8(stops[i]); at != std::string_view::npos) {
      return Fail(ErrorCode::kInvalidArgument, "stop string ", i + 1,
                  " is not valid UTF-8 at byte ", at);
    }
    result.patterns_.emplace_back(stops[i]);
  }
  return result;
}

bool StopStrings::Feed(std::string_view text, std::string& out) {
  if (stopped_) return true;
  if (patterns_.empty()) {
    out.append(text);
    return false;
  }
  for (const char c : text) {
    held_.push_back(c);
    size_t complete = 0;  // length of the longest stop string that ends here
    for (Pattern& pattern : patterns_) {
      pattern.Advance(c);
      if (pattern.matched == pattern.text.size()) complete = std::max(complete, pattern.matched);
    }
    if (complete > 0) {
      out.append(held_, 0, held_.size() - complete);
      held_.clear();
      stopped_ = true;
      return true;
    }
  }
  size_t keep = 0;
  for (const Pattern& pattern : patterns_) keep = std::max(keep, pattern.matched);
  out.append(held_, 0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return false;
}

void StopStrings::Flush(std::string& out) {
  out.append(held_);
  held_.clear();
  for (Pattern& pattern : patterns_) pattern.matched = 0;
}

}  // namespace gemma3
