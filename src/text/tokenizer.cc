// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// The tokenizer: SentencePiece splits text, own tables turn ids back into bytes.
//
// Text cannot become a control token because the SentencePiece library is given a rewritten
// vocabulary (spm_rewrite.h): control pieces stand in its map of reserved names, which neither the
// matcher of user-defined pieces nor the merging of characters looks into. "<end_of_turn>" in a
// text comes out as the pieces that its characters merge to.
//
// Where a tokenizer.json has tokens that the library cannot look for, added_tokens.h cuts the text
// at all tokens that text may become, and the library gets the rest, piece by piece.
//
// Tokenizer::Load opens model files and is part of the engine, which knows their formats.
#include "gemma3/tokenizer.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <future>
#include <utility>

#include "src/base/guard.h"
#include "src/base/status.h"
#include "src/text/added_tokens.h"
#include "src/text/piece_index.h"
#include "src/text/spm_rewrite.h"
#include "src/text/utf8.h"

namespace gemma3 {
namespace {

// Positions in tables are 32-bit numbers.
constexpr size_t kMaxTextBytes = size_t{1} << 28;
// The library's parser takes at most 2 GiB; Gemma 3's model has 4.7 MB.
constexpr size_t kMaxProtoBytes = size_t{1} << 30;
// The library gets so much of a text at a time, where it can be cut; it needs some 250 bytes of
// memory and 2 us for each byte.
constexpr size_t kPartBytes = size_t{1} << 15;
constexpr size_t kMaxPartBytes = size_t{1} << 20;

// The texts of byte pieces point in here.
constexpr std::array<char, 256> kBytes = [] {
  std::array<char, 256> bytes = {};
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i);
  return bytes;
}();

// Where a token's spelling and text stand in Impl::bytes. Pieces are shorter than 64 KiB.
struct Entry {
  uint32_t piece_begin;
  uint32_t text_begin;
  uint16_t piece_size;
  uint16_t text_size;
  bool is_control;  // no text becomes it
  bool is_byte;     // text_begin is the byte, text_size 1
};

}  // namespace

struct Tokenizer::Impl {
  std::string bytes;           // spellings, and the texts that differ from them
  std::vector<Entry> entries;  // [vocabulary]
  PieceIndex index{0};
  AddedTokens added;         // empty: the library finds all there is to find
  bool added_strip = false;  // one of them takes the white space beside it
  size_t longest = 1;        // bytes of text that a token can stand for, U+2581 counted as a space
  // Pairs of bytes that stand beside each other in some piece's text.
  std::bitset<65536> neighbours;
  sentencepiece::SentencePieceProcessor library;

  bool Has(TokenId id) const { return id >= 0 && static_cast<size_t>(id) < entries.size(); }
  std::string_view Piece(TokenId id) const {
    const Entry& entry = entries[static_cast<size_t>(id)];
    return std::string_view(bytes).substr(entry.piece_begin, entry.piece_size);
  }
  std::string_view Text(TokenId id) const {
    const Entry& entry = entries[static_cast<size_t>(id)];
    if (entry.is_byte) return {&kBytes[entry.text_begin], 1};
    return std::string_view(bytes).substr(entry.text_begin, entry.text_size);
  }

  // All but the index.
  void BuildTables(const SpmModel& model) {
    size_t total = 0;
    for (const VocabularyPiece& piece : model.pieces) total += 2 * piece.text.size();
    bytes.reserve(total);
    entries.reserve(model.pieces.size());
    for (size_t id = 0; id < model.pieces.size(); ++id) {
      AddEntry(model.pieces[id].text, model.uses[id]);
    }
    bytes.shrink_to_fit();
    BuildAdded(model);
  }

  void BuildAdded(const SpmModel& model) {
    const auto library_misses = [&](size_t id) {
      return model.uses[id] == PieceUse::kAdded ||
             (model.uses[id] == PieceUse::kMerged && model.pieces[id].added);
    };
    bool needed = false;
    for (size_t id = 0; id < model.pieces.size() && !needed; ++id) needed = library_misses(id);
    if (!needed) return;
    for (size_t id = 0; id < model.pieces.size(); ++id) {
      const VocabularyPiece& piece = model.pieces[id];
      // The longest counts among all, so those that the library could find take part. Runs of
      // spaces do not: a literal U+2581 is a space here.
      const bool takes_part = library_misses(id) || (model.uses[id] == PieceUse::kMatched &&
                                                     piece.text.find(kSpaceSymbol) != 0);
      if (takes_part) {
        const AddedToken how = piece.added.value_or(AddedToken());
        added.Add(piece.text, static_cast<TokenId>(id), how);
        added_strip = added_strip || how.lstrip || how.rstrip;
      }
    }
    added.Sort();
  }

