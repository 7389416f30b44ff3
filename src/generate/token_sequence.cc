// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/generate/token_sequence.h"

#include "src/base/status.h"

namespace gemma3 {

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
