// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What the readers of vocabularies (GGUF, tokenizer.json) share: repairs, and the way to the one
// form that the tokenizer takes, a SentencePiece ModelProto (base/spm_proto.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "src/base/vocabulary.h"

namespace gemma3 {

// Checks a vocabulary and serializes it. Errors: kBadModel for an empty vocabulary, an empty or
// repeated piece, an invalid or missing <unk>, byte pieces that are not all 256, ids outside the
// vocabulary, a score that is not finite. `where` names the source in messages.
Result<std::string> BuildSpmProto(const SpmVocabulary& vocabulary, const std::string& where);

// Replaces scores by merge ranks: a piece that a merge makes scores minus its place in the order of
// first merges, starting at 0; pieces that no merge makes follow in order of id.
// `merged` holds the resulting piece of each merge, in rank order.
void ScoreByMerges(const std::vector<std::string>& merged, SpmVocabulary* vocabulary);

// Sets the types that follow from a piece's spelling, whatever the source said: <pad>, <eos>, <bos>
// are control, `unk_id` is unknown, "<0x41>" is a byte, and the turn and image marks and <unusedN>
// are user-defined, as in Gemma's own tokenizer.model.
void RepairTypes(SpmVocabulary* vocabulary);

// "<unused7>" and the like: what a fine-tune may give another name.
bool IsUnusedName(std::string_view text);

// Removes what follows the text vocabulary in multimodal checkpoints: <image_soft_token> and
// padding pieces at the end. None of them can be text, and none may be sampled.
void DropTrailingPadding(SpmVocabulary* vocabulary);

}  // namespace gemma3
