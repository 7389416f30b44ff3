// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
#include "src/formats/tokenizer_json.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "src/base/json.h"
#include "src/base/shown.h"
#include "src/base/status.h"
#include "src/formats/vocabulary.h"

namespace gemma3 {
namespace {

// Ids may be left out, but a claimed id must not be the reason for an allocation.
constexpr uint64_t kMaxGap = 1024;

// One character of UTF-8.
bool IsOneCharacter(const std::string& text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }) == 1;
}

Result<AddedToken> ReadFlags(const JsonValue& token) {
  AddedToken how;
  GEMMA3_TRY(how.special, token.Bool("special", false));
  GEMMA3_TRY(how.single_word, token.Bool("single_word", false));
  GEMMA3_TRY(how.lstrip, token.Bool("lstrip", false));
  GEMMA3_TRY(how.rstrip, token.Bool("rstrip", false));
  // transformers' default for a token that is not written out.
  GEMMA3_TRY(how.normalized, token.Bool("normalized", !how.special));
  return how;
}

Result<NamedToken> ReadToken(const JsonValue& token) {
  NamedToken out;
  const auto content = token.Find("content");
  if (!content) return Fail(ErrorCode::kBadModel, token.Path(), " lacks \"content\"");
  GEMMA3_TRY(out.content, content->AsString());
  GEMMA3_TRY(out.how, ReadFlags(token));
  return out;
}

// `added_tokens`: [{"id": 4, "content": "<mask>", ...}, ...]
Result<std::vector<NamedToken>> ReadTokenizer(const NamedText& file) {
  std::vector<NamedToken> tokens;
  GEMMA3_TRY(const auto list, JsonValue::ParseMember(file.text, "added_tokens", file.name));
  if (!list) return tokens;
  if (!list->IsArray()) return Fail(ErrorCode::kBadModel, list->Path(), " is no list of tokens");
  for (size_t i = 0; i < list->size(); ++i) {
    const JsonValue entry = (*list)[i];
    GEMMA3_TRY(NamedToken token, ReadToken(entry));
    const auto id = entry.Find("id");
    if (!id) return Fail(ErrorCode::kBadModel, entry.Path(), " lacks \"id\"");
    GEMMA3_TRY(token.id, id->AsUint());
    tokens.push_back(std::move(token));
  }
  return tokens;
}

