// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Any text as a grammar: an error with its place, or a grammar that texts can be followed in.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "gemma3/constraint.h"
#include "src/constrain/matcher.h"
#include "tests/fuzz/walk.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gemma3;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto grammar = Grammar::Parse(text);
  if (!grammar) {
    if (grammar.error().message.find(':') == std::string::npos) std::abort();
    return 0;
  }
  ConstraintMatcher matcher(*grammar, nullptr);
  std::string forced = matcher.ForcedBytes();
  forced += text.substr(0, 200);
  const auto read = matcher.AcceptBytes(forced);
  if (read && *read > forced.size()) std::abort();
  for (const std::string& choices : {std::string(), text}) {
    ConstraintMatcher walker(*grammar, nullptr);
    WalkOn(walker, choices, 60);
  }
  return 0;
}
