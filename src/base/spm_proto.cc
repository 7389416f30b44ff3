// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/base/spm_proto.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "src/base/proto_wire.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

constexpr size_t kMaxPieces = size_t{1} << 24;

// Field numbers of sentencepiece_model.proto.
namespace field {
constexpr uint32_t kPieces = 1, kTrainerSpec = 2, kNormalizerSpec = 3;              // ModelProto
constexpr uint32_t kPiece = 1, kScore = 2, kType = 3, kAdded = 1000;                // SentencePiece
constexpr uint32_t kModelType = 3, kVocabSize = 4, kByteFallback = 35;              // TrainerSpec
constexpr uint32_t kUnkId = 40, kBosId = 41, kEosId = 42, kPadId = 43;              // TrainerSpec
constexpr uint32_t kUnkPiece = 45, kBosPiece = 46, kEosPiece = 47, kPadPiece = 48;  // TrainerSpec
constexpr uint32_t kName = 1, kCharsMap = 2, kAddDummyPrefix = 3, kRemoveExtraSpaces = 4,
                   kEscapeSpaces = 5;  // NormalizerSpec
}  // namespace field
constexpr uint64_t kModelTypeBpe = 2;

uint64_t BitsOf(const AddedToken& added) {
  return uint64_t{added.special} | uint64_t{added.single_word} << 1 | uint64_t{added.lstrip} << 2 |
         uint64_t{added.rstrip} << 3 | uint64_t{added.normalized} << 4;
}

AddedToken AddedOfBits(uint64_t bits) {
  return {.special = (bits & 1) != 0,
          .single_word = (bits & 2) != 0,
          .lstrip = (bits & 4) != 0,
          .rstrip = (bits & 8) != 0,
          .normalized = (bits & 16) != 0};
}

// An int32 field's value on the wire: negative numbers are widened with their sign.
uint64_t Int32Value(int32_t value) { return static_cast<uint64_t>(int64_t{value}); }

Result<VocabularyPiece> ParsePiece(std::string_view message, const std::string& where, size_t id) {
  VocabularyPiece piece;
  uint64_t type = 1;
  WireReader reader(message);
  WireField f;
  while (reader.Next(f)) {
    if (f.number == field::kPiece && f.type == WireType::kBytes) piece.text = f.bytes;
    if (f.number == field::kScore && f.type == WireType::kFixed32) {
      piece.score = std::bit_cast<float>(static_cast<uint32_t>(f.value));
    }
    if (f.number == field::kType && f.type == WireType::kVarint) type = f.value;
    if (f.number == field::kAdded && f.type == WireType::kVarint) {
      piece.added = AddedOfBits(f.value);
    }
  }
  if (reader.damaged()) {
    return Fail(ErrorCode::kBadModel, where, ": piece ", id, " is damaged at its byte ",
                reader.offset());
  }
  if (type < 1 || type > 6) {
    return Fail(ErrorCode::kBadModel, where, ": piece ", id, " has the unknown type ", type,
                " (1 to 6 are known)");
  }
  piece.type = static_cast<PieceType>(type);
  return piece;
}

Status ParseTrainerSpec(std::string_view message, const std::string& where,
                        SpmVocabulary* vocabulary, SpmSettings* settings) {
  WireReader reader(message);
  WireField f;
  while (reader.Next(f)) {
    if (f.type != WireType::kVarint) continue;
    const auto id = static_cast<int32_t>(f.value);
    if (f.number == field::kModelType) settings->model_type = f.value;
    if (f.number == field::kByteFallback) settings->byte_fallback = f.value != 0;
    if (f.number == field::kUnkId) vocabulary->unk_id = id;
    if (f.number == field::kBosId) vocabulary->bos_id = id;
    if (f.number == field::kEosId) vocabulary->eos_id = id;
    if (f.number == field::kPadId) vocabulary->pad_id = id;
  }
  if (reader.damaged()) {
    return Fail(ErrorCode::kBadModel, where, ": trainer_spec is damaged at its byte ",
                reader.offset());
  }
  return {};
}

Status ParseNormalizerSpec(std::string_view message, const std::string& where,
                           SpmSettings* settings) {
  WireReader reader(message);
  WireField f;
  while (reader.Next(f)) {
    if (f.number == field::kCharsMap && f.type == WireType::kBytes) {
      settings->has_chars_map = !f.bytes.empty();
    }
    if (f.type != WireType::kVarint) continue;
    if (f.number == field::kAddDummyPrefix) settings->add_dummy_prefix = f.value != 0;
    if (f.number == field::kRemoveExtraSpaces) settings->remove_extra_spaces = f.value != 0;
    if (f.number == field::kEscapeSpaces) settings->escape_spaces = f.value != 0;
  }
  if (reader.damaged()) {
    return Fail(ErrorCode::kBadModel, where, ": normalizer_spec is damaged at its byte ",
                reader.offset());
  }
  return {};
}

}  // namespace

