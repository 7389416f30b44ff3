// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Whether numbers are numbers.
#pragma once

#include <bit>
#include <cstdint>
#include <span>

#include "src/base/status.h"

namespace gemma3 {

// False where one is infinite or NaN. By bits, without a branch, so that compilers use vectors: it
// looks at every row of logits.
inline bool AllFinite(std::span<const float> values) {
  constexpr uint32_t kExponent = 0x7f800000;
  uint32_t found = 0;
  for (const float value : values) {
    found |= (std::bit_cast<uint32_t>(value) & kExponent) == kExponent;
  }
  return found == 0;
}

// The error for logits of which one is none.
inline Error LogitsNotFinite() {
  return Fail(ErrorCode::kInternal,
              "the model's logits are not finite (infinite, or not a number): its weights are "
              "damaged, or numbers grew too large on the way; is the download complete?")
      .error();
}

}  // namespace gemma3
