// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// What both the readers of model files and the tokenizer know of SentencePiece's pieces.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

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

}  // namespace gemma3
