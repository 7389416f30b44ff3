// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// A vocabulary as model files describe it: what readers of files hand to the tokenizer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemma3 {

// Numbers as in the proto's SentencePiece.Type; GGUF's token types are the same.
enum class PieceType : uint8_t {
  kNormal = 1,       // made by merging characters
  kUnknown = 2,      // exactly one; never produced, as every byte has a piece
  kControl = 3,      // no text produces it, and it has no text
  kUserDefined = 4,  // matched whole, before any merging
  kUnused = 5,       // as kControl to us
  kByte = 6,         // "<0xNN>": one raw byte
};

// What pieces have for spaces: U+2581.
inline constexpr std::string_view kSpaceSymbol = "\u2581";

inline std::string WithSpaceSymbols(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  for (const char c : text) {
    if (c == ' ') {
      out.append(kSpaceSymbol);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

// The byte of a piece spelled "<0xNN>" (upper-case digits).
constexpr std::optional<uint8_t> ByteOfPiece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || !piece.ends_with('>')) return std::nullopt;
  int byte = 0;
  for (const char c : piece.substr(3, 2)) {
    if (c >= '0' && c <= '9') {
      byte = byte * 16 + (c - '0');
    } else if (c >= 'A' && c <= 'F') {
      byte = byte * 16 + (c - 'A' + 10);
    } else {
      return std::nullopt;
    }
  }
  return static_cast<uint8_t>(byte);
}

// What a tokenizer.json says of a token besides its spelling: AddedToken of huggingface/tokenizers.
struct AddedToken {
  bool special = false;      // control: no text produces it
  bool single_word = false;  // found only where no letter, digit or underscore touches it
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space behind it
  bool normalized = false;   // looked for after spaces became U+2581, and after the others

  bool operator==(const AddedToken&) const = default;
};

struct VocabularyPiece {
  std::string text;  // spaces as U+2581; a token of a tokenizer.json as it is spelled there
  float score = 0;   // BPE merges the adjacent pair whose piece has the highest score first
  PieceType type = PieceType::kNormal;
  std::optional<AddedToken> added = {};
};

struct SpmVocabulary {
  std::vector<VocabularyPiece> pieces;  // by token id
  int32_t unk_id = 3, bos_id = 2, eos_id = 1, pad_id = 0;
};

}  // namespace gemma3
