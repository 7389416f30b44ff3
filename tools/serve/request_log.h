// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A line for each request on standard error: what was asked of whom, how it ended and how long it
// took. Never what prompts and answers say, and no keys.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>

namespace gemma3::serve {

enum class LogForm { kOff, kText, kJson };

struct LogEntry {
  std::string id = {}, peer = {}, method = {}, path = {};
  size_t key = 0;  // which one, counted from 1; 0: none
  int status = 0;
  std::string model = {};
  double seconds = 0, first_seconds = 0;  // to the end, and to the first text (0: there was none)
  size_t prompt_tokens = 0, cached_tokens = 0, tokens = 0;
  std::string finish = {};  // "stop", "length", "gone", ...
  size_t lost = 0;          // lines before this one that could not be written
};

class RequestLog {
 public:
  explicit RequestLog(LogForm form) : form_(form) {}
  // Does not wait: a line that nobody takes is lost, and counted in the next one.
  void Write(const LogEntry& entry);

 private:
  const LogForm form_;
  std::mutex mutex_;
  size_t lost_ = 0;
};

// What Write writes.
std::string LogLine(const LogEntry& entry, LogForm form, const std::string& time);

}  // namespace gemma3::serve
