// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The part of a SentencePiece ModelProto (google/sentencepiece, src/sentencepiece_model.proto) that
// Gemma's tokenizer needs. All other forms of the vocabulary are turned into it, so that one
// tokenizer serves all.
//
// The proto leaves field numbers from 200 on to others. We keep a token's AddedToken in field 1000
// of its piece, as a varint of bits; other programs skip it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gemma3/error.h"
#include "src/base/vocabulary.h"

namespace gemma3 {

// What the file says about the algorithm; absent fields have the proto's defaults.
struct SpmSettings {
  uint64_t model_type = 1;  // unigram; 2 is BPE
  bool byte_fallback = false;
  bool has_chars_map = false;
  bool add_dummy_prefix = true;
  bool remove_extra_spaces = true;
  bool escape_spaces = true;

  // BPE with byte fallback and a normalizer that leaves the text alone.
  static constexpr SpmSettings Gemmas() {
    return {.model_type = 2,
            .byte_fallback = true,
            .has_chars_map = false,
            .add_dummy_prefix = false,
            .remove_extra_spaces = false,
            .escape_spaces = true};
  }
  bool operator==(const SpmSettings&) const = default;
};

// The pieces, ids and settings of a serialized ModelProto; what they mean is not checked. `where`
// names the source in messages. Errors: kBadModel for anything cut or malformed.
Result<SpmVocabulary> ParseSpmProto(std::string_view proto, const std::string& where,
                                    SpmSettings* settings = nullptr);

// A model with these pieces and the settings SpmSettings::Gemmas().
std::string SerializeSpmProto(const SpmVocabulary& vocabulary);

}  // namespace gemma3
