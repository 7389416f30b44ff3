// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The output head that a checkpoint stores beside its embedding.
//
// Gemma 3 shares one matrix, and most files that store a second one repeat the first; but a head
// that was trained apart, or kept in another precision, is another model. What is stored decides:
// configurations say tie_word_embeddings wrongly in both directions.
#pragma once

#include "src/formats/checkpoint.h"
#include "src/threading/thread_pool.h"

namespace gemma3 {

// Takes lm_head.weight out of the checkpoint if it has the values of embed_tokens.weight, whatever
// the types of both, and says so in config.text.tie_word_embeddings. One that differs costs the
// reading of a few rows; one that does not is read whole, in pieces whose pages are given back.
void ShareEqualHead(Checkpoint& checkpoint, ThreadPool& pool);

}  // namespace gemma3
