// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0

#include "tools/stats.h"

#include <sys/resource.h>

#include <cinttypes>
#include <fstream>
#include <string>

#include "tools/text.h"

namespace gemma3::cli {

double PrefillRate(const GenerationResult& result) {
  const double computed = static_cast<double>(result.prompt_tokens - result.cached_tokens);
  return result.timings.prefill_seconds > 0 ? computed / result.timings.prefill_seconds : 0;
}

double DecodeRate(const GenerationResult& result) {
  return result.timings.decode_seconds > 0
             ? static_cast<double>(result.tokens) / result.timings.decode_seconds
             : 0;
}

std::string DescribeAnswer(const GenerationResult& result) {
  const Timings& timings = result.timings;
  std::string text;
  if (result.images_encoded > 0) {
    text +=
        Format("pictures  %zu encoded in %.2f s\n", result.images_encoded, timings.image_seconds);
  }
  text += Format("prompt    %zu tokens, %zu of them cached; %.2f s, %.1f tokens/s\n",
                 result.prompt_tokens, result.cached_tokens, timings.prefill_seconds,
                 PrefillRate(result));
  text += Format("answer    %zu tokens; %.2f s, %.1f tokens/s; seed %" PRIu64 "; %s\n",
                 result.tokens, timings.decode_seconds, DecodeRate(result), result.seed,
                 StopReasonName(result.stop_reason));
  if (result.drafted_tokens > 0) {
    text += Format("guesses   %zu of %zu tokens right\n", result.accepted_tokens,
                   result.drafted_tokens);
  }
  return text;
}

size_t PeakResidentBytes() {
  // getrusage would also count what the parent had resident before exec.
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("VmHWM:")) continue;
    size_t digits = line.find_first_of("0123456789");
    if (digits == std::string::npos) break;
    const size_t end = line.find_first_not_of("0123456789", digits);
    const auto kib = ParseSize(std::string_view(line).substr(digits, end - digits));
    return kib ? static_cast<size_t>(*kib) * 1024 : 0;
  }
  rusage usage = {};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
#ifdef __APPLE__
  return static_cast<size_t>(usage.ru_maxrss);
#else
  return static_cast<size_t>(usage.ru_maxrss) * 1024;
#endif
}

}  // namespace gemma3::cli
