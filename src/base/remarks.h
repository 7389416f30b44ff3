// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What was noticed about a model while it was opened and is no error.
#pragma once

#include <string>
#include <vector>

namespace gemma3 {

struct Remarks {
  // For people who ask: repairs of known mistakes, what was found where.
  std::vector<std::string> notes;
  // For everybody who uses the model: its answers may differ from what its maker intended, because
  // the files say something that is computed in another way, or not at all.
  std::vector<std::string> warnings;

  void Append(const Remarks& more) {
    notes.insert(notes.end(), more.notes.begin(), more.notes.end());
    warnings.insert(warnings.end(), more.warnings.begin(), more.warnings.end());
  }
};

}  // namespace gemma3
