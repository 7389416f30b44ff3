// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Any text as a JSON schema: an error, or a constraint in which every text that is followed can be
// completed or goes on.
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
  for (const bool lenient : {false, true}) {
    const auto schema = JsonSchema::Compile(text, {.infer_type = lenient, .lenient = lenient});
    if (!schema) continue;
    // The schema's own text as an instance, and a few others.
    for (const std::string& instance :
         {text, std::string("{\"a\": [1, \"x\"]}"), std::string("-1.5")}) {
      ConstraintMatcher matcher(*schema, nullptr);
      const auto read = matcher.AcceptBytes(instance);
      if (!read) continue;
      if (*read > instance.size()) std::abort();
      if (matcher.ForcedBytes().empty() && matcher.MustEnd() && !matcher.MayEnd()) std::abort();
    }
    for (const std::string& choices :
         {std::string(), text, std::string(text.rbegin(), text.rend())}) {
      ConstraintMatcher matcher(*schema, nullptr);
      WalkOn(matcher, choices, 60);
    }
  }
  return 0;
}
