// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What constraints promise: a text that has been followed so far can be completed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "src/constrain/matcher.h"

namespace gemma3 {

// Goes on from where the matcher stands for at most `most` bytes, by the choices of `data`, and
// dies where nothing can follow and the text may not end.
inline void WalkOn(ConstraintMatcher& matcher, std::string_view data, size_t most) {
  for (size_t i = 0; i < most && !matcher.MustEnd(); ++i) {
    const auto choice = static_cast<uint8_t>(data.empty() ? i : data[i % data.size()]);
    // What ends something first, every other time: so the walk gets somewhere.
    static constexpr std::string_view kEnds = "\"}],:1";
    bool went_on = false;
    for (size_t k = 0; k < 256 + kEnds.size() && !went_on; ++k) {
      const bool ends = k < kEnds.size();
      if (ends && choice % 2 != 0) continue;
      const char byte = ends ? kEnds[(k + choice) % kEnds.size()]
                             : static_cast<char>(choice + 37 * (k - kEnds.size()));
      const auto read = matcher.AcceptBytes({&byte, 1});
      if (!read) return;
      went_on = *read == 1;
    }
    if (!went_on && !matcher.MayEnd()) std::abort();
    if (!went_on) return;
  }
}

}  // namespace gemma3
