// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Times as JSON has them: RFC 3339, in UTC.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <string>

#include "tools/text.h"

namespace gemma3::serve {

// "2026-01-02T03:04:05.000006+00:00": six digits and a numeric offset, which every reader takes.
inline std::string TimeText(std::chrono::system_clock::time_point time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  const auto rest = std::chrono::duration_cast<std::chrono::microseconds>(time - whole).count();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(whole);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return cli::Format("%04d-%02d-%02dT%02d:%02d:%02d.%06lld+00:00", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     static_cast<long long>(rest));
}
inline std::string TimeText(int64_t seconds) {
  return TimeText(std::chrono::system_clock::time_point(std::chrono::seconds(seconds)));
}
inline std::string TimeNow() { return TimeText(std::chrono::system_clock::now()); }

}  // namespace gemma3::serve