// `added_tokens_decoder`: {"4": {"content": "<mask>", ...}, ...}
Result<std::vector<NamedToken>> ReadConfig(const NamedText& file) {
  std::vector<NamedToken> tokens;
  GEMMA3_TRY(const auto map, JsonValue::ParseMember(file.text, "added_tokens_decoder", file.name));
  if (!map) return tokens;
  if (!map->IsObject()) return Fail(ErrorCode::kBadModel, map->Path(), " is no list of tokens");
  for (const auto& [key, entry] : map->Members()) {
    GEMMA3_TRY(NamedToken token, ReadToken(entry));
    const char* end = key.data() + key.size();
    const auto [rest, error] = std::from_chars(key.data(), end, token.id);
    if (error != std::errc() || rest != end) {
      return Fail(ErrorCode::kBadModel, entry.Path(), ": the key is no token id");
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

// Adds the strings, or the "content" of the objects, that stand in `value` or in a list there.
void CollectNames(const JsonValue& value, std::set<std::string>* names) {
  if (value.IsString()) names->insert(*value.AsString());
  if (const auto content = value.Find("content"); content && content->IsString()) {
    names->insert(*content->AsString());
  }
  for (size_t i = 0; value.IsArray() && i < value.size(); ++i) CollectNames(value[i], names);
}

// The names of special tokens, for files that list ids alone.
Result<std::set<std::string>> SpecialNames(const TokenizerTexts& texts) {
  std::set<std::string> names;
  if (!texts.special_tokens_map.text.empty()) {
    GEMMA3_TRY(const JsonValue root,
               JsonValue::Parse(texts.special_tokens_map.text, texts.special_tokens_map.name));
    for (const auto& [key, value] : root.Members()) CollectNames(value, &names);
  }
  if (!texts.config.text.empty()) {
    GEMMA3_TRY(
        const auto list,
        JsonValue::ParseMember(texts.config.text, "additional_special_tokens", texts.config.name));
    if (list) CollectNames(*list, &names);
  }
  return names;
}

// added_tokens.json: {"<image_soft_token>": 262144, ...}
Result<std::vector<NamedToken>> ReadIds(const TokenizerTexts& texts) {
  std::vector<NamedToken> tokens;
  GEMMA3_TRY(const JsonValue root, JsonValue::Parse(texts.added.text, texts.added.name));
  GEMMA3_TRY(const std::set<std::string> special, SpecialNames(texts));
  for (const auto& [content, id] : root.Members()) {
    NamedToken token{0, content, {.special = special.contains(content)}};
    token.how.normalized = !token.how.special;  // as transformers makes such a token
    GEMMA3_TRY(token.id, id.AsUint());
    tokens.push_back(std::move(token));
  }
  return tokens;
}

// Tokens of several files, each once.
class TokenUnion {
 public:
  explicit TokenUnion(Remarks* remarks) : remarks_(remarks) {}

  // `ids_only`: the file says nothing of its own about what is special.
  void Add(std::vector<NamedToken> tokens, const std::string& file, bool ids_only = false) {
    for (NamedToken& token : tokens) {
      const auto same_id = ids_.find(token.id);
      const auto same_name = names_.find(token.content);
      if (same_id == ids_.end() && same_name == names_.end()) {
        ids_.emplace(token.id, tokens_.size());
        names_.emplace(token.content, tokens_.size());
        tokens_.push_back(std::move(token));
        files_.push_back(file);
        continue;
      }
      const size_t at = same_id != ids_.end() ? same_id->second : same_name->second;
      NamedToken& known = tokens_[at];
      if (known.id != token.id || known.content != token.content) {
        Warn(file + " has token " + Describe(token) + ", but " + files_[at] + " has " +
             Describe(known) + ", which counts");
      } else if (!ids_only && known.how.special != token.how.special) {
        known.how.special = true;
        Warn(file + " and " + files_[at] + " do not agree whether token " + Describe(known) +
             " is special; it is read as special, which no text becomes");
      }
    }
  }

  std::vector<NamedToken> Take() { return std::move(tokens_); }

 private:
  static std::string Describe(const NamedToken& token) {
    return std::to_string(token.id) + ", \"" + Shown(token.content, 60) + "\"";
  }
  void Warn(std::string text) {
    if (warned_++ < 3) remarks_->warnings.push_back(std::move(text));  // one mistake, not hundreds
  }

  Remarks* remarks_;
  size_t warned_ = 0;
  std::vector<NamedToken> tokens_;
  std::vector<std::string> files_;  // of tokens_
  std::unordered_map<uint64_t, size_t> ids_;
  std::unordered_map<std::string, size_t> names_;
};

// A normal piece of a tokenizer.json that is an added token as well: Gemma's own runs of white
// space and HTML tags are such, and matched whole. Where a flag restricts where it is looked for,
// it stays what merging makes, too.
void SetTypeByFlags(VocabularyPiece* piece) {
  const AddedToken& how = *piece->added;
  const bool restricted = how.special || how.single_word || how.lstrip || how.rstrip;
  if (piece->type == PieceType::kNormal && !restricted) piece->type = PieceType::kUserDefined;
}

Status PlaceToken(const NamedToken& token, const std::string& where, uint64_t id_limit,
                  SpmVocabulary* vocabulary, Remarks* remarks) {
  std::vector<VocabularyPiece>& pieces = vocabulary->pieces;
  const std::string shown = "\"" + Shown(token.content, 100) + "\"";
  if (token.content.empty()) {
    return Fail(ErrorCode::kBadModel, where, ": token ", token.id, " is empty");
  }
  if (token.id >= id_limit) {
    return Fail(ErrorCode::kBadModel, where, ": token id ", token.id, " of ", shown,
                " is too large: there are ", pieces.size(), " tokens");
  }
  if (token.id >= pieces.size()) pieces.resize(token.id + 1);
  VocabularyPiece& piece = pieces[token.id];
  if (piece.text.empty()) {
    piece = {token.content, 0, PieceType::kUserDefined, token.how};
    return {};
  }
  if (piece.text != token.content && piece.text != WithSpaceSymbols(token.content)) {
    if (!IsUnusedName(piece.text)) {
      return Fail(
          ErrorCode::kBadModel, where, ": token ", token.id, " is ", shown, ", but \"",
          Shown(piece.text, 100),
          "\" in the vocabulary that tokenizer.json and its neighbours add to; the files belong to "
          "different models");
    }
    remarks->notes.push_back(where + ": token " + std::to_string(token.id) + ", " + piece.text +
                             ", is called " + shown);
    piece = {token.content, 0, PieceType::kUserDefined, token.how};
    return {};
  }
  const bool is_text = piece.type == PieceType::kNormal || piece.type == PieceType::kUserDefined;
  if (token.how.special && is_text && IsOneCharacter(piece.text)) {
    remarks->warnings.push_back(where + ": token " + std::to_string(token.id) + ", " + shown +
                                ", is called special but is a character of ordinary text; it is "
                                "read as text");
    return {};
  }
  piece.added = token.how;
  return {};
}

Status CheckModelType(const JsonValue& model, const std::string& where) {
  GEMMA3_TRY(const std::string type, model.String("type", "BPE"));
  GEMMA3_TRY(const bool byte_fallback, model.Bool("byte_fallback", false));
  if (type == "BPE" && byte_fallback) return {};
  return Fail(ErrorCode::kUnsupported, where, ": a tokenizer of type ", Shown(type, 40),
              byte_fallback ? "" : " without byte fallback", "; Gemma's is BPE with byte fallback");
}

// The piece that each merge makes, in rank order.
Result<std::vector<std::string>> ReadMerges(const JsonValue& merges) {
  std::vector<std::string> merged;
  merged.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const JsonValue merge = merges[i];
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
  return merged;
}

}  // namespace

Result<std::vector<NamedToken>> ReadAddedTokens(const TokenizerTexts& texts, Remarks* remarks) {
  TokenUnion all(remarks);
  if (!texts.tokenizer.text.empty()) {
    GEMMA3_TRY(std::vector<NamedToken> tokens, ReadTokenizer(texts.tokenizer));
    all.Add(std::move(tokens), texts.tokenizer.name);
  }
  if (!texts.config.text.empty()) {
    GEMMA3_TRY(std::vector<NamedToken> tokens, ReadConfig(texts.config));
    all.Add(std::move(tokens), texts.config.name);
  }
  if (!texts.added.text.empty()) {
    GEMMA3_TRY(std::vector<NamedToken> tokens, ReadIds(texts));
    all.Add(std::move(tokens), texts.added.name, /*ids_only=*/true);
  }
  return all.Take();
}

Status AddTokens(const std::vector<NamedToken>& tokens, const std::string& where,
                 SpmVocabulary* vocabulary, Remarks* remarks) {
  std::vector<VocabularyPiece>& pieces = vocabulary->pieces;
  const uint64_t id_limit = pieces.size() + tokens.size() + kMaxGap;
  for (const NamedToken& token : tokens) {
    GEMMA3_CHECK_OK(PlaceToken(token, where, id_limit, vocabulary, remarks));
  }
  for (size_t id = 0; id < pieces.size(); ++id) {
    if (pieces[id].text.empty())
      pieces[id] = {"[PAD" + std::to_string(id) + "]", 0, PieceType::kUnused};
  }
  return {};
}

Result<SpmVocabulary> VocabularyFromTokenizerJson(std::string_view json, const std::string& where,
                                                  const std::vector<NamedToken>& tokens,
                                                  Remarks* remarks) {
  GEMMA3_TRY(const JsonValue root, JsonValue::Parse(json, where));
  const auto model = root.Find("model");
  const auto vocab = model ? model->Find("vocab") : std::nullopt;
  const auto merges = model ? model->Find("merges") : std::nullopt;
  if (!vocab || !vocab->IsObject() || !merges || !merges->IsArray()) {
    return Fail(ErrorCode::kBadModel, where, ": model.vocab or model.merges is missing");
  }
  GEMMA3_CHECK_OK(CheckModelType(*model, where));

  SpmVocabulary vocabulary;
  std::vector<VocabularyPiece>& pieces = vocabulary.pieces;
  // Ids count the tokens, so none can reach beyond their number.
  const uint64_t id_limit = vocab->size() + tokens.size();
  for (const auto& [text, value] : vocab->Members()) {
    GEMMA3_TRY(const uint64_t id, value.AsUint());
    if (text.empty() || id >= id_limit || (id < pieces.size() && !pieces[id].text.empty())) {
      return Fail(ErrorCode::kBadModel, where, ": token id ", id, " of \"", Shown(text, 100),
                  "\" is too large or already taken");
    }
    if (id >= pieces.size()) pieces.resize(id + 1);
    pieces[id].text = text;
  }
  for (const NamedToken& token : tokens) {
    GEMMA3_CHECK_OK(PlaceToken(token, where, id_limit, &vocabulary, remarks));
    if (pieces[token.id].added) SetTypeByFlags(&pieces[token.id]);
  }
  const auto gap = std::ranges::find(pieces, std::string(), &VocabularyPiece::text);
  if (gap != pieces.end()) {
    return Fail(ErrorCode::kBadModel, where, ": no token has the id ", gap - pieces.begin());
  }

  const auto find = [&](const std::string& text) {
    const auto it = std::ranges::find(pieces, text, &VocabularyPiece::text);
    return it == pieces.end() ? -1 : static_cast<int32_t>(it - pieces.begin());
  };
  GEMMA3_TRY(const std::string unk, model->String("unk_token", "<unk>"));
  vocabulary.unk_id = find(unk);
  vocabulary.bos_id = find("<bos>");
  vocabulary.eos_id = find("<eos>");
  vocabulary.pad_id = find("<pad>");
  RepairTypes(&vocabulary);
  GEMMA3_TRY(const std::vector<std::string> merged, ReadMerges(*merges));
  ScoreByMerges(merged, &vocabulary);
  DropTrailingPadding(&vocabulary);
  return vocabulary;
}

Result<SpmVocabulary> VocabularyFromTokenizerJson(std::string_view json, const std::string& where) {
  Remarks ignored;
  GEMMA3_TRY(const std::vector<NamedToken> tokens,
             ReadAddedTokens({.tokenizer = {json, where}}, &ignored));
  return VocabularyFromTokenizerJson(json, where, tokens, &ignored);
}

}  // namespace gemma3
