// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The formats of JSON schema that are enforced, as patterns. Where a format is wider than what is
// regular or sensible to write, the pattern is narrower: what is generated is always valid.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "src/constrain/number.h"

namespace gemma3 {

struct TextFormat {
  std::string pattern;
  std::string without;     // a pattern that must not be found; may be empty
  uint32_t max_chars = 0;  // 0: no limit
};

// Nothing for names that are not enforced.
std::optional<TextFormat> FindTextFormat(std::string_view name);
// The bounds of int32 and int64, formats of numbers; nothing for other names.
std::optional<std::pair<Decimal, Decimal>> BoundsOfFormat(std::string_view name);

}  // namespace gemma3
