// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Checks and rewrites SentencePiece models, so that the SentencePiece library only ever sees a
// model that is sound and whose control tokens no text can produce.
//
// The library answers some damaged models with an abort, a message on stderr, or reads outside its
// tables (nested user-defined pieces, normalisation tries). So the file's bytes never reach it: the
// vocabulary is parsed here, and a fresh model with nothing but that vocabulary is handed over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/error.h"
#include "src/base/vocabulary.h"
#include "src/text/piece_index.h"

namespace gemma3 {

// What a piece is to this engine. Two questions are answered apart: may text become this token, and
// is the token shown where the model writes it?
enum class PieceUse : uint8_t {
  kMerged,   // text, shown: made by merging characters; also looked for where it is an AddedToken
  kMatched,  // text, shown: the library looks for it before any merging
  kAdded,    // text, shown: only added_tokens.h looks for it
  kByte,     // text, shown as its byte
  kMark,     // no text becomes it; shown, as models write it for their caller to read
  kControl,  // no text becomes it, and it is not shown
};

// This is the one place that decides content versus control. First match counts:
//  1. The marks of the template and of pictures, <pad>, <bos>, <mask> and their like are control,
//     whatever a file says: files with wrong types have been published, and tokenizer.json calls
//     <mask> and [multimodal] ordinary.
//  2. <unusedN>, and FunctionGemma's names for <unused40> and following, are marks: MedGemma puts
//     its thought between <unused94> and <unused95>, FunctionGemma its calls. tokenizer.json calls
//     them ordinary, so other programs let a user type them; here text stays text.
//  3. Unused pieces are control.
//  4. Where a tokenizer.json describes the token, its `special` decides and not how it is spelled:
//     special tokens are control (<tool_call> and <think>, which models write to be read, marks);
//     the others are text, "<tool_call>" and "[SPECIAL9]" among them.
//  5. Without one, types and spelling decide. Control pieces are special. Gemma's tokenizer.model
//     types marks as user-defined, exactly like its runs of white space and HTML tags; so a
//     user-defined piece that looks like a mark, <...> or [...], is one, unless it is one of the 70
//     HTML tags. Every other user-defined piece is text, and so are normal ones like "[]" or "<=>".
PieceUse ClassifyPiece(const VocabularyPiece& piece);

struct SpmModel {
  std::vector<VocabularyPiece> pieces;  // [vocabulary], by token id
  std::vector<PieceUse> uses;           // [vocabulary]
  PieceIndex index{0};                  // of all pieces
};

// Parses a serialized ModelProto and checks everything that the library and the tables over the
// vocabulary rely on.
//
// Errors: kBadModel for damage: broken wire encoding, no or several unknown pieces, pieces that are
// empty, repeated, too long, not UTF-8 or with a NUL byte, scores that are not finite, byte pieces
// that are not complete, a control piece of a single character, no piece for a space (its bytes
// would come back as U+2581). kUnsupported for sound models that Gemma 3 does not use: not BPE, no
// byte fallback, or a normaliser that changes the text.
Result<SpmModel> ParseSpmModel(std::string_view proto);

// A ModelProto for the library, with these pieces and Gemma's settings. What no text may become,
// and what the library must not look for, is typed as control there.
std::string SerializeForLibrary(const SpmModel& model);

// A piece written in an error message: quoted, cut, with control characters escaped.
std::string QuotePiece(std::string_view piece);

}  // namespace gemma3
