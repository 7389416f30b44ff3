// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Field numbers are those of google/sentencepiece, src/sentencepiece_model.proto.
#include "src/formats/spm_proto.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "src/base/json.h"
#include "src/base/shown.h"
#include "src/base/status.h"

namespace gemma3 {
namespace {

constexpr size_t kMaxPieces = size_t{1} << 24;

// --- Protocol buffers: a message is a sequence of (field number, wire type) keys and values. ---

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

void PutVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

void PutInt(uint32_t field, int64_t value, std::string* out) {
  PutVarint(field << 3 | kVarint, out);
  PutVarint(static_cast<uint64_t>(value), out);  // negative values take ten bytes, as int32 does
}

void PutFloat(uint32_t field, float value, std::string* out) {
  PutVarint(field << 3 | kFixed32, out);
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  for (int shift = 0; shift < 32; shift += 8) out->push_back(static_cast<char>(bits >> shift));
}

void PutBytes(uint32_t field, std::string_view value, std::string* out) {
  PutVarint(field << 3 | kLengthDelimited, out);
  PutVarint(value.size(), out);
  out->append(value);
}

struct Field {
  uint32_t number = 0;
  uint32_t wire = 0;
  uint64_t value = 0;      // of a varint or fixed field
  std::string_view bytes;  // of a length-delimited field
};

// Walks the fields of one message. Groups (wire types 3 and 4) are refused: SentencePiece has none.
class FieldReader {
 public:
  explicit FieldReader(std::string_view data) : data_(data) {}

  // The next field, or nothing at the end or where the data is damaged; see ok().
  std::optional<Field> Next() {
    if (data_.empty() || !ok_) return std::nullopt;
    Field field;
    uint64_t key = 0;
    if (!Varint(&key) || (key >> 3) == 0 || (key >> 3) > (1u << 29) - 1) return Damaged();
    field.number = static_cast<uint32_t>(key >> 3);
    field.wire = static_cast<uint32_t>(key & 7);
    switch (field.wire) {
      case kVarint:
        if (!Varint(&field.value)) return Damaged();
        return field;
      case kFixed64:
      case kFixed32: {
        const size_t size = field.wire == kFixed64 ? 8 : 4;
        if (data_.size() < size) return Damaged();
        for (size_t i = 0; i < size; ++i) {
          field.value |= uint64_t{static_cast<unsigned char>(data_[i])} << (8 * i);
        }
        data_.remove_prefix(size);
        return field;
      }
      case kLengthDelimited: {
        uint64_t size = 0;
        if (!Varint(&size) || size > data_.size()) return Damaged();
        field.bytes = data_.substr(0, size);
        data_.remove_prefix(size);
        return field;
      }
      default:
        return Damaged();
    }
  }

  bool ok() const { return ok_; }

 private:
  std::nullopt_t Damaged() {
    ok_ = false;
    return std::nullopt;
  }

