// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Reads, checks and rewrites SentencePiece models.
#include "src/text/spm_rewrite.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>

#include "src/base/proto_wire.h"
#include "src/base/status.h"
#include "src/text/utf8.h"

namespace gemma3 {
namespace {

// The longest piece of Gemma 3 has 93 bytes. The bound lets tables keep lengths in 16 bits.
constexpr size_t kMaxPieceBytes = 1024;
constexpr size_t kMaxPieces = size_t{1} << 24;
// The library stacks room for 64 user-defined pieces that are prefixes of each other (Gemma: 31).
constexpr size_t kMaxNestedPieces = 64;

// Field numbers of sentencepiece_model.proto.
namespace field {
constexpr uint32_t kPieces = 1, kTrainerSpec = 2, kNormalizerSpec = 3;          // ModelProto
constexpr uint32_t kPiece = 1, kScore = 2, kType = 3;                           // SentencePiece
constexpr uint32_t kModelType = 3, kByteFallback = 35;                          // TrainerSpec
constexpr uint32_t kUnkId = 40, kBosId = 41, kEosId = 42, kPadId = 43;          // TrainerSpec
constexpr uint32_t kCharsMap = 2, kAddDummyPrefix = 3, kRemoveExtraSpaces = 4,  // NormalizerSpec
    kEscapeSpaces = 5;
}  // namespace field
constexpr uint64_t kModelTypeBpe = 2;

constexpr std::string_view kMarks[] = {
    "<pad>",
    "<eos>",
    "<bos>",
    "<unk>",
    "<mask>",
    "[multimodal]",
    "<start_of_turn>",
    "<end_of_turn>",
    "<start_of_image>",
    "<end_of_image>",
    "<image_soft_token>",
    // FunctionGemma's names for <unused40> and following.
    "<start_function_declaration>",
    "<end_function_declaration>",
    "<start_function_call>",
    "<end_function_call>",
    "<start_function_response>",
    "<end_function_response>",
    "<escape>",
};

// The names of Gemma 3's HTML tags; each occurs as <name> and as </name>.
constexpr std::string_view kHtmlTags[] = {
    "table", "caption", "thead", "tbody", "tfoot", "tr",         "th",     "td",     "h1",
    "h2",    "h3",      "h4",    "h5",    "h6",    "blockquote", "strong", "em",     "b",
    "i",     "u",       "s",     "sub",   "sup",   "code",       "a",      "html",   "body",
    "img",   "span",    "bbox",  "ul",    "li",    "div",        "iframe", "footer",
};

bool IsKnownMark(std::string_view piece) {
  if (!piece.starts_with('<') && !piece.starts_with('[')) return false;  // most pieces
  constexpr std::string_view kUnused = "<unused";
  if (piece.starts_with(kUnused) && piece.ends_with('>') && piece.size() > kUnused.size() + 1) {
    const std::string_view digits = piece.substr(kUnused.size(), piece.size() - kUnused.size() - 1);
    return std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  }
  return std::ranges::find(kMarks, piece) != std::end(kMarks);
}

bool LooksLikeMark(std::string_view piece) {
  return piece.size() > 2 && ((piece.starts_with('<') && piece.ends_with('>')) ||
                              (piece.starts_with('[') && piece.ends_with(']')));
}

bool IsHtmlTag(std::string_view piece) {
  if (!piece.starts_with('<') || !piece.ends_with('>')) return false;
  piece = piece.substr(1, piece.size() - 2);
  if (piece.starts_with('/')) piece.remove_prefix(1);
  return std::ranges::find(kHtmlTags, piece) != std::end(kHtmlTags);
}

Result<SpmPiece> ParsePiece(std::string_view message, size_t id) {
  SpmPiece piece;
  uint64_t type = 1;
  WireReader reader(message);
  WireField f;
  while (reader.Next(f)) {
    if (f.number == field::kPiece && f.type == WireType::kBytes) piece.piece = f.bytes;
    if (f.number == field::kScore && f.type == WireType::kFixed32) {
      piece.score = std::bit_cast<float>(static_cast<uint32_t>(f.value));
    }
    if (f.number == field::kType && f.type == WireType::kVarint) type = f.value;
  }
  if (reader.damaged()) {
    return Fail(ErrorCode::kBadModel, "tokenizer: piece ", id, " is damaged at its byte ",
                reader.offset());
  }
  if (type < 1 || type > 6) {
    return Fail(ErrorCode::kBadModel, "tokenizer: piece ", id, " has the unknown type ", type,
                " (1 to 6 are known)");
  }
  piece.type = static_cast<PieceType>(type);
  return piece;
}

// What the file says about the algorithm; absent fields have the proto's defaults.
struct Settings {
  uint64_t model_type = 1;  // unigram
  bool byte_fallback = false;
  bool has_chars_map = false;
  bool add_dummy_prefix = true;
  bool remove_extra_spaces = true;
  bool escape_spaces = true;
};

Status ParseTrainerSpec(std::string_view message, Settings& settings) {
  WireReader reader(message);
  WireField f;
  while (reader.Next(f)) {
    if (f.type != WireType::kVarint) continue;
    if (f.number == field::kModelType) settings.model_type = f.value;
    if (f.number == field::kByteFallback) settings.byte_fallback = f.value != 0;
  }
  if (reader.damaged()) {
    return Fail(ErrorCode::kBadModel, "tokenizer: trainer_spec is damaged at its byte ",
                reader.offset());
  }
  return {};
}

Status ParseNormalizerSpec(std::string_view message, Settings& settings) {
  WireReader reader(message);
  WireField f;
  while (reader.Next(f)) {
    if (f.number == field::kCharsMap && f.type == WireType::kBytes) {
      settings.has_chars_map = !f.bytes.empty();
    }
    if (f.type != WireType::kVarint) continue;
    if (f.number == field::kAddDummyPrefix) settings.add_dummy_prefix = f.value != 0;
    if (f.number == field::kRemoveExtraSpaces) settings.remove_extra_spaces = f.value != 0;
    if (f.number == field::kEscapeSpaces) settings.escape_spaces = f.value != 0;
  }
  if (reader.damaged()) {
    return Fail(ErrorCode::kBadModel, "tokenizer: normalizer_spec is damaged at its byte ",
                reader.offset());
  }
  return {};
}

Status CheckSettings(const Settings& settings) {
  const auto unsupported = [](const char* what, const char* wanted) {
    return Fail(ErrorCode::kUnsupported, "tokenizer: ", what, ", but Gemma 3's ", wanted,
                "; use the tokenizer.model that came with the model");
  };
  if (settings.model_type != kModelTypeBpe) {
    return unsupported("the model type is not BPE", "is (trainer_spec.model_type 2)");
  }
  if (!settings.byte_fallback) {
    return unsupported("there is no byte fallback", "has it (trainer_spec.byte_fallback)");
  }
  if (settings.has_chars_map || settings.add_dummy_prefix || settings.remove_extra_spaces ||
      !settings.escape_spaces) {
    return unsupported("the normaliser changes the text or adds a space before it",
                       "leaves it alone (normalizer_spec)");
  }
  return {};
}

Status CheckPiece(const SpmPiece& piece, size_t id) {
  const auto bad = [&](const char* what) {
    return Fail(ErrorCode::kBadModel, "tokenizer: piece ", id, " (", QuotePiece(piece.piece), ") ",
                what);
  };
  if (piece.piece.empty()) return bad("is empty");
  if (piece.piece.size() > kMaxPieceBytes) return bad("is longer than 1024 bytes");
  if (piece.piece.find('\0') != std::string_view::npos) return bad("has a NUL byte");
  if (FindInvalidUtf8(piece.piece) != std::string_view::npos) return bad("is not valid UTF-8");
  if (!std::isfinite(piece.score)) return bad("has a score that is not a finite number");
  // The library looks single characters up among the control pieces as well.
  const bool is_text = piece.type == PieceType::kNormal || piece.type == PieceType::kUserDefined;
  if (!is_text && NextUtf8Char(piece.piece).size == piece.piece.size()) {
    return bad("is a single character, but typed as control, unknown, unused or byte");
  }
  return {};
}

Status CheckNesting(const SpmModel& model) {
  std::vector<std::string_view> pieces;
  for (const SpmPiece& piece : model.pieces) {
    if (piece.type == PieceType::kUserDefined) pieces.push_back(piece.piece);
  }
  std::ranges::sort(pieces);
  std::vector<std::string_view> prefixes;  // of the current piece, each a prefix of the next
  for (std::string_view piece : pieces) {
    while (!prefixes.empty() && !piece.starts_with(prefixes.back())) prefixes.pop_back();
    prefixes.push_back(piece);
    if (prefixes.size() > kMaxNestedPieces) {
      return Fail(ErrorCode::kBadModel, "tokenizer: more than ", kMaxNestedPieces,
                  " user-defined pieces begin each other, up to ", QuotePiece(piece));
    }
  }
  return {};
}

Status CheckModel(SpmModel& model) {
  std::array<bool, 256> has_byte = {};
  size_t unknown = 0;
  model.index = PieceIndex(model.pieces.size());
  const auto spelling = [&](int32_t id) { return model.pieces[static_cast<size_t>(id)].piece; };
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const SpmPiece& piece = model.pieces[id];
    GEMMA3_CHECK_OK(CheckPiece(piece, id));
    const int32_t same = model.index.Insert(piece.piece, static_cast<int32_t>(id), spelling);
    if (same >= 0) {
      return Fail(ErrorCode::kBadModel, "tokenizer: pieces ", same, " and ", id, " are both ",
                  QuotePiece(piece.piece));
    }
    if (piece.type == PieceType::kUnknown) ++unknown;
    if (piece.type == PieceType::kByte) {
      const auto byte = ByteOfPiece(piece.piece);
      if (!byte) {
        return Fail(ErrorCode::kBadModel, "tokenizer: piece ", id, " (", QuotePiece(piece.piece),
                    ") is typed as a byte but not spelled like \"<0x0A>\"");
      }
      has_byte[*byte] = true;
    }
  }
  if (unknown != 1) {
    return Fail(ErrorCode::kBadModel, "tokenizer: expected one unknown piece, found ", unknown);
  }
  const auto missing = std::ranges::find(has_byte, false);
  if (missing != has_byte.end()) {
    return Fail(ErrorCode::kBadModel, "tokenizer: byte ", missing - has_byte.begin(),
                " has no byte piece; all 256 are needed");
  }
  return CheckNesting(model);
}

}  // namespace

