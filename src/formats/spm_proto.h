// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Writing and reading the part of a SentencePiece ModelProto (google/sentencepiece,
// src/sentencepiece_model.proto) that Gemma's tokenizer needs. Checkpoints that come with another
// form of the same vocabulary (tokenizer.json, GGUF) are turned into it, so that one tokenizer
// serves all.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "src/base/spm_piece.h"

namespace gemma3 {

struct VocabularyPiece {
  std::string text;  // spaces as U+2581
  float score = 0;   // BPE merges the adjacent pair whose piece has the highest score first
  PieceType type = PieceType::kNormal;
};

struct SpmVocabulary {
  std::vector<VocabularyPiece> pieces;  // by token id
  int32_t unk_id = 3, bos_id = 2, eos_id = 1, pad_id = 0;
};

// Serializes a BPE model with byte fallback and Gemma's normalizer: nothing is normalised, no space
// is added in front. Errors: kBadModel for an empty vocabulary, an empty or repeated piece, an
// invalid or missing <unk>, byte pieces that are not all 256, ids outside the vocabulary, a score
// that is not finite. `where` names the source in messages.
Result<std::string> BuildSpmProto(const SpmVocabulary& vocabulary, const std::string& where);

// The pieces and ids of a serialized ModelProto. Errors: kBadModel for anything cut or malformed.
Result<SpmVocabulary> ParseSpmProto(std::string_view proto, const std::string& where);

// The vocabulary of a tokenizer.json of type BPE (huggingface/tokenizers). Merge ranks become
// scores; the types follow from the added tokens and the byte pieces.
// Errors: kBadModel for a damaged file; kUnsupported for one that is not Gemma's kind of tokenizer.
Result<SpmVocabulary> VocabularyFromTokenizerJson(std::string_view json, const std::string& where);

// Replaces scores by merge ranks: a piece that a merge makes scores minus its place in the order of
// first merges, starting at 0; pieces that no merge makes follow in order of id.
// `merged` holds the resulting piece of each merge, in rank order.
void ScoreByMerges(const std::vector<std::string>& merged, SpmVocabulary* vocabulary);

// Sets the types that follow from a piece's spelling, whatever the source said: <pad>, <eos>, <bos>
// are control, `unk_id` is unknown, "<0x41>" is a byte, and the turn and image marks and <unusedN>
// are user-defined, as in Gemma's own tokenizer.model.
void RepairTypes(SpmVocabulary* vocabulary);

// Removes what follows the text vocabulary in multimodal checkpoints: <image_soft_token> and
// padding pieces at the end. None of them can be text, and none may be sampled.
void DropTrailingPadding(SpmVocabulary* vocabulary);

}  // namespace gemma3