Result<SpmVocabulary> ParseSpmProto(std::string_view proto, const std::string& where,
                                    SpmSettings* settings) {
  SpmVocabulary vocabulary;
  // The proto's own defaults for the ids.
  vocabulary.unk_id = 0, vocabulary.bos_id = 1, vocabulary.eos_id = 2, vocabulary.pad_id = -1;
  SpmSettings ignored;
  if (settings == nullptr) settings = &ignored;
  vocabulary.pieces.reserve(std::min(proto.size() / 16, kMaxPieces));  // Gemma 3: 18 bytes a piece
  WireReader reader(proto);
  WireField f;
  while (reader.Next(f)) {
    if (f.type != WireType::kBytes) continue;
    if (f.number == field::kPieces) {
      if (vocabulary.pieces.size() == kMaxPieces) {
        return Fail(ErrorCode::kBadModel, where, ": more than ", kMaxPieces, " pieces");
      }
      GEMMA3_TRY(VocabularyPiece piece, ParsePiece(f.bytes, where, vocabulary.pieces.size()));
      vocabulary.pieces.push_back(std::move(piece));
    } else if (f.number == field::kTrainerSpec) {
      GEMMA3_CHECK_OK(ParseTrainerSpec(f.bytes, where, &vocabulary, settings));
    } else if (f.number == field::kNormalizerSpec) {
      GEMMA3_CHECK_OK(ParseNormalizerSpec(f.bytes, where, settings));
    }
  }
  if (reader.damaged()) {
    return Fail(ErrorCode::kBadModel, where, ": not a SentencePiece model, or damaged, at byte ",
                reader.offset(), " of ", proto.size(), "; download tokenizer.model again");
  }
  return vocabulary;
}

std::string SerializeSpmProto(const SpmVocabulary& vocabulary) {
  const std::vector<VocabularyPiece>& pieces = vocabulary.pieces;
  std::string out, message;
  size_t bytes = 256;
  for (const VocabularyPiece& piece : pieces) bytes += piece.text.size() + 18;
  out.reserve(bytes);
  for (const VocabularyPiece& piece : pieces) {
    message.clear();
    AppendBytesField(field::kPiece, piece.text, message);
    AppendFixed32Field(field::kScore, std::bit_cast<uint32_t>(piece.score), message);
    AppendVarintField(field::kType, static_cast<uint64_t>(piece.type), message);
    if (piece.added) AppendVarintField(field::kAdded, BitsOf(*piece.added), message);
    AppendBytesField(field::kPieces, message, out);
  }
  // SentencePiece finds these by name, so the names must be those at the ids.
  const auto text_of = [&](int32_t id, const char* none) -> std::string_view {
    const bool is_there = id >= 0 && static_cast<size_t>(id) < pieces.size();
    return is_there ? std::string_view(pieces[static_cast<size_t>(id)].text) : none;
  };
  message.clear();
  AppendVarintField(field::kModelType, kModelTypeBpe, message);
  AppendVarintField(field::kVocabSize, pieces.size(), message);
  AppendVarintField(field::kByteFallback, 1, message);
  AppendVarintField(field::kUnkId, Int32Value(vocabulary.unk_id), message);
  AppendVarintField(field::kBosId, Int32Value(vocabulary.bos_id), message);
  AppendVarintField(field::kEosId, Int32Value(vocabulary.eos_id), message);
  AppendVarintField(field::kPadId, Int32Value(vocabulary.pad_id), message);
  AppendBytesField(field::kUnkPiece, text_of(vocabulary.unk_id, "<unk>"), message);
  AppendBytesField(field::kBosPiece, text_of(vocabulary.bos_id, "<bos>"), message);
  AppendBytesField(field::kEosPiece, text_of(vocabulary.eos_id, "<eos>"), message);
  AppendBytesField(field::kPadPiece, text_of(vocabulary.pad_id, "<pad>"), message);
  AppendBytesField(field::kTrainerSpec, message, out);
  message.clear();
  AppendBytesField(field::kName, "identity", message);
  AppendVarintField(field::kAddDummyPrefix, 0, message);
  AppendVarintField(field::kRemoveExtraSpaces, 0, message);
  AppendVarintField(field::kEscapeSpaces, 1, message);
  AppendBytesField(field::kNormalizerSpec, message, out);
  return out;
}

}  // namespace gemma3
