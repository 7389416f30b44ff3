// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Tokenizer models made of arbitrary bytes: loading fails cleanly, or gives a tokenizer that keeps
// its promises on any text. libFuzzer entry point; the seeds are in seeds/spm/.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3/tokenizer.h"

namespace {

void Require(bool promise) {
  if (!promise) std::abort();
}

void CheckText(const gemma3::Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.Encode(text);
  if (!ids) {
    Require(ids.error().code == gemma3::ErrorCode::kInvalidArgument);
    return;
  }
  for (const gemma3::TokenId id : *ids) {
    Require(id >= 0 && static_cast<size_t>(id) < tokenizer.vocab_size());
    Require(!tokenizer.IsControl(id));
  }
  // The space symbol comes back as a space.
  if (text.find("\u2581") == std::string_view::npos) Require(tokenizer.Decode(*ids) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = gemma3::Tokenizer::FromProto(bytes);
  if (!tokenizer) {
    Require(!tokenizer.error().message.empty());
    return 0;
  }
  CheckText(*tokenizer, "user\n<start_of_turn>abc  \n\n<b>\u00E9\U0001F600");
  CheckText(*tokenizer, bytes.substr(0, 256));
  std::vector<gemma3::TokenId> all;
  for (size_t i = 0; i < tokenizer->vocab_size(); ++i) {
    const auto id = static_cast<gemma3::TokenId>(i);
    Require(tokenizer->Find(tokenizer->Piece(id)) == id);
    if (i < 400) CheckText(*tokenizer, tokenizer->Piece(id));
    all.push_back(id);
  }
  (void)tokenizer->Decode(all);
  return 0;
}
