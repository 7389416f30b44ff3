// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Field numbers are those of google/sentencepiece, src/sentencepiece_model.proto.
#include "src/formats/spm_proto.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "src/base/json.h"
#include "src/base/proto_wire.h"
#include "src/base/shown.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

constexpr size_t kMaxPieces = size_t{1} << 24;

// An int32 field's value on the wire: negative numbers are widened with their sign.
uint64_t Int32Value(int32_t value) { return static_cast<uint64_t>(int64_t{value}); }

bool IsUnusedName(std::string_view text) {
  return text.starts_with("<unused") && text.ends_with(">");
}

bool IsMarkName(std::string_view text) {
  static constexpr std::array<std::string_view, 6> kMarks = {"<mask>",           "[multimodal]",
                                                             "<start_of_turn>",  "<end_of_turn>",
                                                             "<start_of_image>", "<end_of_image>"};
  return std::find(kMarks.begin(), kMarks.end(), text) != kMarks.end() || IsUnusedName(text);
}

Result<VocabularyPiece> ParsePiece(std::string_view data, const std::string& where, size_t id) {
  VocabularyPiece piece;
  WireReader reader(data);
  WireField field;
  while (reader.Next(field)) {
    if (field.number == 1 && field.type == WireType::kBytes) piece.text = field.bytes;
    if (field.number == 2 && field.type == WireType::kFixed32) {
      piece.score = std::bit_cast<float>(static_cast<uint32_t>(field.value));
    }
    if (field.number == 3 && field.type == WireType::kVarint) {
      if (field.value < 1 || field.value > 6) {
        return Fail(ErrorCode::kBadModel, where, ": piece ", id, " has the unknown type ",
                    field.value);
      }
      piece.type = static_cast<PieceType>(field.value);
    }
  }
  if (reader.damaged()) return Fail(ErrorCode::kBadModel, where, ": piece ", id, " is damaged");
  return piece;
}

