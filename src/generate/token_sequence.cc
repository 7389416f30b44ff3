// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/generate/token_sequence.h"

#include <algorithm>

#include "src/base/status.h"

namespace gemma3 {

size_t PieceEnd(const TokenSequence& sequence, size_t begin, size_t most, bool must) {
  const size_t end = std::min(begin + most, sequence.ids.size());
  for (const ImageRun& image : sequence.images) {
    if (image.begin < end && end < image.end()) {
      return image.begin > begin || !must ? image.begin : image.end();
    }
  }
  return end;
}

Status CheckIds(const TokenSequence& sequence, size_t vocab_size) {
  auto image = sequence.images.begin();
  for (size_t i = 0; i < sequence.ids.size(); ++i) {
    if (image != sequence.images.end() && image->begin == i) {
      i += image->count - 1;
      ++image;
      continue;
    }
    const TokenId id = sequence.ids[i];
    if (id < 0 || static_cast<size_t>(id) >= vocab_size) {
      return Fail(ErrorCode::kBadModel, "token ", id, " of the prompt is outside the model's ",
                  vocab_size, " embeddings: the tokenizer belongs to another model");
    }
  }
  return {};
}

}  // namespace gemma3
