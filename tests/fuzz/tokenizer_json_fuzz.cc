// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Lists of added tokens made of arbitrary bytes, over a small vocabulary: reading fails cleanly, or
// gives a tokenizer that keeps its promises. libFuzzer entry point; seeds in seeds/tokenizer_json/.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/tokenizer.h"
#include "src/base/spm_proto.h"
#include "src/formats/tokenizer_json.h"
#include "src/formats/vocabulary.h"

namespace {

using namespace gemma3;

void Require(bool promise) {
  if (!promise) std::abort();
}

SpmVocabulary SmallVocabulary() {
  SpmVocabulary v;
  v.pieces = {
      {"<pad>", 0, PieceType::kControl},         {"<eos>", 0, PieceType::kControl},
      {"<bos>", 0, PieceType::kControl},         {"<unk>", 0, PieceType::kUnknown},
      {"<unused0>", 0, PieceType::kUserDefined}, {"<start_of_turn>", 0, PieceType::kUserDefined},
      {"\n\n", 0, PieceType::kUserDefined},      {"\u2581\u2581", 0, PieceType::kUserDefined},
      {"<b>", 0, PieceType::kUserDefined}};
  for (int byte = 0; byte < 256; ++byte) {
    const char* digits = "0123456789ABCDEF";
    v.pieces.push_back(
        {std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">", 0, PieceType::kByte});
  }
  for (const char* piece : {"ab", "abc", "\u2581a", "a", "b", "c", "\u2581"}) {
    v.pieces.push_back({piece, -static_cast<float>(v.pieces.size()), PieceType::kNormal});
  }
  return v;
}

// Text comes back unless a token takes white space with it.
void CheckText(const Tokenizer& tokenizer, std::string_view text, bool strips) {
  const auto ids = tokenizer.Encode(text);
  if (!ids) {
    Require(ids.error().code == ErrorCode::kInvalidArgument);
    return;
  }
  for (const TokenId id : *ids) {
    Require(id >= 0 && static_cast<size_t>(id) < tokenizer.vocab_size());
    Require(!tokenizer.IsControl(id));
  }
  if (!strips && text.find("\u2581") == std::string_view::npos) {
    Require(tokenizer.Decode(*ids) == text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const NamedText file{text, "fuzz"};
  Remarks remarks;
  const auto tokens = ReadAddedTokens({.tokenizer = file, .config = file}, &remarks);
  (void)ReadAddedTokens({.config = file, .added = file, .special_tokens_map = file}, &remarks);
  if (!tokens) {
    Require(!tokens.error().message.empty());
    return 0;
  }
  SpmVocabulary vocabulary = SmallVocabulary();
  if (!AddTokens(*tokens, "fuzz", &vocabulary, &remarks)) return 0;
  DropTrailingPadding(&vocabulary);
  const auto tokenizer = Tokenizer::FromProto(SerializeSpmProto(vocabulary));
  if (!tokenizer) return 0;

  bool strips = false;
  std::string all;
  for (const NamedToken& token : *tokens) {
    strips |= token.how.lstrip || token.how.rstrip;
    if (all.size() < 4096) all += token.content + " " + token.content;
  }
  for (const NamedToken& token : *tokens) CheckText(*tokenizer, token.content, strips);
  CheckText(*tokenizer, all, strips);
  CheckText(*tokenizer, std::string_view(text).substr(0, 256), strips);
  CheckText(*tokenizer, "a<start_of_turn>abc  \n\n<b>\u00E9 <unused0>\U0001F600", strips);
  for (size_t id = 0; id < tokenizer->vocab_size(); ++id) {
    const auto token = static_cast<TokenId>(id);
    Require(tokenizer->Find(tokenizer->Piece(token)) == token);
  }
  return 0;
}
