// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Reads, checks and rewrites SentencePiece models, so that the SentencePiece library only ever sees
// a model that is sound and whose control tokens no text can produce.
//
// The library answers some damaged models with an abort, a message on stderr, or reads outside its
// tables (nested user-defined pieces, normalisation tries). So the file's bytes never reach it: the
// vocabulary is parsed here, and a fresh model with nothing but that vocabulary is handed over.
// Format: sentencepiece_model.proto of the SentencePiece project, proto2 wire encoding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "src/base/spm_piece.h"
#include "src/text/piece_index.h"

namespace gemma3 {

struct SpmPiece {
  std::string_view piece;  // spelling; points into the bytes that were parsed
  float score = 0;         // merges with higher scores come first
  PieceType type = PieceType::kNormal;
};

struct SpmModel {
  std::vector<SpmPiece> pieces;  // [vocabulary], by token id
  PieceIndex index{0};           // of all pieces
};

// What a piece is to this engine: its type in the file, corrected where text could otherwise
// produce a control token. This is the one place that decides content versus control.
//
// Gemma's vocabulary types its turn and image marks, <mask>, [multimodal] and 6242 <unusedN> pieces
// as user-defined, exactly like its white space runs and HTML tags: a matcher that follows the
// types turns a user's "<end_of_turn>" into the control token. So:
//  - a piece with the name of a known mark is control, whatever its type says (model files with
//    wrong types have been published);
//  - a user-defined piece that looks like a mark, <...> or [...], is control, unless it is one of
//    the 70 HTML tags of the vocabulary; this covers marks that we do not know, as derived models
//    rename the <unusedN>;
//  - every other user-defined piece (runs of newlines, spaces, tabs; words that a derived model
//    added) is content and stays;
//  - normal pieces stay, also ones like "[]" or "<=>": they are made of characters by merging;
//  - unused pieces are control: no text may produce them.
PieceType ClassifyPiece(std::string_view piece, PieceType type_in_file);

// Parses a serialized ModelProto and checks everything that Serialize and the tables over the
// vocabulary rely on. Types are those of ClassifyPiece. Views point into `proto`.
//
// Errors: kBadModel for damage: broken wire encoding, no or several unknown pieces, pieces that are
// empty, repeated, too long, not UTF-8 or with a NUL byte, scores that are not finite, byte pieces
// that are not complete, a control piece of a single character. kUnsupported for sound models that
// Gemma 3 does not use: not BPE, no byte fallback, or a normaliser that changes the text.
Result<SpmModel> ParseSpmModel(std::string_view proto);

// A ModelProto with these pieces and Gemma's settings: BPE, byte fallback, no normalisation.
std::string SerializeSpmModel(const SpmModel& model);

// A piece written in an error message: quoted, cut, with control characters escaped.
std::string QuotePiece(std::string_view piece);

}  // namespace gemma3
