// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A text as the model reads it: tokens, with the pictures among them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "gemma3/config.h"
#include "gemma3/error.h"
#include "src/model/image_run.h"

namespace gemma3 {

struct TokenSequence {
  std::vector<TokenId> ids;
  std::vector<ImageRun> images;  // in rising order
  // Where turns begin, in rising order: places that a later sequence may go on from.
  std::vector<size_t> turns;

  // Forgets what stands at `size` and behind it.
  void Truncate(size_t size) {
    ids.resize(size);
    std::erase_if(images, [size](const ImageRun& image) { return image.begin >= size; });
    std::erase_if(turns, [size](size_t turn) { return turn >= size; });
  }
};

// With how many tokens both begin, at most `most`. A picture is shared as a whole or not at all.
inline size_t CommonPrefix(const TokenSequence& a, const TokenSequence& b, size_t most) {
  most = std::min({most, a.ids.size(), b.ids.size()});
  const auto end = a.ids.begin() + static_cast<std::ptrdiff_t>(most);
  size_t common =
      static_cast<size_t>(std::mismatch(a.ids.begin(), end, b.ids.begin()).first - a.ids.begin());
  // The first picture that the other does not have in this place, or that is cut, ends it.
  const auto cut = [&common](const TokenSequence& own, const TokenSequence& other) {
    for (const ImageRun& image : own.images) {
      if (image.begin >= common) break;
      const bool shared =
          image.end() <= common && std::ranges::find(other.images, image) != other.images.end();
      if (!shared) common = image.begin;
    }
  };
  cut(a, b);
  cut(b, a);
  return common;
}

// Where a piece ends that begins at `begin`: behind `most` tokens, at the end of the sequence, or
// before a picture that it would split. One that stands at `begin` and is longer is taken whole
// where `must` is set, and not at all where it is not.
size_t PieceEnd(const TokenSequence& sequence, size_t begin, size_t most, bool must);

// A tokenizer may come with a model that it was not made for. At the places of pictures nothing is
// looked up. Errors: kBadModel for an id outside of the embedding table.
Status CheckIds(const TokenSequence& sequence, size_t vocab_size);

}  // namespace gemma3
