// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What nlohmann::json says of a text that is no JSON, for those who do not know that library.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "src/base/shown.h"

namespace gemma3 {

// "line 1, column 5: syntax error ...", of what() of one of its exceptions: without the number that
// the library gives the error.
inline std::string JsonFault(std::string_view what) {
  if (what.starts_with("[json.exception.")) {
    what.remove_prefix(std::min(what.find("] "), what.size() - 2) + 2);
  }
  constexpr std::string_view kPlace = "parse error at ";
  if (what.starts_with(kPlace)) what.remove_prefix(kPlace.size());
  return Shown(what);
}

}  // namespace gemma3