  void AddEntry(std::string_view piece, PieceUse use) {
    Entry entry = {};
    entry.piece_begin = static_cast<uint32_t>(bytes.size());
    entry.piece_size = static_cast<uint16_t>(piece.size());
    bytes.append(piece);
    entry.is_control = use == PieceUse::kControl || use == PieceUse::kMark;
    switch (use) {
      case PieceUse::kControl:
        break;
      case PieceUse::kByte:
        entry.is_byte = true;
        entry.text_begin = *ByteOfPiece(piece);
        entry.text_size = 1;
        break;
      case PieceUse::kMark:
      case PieceUse::kAdded:
      case PieceUse::kMerged:
      case PieceUse::kMatched:
        if (piece.find(kSpaceSymbol) == std::string_view::npos) {
          entry.text_begin = entry.piece_begin;
          entry.text_size = entry.piece_size;
        } else {
          entry.text_begin = static_cast<uint32_t>(bytes.size());
          AppendWithSpaces(piece);
          entry.text_size = static_cast<uint16_t>(bytes.size() - entry.text_begin);
        }
        break;
    }
    if (!entry.is_control) longest = std::max<size_t>(longest, entry.text_size);
    entries.push_back(entry);
    const std::string_view text = Text(static_cast<TokenId>(entries.size() - 1));
    for (size_t i = 1; i < text.size(); ++i) neighbours.set(Pair(text[i - 1], text[i]));
  }

  static size_t Pair(char first, char second) {
    return size_t{static_cast<uint8_t>(first)} << 8 | static_cast<uint8_t>(second);
  }