PieceType ClassifyPiece(std::string_view piece, PieceType type_in_file) {
  switch (type_in_file) {
    case PieceType::kNormal:
      return IsKnownMark(piece) ? PieceType::kControl : PieceType::kNormal;
    case PieceType::kUserDefined:
      return IsKnownMark(piece) || (LooksLikeMark(piece) && !IsHtmlTag(piece))
                 ? PieceType::kControl
                 : PieceType::kUserDefined;
    case PieceType::kUnused:
      return PieceType::kControl;
    case PieceType::kUnknown:
    case PieceType::kControl:
    case PieceType::kByte:
      break;
  }
  return type_in_file;
}

Result<SpmModel> ParseSpmModel(std::string_view proto) {
  SpmModel model;
  model.pieces.reserve(std::min(proto.size() / 16, kMaxPieces));  // Gemma 3: 18 bytes a piece
  Settings settings;
  WireReader reader(proto);
  WireField f;
  while (reader.Next(f)) {
    if (f.type != WireType::kBytes) continue;
    if (f.number == field::kPieces) {
      if (model.pieces.size() == kMaxPieces) {
        return Fail(ErrorCode::kBadModel, "tokenizer: more than ", kMaxPieces, " pieces");
      }
      GEMMA3_TRY(SpmPiece piece, ParsePiece(f.bytes, model.pieces.size()));
      piece.type = ClassifyPiece(piece.piece, piece.type);
      model.pieces.push_back(piece);
    } else if (f.number == field::kTrainerSpec) {
      GEMMA3_CHECK_OK(ParseTrainerSpec(f.bytes, settings));
    } else if (f.number == field::kNormalizerSpec) {
      GEMMA3_CHECK_OK(ParseNormalizerSpec(f.bytes, settings));
    }
  }
  if (reader.damaged()) {
    return Fail(ErrorCode::kBadModel, "tokenizer: not a SentencePiece model, or damaged, at byte ",
                reader.offset(), " of ", proto.size(), "; download tokenizer.model again");
  }
  if (model.pieces.empty()) {
    return Fail(ErrorCode::kBadModel, "tokenizer: no pieces in ", proto.size(),
                " bytes; this is not a SentencePiece model");
  }
  GEMMA3_CHECK_OK(CheckSettings(settings));
  GEMMA3_CHECK_OK(CheckModel(model));
  return model;
}

