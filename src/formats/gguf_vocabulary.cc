// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Keys: ggml-org/llama.cpp, gguf-py/gguf/constants.py and conversion/gemma.py.
#include "src/formats/gguf_vocabulary.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/vocabulary.h"

namespace gemma3 {
namespace {

TokenId FindPiece(std::span<const std::string_view> tokens, std::string_view text,
                  TokenId fallback) {
  const auto it = std::ranges::find(tokens, text);
  return it == tokens.end() ? fallback : static_cast<TokenId>(it - tokens.begin());
}

// An id key. -1, which a u32 says as 2^32 - 1, means that there is none.
Status ReadId(const GgufFile& gguf, const std::string& key, size_t limit,
              std::optional<TokenId>* id) {
  GEMMA3_TRY(const auto number, gguf.Float(key));
  if (!number || *number == -1) return {};
  GEMMA3_TRY(const auto value, gguf.Uint(key));
  if (*value == std::numeric_limits<uint32_t>::max()) return {};
  if (*value >= limit) {
    return Fail(ErrorCode::kBadModel, gguf.file(), ": ", key, " is ", *value,
                ", outside the vocabulary of ", limit);
  }
  *id = static_cast<TokenId>(*value);
  return {};
}

// The first `count` pieces.
Status ReadPieces(const GgufFile& gguf, const std::vector<std::string_view>& tokens, size_t count,
                  bool by_merges, SpmVocabulary* vocabulary) {
  GEMMA3_TRY(const auto types, gguf.Ints("tokenizer.ggml.token_type"));
  GEMMA3_TRY(const auto scores, gguf.Floats("tokenizer.ggml.scores"));
  for (const auto& [key, size] :
       {std::pair("tokenizer.ggml.token_type", types ? types->size() : tokens.size()),
        {"tokenizer.ggml.scores", scores ? scores->size() : tokens.size()}}) {
    if (size != tokens.size()) {
      return Fail(ErrorCode::kBadModel, gguf.file(), ": ", key, " has ", size, " entries for ",
                  tokens.size(), " tokens");
    }
  }
  if (!types || (!scores && !by_merges)) {
    return Fail(ErrorCode::kBadModel, gguf.file(), ": the key tokenizer.ggml.",
                types ? "scores" : "token_type", " is missing");
  }
  vocabulary->pieces.reserve(count);
  for (size_t id = 0; id < count; ++id) {
    const int64_t type = (*types)[id];
    if (type < 1 || type > 6) {
      return Fail(ErrorCode::kBadModel, gguf.file(), ": token ", id, " has the unknown type ",
                  type);
    }
    VocabularyPiece piece{std::string(tokens[id]), 0, static_cast<PieceType>(type)};
    if (scores) piece.score = static_cast<float>((*scores)[id]);
    // Converters write the spaces of user-defined pieces as themselves.
    if (piece.type == PieceType::kUserDefined) piece.text = WithSpaceSymbols(piece.text);
    vocabulary->pieces.push_back(std::move(piece));
  }
  return {};
}

// A known mistake of converters: without scores there is no order of merges, and text would be
// split at random.
Status CheckScores(const SpmVocabulary& vocabulary, const std::string& file) {
  std::optional<float> score;
  size_t merged = 0;
  for (const VocabularyPiece& piece : vocabulary.pieces) {
    if (piece.type != PieceType::kNormal) continue;
    if (score && piece.score != *score) return {};
    score = piece.score;
    ++merged;
  }
  if (merged < 2) return {};
  return Fail(ErrorCode::kBadModel, file, ": all ", merged, " tokens have the score ", *score,
              " in tokenizer.ggml.scores, so that text cannot be split as the model expects; the "
              "file was converted wrongly");
}

}  // namespace

Result<std::string> ReadGgufTokenizer(const GgufFile& gguf, ModelConfig* config,
                                      std::string* missing, Remarks* remarks, bool ids_only) {
  GEMMA3_TRY(const auto model, gguf.String("tokenizer.ggml.model"));
  GEMMA3_TRY(const auto tokens, gguf.Strings("tokenizer.ggml.tokens"));
  if (!model || !tokens || *model == "none" || *model == "no_vocab") {
    *missing = gguf.file() + " holds no vocabulary (tokenizer.ggml.*)";
    return std::string();
  }
  if (*model != "llama" && *model != "gpt2") {
    return Fail(ErrorCode::kUnsupported, gguf.file(), ": tokenizer.ggml.model is \"",
                Shown(*model, 60), "\", expected \"llama\" or \"gpt2\"");
  }
  const bool by_merges = *model == "gpt2";
  const size_t rows = config->text.vocab_size;
  // Some files have a token more than the embedding has rows: <image_soft_token>.
  const size_t count = std::min(tokens->size(), rows);
  const std::span<const std::string_view> pieces(tokens->data(), count);
  if (tokens->size() > rows) {
    remarks->notes.push_back(gguf.file() + ": " + std::to_string(tokens->size()) + " tokens for " +
                             std::to_string(rows) +
                             " rows of the embedding; the last ones were left out");
  }

  const std::string prefix = "tokenizer.ggml.";
  std::optional<TokenId> bos, eos, eot, unk, pad;
  GEMMA3_CHECK_OK(ReadId(gguf, prefix + "bos_token_id", count, &bos));
  GEMMA3_CHECK_OK(ReadId(gguf, prefix + "eos_token_id", count, &eos));
  GEMMA3_CHECK_OK(ReadId(gguf, prefix + "eot_token_id", count, &eot));
  GEMMA3_CHECK_OK(ReadId(gguf, prefix + "unknown_token_id", count, &unk));
  GEMMA3_CHECK_OK(ReadId(gguf, prefix + "padding_token_id", count, &pad));

  // The text of a piece is more reliable than the keys: some files call <end_of_turn> the EOS.
  SpecialTokens& special = config->tokens;
  special.pad = FindPiece(pieces, "<pad>", pad.value_or(special.pad));
  special.eos = FindPiece(pieces, "<eos>", eos.value_or(special.eos));
  special.bos = FindPiece(pieces, "<bos>", bos.value_or(special.bos));
  special.start_of_turn = FindPiece(pieces, "<start_of_turn>", special.start_of_turn);
  special.end_of_turn = FindPiece(pieces, "<end_of_turn>", special.end_of_turn);
  special.start_of_image = FindPiece(pieces, "<start_of_image>", special.start_of_image);
  special.end_of_image = FindPiece(pieces, "<end_of_image>", special.end_of_image);
  // Also where it has no row in the embedding: nothing reads one.
  const auto soft_token = std::ranges::find(*tokens, std::string_view("<image_soft_token>"));
  if (soft_token != tokens->end()) {
    special.image_soft_token = static_cast<TokenId>(soft_token - tokens->begin());
  }

  std::vector<TokenId> stop = {special.eos, special.end_of_turn};
  const auto add = [&](TokenId id) {
    if (std::find(stop.begin(), stop.end(), id) == stop.end()) stop.push_back(id);
  };
  if (eos) add(*eos);
  if (eot) add(*eot);
  GEMMA3_TRY(const auto more, gguf.Ints(prefix + "eos_token_ids"));
  for (size_t i = 0; more && i < std::min<size_t>(more->size(), 1024); ++i) {
    const int64_t id = (*more)[i];
    if (id == -1) continue;
    if (id < 0 || static_cast<uint64_t>(id) >= count) {
      return Fail(ErrorCode::kBadModel, gguf.file(), ": ", prefix, "eos_token_ids[", i, "] is ", id,
                  ", outside the vocabulary of ", count);
    }
    add(static_cast<TokenId>(id));
  }
  config->generation.stop_tokens = std::move(stop);
  if (ids_only) return std::string();

  SpmVocabulary vocabulary;
  GEMMA3_CHECK_OK(ReadPieces(gguf, *tokens, count, by_merges, &vocabulary));
  vocabulary.unk_id = FindPiece(pieces, "<unk>", unk.value_or(3));
  const auto id_or_none = [&](TokenId id) { return static_cast<size_t>(id) < count ? id : -1; };
  vocabulary.bos_id = id_or_none(special.bos);
  vocabulary.eos_id = id_or_none(special.eos);
  vocabulary.pad_id = id_or_none(special.pad);
  RepairTypes(&vocabulary);
  if (!by_merges) GEMMA3_CHECK_OK(CheckScores(vocabulary, gguf.file()));
  if (by_merges) {
    GEMMA3_TRY(const auto merges, gguf.Strings(prefix + "merges"));
    if (!merges) {
      return Fail(ErrorCode::kBadModel, gguf.file(), ": the key tokenizer.ggml.merges is missing");
    }
    std::vector<std::string> merged;
    merged.reserve(merges->size());
    for (const std::string_view merge : *merges) {
      std::string text(merge);
      const size_t space = text.find(' ');
      if (space != std::string::npos) text.erase(space, 1);
      merged.push_back(std::move(text));
    }
    ScoreByMerges(merged, &vocabulary);
  }
  DropTrailingPadding(&vocabulary);
  return BuildSpmProto(vocabulary, gguf.file());
}

}  // namespace gemma3
