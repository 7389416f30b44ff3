// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Small helpers to write and read numbers as people do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gemma3::cli {

// printf into a string.
[[gnu::format(printf, 1, 2)]] std::string Format(const char* format, ...);

// A decimal rate: FormatRate(1.2e12, "FLOP/s") is "1.20 TFLOP/s".
std::string FormatRate(double per_second, const char* unit);

// The whole of `text` as a finite decimal number; nothing for anything else.
std::optional<double> ParseNumber(std::string_view text);
// The whole of `text` as a non-negative integer, with an optional binary suffix K, M, G or T
// (1024s; "KiB" and "KB" mean the same). Nothing for anything else and on overflow.
std::optional<uint64_t> ParseSize(std::string_view text);

std::string_view TrimSpace(std::string_view text);

}  // namespace gemma3::cli
