// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Reads, checks and rewrites SentencePiece models.
#include "src/text/spm_rewrite.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "src/base/spm_proto.h"
#include "src/base/status.h"
#include "src/text/utf8.h"

namespace gemma3 {
namespace {

// The longest piece of Gemma 3 has 93 bytes. The bound lets tables keep lengths in 16 bits.
constexpr size_t kMaxPieceBytes = 1024;
// The library stacks room for 64 user-defined pieces that are prefixes of each other (Gemma: 31).
constexpr size_t kMaxNestedPieces = 64;
constexpr uint64_t kModelTypeBpe = 2;

constexpr std::string_view kReservedMarks[] = {
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
};

// FunctionGemma's names for <unused40> and following.
constexpr std::string_view kFunctionMarks[] = {
    "<start_function_declaration>",
    "<end_function_declaration>",
    "<start_function_call>",
    "<end_function_call>",
    "<start_function_response>",
    "<end_function_response>",
    "<escape>",
};

// Special tokens of fine-tunes that are written for the caller to read.
constexpr std::string_view kWrittenMarks[] = {"<tool_call>", "</tool_call>", "<think>", "</think>"};

// The names of Gemma 3's HTML tags; each occurs as <name> and as </name>.
constexpr std::string_view kHtmlTags[] = {
    "table", "caption", "thead", "tbody", "tfoot", "tr",         "th",     "td",     "h1",
    "h2",    "h3",      "h4",    "h5",    "h6",    "blockquote", "strong", "em",     "b",
    "i",     "u",       "s",     "sub",   "sup",   "code",       "a",      "html",   "body",
    "img",   "span",    "bbox",  "ul",    "li",    "div",        "iframe", "footer",
};

template <size_t kSize>
bool IsOneOf(const std::string_view (&names)[kSize], std::string_view piece) {
  return std::ranges::find(names, piece) != std::end(names);
}

bool IsUnusedName(std::string_view piece) {
  constexpr std::string_view kUnused = "<unused";
  if (!piece.starts_with(kUnused) || !piece.ends_with('>') || piece.size() <= kUnused.size() + 1) {
    return false;
  }
  const std::string_view digits = piece.substr(kUnused.size(), piece.size() - kUnused.size() - 1);
  return std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
}

bool LooksLikeMark(std::string_view piece) {
  return piece.size() > 2 && ((piece.starts_with('<') && piece.ends_with('>')) ||
                              (piece.starts_with('[') && piece.ends_with(']')));
}

bool IsHtmlTag(std::string_view piece) {
  if (!piece.starts_with('<') || !piece.ends_with('>')) return false;
  piece = piece.substr(1, piece.size() - 2);
  if (piece.starts_with('/')) piece.remove_prefix(1);
  return IsOneOf(kHtmlTags, piece);
}

// Whether the library looks for a user-defined piece as huggingface/tokenizers looks for the token.
bool LibraryMatches(const VocabularyPiece& piece) {
  if (piece.added->single_word || piece.added->lstrip || piece.added->rstrip) return false;
  // Runs of spaces: what tokenizers makes by merging. Other spellings with spaces are looked for
  // in the text as it is, and not as the library does after they became U+2581.
  std::string_view rest = piece.text;
  while (rest.starts_with(kSpaceSymbol)) rest.remove_prefix(kSpaceSymbol.size());
  if (rest.empty()) return true;
  return !piece.added->normalized && piece.text.find(' ') == std::string::npos &&
         piece.text.find(kSpaceSymbol) == std::string::npos;
}

Status CheckSettings(const SpmSettings& settings) {
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

bool IsText(PieceUse use) { return use == PieceUse::kMerged || use == PieceUse::kMatched; }

bool IsOneCharacter(std::string_view piece) { return NextUtf8Char(piece).size == piece.size(); }

Status CheckPiece(const VocabularyPiece& piece, PieceUse use, size_t id) {
  const auto bad = [&](const char* what) {
    return Fail(ErrorCode::kBadModel, "tokenizer: piece ", id, " (", QuotePiece(piece.text), ") ",
                what);
  };
  if (piece.text.empty()) return bad("is empty");
  if (piece.text.size() > kMaxPieceBytes) return bad("is longer than 1024 bytes");
  if (piece.text.find('\0') != std::string::npos) return bad("has a NUL byte");
  if (FindInvalidUtf8(piece.text) != std::string_view::npos) return bad("is not valid UTF-8");
  if (!std::isfinite(piece.score)) return bad("has a score that is not a finite number");
  // A vocabulary whose letters are control is damaged; added tokens may be what they like.
  const bool is_added =
      piece.added && piece.type != PieceType::kUnknown && piece.type != PieceType::kByte;
  if (!IsText(use) && !is_added && IsOneCharacter(piece.text)) {
    return bad("is a single character, but typed as control, unknown, unused or byte");
  }
  return {};
}

Status CheckNesting(const SpmModel& model) {
  std::vector<std::string_view> pieces;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    if (model.uses[id] == PieceUse::kMatched) pieces.push_back(model.pieces[id].text);
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
  const auto spelling = [&](int32_t id) -> std::string_view {
    return model.pieces[static_cast<size_t>(id)].text;
  };
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const VocabularyPiece& piece = model.pieces[id];
    GEMMA3_CHECK_OK(CheckPiece(piece, model.uses[id], id));
    const int32_t same = model.index.Insert(piece.text, static_cast<int32_t>(id), spelling);
    if (same >= 0) {
      return Fail(ErrorCode::kBadModel, "tokenizer: pieces ", same, " and ", id, " are both ",
                  QuotePiece(piece.text));
    }
    if (piece.type == PieceType::kUnknown) ++unknown;
    if (piece.type == PieceType::kByte) {
      const auto byte = ByteOfPiece(piece.text);
      if (!byte) {
        return Fail(ErrorCode::kBadModel, "tokenizer: piece ", id, " (", QuotePiece(piece.text),
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
  const int32_t space = model.index.Find(kSpaceSymbol, spelling);
  if (space < 0 || !IsText(model.uses[static_cast<size_t>(space)])) {
    return Fail(
        ErrorCode::kBadModel,
        "tokenizer: no piece for a single space (U+2581); this is not a vocabulary of Gemma's");
  }
  return CheckNesting(model);
}

// A spelling that no piece of the model has. Single characters are told apart by their ids.
std::string NameFor(const SpmModel& model, size_t id) {
  const auto spelling = [&](int32_t other) -> std::string_view {
    return model.pieces[static_cast<size_t>(other)].text;
  };
  std::string name = "<character " + std::to_string(id) + ">";
  while (model.index.Find(name, spelling) >= 0) name += '>';
  return name;
}

}  // namespace

PieceUse ClassifyPiece(const VocabularyPiece& piece) {
  const std::string_view text = piece.text;
  if (piece.type == PieceType::kByte) return PieceUse::kByte;
  if (piece.type == PieceType::kUnknown) return PieceUse::kControl;
  if (text.starts_with('<') || text.starts_with('[')) {  // few pieces do
    if (IsOneOf(kReservedMarks, text)) return PieceUse::kControl;
    if (IsUnusedName(text) || IsOneOf(kFunctionMarks, text)) return PieceUse::kMark;
  }
  if (piece.type == PieceType::kUnused) return PieceUse::kControl;
  const bool special = piece.added ? piece.added->special : piece.type == PieceType::kControl;
  if (special) return IsOneOf(kWrittenMarks, text) ? PieceUse::kMark : PieceUse::kControl;
  if (piece.added) {
    if (piece.type == PieceType::kNormal) return PieceUse::kMerged;
    return LibraryMatches(piece) ? PieceUse::kMatched : PieceUse::kAdded;
  }
  if (piece.type == PieceType::kNormal) return PieceUse::kMerged;
  return LooksLikeMark(text) && !IsHtmlTag(text) ? PieceUse::kMark : PieceUse::kMatched;
}

Result<SpmModel> ParseSpmModel(std::string_view proto) {
  SpmSettings settings;
  GEMMA3_TRY(SpmVocabulary vocabulary, ParseSpmProto(proto, "tokenizer", &settings));
  if (vocabulary.pieces.empty()) {
    return Fail(ErrorCode::kBadModel, "tokenizer: no pieces in ", proto.size(),
                " bytes; this is not a SentencePiece model");
  }
  GEMMA3_CHECK_OK(CheckSettings(settings));
  SpmModel model;
  model.pieces = std::move(vocabulary.pieces);
  model.uses.reserve(model.pieces.size());
  for (const VocabularyPiece& piece : model.pieces) model.uses.push_back(ClassifyPiece(piece));
  GEMMA3_CHECK_OK(CheckModel(model));
  return model;
}

std::string SerializeForLibrary(const SpmModel& model) {
  SpmVocabulary vocabulary;
  // The library is never asked to add any of these.
  vocabulary.bos_id = vocabulary.eos_id = vocabulary.pad_id = -1;
  vocabulary.pieces.reserve(model.pieces.size());
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    VocabularyPiece piece = model.pieces[id];
    piece.added.reset();
    switch (model.uses[id]) {
      case PieceUse::kMerged:
        piece.type = PieceType::kNormal;
        break;
      case PieceUse::kMatched:
        piece.type = PieceType::kUserDefined;
        break;
      case PieceUse::kByte:
        break;
      case PieceUse::kAdded:
      case PieceUse::kMark:
      case PieceUse::kControl:
        if (piece.type == PieceType::kUnknown) {
          vocabulary.unk_id = static_cast<int32_t>(id);
          break;
        }
        piece.type = PieceType::kControl;
        // Single characters it looks up among control pieces too. So it gets another name, which
        // is longer and thus never looked up.
        if (IsOneCharacter(piece.text)) piece.text = NameFor(model, id);
        break;
    }
    vocabulary.pieces.push_back(std::move(piece));
  }
  return SerializeSpmProto(vocabulary);
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