Status CheckVocabulary(const SpmVocabulary& vocabulary, const std::string& where) {
  const auto& pieces = vocabulary.pieces;
  if (pieces.empty() || pieces.size() > kMaxPieces) {
    return Fail(ErrorCode::kBadModel, where, ": a vocabulary of ", pieces.size(),
                " pieces; expected 1 to ", kMaxPieces);
  }
  std::unordered_set<std::string_view> texts;
  std::array<bool, 256> bytes = {};
  size_t unknowns = 0, byte_count = 0;
  for (size_t id = 0; id < pieces.size(); ++id) {
    const VocabularyPiece& piece = pieces[id];
    const std::string shown = Shown(piece.text, 100);
    if (piece.text.empty() || piece.text.find('\0') != std::string::npos) {
      return Fail(ErrorCode::kBadModel, where, ": token ", id, " is empty or holds a zero byte");
    }
    if (!texts.insert(piece.text).second) {
      return Fail(ErrorCode::kBadModel, where, ": token ", id, ", \"", shown,
                  "\", appears twice in the vocabulary");
    }
    if (!std::isfinite(piece.score)) {
      return Fail(ErrorCode::kBadModel, where, ": token ", id, ", \"", shown,
                  "\", has a score that is not a number");
    }
    if (piece.type == PieceType::kUnknown) {
      ++unknowns;
      if (id != static_cast<size_t>(vocabulary.unk_id)) {
        return Fail(ErrorCode::kBadModel, where, ": token ", id, ", \"", shown,
                    "\", is of type unknown, but the unknown token is ", vocabulary.unk_id);
      }
    }
    if (piece.type == PieceType::kByte) {
      const auto byte = ByteOfPiece(piece.text);
      if (!byte) {
        return Fail(ErrorCode::kBadModel, where, ": token ", id, ", \"", shown,
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

Result<std::string> BuildSpmProto(const SpmVocabulary& vocabulary, const std::string& where) {
  GEMMA3_CHECK_OK(CheckVocabulary(vocabulary, where));
  const auto& pieces = vocabulary.pieces;
  std::string proto, message;
  for (const VocabularyPiece& piece : pieces) {
    message.clear();
    AppendBytesField(1, piece.text, message);
    AppendFixed32Field(2, std::bit_cast<uint32_t>(piece.score), message);
    AppendVarintField(3, static_cast<uint64_t>(piece.type), message);
    AppendBytesField(1, message, proto);
  }
  // SentencePiece finds these by name, so the names must be those at the ids.
  const auto text_of = [&](int32_t id, const char* none) {
    return id < 0 ? std::string(none) : pieces[static_cast<size_t>(id)].text;
  };
  message.clear();                   // TrainerSpec
  AppendVarintField(3, 2, message);  // model_type BPE
  AppendVarintField(4, pieces.size(), message);
  AppendVarintField(35, 1, message);  // byte_fallback
  AppendVarintField(40, Int32Value(vocabulary.unk_id), message);
  AppendVarintField(41, Int32Value(vocabulary.bos_id), message);
  AppendVarintField(42, Int32Value(vocabulary.eos_id), message);
  AppendVarintField(43, Int32Value(vocabulary.pad_id), message);
  AppendBytesField(45, text_of(vocabulary.unk_id, "<unk>"), message);
  AppendBytesField(46, text_of(vocabulary.bos_id, "<bos>"), message);
  AppendBytesField(47, text_of(vocabulary.eos_id, "<eos>"), message);
  AppendBytesField(48, text_of(vocabulary.pad_id, "<pad>"), message);
  AppendBytesField(2, message, proto);
  message.clear();  // NormalizerSpec
  AppendBytesField(1, "identity", message);
  AppendVarintField(3, 0, message);  // add_dummy_prefix
  AppendVarintField(4, 0, message);  // remove_extra_whitespaces
  AppendVarintField(5, 1, message);  // escape_whitespaces
  AppendBytesField(3, message, proto);
  return proto;
}

Result<SpmVocabulary> ParseSpmProto(std::string_view proto, const std::string& where) {
  SpmVocabulary vocabulary;
  // The proto's own defaults for the ids.
  vocabulary.unk_id = 0, vocabulary.bos_id = 1, vocabulary.eos_id = 2, vocabulary.pad_id = -1;
  WireReader reader(proto);
  WireField field;
  while (reader.Next(field)) {
    if (field.type != WireType::kBytes) continue;
    if (field.number == 1) {
      if (vocabulary.pieces.size() == kMaxPieces) {
        return Fail(ErrorCode::kBadModel, where, ": more than ", kMaxPieces, " pieces");
      }
      GEMMA3_TRY(VocabularyPiece piece, ParsePiece(field.bytes, where, vocabulary.pieces.size()));
      vocabulary.pieces.push_back(std::move(piece));
    }
    if (field.number == 2) {
      WireReader trainer(field.bytes);
      WireField option;
      while (trainer.Next(option)) {
        if (option.type != WireType::kVarint) continue;
        const int32_t value = static_cast<int32_t>(option.value);
        if (option.number == 40) vocabulary.unk_id = value;
        if (option.number == 41) vocabulary.bos_id = value;
        if (option.number == 42) vocabulary.eos_id = value;
        if (option.number == 43) vocabulary.pad_id = value;
      }
      if (trainer.damaged()) return Fail(ErrorCode::kBadModel, where, ": trainer_spec is damaged");
    }
  }
  if (reader.damaged()) {
    return Fail(ErrorCode::kBadModel, where,
                " is not a SentencePiece model, or is damaged; is the download complete?");
  }
  return vocabulary;
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

Result<SpmVocabulary> VocabularyFromTokenizerJson(std::string_view json, const std::string& where) {
  GEMMA3_TRY(const JsonValue root, JsonValue::Parse(json, where));
  const auto model = root.Find("model");
  const auto vocab = model ? model->Find("vocab") : std::nullopt;
  const auto merges = model ? model->Find("merges") : std::nullopt;
  if (!vocab || !vocab->IsObject() || !merges || !merges->IsArray()) {
    return Fail(ErrorCode::kBadModel, where, ": model.vocab or model.merges is missing");
  }
  GEMMA3_TRY(const std::string type, model->String("type", "BPE"));
  GEMMA3_TRY(const bool byte_fallback, model->Bool("byte_fallback", false));
  if (type != "BPE" || !byte_fallback) {
    return Fail(ErrorCode::kUnsupported, where, ": a tokenizer of type ", Shown(type, 40),
                byte_fallback ? "" : " without byte fallback",
                "; Gemma's is BPE with byte fallback");
  }

  SpmVocabulary vocabulary;
  std::vector<VocabularyPiece>& pieces = vocabulary.pieces;
  std::vector<bool> filled;
  // Ids count the tokens, so none can reach beyond their number.
  const auto added = root.Find("added_tokens");
  const uint64_t id_limit = vocab->size() + (added ? added->size() : 0);
  const auto place = [&](uint64_t id, const std::string& text, PieceType piece_type) -> Status {
    if (id >= id_limit || (id < filled.size() && filled[id] && pieces[id].text != text)) {
      return Fail(ErrorCode::kBadModel, where, ": token id ", id, " of \"", Shown(text, 100),
                  "\" is too large or already taken");
    }
    if (id >= filled.size()) {
      pieces.resize(id + 1);
      filled.resize(id + 1);
    }
    pieces[id] = {text, 0, piece_type};
    filled[id] = true;
    return {};
  };
  for (const auto& [text, value] : vocab->Members()) {
    GEMMA3_TRY(const uint64_t id, value.AsUint());
    GEMMA3_CHECK_OK(place(id, text, PieceType::kNormal));
  }
  if (added && added->IsArray()) {
    for (size_t i = 0; i < added->size(); ++i) {
      const JsonValue token = (*added)[i];
      const auto id_value = token.Find("id");
      const auto content = token.Find("content");
      if (!id_value || !content) {
        return Fail(ErrorCode::kBadModel, token.Path(), " lacks \"id\" or \"content\"");
      }
      GEMMA3_TRY(const uint64_t id, id_value->AsUint());
      GEMMA3_TRY(const std::string text, content->AsString());
      GEMMA3_CHECK_OK(place(id, text, PieceType::kUserDefined));
    }
  }
  const auto gap = std::find(filled.begin(), filled.end(), false);
  if (gap != filled.end()) {
    return Fail(ErrorCode::kBadModel, where, ": no token has the id ", gap - filled.begin());
  }

  const auto find = [&](const std::string& text, int32_t fallback) {
    const auto it = std::find_if(pieces.begin(), pieces.end(),
                                 [&](const VocabularyPiece& piece) { return piece.text == text; });
    return it == pieces.end() ? fallback : static_cast<int32_t>(it - pieces.begin());
  };
  GEMMA3_TRY(const std::string unk, model->String("unk_token", "<unk>"));
  vocabulary.unk_id = find(unk, -1);
  vocabulary.bos_id = find("<bos>", -1);
  vocabulary.eos_id = find("<eos>", -1);
  vocabulary.pad_id = find("<pad>", -1);
  RepairTypes(&vocabulary);

  std::vector<std::string> merged;
  merged.reserve(merges->size());
  for (size_t i = 0; i < merges->size(); ++i) {
    const JsonValue merge = (*merges)[i];
    if (merge.IsArray() && merge.size() == 2) {
      GEMMA3_TRY(const std::string left, merge[0].AsString());
      GEMMA3_TRY(const std::string right, merge[1].AsString());
      merged.push_back(left + right);
      continue;
    }
    GEMMA3_TRY(std::string pair, merge.AsString());  // "left right"; pieces hold no plain space
    const size_t space = pair.find(' ');
    if (space == std::string::npos) {
      return Fail(ErrorCode::kBadModel, merge.Path(), " is \"", Shown(pair, 100),
                  "\", expected two pieces");
    }
    merged.push_back(pair.erase(space, 1));
  }
  ScoreByMerges(merged, &vocabulary);
  DropTrailingPadding(&vocabulary);
  return vocabulary;
}

}  // namespace gemma3