  // The first place from `least` on where the text can be cut: between two characters whose bytes
  // there no piece has beside each other. All that is merged or matched is a piece, so nothing
  // comes to lie across such a place, and both sides are encoded as each would be alone. 0: there
  // is none for kMaxPartBytes.
  size_t CutAt(std::string_view text, size_t least) const {
    if (text.size() <= least) return text.size();
    const size_t end = std::min(text.size(), kMaxPartBytes);
    for (size_t at = least; at < end; ++at) {
      if (neighbours[Pair(text[at - 1], text[at])]) continue;
      if ((static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) continue;  // within a character
      // U+2581 is what a space is, and not what its bytes look like.
      if (text.substr(at).starts_with(kSpaceSymbol)) continue;
      if (text.substr(0, at).ends_with(kSpaceSymbol)) continue;
      return at;
    }
    return end == text.size() ? end : 0;
  }

  Status EncodeByLibrary(std::string_view text, size_t most, const std::function<bool()>& stop,
                         std::vector<TokenId>& ids) const {
    std::vector<TokenId> some;
    while (!text.empty() && ids.size() < most) {
      if (stop && stop()) return Fail(ErrorCode::kCancelled, "cancelled by the caller");
      const std::string_view part = text.substr(0, CutAt(text, kPartBytes));
      if (part.empty()) {
        return Fail(ErrorCode::kInvalidArgument, "text has a stretch of more than ", kMaxPartBytes,
                    " bytes that cannot be encoded in parts: no space, line break or digit in it");
      }
      const auto status = library.Encode(part, &some);
      if (!status.ok()) {
        return Fail(ErrorCode::kInternal,
                    "tokenizer: the SentencePiece library failed: ", status.ToString());
      }
      ids.insert(ids.end(), some.begin(), some.end());
      text.remove_prefix(part.size());
    }
    return {};
  }

  void AppendWithSpaces(std::string_view piece) {
    while (!piece.empty()) {
      const size_t symbol = piece.find(kSpaceSymbol);
      bytes.append(piece.substr(0, symbol));
      if (symbol == std::string_view::npos) return;
      bytes.push_back(' ');
      piece.remove_prefix(symbol + kSpaceSymbol.size());
    }
  }
};

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::FromProto(std::string_view proto) {
  if (proto.size() > kMaxProtoBytes) {
    return Fail(ErrorCode::kBadModel, "tokenizer: ", proto.size(), " bytes, expected at most ",
                kMaxProtoBytes, "; this is not a SentencePiece model");
  }
  return Guarded("read the tokenizer", "", [&]() -> Result<Tokenizer> {
    GEMMA3_TRY(SpmModel model, ParseSpmModel(proto));
    auto impl = std::make_unique<Impl>();
    // Two halves of the time until a first token: the library's tables and ours. Where the system
    // gives no thread they follow each other.
    auto tables =
        std::async(std::launch::async | std::launch::deferred, [&] { impl->BuildTables(model); });
    const auto status = impl->library.LoadFromSerializedProto(SerializeForLibrary(model));
    tables.get();
    if (!status.ok()) {
      return Fail(ErrorCode::kBadModel,
                  "tokenizer: the SentencePiece library refused it: ", status.ToString());
    }
    impl->index = std::move(model.index);
    return Tokenizer(std::move(impl));
  });
}

Result<std::vector<TokenId>> Tokenizer::Encode(std::string_view text) const {
  return EncodeBegin(text, SIZE_MAX);
}

Result<std::vector<TokenId>> Tokenizer::EncodeBegin(std::string_view text, size_t most,
                                                    const std::function<bool()>& stop) const {
  const size_t invalid = FindInvalidUtf8(text);
  if (invalid != std::string_view::npos) {
    return Fail(ErrorCode::kInvalidArgument, "text is not valid UTF-8 at byte ", invalid);
  }
  if (text.size() > kMaxTextBytes) {
    return Fail(ErrorCode::kInvalidArgument, "text of ", text.size(),
                " bytes is too long to encode at once; the limit is ", kMaxTextBytes);
  }
  return Guarded("encode the text", "", [&]() -> Result<std::vector<TokenId>> {
    std::vector<TokenId> ids;
    if (impl_->added.empty()) {
      GEMMA3_CHECK_OK(impl_->EncodeByLibrary(text, most, stop, ids));
      return ids;
    }
    for (const TextPart& part : impl_->added.Split(text)) {
      if (ids.size() >= most) break;
      if (part.token >= 0) {
        ids.push_back(part.token);
      } else {
        GEMMA3_CHECK_OK(impl_->EncodeByLibrary(part.text, most, stop, ids));
      }
    }
    return ids;
  });
}

// Nothing is normalised but spaces, which become U+2581, and bytes without a piece are tokens of
// one byte. So the text, every U+2581 in it taken for a space, is the tokens' own texts one after
// another, but for white space that some added tokens swallow; none is longer than `longest`.
size_t Tokenizer::LeastTokens(std::string_view text) const {
  size_t bytes = 0;
  if (impl_->added_strip) {
    // White space beyond ASCII is of two or three bytes that begin with one of these.
    size_t maybe_space = 0;
    for (const char c : text) {
      const auto byte = static_cast<uint8_t>(c);
      bytes += byte > ' ' ? 1 : 0;
      maybe_space += byte == 0xC2 || (byte >= 0xE1 && byte <= 0xE3) ? 1 : 0;
    }
    bytes -= std::min(bytes, 3 * maybe_space);
  } else {
    bytes = text.size();
    for (size_t at = text.find(kSpaceSymbol); at != std::string_view::npos;
         at = text.find(kSpaceSymbol, at + kSpaceSymbol.size())) {
      bytes -= kSpaceSymbol.size() - 1;
    }
  }
  return bytes / impl_->longest + (bytes % impl_->longest == 0 ? 0 : 1);
}

Result<std::string> Tokenizer::Decode(std::span<const TokenId> ids) const {
  return Guarded("decode the tokens", "", [&]() -> Result<std::string> {
    std::string out;
    Utf8Stream stream;
    for (const TokenId id : ids) {
      stream.Push(impl_->Has(id) ? impl_->Text(id) : kReplacementCharacter, out);
    }
    stream.Flush(out);
    return out;
  });
}

std::string_view Tokenizer::TokenBytes(TokenId id) const {
  return impl_->Has(id) ? impl_->Text(id) : std::string_view();
}

std::string_view Tokenizer::Piece(TokenId id) const {
  return impl_->Has(id) ? impl_->Piece(id) : std::string_view();
}

bool Tokenizer::IsControl(TokenId id) const {
  return impl_->Has(id) && impl_->entries[static_cast<size_t>(id)].is_control;
}

TokenId Tokenizer::Find(std::string_view piece) const {
  return impl_->index.Find(piece, [this](int32_t id) { return impl_->Piece(id); });
}

size_t Tokenizer::vocab_size() const { return impl_->entries.size(); }

}  // namespace gemma3
