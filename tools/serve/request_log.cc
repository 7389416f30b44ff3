// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "tools/serve/request_log.h"

#include <cmath>

#include "tools/output.h"
#include "tools/serve/json_out.h"
#include "tools/serve/times.h"
#include "tools/terminal.h"
#include "tools/text.h"

namespace gemma3::serve {

// With it a line stays below what a pipe takes as a whole.
constexpr size_t kMostPath = 200;

std::string LogLine(const LogEntry& entry, LogForm form, const std::string& time) {
  if (form == LogForm::kJson) {
    const auto milliseconds = [](double seconds) { return std::round(seconds * 1e6) / 1e3; };
    Json json = {{"time", time},
                 {"id", entry.id},
                 {"peer", entry.peer},
                 {"method", entry.method},
                 {"path", entry.path},
                 {"status", entry.status},
                 {"ms", milliseconds(entry.seconds)}};
    if (entry.key != 0) json["key"] = entry.key;
    if (!entry.model.empty()) {
      json["model"] = entry.model;
      json["first_ms"] = milliseconds(entry.first_seconds);
      json["prompt_tokens"] = entry.prompt_tokens;
      json["cached_tokens"] = entry.cached_tokens;
      json["tokens"] = entry.tokens;
      json["finish"] = entry.finish;
    }
    if (entry.lost != 0) json["lost"] = entry.lost;
    return Dump(json) + "\n";
  }
  std::string line = time + " " + entry.id + " " + entry.peer + " " + entry.method + " " +
                     entry.path + cli::Format(" %d %.1f ms", entry.status, entry.seconds * 1e3);
  if (entry.key != 0) line += cli::Format(" key %zu", entry.key);
  if (!entry.model.empty()) {
    line += " " + entry.model +
            cli::Format(" prompt %zu (%zu found) answer %zu first %.1f ms ", entry.prompt_tokens,
                        entry.cached_tokens, entry.tokens, entry.first_seconds * 1e3) +
            entry.finish;
  }
  if (entry.lost != 0) line += cli::Format(" (%zu lines before were lost)", entry.lost);
  return cli::SanitizeForTerminal(line) + "\n";
}

void RequestLog::Write(const LogEntry& entry) {
  if (form_ == LogForm::kOff) return;
  LogEntry shown = entry;
  shown.path = entry.path.substr(0, kMostPath);
  const std::scoped_lock lock(mutex_);
  shown.lost = lost_;
  lost_ = cli::TryWriteStderr(LogLine(shown, form_, TimeNow())) ? 0 : lost_ + 1;
}

}  // namespace gemma3::serve