std::string SerializeSpmModel(const SpmModel& model) {
  std::string out, message;
  size_t bytes = 64;
  for (const SpmPiece& piece : model.pieces) bytes += piece.piece.size() + 14;
  out.reserve(bytes);
  uint64_t unknown = 0;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const SpmPiece& piece = model.pieces[id];
    if (piece.type == PieceType::kUnknown) unknown = id;
    message.clear();
    AppendBytesField(field::kPiece, piece.piece, message);
    AppendFixed32Field(field::kScore, std::bit_cast<uint32_t>(piece.score), message);
    AppendVarintField(field::kType, static_cast<uint64_t>(piece.type), message);
    AppendBytesField(field::kPieces, message, out);
  }

  message.clear();
  AppendVarintField(field::kModelType, kModelTypeBpe, message);
  AppendVarintField(field::kByteFallback, 1, message);
  // The library is never asked to add any of these.
  constexpr uint64_t kNone = ~uint64_t{0};  // -1
  AppendVarintField(field::kUnkId, unknown, message);
  AppendVarintField(field::kBosId, kNone, message);
  AppendVarintField(field::kEosId, kNone, message);
  AppendVarintField(field::kPadId, kNone, message);
  AppendBytesField(field::kTrainerSpec, message, out);

  message.clear();
  AppendVarintField(field::kAddDummyPrefix, 0, message);
  AppendVarintField(field::kRemoveExtraSpaces, 0, message);
  AppendVarintField(field::kEscapeSpaces, 1, message);
  AppendBytesField(field::kNormalizerSpec, message, out);
  return out;
}

std::string QuotePiece(std::string_view piece) {
  constexpr size_t kShown = 40;
  std::string out = "\"";
  for (const char c : piece.substr(0, kShown)) {
    const uint8_t byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      out.push_back(c);
    } else {
      char hex[8];
      std::snprintf(hex, sizeof(hex), "\\x%02X", static_cast<unsigned>(byte));
      out.append(hex);
    }
  }
  out.append(piece.size() > kShown ? "...\"" : "\"");
  return out;
}

}  // namespace gemma3
