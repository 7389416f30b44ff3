// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A picture in a sequence of tokens.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace gemma3 {

// Soft tokens of one picture or crop, [tokens_per_image, hidden]. Compared by address: the encoder
// returns the same object for the same picture as long as it is cached or in use.
using SoftTokenRows = std::shared_ptr<const std::vector<float>>;

// The rows stand where the embeddings of the ids [begin, begin + count) would.
struct ImageRun {
  size_t begin = 0;  // position in the sequence
  size_t count = 0;  // never split between batches
  SoftTokenRows rows;

  size_t end() const { return begin + count; }
  bool operator==(const ImageRun&) const = default;
};

}  // namespace gemma3
