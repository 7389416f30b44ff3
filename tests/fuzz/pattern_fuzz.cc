// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Any text as a regular expression: an error, or an automaton within its limits.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "src/automata/regex.h"
#include "src/text/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gemma3;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (FindInvalidUtf8(text) != std::string_view::npos) return 0;  // a schema's strings never are
  const auto dfa = CompilePattern(text);
  if (!dfa) return 0;
  if (dfa->num_states() > TextDfa::kMaxStates + 1) std::abort();
  (void)dfa->Matches(text);
  // A pattern and what it leaves out share nothing.
  const auto others = TextDfa::Combine(TextDfa::Any(), *dfa, TextDfa::Op::kWithout);
  if (!others) return 0;
  const auto meet = TextDfa::Meet(*dfa, *others);
  if (meet && *meet) std::abort();
  return 0;
}
