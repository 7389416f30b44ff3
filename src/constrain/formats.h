// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The formats of JSON schema that are enforced, as patterns. Where a format is wider than what is
// regular or sensible to write, the pattern is narrower: what is generated is always valid.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gemma3 {

struct TextFormat {
  std::string pattern;
  std::string without;     // a pattern that must not be found; may be empty
  uint32_t max_chars = 0;  // 0: no limit
};

// Nothing for names that are not enforced.
std::optional<TextFormat> FindTextFormat(std::string_view name);
// Formats of the standard whose texts are no regular language and have no useful part that is: they
// cannot be enforced, and must not be let through.
bool IsUnenforceableFormat(std::string_view name);

}  // namespace gemma3
