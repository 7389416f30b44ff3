// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/vocabulary.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "src/base/shown.h"
#include "src/base/spm_proto.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

constexpr size_t kMaxPieces = size_t{1} << 24;

bool IsMarkName(std::string_view text) {
  static constexpr std::array<std::string_view, 6> kMarks = {"<mask>",           "[multimodal]",
                                                             "<start_of_turn>",  "<end_of_turn>",
                                                             "<start_of_image>", "<end_of_image>"};
  return std::find(kMarks.begin(), kMarks.end(), text) != kMarks.end() || IsUnusedName(text);
}

Status CheckVocabulary(const SpmVocabulary& vocabulary, const std::string& where) {
  const auto& pieces = vocabulary.pieces;
  if (pieces.empty() || pieces.size() > kMaxPieces) {
    return Fail(ErrorCode::kBadModel, where, ": a vocabulary of ", pieces.size(),
                " pieces; expected 1 to ", kMaxPieces);
  }
  std::unordered_set<std::string_view> texts(pieces.size());
  std::array<bool, 256> bytes = {};
  size_t unknowns = 0, byte_count = 0;
  for (size_t id = 0; id < pieces.size(); ++id) {
    const VocabularyPiece& piece = pieces[id];
    const auto shown = [&] { return Shown(piece.text, 100); };
    if (piece.text.empty() || piece.text.find('\0') != std::string::npos) {
      return Fail(ErrorCode::kBadModel, where, ": token ", id, " is empty or holds a zero byte");
    }
    if (!texts.insert(piece.text).second) {
      return Fail(ErrorCode::kBadModel, where, ": token ", id, ", \"", shown(),
                  "\", appears twice in the vocabulary");
    }
    if (!std::isfinite(piece.score)) {
      return Fail(ErrorCode::kBadModel, where, ": token ", id, ", \"", shown(),
                  "\", has a score that is not a number");
    }
    if (piece.type == PieceType::kUnknown) {
      ++unknowns;
      if (id != static_cast<size_t>(vocabulary.unk_id)) {
        return Fail(ErrorCode::kBadModel, where, ": token ", id, ", \"", shown(),
                    "\", is of type unknown, but the unknown token is ", vocabulary.unk_id);
      }
    }
    if (piece.type == PieceType::kByte) {
      const auto byte = ByteOfPiece(piece.text);
      if (!byte) {
        return Fail(ErrorCode::kBadModel, where, ": token ", id, ", \"", shown(),
                    "\", is of type byte; expected a spelling like <0x41>");
      }
      bytes[*byte] = true;
      ++byte_count;
    }
  }
  if (unknowns != 1) {
    return Fail(ErrorCode::kBadModel, where, ": ", unknowns,
                " tokens of type unknown; expected one, token ", vocabulary.unk_id);
  }
  if (byte_count != 256) {
    return Fail(ErrorCode::kBadModel, where, ": ", byte_count,
                " byte tokens; expected all 256, <0x00> to <0xFF>");
  }
  for (const auto& [name, id] : {std::pair("unknown", vocabulary.unk_id),
                                 {"BOS", vocabulary.bos_id},
                                 {"EOS", vocabulary.eos_id},
                                 {"padding", vocabulary.pad_id}}) {
    // -1 is SentencePiece's "there is none"; only <unk> must exist.
    if (id < -1 || id >= static_cast<int64_t>(pieces.size())) {
      return Fail(ErrorCode::kBadModel, where, ": the ", name, " token is ", id,
                  ", outside the vocabulary of ", pieces.size());
    }
  }
  return {};
}

}  // namespace

bool IsUnusedName(std::string_view text) {
  return text.starts_with("<unused") && text.ends_with(">");
}

Result<std::string> BuildSpmProto(const SpmVocabulary& vocabulary, const std::string& where) {
  GEMMA3_CHECK_OK(CheckVocabulary(vocabulary, where));
  return SerializeSpmProto(vocabulary);
}

void ScoreByMerges(const std::vector<std::string>& merged, SpmVocabulary* vocabulary) {
  std::unordered_map<std::string_view, size_t> normal;  // text -> id, not yet scored
  for (size_t id = 0; id < vocabulary->pieces.size(); ++id) {
    const VocabularyPiece& piece = vocabulary->pieces[id];
    if (piece.type == PieceType::kNormal) normal.emplace(piece.text, id);
  }
  // 2^24 pieces at most, so every rank is exact in a float.
  size_t rank = 0;
  for (const std::string& text : merged) {
    const auto it = normal.find(text);
    if (it == normal.end()) continue;
    vocabulary->pieces[it->second].score = -static_cast<float>(rank++);
    normal.erase(it);
  }
  for (size_t id = 0; id < vocabulary->pieces.size(); ++id) {
    VocabularyPiece& piece = vocabulary->pieces[id];
    if (piece.type != PieceType::kNormal) {
      piece.score = 0;
    } else if (normal.contains(piece.text)) {
      piece.score = -static_cast<float>(rank++);
    }
  }
}

void RepairTypes(SpmVocabulary* vocabulary) {
  for (size_t id = 0; id < vocabulary->pieces.size(); ++id) {
    VocabularyPiece& piece = vocabulary->pieces[id];
    if (id == static_cast<size_t>(vocabulary->unk_id)) {
      piece.type = PieceType::kUnknown;
    } else if (piece.text == "<pad>" || piece.text == "<eos>" || piece.text == "<bos>") {
      piece.type = PieceType::kControl;
    } else if (ByteOfPiece(piece.text)) {
      piece.type = PieceType::kByte;
    } else if (IsMarkName(piece.text)) {
      piece.type = PieceType::kUserDefined;
    } else if (piece.type == PieceType::kUnknown || piece.type == PieceType::kByte) {
      piece.type = PieceType::kUnused;  // claims to be what it cannot be
    }
  }
}

void DropTrailingPadding(SpmVocabulary* vocabulary) {
  auto& pieces = vocabulary->pieces;
  const auto mark = std::find_if(pieces.begin(), pieces.end(), [](const VocabularyPiece& piece) {
    return piece.text == "<image_soft_token>";
  });
  // Padding has one of these names; anything else behind the mark was added by a fine-tune.
  const auto is_padding = [](const VocabularyPiece& piece) {
    return piece.type == PieceType::kUnused || piece.text.starts_with("[PAD") ||
           piece.text.starts_with("<pad") || IsUnusedName(piece.text);
  };
  if (mark == pieces.end()) {
    // Only names that no vocabulary of Gemma's holds: "<unused99>" itself is its last piece.
    while (!pieces.empty() && pieces.back().text.starts_with("[PAD")) pieces.pop_back();
    return;
  }
  if (std::all_of(mark + 1, pieces.end(), is_padding)) {
    pieces.erase(mark, pieces.end());
  } else {
    mark->type = PieceType::kControl;
  }
}

}  // namespace gemma3