  bool Varint(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (data_.empty()) return false;
      const unsigned char byte = static_cast<unsigned char>(data_.front());
      data_.remove_prefix(1);
      *value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  std::string_view data_;
  bool ok_ = true;
};

// --- Vocabulary ---

// The byte that "<0x41>" stands for.
std::optional<uint8_t> ByteOfPiece(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
  unsigned value = 0;
  for (const char c : text.substr(3, 2)) {
    if (c >= '0' && c <= '9') {
      value = value * 16 + static_cast<unsigned>(c - '0');
    } else if (c >= 'A' && c <= 'F') {
      value = value * 16 + static_cast<unsigned>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
  }
  return static_cast<uint8_t>(value);
}

bool IsUnusedName(std::string_view text) {
  return text.starts_with("<unused") && text.ends_with(">");
}

bool IsMarkName(std::string_view text) {
  static constexpr std::array<std::string_view, 6> kMarks = {"<mask>",           "[multimodal]",
                                                             "<start_of_turn>",  "<end_of_turn>",
                                                             "<start_of_image>", "<end_of_image>"};
  return std::find(kMarks.begin(), kMarks.end(), text) != kMarks.end() || IsUnusedName(text);
}

Result<SpmPiece> ParsePiece(std::string_view data, const std::string& where, size_t id) {
  SpmPiece piece;
  FieldReader reader(data);
  while (const auto field = reader.Next()) {
    if (field->number == 1 && field->wire == kLengthDelimited) piece.text = field->bytes;
    if (field->number == 2 && field->wire == kFixed32) {
      piece.score = std::bit_cast<float>(static_cast<uint32_t>(field->value));
    }
    if (field->number == 3 && field->wire == kVarint) {
      if (field->value < 1 || field->value > 6) {
        return Fail(ErrorCode::kBadModel, where, ": piece ", id, " has the unknown type ",
                    field->value);
      }
      piece.type = static_cast<PieceType>(field->value);
    }
  }
  if (!reader.ok()) return Fail(ErrorCode::kBadModel, where, ": piece ", id, " is damaged");
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
    const SpmPiece& piece = pieces[id];
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
  for (const SpmPiece& piece : pieces) {
    message.clear();
    PutBytes(1, piece.text, &message);
    PutFloat(2, piece.score, &message);
    PutInt(3, static_cast<int>(piece.type), &message);
    PutBytes(1, message, &proto);
  }
  // SentencePiece finds these by name, so the names must be those at the ids.
  const auto text_of = [&](int32_t id, const char* none) {
    return id < 0 ? std::string(none) : pieces[static_cast<size_t>(id)].text;
  };
  message.clear();         // TrainerSpec
  PutInt(3, 2, &message);  // model_type BPE
  PutInt(4, static_cast<int64_t>(pieces.size()), &message);
  PutInt(35, 1, &message);  // byte_fallback
  PutInt(40, vocabulary.unk_id, &message);
  PutInt(41, vocabulary.bos_id, &message);
  PutInt(42, vocabulary.eos_id, &message);
  PutInt(43, vocabulary.pad_id, &message);
  PutBytes(45, text_of(vocabulary.unk_id, "<unk>"), &message);
  PutBytes(46, text_of(vocabulary.bos_id, "<bos>"), &message);
  PutBytes(47, text_of(vocabulary.eos_id, "<eos>"), &message);
  PutBytes(48, text_of(vocabulary.pad_id, "<pad>"), &message);
  PutBytes(2, message, &proto);
  message.clear();  // NormalizerSpec
  PutBytes(1, "identity", &message);
  PutInt(3, 0, &message);  // add_dummy_prefix
  PutInt(4, 0, &message);  // remove_extra_whitespaces
  PutInt(5, 1, &message);  // escape_whitespaces
  PutBytes(3, message, &proto);
  return proto;
}

Result<SpmVocabulary> ParseSpmProto(std::string_view proto, const std::string& where) {
  SpmVocabulary vocabulary;
  // The proto's own defaults for the ids.
  vocabulary.unk_id = 0, vocabulary.bos_id = 1, vocabulary.eos_id = 2, vocabulary.pad_id = -1;
  FieldReader reader(proto);
  while (const auto field = reader.Next()) {
    if (field->wire != kLengthDelimited) continue;
    if (field->number == 1) {
      if (vocabulary.pieces.size() == kMaxPieces) {
        return Fail(ErrorCode::kBadModel, where, ": more than ", kMaxPieces, " pieces");
      }
      GEMMA3_TRY(SpmPiece piece, ParsePiece(field->bytes, where, vocabulary.pieces.size()));
      vocabulary.pieces.push_back(std::move(piece));
    }
    if (field->number == 2) {
      FieldReader trainer(field->bytes);
      while (const auto option = trainer.Next()) {
        if (option->wire != kVarint) continue;
        const int32_t value = static_cast<int32_t>(option->value);
        if (option->number == 40) vocabulary.unk_id = value;
        if (option->number == 41) vocabulary.bos_id = value;
        if (option->number == 42) vocabulary.eos_id = value;
        if (option->number == 43) vocabulary.pad_id = value;
      }
      if (!trainer.ok()) return Fail(ErrorCode::kBadModel, where, ": trainer_spec is damaged");
    }
  }
  if (!reader.ok()) {
    return Fail(ErrorCode::kBadModel, where,
                " is not a SentencePiece model, or is damaged; is the download complete?");
  }
  return vocabulary;
}

void ScoreByMerges(const std::vector<std::string>& merged, SpmVocabulary* vocabulary) {
  std::unordered_map<std::string_view, size_t> normal;  // text -> id, not yet scored
  for (size_t id = 0; id < vocabulary->pieces.size(); ++id) {
    const SpmPiece& piece = vocabulary->pieces[id];
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
    SpmPiece& piece = vocabulary->pieces[id];
    if (piece.type != PieceType::kNormal) {
      piece.score = 0;
    } else if (normal.contains(piece.text)) {
      piece.score = -static_cast<float>(rank++);
    }
  }
}

void RepairTypes(SpmVocabulary* vocabulary) {
  for (size_t id = 0; id < vocabulary->pieces.size(); ++id) {
    SpmPiece& piece = vocabulary->pieces[id];
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
  const auto mark = std::find_if(pieces.begin(), pieces.end(), [](const SpmPiece& piece) {
    return piece.text == "<image_soft_token>";
  });
  // Padding has one of these names; anything else behind the mark was added by a fine-tune.
  const auto is_padding = [](const SpmPiece& piece) {
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
  std::vector<SpmPiece>& pieces = vocabulary.pieces;
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
                                 [&](const SpmPiece& piece) { return piece.text == text; });
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
